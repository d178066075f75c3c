//! The collected heap from Zig: trees under stress, roots, frames, handles, weak references,
//! threads, and a full heap.

const std = @import("std");
const goo = @import("../goo.zig");
const c = goo.c;

const Tree = struct {
    left: ?*Tree,
    right: ?*Tree,
    key: u64,
    label: []const u8,
    color: union(enum) { plain, named: []u8, like: *Tree },
};

fn insert(heap: goo.Heap, root: *?*Tree, key: u64) !void {
    var buffer: [24]u8 = undefined;
    var label: []const u8 = try heap.dupe(u8, try std.fmt.bufPrint(&buffer, "key {d}", .{key}));
    var frame = heap.frame(.{&label});
    try frame.begin();
    defer frame.end();
    const node = try heap.new(
        Tree{ .left = null, .right = null, .key = key, .label = label, .color = .plain },
    );
    var parent: ?*Tree = null;
    var place = root.*;
    while (place) |at| {
        parent = at;
        place = if (key < at.key) at.left else at.right;
    }
    const p = parent orelse {
        root.* = node;
        return;
    };
    if (key < p.key) heap.set(p, "left", node) else heap.set(p, "right", node);
    heap.set(p, "color", if (key % 2 == 0) .{ .like = node } else .plain);
}

fn check(tree: ?*Tree, low: u64, high: u64) !usize {
    const t = tree orelse return 0;
    try std.testing.expect(t.key >= low and t.key < high);
    var buffer: [24]u8 = undefined;
    try std.testing.expectEqualStrings(try std.fmt.bufPrint(&buffer, "key {d}", .{t.key}), t.label);
    switch (t.color) {
        .like => |other| try std.testing.expect(other == t.left or other == t.right),
        else => {},
    }
    return 1 + try check(t.left, low, t.key) + try check(t.right, t.key, high);
}

fn grow(settings: [:0]const u8, count: usize) !void {
    var heap = try goo.Heap.init(.{ .settings = settings });
    defer heap.deinit();
    var root: ?*Tree = null;
    try heap.addRoot(&root);
    defer heap.removeRoot(&root);
    var random: std.Random.DefaultPrng = .init(7);
    for (0..count) |_| try insert(heap, &root, random.random().int(u32));
    try std.testing.expectEqual(count, try check(root, 0, std.math.maxInt(u64)));
    try heap.verify(null);
    try std.testing.expect(heap.stats().collections_full > 0);
}

test "a tree in a heap that collects at every allocation" {
    try grow("stress=1,verify,poison", 300);
}

test "a tree in a heap that collects now and then, with two markers" {
    try grow("stress=500,poison,markers=2", 20000);
}

test "what no root leads to goes" {
    var heap = try goo.Heap.init(.{});
    defer heap.deinit();
    var root: ?*Tree = null;
    try heap.addRoot(&root);
    for (0..1000) |key| try insert(heap, &root, key * 7919 % 1000);
    try heap.collect();
    const full = heap.stats().objects_live;
    try std.testing.expect(full >= 2000);
    root = null;
    try heap.collect();
    try std.testing.expect(heap.stats().objects_live <= full - 2000);
    heap.removeRoot(&root);
}

const Machine = struct { stack: [16]?*Tree, depth: usize, names: []const []const u8 };

test "a struct of any depth is a root" {
    var heap = try goo.Heap.init(.{ .settings = "verify,poison" });
    defer heap.deinit();
    var machine: Machine = .{ .stack = @splat(null), .depth = 3, .names = &.{} };
    try heap.addRoot(&machine);
    defer heap.removeRoot(&machine);
    machine.stack[2] = try heap.create(Tree);
    machine.stack[2].?.key = 5;
    const names = try heap.createArray([]const u8, 3);
    machine.names = names;
    for (names, 0..) |_, i| heap.setItem(names, i, try heap.dupe(u8, "xyz"[i .. i + 1]));
    try heap.collect();
    try std.testing.expectEqual(5, machine.stack[2].?.key);
    try std.testing.expectEqualStrings("z", machine.names[2]);
}

test "frames and temporaries" {
    var heap = try goo.Heap.init(.{ .settings = "stress=1,verify,poison" });
    defer heap.deinit();
    var a: ?*Tree = null;
    var b: []u64 = &.{};
    {
        var frame = heap.frame(.{ &a, &b });
        try frame.begin();
        defer frame.end();
        a = try heap.create(Tree);
        b = try heap.createArray(u64, 100);
        b[99] = 3;
        a.?.key = 4;
        const pushed = try heap.create(Tree);
        heap.push(pushed);
        _ = try heap.create(Tree);
        heap.pop(1);
        try std.testing.expectEqual(4, a.?.key);
        try std.testing.expectEqual(3, b[99]);
    }
    try heap.collect();
    try std.testing.expectEqual(0, heap.stats().objects_live);
}

