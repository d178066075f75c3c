//! The standard library's containers over Goo's allocators, and every way they can fail.

const std = @import("std");
const goo = @import("../goo.zig");
const c = goo.c;

/// Runs `work` over a few allocators of different kinds, each of which must end empty or owned.
fn overEach(work: *const fn (std.mem.Allocator) anyerror!void) !void {
    for (
        [_][*:0]const u8{ "system", "page", "arena:block=8k", "limit:max=256m,parent=system" },
    ) |name| {
        const a = try goo.created(c.goo_allocator_open(name));
        defer goo.destroy(a);
        a.track_stats = true;
        try work(goo.allocator(a));
        try std.testing.expectEqual(0, goo.stats(a).bytes_allocated);
    }
}

fn arrayList(gpa: std.mem.Allocator) !void {
    var list: std.ArrayList(u64) = .empty;
    defer list.deinit(gpa);
    for (0..5000) |i| try list.append(gpa, i * i);
    for (list.items, 0..) |item, i| try std.testing.expectEqual(i * i, item);
    list.shrinkAndFree(gpa, 10);
    try list.insert(gpa, 0, 77);
    try std.testing.expectEqual(77, list.items[0]);
    const owned = try list.toOwnedSlice(gpa);
    gpa.free(owned);
}

fn hashMap(gpa: std.mem.Allocator) !void {
    var map: std.StringHashMapUnmanaged(u32) = .empty;
    defer {
        var keys = map.keyIterator();
        while (keys.next()) |key| gpa.free(key.*);
        map.deinit(gpa);
    }
    var buffer: [16]u8 = undefined;
    for (0..2000) |i| {
        const key = try gpa.dupe(u8, try std.fmt.bufPrint(&buffer, "key {d}", .{i}));
        errdefer gpa.free(key);
        try map.put(gpa, key, @intCast(i));
    }
    try std.testing.expectEqual(1234, map.get("key 1234").?);
    try std.testing.expectEqual(null, map.get("key 2000"));
}

fn arenaAllocator(gpa: std.mem.Allocator) !void {
    var arena: std.heap.ArenaAllocator = .init(gpa);
    defer arena.deinit();
    for (1..300) |i| _ = try arena.allocator().alloc(u8, i);
    _ = arena.reset(.retain_capacity);
    for (1..300) |i| _ = try arena.allocator().alloc(u8, i);
}

const document =
    \\{"name": "goo", "tags": ["memory", "zig", "c"], "depth": {"x": 1.5, "y": [1, 2, 3]},
    \\ "escaped": "a\nb\u00e9", "nothing": null, "yes": true}
;

fn json(gpa: std.mem.Allocator) !void {
    const parsed = try std.json.parseFromSlice(std.json.Value, gpa, document, .{});
    defer parsed.deinit();
    const root = parsed.value.object;
    try std.testing.expectEqualStrings("goo", root.get("name").?.string);
    try std.testing.expectEqual(3, root.get("tags").?.array.items.len);
    try std.testing.expectEqual(2, root.get("depth").?.object.get("y").?.array.items[1].integer);
}

test "ArrayList" {
    try overEach(arrayList);
}
test "HashMap" {
    try overEach(hashMap);
}
test "ArenaAllocator" {
    try overEach(arenaAllocator);
}
test "JSON" {
    try overEach(json);
}

fn someOfEach(gpa: std.mem.Allocator) !void {
    var list: std.ArrayList([]u8) = .empty;
    defer {
        for (list.items) |item| gpa.free(item);
        list.deinit(gpa);
    }
    for (0..20) |i| {
        const text = try gpa.alloc(u8, i + 1);
        errdefer gpa.free(text);
        try list.append(gpa, text);
    }
    try json(gpa);
}

test "every failure of an allocation is survived: the standard check over Goo's failing allocator" {
    const counted = try goo.created(c.goo_tracking_allocator_create(null));
    defer goo.destroy(counted);
    const a = try goo.created(c.goo_failing_allocator_create(counted, 0));
    defer goo.destroy(a);
    try std.testing.checkAllAllocationFailures(goo.allocator(a), someOfEach, .{});
    try std.testing.expectEqual(0, goo.stats(counted).allocation_count);
}

test "every failure of an allocation is survived: Goo's failing allocator" {
    const counted = try goo.created(c.goo_tracking_allocator_create(null));
    defer goo.destroy(counted);
    var fail_at: usize = 1;
    while (true) : (fail_at += 1) {
        const a = try goo.created(c.goo_failing_allocator_create(counted, fail_at));
        defer goo.destroy(a);
        const result = someOfEach(goo.allocator(a));
        try std.testing.expectEqual(0, goo.stats(counted).allocation_count);
        if (result) |_| break else |err| try std.testing.expectEqual(error.OutOfMemory, err);
    }
    try std.testing.expect(fail_at > 20);
}

test "Zig's failing allocator behind Goo's front door" {
    var failing = std.testing.FailingAllocator.init(std.testing.allocator, .{ .fail_index = 5 });
    const a = try goo.fromZig(failing.allocator());
    defer goo.destroy(a);
    try std.testing.expectError(error.OutOfMemory, someOfEach(goo.allocator(a)));
}
