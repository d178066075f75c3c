//! The standard library's allocator suite over every Goo allocator that can take it.
//!
//! Left out: the stack allocator, whose frees must come in reverse order, which the suite does not
//! do; the pool in its large cases, since a pool gives blocks of one size only.

const std = @import("std");
const goo = @import("../goo.zig");
const c = goo.c;

const Make = *const fn () goo.Error!*goo.GooAllocator;

fn suite(make: Make) !void {
    const cases = [_]*const fn (std.mem.Allocator) anyerror!void{
        std.heap.testAllocator,
        std.heap.testAllocatorAligned,
        std.heap.testAllocatorLargeAlignment,
        std.heap.testAllocatorAlignedShrink,
    };
    for (cases) |case| {
        const a = try make();
        defer goo.destroy(a);
        a.track_stats = true;
        try case(goo.allocator(a));
        const stats = goo.stats(a);
        try std.testing.expect(stats.total_allocations > 0);
        try std.testing.expectEqual(0, stats.bytes_allocated);
        try std.testing.expectEqual(stats.total_allocations, stats.total_frees);
    }
}

fn system() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_system_allocator_create());
}

fn page() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_page_allocator_create());
}

fn arena() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_arena_allocator_create(16 * 1024));
}

fn region() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_region_allocator_create(16 * 1024, true));
}

fn scoped() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_scoped_allocator_create(null));
}

fn tracking() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_tracking_allocator_create(null));
}

fn limited() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_limit_allocator_create(null, 64 << 20));
}

fn debugging() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_debug_allocator_create(null, null));
}

fn failing() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_failing_allocator_create(null, 0));
}

fn named() goo.Error!*goo.GooAllocator {
    return goo.created(c.goo_allocator_open("limit:max=64m,parent=system"));
}

fn overZig() goo.Error!*goo.GooAllocator {
    return goo.fromZig(std.testing.allocator);
}

test "system" {
    try suite(system);
}
test "page" {
    try suite(page);
}
test "arena" {
    try suite(arena);
}
test "region" {
    try suite(region);
}
test "scoped" {
    try suite(scoped);
}
test "tracking" {
    try suite(tracking);
}
test "limit" {
    try suite(limited);
}
test "debug" {
    try suite(debugging);
}
test "failing that never fails" {
    try suite(failing);
}
test "by name" {
    try suite(named);
}
test "a Zig allocator behind Goo behind Zig" {
    try suite(overZig);
}

test "fixed" {
    var buffer: [1 << 20]u8 = undefined;
    var state: c.GooFixedBuffer = undefined;
    const a = try goo.created(c.goo_fixed_allocator_init(&state, &buffer, buffer.len));
    try std.heap.testAllocator(goo.allocator(a));
    try std.heap.testAllocatorAligned(goo.allocator(a));
    try std.heap.testAllocatorLargeAlignment(goo.allocator(a));
    try std.heap.testAllocatorAlignedShrink(goo.allocator(a));
}

test "fallback from a fixed buffer to the system" {
    var buffer: [4096]u8 = undefined;
    var state: c.GooFixedBuffer = undefined;
    const first = try goo.created(c.goo_fixed_allocator_init(&state, &buffer, buffer.len));
    const second = try system();
    defer goo.destroy(second);
    const a = try goo.created(c.goo_fallback_allocator_create(first, second));
    defer goo.destroy(a);
    try std.heap.testAllocator(goo.allocator(a));
    try std.heap.testAllocatorAligned(goo.allocator(a));
    try std.heap.testAllocatorLargeAlignment(goo.allocator(a));
    try std.heap.testAllocatorAlignedShrink(goo.allocator(a));
}

test "pool, with what fits its objects" {
    const options: c.GooPoolOptions = .{
        .object_size = 256,
        .alignment = 64,
        .objects_per_block = 64,
    };
    const a = try goo.created(c.goo_pool_allocator_create_with(null, &options));
    defer goo.destroy(a);
    try std.heap.testAllocatorAligned(goo.allocator(a));
}

test "pool: objects come back" {
    const Object = struct { words: [8]u64 };
    const a = try goo.created(c.goo_pool_allocator_create(@sizeOf(Object), 64));
    defer goo.destroy(a);
    const gpa = goo.allocator(a);
    const first = try gpa.create(Object);
    gpa.destroy(first);
    const second = try gpa.create(Object);
    try std.testing.expectEqual(first, second);
    gpa.destroy(second);
    try std.testing.expectError(error.OutOfMemory, gpa.alloc(u8, 100));
}

test "the collected heap as an allocator" {
    var heap = try goo.Heap.init(.{});
    defer heap.deinit();
    const a = try heap.leafAllocator();
    defer goo.destroy(a);
    const text = try goo.allocator(a).dupe(u8, "collected");
    try std.testing.expectEqualStrings("collected", text);
}

test "resize is in place, remap is honest, there is no header" {
    const a = try arena();
    defer goo.destroy(a);
    a.track_stats = true;
    const gpa = goo.allocator(a);
    var text = try gpa.alloc(u8, 100);
    try std.testing.expectEqual(100, goo.stats(a).bytes_reserved);
    try std.testing.expect(gpa.resize(text, 150));
    text.len = 150;
    const remapped = gpa.remap(text, 200).?;
    try std.testing.expectEqual(text.ptr, remapped.ptr);
    _ = try gpa.alloc(u8, 1);
    try std.testing.expect(!gpa.resize(remapped, 300));
    try std.testing.expectEqual(null, gpa.remap(remapped, 300));
    try std.testing.expectEqual(0, goo.stats(a).failed_allocations);
}

test "a null allocator is this thread's" {
    const mine = try tracking();
    defer goo.destroy(mine);
    c.goo_set_thread_allocator(mine);
    defer c.goo_set_thread_allocator(null);
    const gpa = goo.allocator(null);
    const text = try gpa.alloc(u8, 10);
    try std.testing.expectEqual(10, goo.stats(mine).bytes_allocated);
    gpa.free(text);
}

var reported: [4]@import("../leak_check.zig").Leak = undefined;
var reported_count: usize = 0;

fn remember(leak: @import("../leak_check.zig").Leak) void {
    reported[reported_count] = leak;
    reported_count += 1;
}

noinline fn leaks(gpa: std.mem.Allocator) !usize {
    const block = try gpa.alloc(u8, 77);
    return @intFromPtr(block.ptr);
}

test "a leak is reported with the Zig return address" {
    var checker: goo.LeakCheck = undefined;
    try checker.init(null, remember);
    reported_count = 0;
    const gpa = checker.allocator();
    gpa.free(try gpa.alloc(u8, 10));
    const address = try leaks(gpa);
    try std.testing.expectEqual(1, checker.reportLive());
    checker.deinit();
    try std.testing.expectEqual(2, reported_count); // asked, and at the end
    for (reported[0..2]) |leak| {
        try std.testing.expectEqual(77, leak.size);
        try std.testing.expectEqual(address, leak.address);
        const start = @intFromPtr(&leaks); // within a few hundred bytes of the function's start
        try std.testing.expect(leak.return_address > start and leak.return_address < start + 1024);
    }
}

test "the standard suite under a leak check" {
    var checker: goo.LeakCheck = undefined;
    try checker.init(null, remember);
    reported_count = 0;
    try std.heap.testAllocator(checker.allocator());
    try std.heap.testAllocatorAlignedShrink(checker.allocator());
    checker.deinit();
    try std.testing.expectEqual(0, reported_count);
}
