//! Zig's allocator interface over any Goo allocator, and the reverse.
//!
//! Blocks have no header in either direction: a slice from `allocator(a)` is a block of `a`, with
//! its length and alignment, and C code may free it with goo_memory_free_options.
//!
//! Threads: as the allocator behind it. A Goo allocator that is not thread-safe makes a Zig
//! allocator that is not.

const std = @import("std");
const c = @import("goo_c");
const errors = @import("errors.zig");

const Alignment = std.mem.Alignment;

const vtable: std.mem.Allocator.VTable = .{
    .alloc = alloc,
    .resize = resize,
    .remap = remap,
    .free = free,
};

/// `a` as a Zig allocator; null is this thread's allocator as it is now. Lives as long as `a`.
pub fn allocator(a: ?*c.GooAllocator) std.mem.Allocator {
    const chosen: *c.GooAllocator = a orelse c.goo_get_thread_allocator();
    return .{ .ptr = chosen, .vtable = &vtable };
}

fn gooAllocator(context: *anyopaque) *c.GooAllocator {
    return @ptrCast(@alignCast(context));
}

fn alloc(context: *anyopaque, len: usize, alignment: Alignment, ret_addr: usize) ?[*]u8 {
    return c.goo_bridge_alloc(gooAllocator(context), len, @intFromEnum(alignment), ret_addr);
}

fn resize(
    context: *anyopaque,
    memory: []u8,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) bool {
    return c.goo_bridge_resize(
        gooAllocator(context),
        memory.ptr,
        memory.len,
        @intFromEnum(alignment),
        new_len,
        ret_addr,
    );
}

fn remap(
    context: *anyopaque,
    memory: []u8,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) ?[*]u8 {
    return c.goo_bridge_remap(
        gooAllocator(context),
        memory.ptr,
        memory.len,
        @intFromEnum(alignment),
        new_len,
        ret_addr,
    );
}

fn free(context: *anyopaque, memory: []u8, alignment: Alignment, ret_addr: usize) void {
    c.goo_bridge_free(
        gooAllocator(context),
        memory.ptr,
        memory.len,
        @intFromEnum(alignment),
        ret_addr,
    );
}

/// A Zig allocator in the shape that goo_bridge_wrap takes.
const Foreign = struct {
    zig: std.mem.Allocator,
    destroy_wrapper: c.GooDestroyFn,

    fn of(context: ?*anyopaque) *Foreign {
        return @ptrCast(@alignCast(context.?));
    }

    fn alignmentOf(log2_align: u8) Alignment {
        return @enumFromInt(log2_align);
    }

    fn alloc(
        context: ?*anyopaque,
        len: usize,
        log2_align: u8,
        ret_addr: usize,
    ) callconv(.c) [*c]u8 {
        return of(context).zig.rawAlloc(len, alignmentOf(log2_align), ret_addr);
    }

    fn resize(
        context: ?*anyopaque,
        ptr: [*c]u8,
        len: usize,
        log2_align: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) bool {
        return of(context).zig.rawResize(ptr[0..len], alignmentOf(log2_align), new_len, ret_addr);
    }

    fn remap(
        context: ?*anyopaque,
        ptr: [*c]u8,
        len: usize,
        log2_align: u8,
        new_len: usize,
        ret_addr: usize,
    ) callconv(.c) [*c]u8 {
        return of(context).zig.rawRemap(ptr[0..len], alignmentOf(log2_align), new_len, ret_addr);
    }

    fn free(
        context: ?*anyopaque,
        ptr: [*c]u8,
        len: usize,
        log2_align: u8,
        ret_addr: usize,
    ) callconv(.c) void {
        of(context).zig.rawFree(ptr[0..len], alignmentOf(log2_align), ret_addr);
    }

    /// Ends the wrapper, then gives this struct back to the allocator that it describes.
    fn destroy(self: ?*anyopaque) callconv(.c) void {
        const wrapper: *c.GooAllocator = @ptrCast(@alignCast(self.?));
        const copied: *c.GooForeignAllocator = @ptrCast(@alignCast(wrapper.context.?));
        const foreign = of(copied.ctx);
        foreign.destroy_wrapper.?(self);
        foreign.zig.destroy(foreign);
    }
};

/// A Zig allocator as a `GooAllocator`, for C code and for everything of Goo's that takes a parent.
/// Owner: the caller, until `goo.destroy`; `zig` must outlive it. If `zig` may be used from any
/// thread, add `c.GOO_ALLOCATOR_THREAD_SAFE` to its capabilities before sharing it.
pub fn fromZig(zig: std.mem.Allocator) errors.Error!*c.GooAllocator {
    const foreign = try zig.create(Foreign);
    errdefer zig.destroy(foreign);
    const calls: c.GooForeignAllocator = .{
        .ctx = foreign,
        .alloc = Foreign.alloc,
        .resize = Foreign.resize,
        .remap = Foreign.remap,
        .free = Foreign.free,
    };
    const wrapper = try errors.created(c.goo_bridge_wrap(&calls));
    foreign.* = .{ .zig = zig, .destroy_wrapper = wrapper.destroy };
    wrapper.destroy = Foreign.destroy;
    return wrapper;
}
