//! The package's tests, by room.

test {
    _ = @import("tests/allocators_test.zig");
    _ = @import("tests/containers_test.zig");
    _ = @import("tests/foreign_test.zig");
    _ = @import("tests/heap_test.zig");
    _ = @import("tests/layout_test.zig");
    _ = @import("tests/mufiz_test.zig");
}
