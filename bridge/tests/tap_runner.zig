//! A test runner that prints TAP, for tests/run.py: a line for each test, leaks of
//! `std.testing.allocator` are failures, and so is a program without tests.

const std = @import("std");
const builtin = @import("builtin");

extern fn printf(format: [*:0]const u8, ...) c_int;
extern fn fflush(stream: ?*anyopaque) c_int;

fn say(comptime format: []const u8, values: anytype) void {
    var buffer: [512]u8 = undefined;
    const text = std.fmt.bufPrintZ(&buffer, format, values) catch "# (a long line)\n";
    _ = printf("%s", text.ptr);
    _ = fflush(null);
}

pub fn main() u8 {
    const tests = builtin.test_functions;
    say("1..{d}\n", .{tests.len});
    var failed: usize = 0;
    for (tests, 1..) |case, number| {
        std.testing.allocator_instance = .{};
        if (@errorReturnTrace()) |trace| trace.index = 0;
        const result = case.func();
        const leaked = std.testing.allocator_instance.deinit() == .leak;
        if (result) |_| {
            failed += @intFromBool(leaked);
            const verdict = if (leaked) "not ok" else "ok";
            say(
                "{s} {d} - zig::{s}{s}\n",
                .{ verdict, number, case.name, if (leaked) " leaks" else "" },
            );
        } else |err| if (err == error.SkipZigTest) {
            say("ok {d} - zig::{s} # SKIP\n", .{ number, case.name });
        } else {
            failed += 1;
            say("not ok {d} - zig::{s}\n# {s}\n", .{ number, case.name, @errorName(err) });
            if (@errorReturnTrace()) |trace| std.debug.dumpErrorReturnTrace(trace);
        }
    }
    return if (failed != 0 or tests.len == 0) 1 else 0;
}
