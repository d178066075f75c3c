//! What the layout derives from types, and that tracing finds exactly what is there (LAYOUT-1).

const std = @import("std");
const goo = @import("../goo.zig");
const c = goo.c;
const layout = goo.layout;

const Leaf = struct {
    number: f64,
    flags: packed struct { a: bool, b: u7 },
    name: [8]u8,
    kind: enum { x, y },
};
const Pair = struct { number: u64, left: ?*Leaf, right: *Leaf };
const Nested = struct { first: u32, pairs: [2]Pair, extra: extern struct { p: ?*Leaf, n: u64 } };
const Lenient = struct { name: []const u8, any: ?*anyopaque, one: *Leaf };
const Shape = union(enum) { none, number: u64, leaf: *Leaf, name: []const u8, pair: Pair };
const Untagged = extern union {
    number: u64,
    leaf: ?*Leaf,

    pub fn trace(self: *Untagged, visitor: goo.Visitor) void {
        if (self.number != 1) visitor.visit(&self.leaf);
    }
};
const Aligned = struct { lanes: @Vector(4, f32), next: ?*Leaf };

fn bits(comptime T: type) u64 {
    return layout.TypeOf(T).bitmap[0];
}

test "kinds of layout" {
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_LEAF, layout.TypeOf(Leaf).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_BITMAP, layout.TypeOf(Pair).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_BITMAP, layout.TypeOf(Nested).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_TRACE, layout.TypeOf(Lenient).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_TRACE, layout.TypeOf(Shape).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_TRACE, layout.TypeOf(Untagged).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_LEAF, layout.ArrayTypeOf(u8).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_ARRAY, layout.ArrayTypeOf(?*Leaf).kind);
    try std.testing.expectEqual(c.GOO_GC_LAYOUT_TRACE, layout.ArrayTypeOf(Pair).kind);
    try std.testing.expectEqual(8, layout.valueOffset(Pair));
    try std.testing.expectEqual(16, layout.valueOffset(Aligned));
}

test "bitmaps name the words of the pointers, behind the header" {
    const left = (8 + @offsetOf(Pair, "left")) / 8;
    const right = (8 + @offsetOf(Pair, "right")) / 8;
    try std.testing.expectEqual(@as(u64, 1) << left | @as(u64, 1) << right, bits(Pair));
    try std.testing.expectEqual(5, @popCount(bits(Nested)));
    try std.testing.expectEqual(0, bits(Nested) & 1);
    const Wide = struct { before: [100]u64, last: ?*Leaf };
    const word = (8 + @offsetOf(Wide, "last")) / 8;
    const map = layout.TypeOf(Wide).bitmap;
    try std.testing.expectEqual(2, map.len);
    try std.testing.expectEqual(1, map[word / 64] >> @intCast(word % 64));
}

test "what refers to nothing" {
    const Callback = struct { call: *const fn () void, code: c_int, unit: void, list: [0]*Leaf };
    try std.testing.expect(!layout.hasReferences(Callback));
    try std.testing.expect(!layout.hasReferences(Leaf));
    try std.testing.expect(!layout.hasReferences(union { a: u32, b: f32 }));
    try std.testing.expect(layout.hasReferences(anyerror!*Leaf));
    try std.testing.expect(layout.hasReferences(goo.Weak(Leaf)));
    try std.testing.expect(layout.hasReferences(?Pair));
}

var finalized: usize = 0;
const Counted = struct {
    id: u64,

    pub fn finalize(self: *Counted) void {
        finalized += 1;
        self.id = 0;
    }
};

/// Makes a T in a stressed heap whose references all lead to Counted objects, roots it, and returns
/// how many of `made` objects live.
fn survivors(
    comptime T: type,
    made: usize,
    fill: *const fn (heap: goo.Heap, object: *T) anyerror!void,
) !usize {
    var heap = try goo.Heap.init(.{ .settings = "verify,poison" });
    defer heap.deinit();
    var root: ?*T = try heap.create(T);
    try heap.addRoot(&root);
    defer heap.removeRoot(&root);
    try fill(heap, root.?);
    finalized = 0;
    try heap.collect();
    const live = made - finalized;
    try heap.verify(null);
    root = null;
    try heap.collect();
    try std.testing.expectEqual(made, finalized);
    return live;
}

fn counted(heap: goo.Heap) !*Counted {
    return heap.create(Counted);
}

