//! Goo for Zig: allocators, the collected heap, and a heap's objects as plain Zig types.
//!
//!     const goo = @import("goo");
//!     const arena = try goo.created(goo.c.goo_arena_allocator_create(64 * 1024));
//!     defer goo.destroy(arena);
//!     var list: std.ArrayList(u32) = .empty;
//!     try list.append(goo.allocator(arena), 42);
//!
//!     var heap = try goo.Heap.init(.{});
//!     defer heap.deinit();
//!     const node = try heap.create(Node);   // const Node = struct { next: ?*Node, name: []u8 };
//!
//! `goo.c` is the whole C API as Zig's translator sees it (goo/goo.h and goo_memory.h); everything
//! else here is made of it. README.md beside this file is the design note.

const std = @import("std");

/// The C API, by its C names.
pub const c = @import("goo_c");

/// A Goo allocator: what C calls `GooAllocator *`.
pub const GooAllocator = c.GooAllocator;

pub const allocator = @import("zig_allocator.zig").allocator;
pub const fromZig = @import("zig_allocator.zig").fromZig;
pub const LeakCheck = @import("leak_check.zig").LeakCheck;

pub const Heap = @import("heap.zig").Heap;
pub const Handle = @import("heap_references.zig").Handle;
pub const Weak = @import("heap_references.zig").Weak;
pub const WeakMap = @import("heap_references.zig").WeakMap;
pub const Frame = @import("heap_references.zig").Frame;
pub const Visitor = @import("layout.zig").Visitor;
pub const layout = @import("layout.zig");
pub const shared_layout = @import("shared_layout.zig");

/// MufiZ's names for the process-wide allocator.
pub const mem_utils = @import("mem_utils.zig");

const errors = @import("errors.zig");
pub const Error = errors.Error;
pub const check = errors.check;
pub const created = errors.created;

/// Ends an allocator and frees what it still holds.
pub fn destroy(a: *GooAllocator) void {
    c.goo_allocator_destroy(a);
}

/// The counters of an allocator; all zero if it never tracked.
pub fn stats(a: ?*GooAllocator) c.GooAllocStats {
    var result: c.GooAllocStats = .{};
    c.goo_bridge_get_alloc_stats(a, &result);
    return result;
}