test "handles keep, weak references do not" {
    var heap = try goo.Heap.init(.{ .settings = "verify,poison" });
    defer heap.deinit();
    const node = try heap.create(Tree);
    const handle = try heap.handle(node);
    var weak = try heap.weak(handle.get().?);
    try heap.addRoot(&weak);
    defer heap.removeRoot(&weak);
    handle.get().?.key = 11;
    try heap.collect();
    try std.testing.expectEqual(11, handle.get().?.key);
    try std.testing.expectEqual(handle.get(), weak.get(heap));
    handle.free();
    try std.testing.expectEqual(null, handle.get());
    try heap.collect();
    try std.testing.expectEqual(null, weak.get(heap));
}

const Holder = struct { first: ?*Tree, back: goo.Weak(Tree), facts: ?goo.WeakMap(Tree, Tree) };

test "weak references and weak maps in objects" {
    var heap = try goo.Heap.init(.{ .settings = "stress=1,verify,poison" });
    defer heap.deinit();
    var holder: ?*Holder = try heap.create(Holder);
    try heap.addRoot(&holder);
    defer heap.removeRoot(&holder);
    heap.set(holder.?, "first", try heap.create(Tree));
    heap.set(holder.?, "back", try heap.weak(holder.?.first.?));
    heap.set(holder.?, "facts", try goo.WeakMap(Tree, Tree).init(heap));
    const facts = holder.?.facts.?;
    const value = try heap.create(Tree);
    value.left = holder.?.first; // a value that refers to its own key
    value.key = 99;
    try facts.set(heap, holder.?.first.?, value);
    try heap.collect();
    try std.testing.expectEqual(holder.?.first, holder.?.back.get(heap));
    try std.testing.expectEqual(99, facts.get(heap, holder.?.first.?).?.key);
    heap.set(holder.?, "first", null);
    try heap.collect();
    try std.testing.expectEqual(null, holder.?.back.get(heap));
    try std.testing.expectEqual(0, holder.?.facts.?.count(heap));
}

test "a full heap is error.OutOfMemory, and goes on" {
    var heap = try goo.Heap.init(.{ .settings = "hard=4M" });
    defer heap.deinit();
    const Link = struct { next: ?*@This(), pad: [100]u64 };
    var list: ?*Link = null;
    try heap.addRoot(&list);
    defer heap.removeRoot(&list);
    const result = while (true) {
        const link = heap.create(Link) catch |err| break err;
        link.next = list;
        list = link;
    };
    try std.testing.expectEqual(error.OutOfMemory, result);
    try std.testing.expectError(
        error.OutOfMemory,
        heap.createArray(u64, std.math.maxInt(usize) / 4),
    );
    list = null;
    _ = try heap.create(Link);
}

test "errors are Zig errors" {
    try std.testing.expectError(
        error.InvalidArgument,
        goo.Heap.init(.{ .settings = "no such word" }),
    );
    try std.testing.expectError(
        error.InvalidArgument,
        goo.created(c.goo_allocator_open("no such allocator")),
    );
    var base = c.goo_gc_default_options();
    base.generational = true;
    if (goo.Heap.init(.{ .base = base })) |made| {
        var heap = made; // a version that has generations
        heap.deinit();
    } else |err| try std.testing.expectEqual(error.Unsupported, err);
}

const Cell = struct { next: ?*Cell, number: usize };

noinline fn growUnrooted(heap: goo.Heap, count: usize) !usize {
    var list: ?*Cell = null;
    for (0..count) |number| {
        const cell = try heap.create(Cell);
        cell.* = .{ .next = list, .number = number };
        list = cell;
    }
    var sum: usize = 0;
    while (list) |cell| : (list = cell.next) sum += cell.number;
    return sum;
}

test "with scan_stacks local variables are roots" {
    var base = c.goo_gc_default_options();
    base.scan_stacks = true;
    var heap = try goo.Heap.init(.{ .base = base, .settings = "stress=1,verify,poison" });
    defer heap.deinit();
    try std.testing.expectEqual(199 * 200 / 2, try growUnrooted(heap, 200));
}

const Shared = struct {
    heap: *const goo.Heap,
    failed: std.atomic.Value(bool) = .init(false),

    fn run(argument: ?*anyopaque) callconv(.c) ?*anyopaque {
        const shared: *Shared = @ptrCast(@alignCast(argument.?));
        shared.work() catch shared.failed.store(true, .monotonic);
        return null;
    }

    fn work(shared: *Shared) !void {
        var heap = try shared.heap.attach();
        defer heap.detach();
        var root: ?*Tree = null;
        var frame = heap.frame(.{&root});
        try frame.begin();
        defer frame.end();
        for (0..2000) |key| try insert(heap, &root, key * 7919 % 2000);
        if (try check(root, 0, 2000) != 2000) return error.TreeLost;
    }
};

test "threads share a heap" {
    var heap = try goo.Heap.init(.{ .settings = "stress=300,poison" });
    defer heap.deinit();
    var shared: Shared = .{ .heap = &heap };
    var threads: [2]std.c.pthread_t = undefined;
    for (&threads) |*thread| {
        try std.testing.expectEqual(
            .SUCCESS,
            std.c.pthread_create(thread, null, Shared.run, &shared),
        );
    }
    c.goo_gc_blocking_begin(heap.mutator);
    for (threads) |thread| _ = std.c.pthread_join(thread, null);
    c.goo_gc_blocking_end(heap.mutator);
    try std.testing.expect(!shared.failed.load(.monotonic));
}
