//! Zig allocators in the hands of C code.

const std = @import("std");
const goo = @import("../goo.zig");
const c = goo.c;

/// The headers a second time, by Zig's own import; build.zig uses addTranslateC.
const imported = @cImport({
    @cInclude("goo/bridge.h");
    @cInclude("goo/runtime/memory.h");
});

test "@cImport gives the same layout as addTranslateC" {
    inline for (.{ "GooAllocator", "GooAllocStats", "GooForeignAllocator" }) |name| {
        try std.testing.expectEqual(@sizeOf(@field(c, name)), @sizeOf(@field(imported, name)));
    }
    const block = imported.goo_memory_alloc_with(null, 10).?;
    imported.goo_memory_free_with(null, block, 10);
}

test "sizes, offsets and constants agree on both sides" {
    if (goo.shared_layout.disagreement()) |d| {
        std.debug.print("{s}: {d} here, {d} in the library\n", .{ d.name, d.here, d.library });
        return error.LayoutDiffers;
    }
}

test "C's calls on a Zig allocator" {
    const a = try goo.fromZig(std.testing.allocator);
    defer goo.destroy(a);
    const text: [*]u8 = @ptrCast(c.goo_memory_strdup_with(a, "from C").?);
    try std.testing.expectEqualStrings("from C", std.mem.sliceTo(text[0..7], 0));
    const zeroed: [*]u8 = @ptrCast(c.goo_memory_alloc_options(a, 100, 64, c.GOO_ALLOC_ZERO).?);
    try std.testing.expect(std.mem.allEqual(u8, zeroed[0..100], 0));
    try std.testing.expectEqual(0, @intFromPtr(zeroed) % 64);
    zeroed[99] = 7;
    const grown: [*]u8 = @ptrCast(
        c.goo_memory_realloc_options(a, zeroed, 100, 5000, 64, c.GOO_ALLOC_ZERO).?,
    );
    try std.testing.expectEqual(7, grown[99]);
    try std.testing.expect(std.mem.allEqual(u8, grown[100..5000], 0));
    c.goo_memory_free_options(a, grown, 5000, 64);
    c.goo_memory_free_with(a, text, 7);
}

test "a Goo arena over a Zig allocator" {
    const parent = try goo.fromZig(std.testing.allocator);
    defer goo.destroy(parent);
    const arena = try goo.created(c.goo_arena_allocator_create_with(parent, null));
    defer goo.destroy(arena);
    const gpa = goo.allocator(arena);
    for (1..500) |i| @memset(try gpa.alloc(u8, i), 1);
}

test "a Zig allocator as the process's default, in the legacy API" {
    const a = try goo.fromZig(std.testing.allocator);
    defer goo.destroy(a);
    a.capabilities |= c.GOO_ALLOCATOR_THREAD_SAFE;
    c.goo_set_default_allocator(a);
    defer c.goo_set_default_allocator(null);
    const text = c.goo_strdup("kept by Zig");
    try std.testing.expectEqualStrings("kept by Zig", std.mem.span(@as([*:0]u8, @ptrCast(text))));
    c.goo_free(text);
}

const Work = struct {
    allocator: *goo.GooAllocator,
    mistakes: std.atomic.Value(usize) = .init(0),

    /// What a C thread does: nothing here is Zig's allocator interface.
    fn run(argument: ?*anyopaque) callconv(.c) ?*anyopaque {
        const work: *Work = @ptrCast(@alignCast(argument.?));
        var blocks: [64]?[*]u8 = @splat(null);
        for (0..4000) |i| {
            const slot = i % blocks.len;
            const size = slot * 8 + 1;
            if (blocks[slot]) |old| {
                if (old[0] != slot) _ = work.mistakes.fetchAdd(1, .monotonic);
                c.goo_memory_free_with(work.allocator, old, size);
            }
            blocks[slot] = @ptrCast(c.goo_memory_alloc_with(work.allocator, size));
            if (blocks[slot]) |new| new[0] = @intCast(slot) else _ = work.mistakes.fetchAdd(
                1,
                .monotonic,
            );
        }
        for (blocks, 0..) |block, slot| c.goo_memory_free_with(work.allocator, block, slot * 8 + 1);
        return null;
    }
};

test "C calls a Zig allocator from other threads" {
    var backing: std.heap.DebugAllocator(.{ .thread_safe = true }) = .init;
    {
        const a = try goo.fromZig(backing.allocator());
        defer goo.destroy(a);
        a.capabilities |= c.GOO_ALLOCATOR_THREAD_SAFE;
        a.track_stats = true;
        var work: Work = .{ .allocator = a };
        var threads: [3]std.c.pthread_t = undefined;
        for (&threads) |*thread| {
            try std.testing.expectEqual(
                .SUCCESS,
                std.c.pthread_create(thread, null, Work.run, &work),
            );
        }
        for (threads) |thread| _ = std.c.pthread_join(thread, null);
        try std.testing.expectEqual(0, work.mistakes.load(.monotonic));
        try std.testing.expectEqual(0, goo.stats(a).allocation_count);
        try std.testing.expectEqual(12000, goo.stats(a).total_allocations);
    }
    try std.testing.expectEqual(.ok, backing.deinit());
}