const Everything = struct {
    plain: *Counted,
    optional: ?*Counted,
    array: [2]*Counted,
    many: [*]*Counted,
    slice: []*Counted,
    part: []const u8,
    constant: *const Counted,
    opaque_pointer: ?*anyopaque,
    nested: struct { inner: ?struct { p: *Counted, n: u8 } },
    result: anyerror!*Counted,
    tagged: union(enum) { nothing, one: *Counted, two: [2]*Counted },
    untagged: UntaggedCounted,
    unrelated: usize,
};
const UntaggedCounted = extern union {
    address: usize,
    object: *Counted,

    pub fn trace(self: *UntaggedCounted, visitor: goo.Visitor) void {
        visitor.visit(&self.object);
    }
};

fn fillEverything(heap: goo.Heap, e: *Everything) !void {
    e.plain = try counted(heap);
    e.optional = try counted(heap);
    e.array = .{ try counted(heap), try counted(heap) };
    const many = try heap.createArray(*Counted, 3);
    for (many) |*item| item.* = try counted(heap);
    e.many = many.ptr;
    const slice = try heap.createArray(*Counted, 100);
    for (slice) |*item| item.* = try counted(heap);
    e.slice = slice[50..60]; // a part keeps the whole
    e.part = "text outside the heap";
    e.constant = try counted(heap);
    e.opaque_pointer = try counted(heap);
    e.nested.inner = .{ .p = try counted(heap), .n = 1 };
    e.result = try counted(heap);
    e.tagged = .{ .two = .{ try counted(heap), try counted(heap) } };
    e.untagged = .{ .object = try counted(heap) };
    e.unrelated = 8;
    heap.wrote(e);
}

test "every kind of field keeps what it refers to" {
    const made = 4 + 3 + 100 + 7;
    try std.testing.expectEqual(made, try survivors(Everything, made, fillEverything));
}

const Half = struct {
    kept: *Counted,
    hidden: usize,
    other: anyerror!*Counted,
    tagged: union(enum) { number: usize, one: *Counted },
};

fn fillHalf(heap: goo.Heap, half: *Half) !void {
    half.kept = try counted(heap);
    half.hidden = @intFromPtr(try counted(heap));
    half.other = error.Nothing;
    half.tagged = .{ .number = @intFromPtr(try counted(heap)) };
}

test "numbers that look like references keep nothing" {
    try std.testing.expectEqual(1, try survivors(Half, 3, fillHalf));
}

const List = struct { items: []Item };
const Item = struct { pad: u64, p: ?*Counted, name: []const u8 };

fn fillList(heap: goo.Heap, list: *List) !void {
    list.items = try heap.createArray(Item, 40);
    for (list.items) |*item| item.p = try counted(heap);
    for (list.items) |*item| item.name = try heap.dupe(u8, "a name");
}

test "arrays of structs" {
    try std.testing.expectEqual(40, try survivors(List, 40, fillList));
}

const Lanes = struct { next: ?*LanesNode, p: *Counted };
const LanesNode = struct { lanes: @Vector(4, f32), p: *Counted, next: ?*LanesNode };

fn fillLanes(heap: goo.Heap, lanes: *Lanes) !void {
    lanes.p = try counted(heap);
    for (0..10) |_| {
        const node = try heap.create(LanesNode);
        node.next = lanes.next;
        lanes.next = node;
        node.lanes = @splat(1);
        node.p = try counted(heap);
    }
}

test "types aligned to 16" {
    try std.testing.expectEqual(11, try survivors(Lanes, 11, fillLanes));
}

test "pointers to parts are found where checks are on" {
    var heap = try goo.Heap.init(.{});
    defer heap.deinit();
    var pair: ?*Pair = try heap.create(Pair);
    try heap.addRoot(&pair);
    defer heap.removeRoot(&pair);
    const leaves = try heap.createArray(Leaf, 4);
    var outside: Leaf = undefined;
    pair.?.right = try heap.create(Leaf);
    try std.testing.expectEqual(0, layout.strays(heap.raw, pair.?));
    pair.?.left = &leaves[1];
    try std.testing.expectEqual(1, layout.strays(heap.raw, pair.?));
    pair.?.right = &outside;
    try std.testing.expectEqual(2, layout.strays(heap.raw, pair.?));
    pair.?.* = .{ .number = 0, .left = null, .right = try heap.create(Leaf) };
    var shape: Shape = .{ .pair = pair.?.* };
    try std.testing.expectEqual(0, layout.strays(heap.raw, &shape));
    shape = .{ .leaf = &outside };
    try std.testing.expectEqual(1, layout.strays(heap.raw, &shape));
}
