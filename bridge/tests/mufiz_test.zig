//! MufiZ's names, used as its documentation uses them.

const std = @import("std");
const mem_utils = @import("../mem_utils.zig");
const allocator_mod = @import("../allocator.zig");
const features = @import("../features.zig");

test "a program from configuration to report" {
    mem_utils.initAllocator(.{
        .enable_leak_detection = true,
        .enable_tracking = true,
        .enable_safety = true,
    });
    defer mem_utils.deinit();
    {
        const allocator = mem_utils.getAllocator();
        const buffer = try allocator.alloc(u8, 1024);
        defer allocator.free(buffer);
        mem_utils.memsetSIMD(buffer.ptr, 0x42, buffer.len);
        try std.testing.expect(std.mem.allEqual(u8, buffer, 0x42));

        const second = try mem_utils.alloc(allocator, u32, 100);
        const stats = mem_utils.getMemStats();
        try std.testing.expectEqual(2, stats.current_allocations);
        try std.testing.expectEqual(1424, stats.current_bytes);
        try std.testing.expect(stats.peak_bytes >= 1424);
        try std.testing.expect(mem_utils.checkForLeaks());
        mem_utils.printMemStats();
        mem_utils.free(allocator, second);
    }
    try std.testing.expect(!mem_utils.checkForLeaks());
}

test "bytes" {
    var from: [100]u8 = undefined;
    for (&from, 0..) |*byte, i| byte.* = @intCast(i);
    var to: [100]u8 = @splat(0);
    mem_utils.memcpyFast(&to, &from, 100);
    try std.testing.expectEqualSlices(u8, &from, &to);
    try std.testing.expectEqual(0, mem_utils.memcmp(&from, &to, 100));
    to[99] += 1;
    try std.testing.expectEqual(-1, mem_utils.memcmp(&from, &to, 100));
    try std.testing.expectEqual(1, mem_utils.memcmp(&to, &from, 100));
    try std.testing.expectEqual(0, mem_utils.memcmp(&to, &from, 0));
}

test "C-style blocks, with a pointer that is freed after it was reallocated" {
    mem_utils.initAllocator(
        .{ .enable_tracking = true, .enable_safety = true, .enable_leak_detection = true },
    );
    defer mem_utils.deinit();
    {
        const ptr = mem_utils.malloc(1024);
        defer mem_utils.c_free(ptr, 1024);
        @memset(@as([*]u8, @ptrCast(ptr.?))[0..1024], 9);
        const new_ptr = mem_utils.c_realloc(ptr, 1024, 2048);
        defer mem_utils.c_free(new_ptr, 2048);
        try std.testing.expect(std.mem.allEqual(u8, @as([*]u8, @ptrCast(new_ptr.?))[0..1024], 9));
    }
    try std.testing.expectEqual(null, mem_utils.malloc(0));
    const block = mem_utils.c_realloc(null, 0, 10);
    try std.testing.expectEqual(null, mem_utils.c_realloc(block, 10, 0));
    mem_utils.c_free(null, 10);
    try std.testing.expect(!mem_utils.checkForLeaks());
    try std.testing.expectEqual(0, mem_utils.getMemStats().current_bytes);
}

test "the configuration's words, and features" {
    const config: allocator_mod.AllocatorConfig = .{
        .enable_leak_detection = true,
        .enable_tracking = true,
        .enable_safety = true,
        .never_unmap = false,
        .retain_metadata = true,
    };
    mem_utils.initAllocator(config);
    defer mem_utils.deinit();
    const memory = try mem_utils.getAllocator().alloc(u8, 16);
    mem_utils.getAllocator().free(memory);
    try std.testing.expect(features.enable_simd);
    _ = features.hasSimdSupport();
}
