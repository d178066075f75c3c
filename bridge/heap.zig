//! The collected heap with Zig types: nobody frees what `create` gives, and what no root leads to
//! goes by itself.
//!
//!     var heap = try goo.Heap.init(.{ .settings = "stress=1,verify" });
//!     defer heap.deinit();
//!     var list: ?*Node = null;
//!     try heap.addRoot(&list);
//!     defer heap.removeRoot(&list);
//!     list = try heap.new(Node{ .next = list, .value = 1 });
//!
//! Rules, which are the collector's: an object is alive while a root, a frame, a handle or a live
//! object refers to it; every call that allocates may collect; a store into an object that is not
//! brand new goes through `set`, or is followed by `wrote`. A `*T` in an object or a root is null
//! or what `create` or `new` gave, never the address of a part of something; slices may be parts.
//! Where Zig's safety checks are on, `set`, `setItem` and `new` panic when that is broken.
//!
//! Threads: a Heap value belongs to the thread that made it with `init` or `attach`.

const std = @import("std");
const c = @import("goo_c");
const errors = @import("errors.zig");
const layout = @import("layout.zig");
const references = @import("heap_references.zig");

pub const Options = struct {
    /// Where to begin; null: goo_gc_default_options. The encoding is the bridge's in any case.
    base: ?c.GooGcOptions = null,
    /// Words as for goo_gc_options_parse, for example from the environment: "hard=64M,verify".
    settings: ?[:0]const u8 = null,
};

pub const Heap = struct {
    raw: *c.GooGcHeap,
    mutator: *c.GooGcMutator,

    // --- life ---

    /// A new heap, to which the calling thread is attached.
    pub fn init(options: Options) errors.Error!Heap {
        var chosen = options.base orelse c.goo_gc_default_options();
        if (options.settings) |text| try errors.check(c.goo_gc_options_parse(&chosen, text.ptr));
        chosen.encoding = .{ .tag_mask = 15, .tag_value = 8, .address_mask = ~@as(u64, 15) };
        const raw = try errors.created(c.goo_gc_heap_create(&chosen));
        errdefer c.goo_gc_heap_destroy(raw);
        return .{ .raw = raw, .mutator = try errors.created(c.goo_gc_attach(raw)) };
    }

    /// Ends the heap and all that is on it. Every other thread has detached.
    pub fn deinit(heap: *Heap) void {
        c.goo_gc_heap_destroy(heap.raw);
        heap.* = undefined;
    }

    /// The same heap for the calling thread, until `detach`.
    pub fn attach(heap: Heap) errors.Error!Heap {
        return .{ .raw = heap.raw, .mutator = try errors.created(c.goo_gc_attach(heap.raw)) };
    }

    pub fn detach(heap: *Heap) void {
        c.goo_gc_detach(heap.mutator);
        heap.* = undefined;
    }

    // --- objects ---

    /// A new T that reads zero. Fill it before the next allocation; then no barrier is due.
    pub fn create(heap: Heap, comptime T: type) error{OutOfMemory}!*T {
        comptime layout.describe(T, @typeName(T));
        if (@sizeOf(T) == 0) return @ptrFromInt(16);
        const object = c.goo_gc_alloc(heap.mutator, &layout.TypeOf(T).raw, 0) orelse
            return error.OutOfMemory;
        return @ptrFromInt(@intFromPtr(object) + layout.valueOffset(T));
    }

    /// A new object with this value. What the value refers to is kept alive meanwhile.
    pub fn new(heap: Heap, value: anytype) error{OutOfMemory}!*@TypeOf(value) {
        const T = @TypeOf(value);
        var copy = value;
        if (comptime layout.hasReferences(T)) {
            try references.mapped(heap.rootsAdd(T, &copy));
        }
        defer if (comptime layout.hasReferences(T)) heap.removeRoot(&copy);
        const object = try heap.create(T);
        object.* = copy;
        heap.checkStored(object);
        return object;
    }

    /// `count` elements that read zero. The slice, or any part of it, keeps the whole array alive.
    pub fn createArray(heap: Heap, comptime T: type, count: usize) error{OutOfMemory}![]T {
        comptime layout.describe(T, @typeName(T) ++ "[]");
        if (count == 0 or @sizeOf(T) == 0) return @as([*]T, @ptrFromInt(16))[0..count];
        const offset = comptime layout.itemsOffset(T);
        const bytes = std.math.mul(usize, count, @sizeOf(T)) catch return error.OutOfMemory;
        const size = std.math.add(usize, bytes, offset) catch return error.OutOfMemory;
        const object = c.goo_gc_alloc(heap.mutator, &layout.ArrayTypeOf(T).raw, size) orelse
            return error.OutOfMemory;
        const start = @intFromPtr(object);
        if (comptime layout.hasReferences(T)) @as(*usize, @ptrFromInt(start + 8)).* = count;
        return @as([*]T, @ptrFromInt(start + offset))[0..count];
    }

    /// A copy of `items` in the heap; they may lie in it.
    pub fn dupe(heap: Heap, comptime T: type, items: []const T) error{OutOfMemory}![]T {
        var kept = items;
        try references.mapped(heap.rootsAdd([]const T, &kept));
        defer heap.removeRoot(&kept);
        const copy = try heap.createArray(T, items.len);
        @memcpy(copy, kept);
        return copy;
    }

    // --- stores ---

    /// object.field = value, with its barrier.
    pub fn set(
        heap: Heap,
        object: anytype,
        comptime field: []const u8,
        value: @FieldType(@typeInfo(@TypeOf(object)).pointer.child, field),
    ) void {
        @field(object, field) = value;
        heap.checkStored(&@field(object, field));
        heap.wrote(object);
    }

    /// Where Zig's own checks are on: panics when a `*T` that is stored is not what `create` gave.
    fn checkStored(heap: Heap, place: anytype) void {
        if (!std.debug.runtime_safety) return;
        if (layout.strays(heap.raw, place) == 0) return;
        std.debug.panic("goo: {s} that is no object of this heap, or a part of one, is stored", .{
            @typeName(@typeInfo(@TypeOf(place)).pointer.child),
        });
    }

    /// items[index] = value, with its barrier.
    pub fn setItem(
        heap: Heap,
        items: anytype,
        index: usize,
        value: @typeInfo(@TypeOf(items)).pointer.child,
    ) void {
        items[index] = value;
        heap.checkStored(&items[index]);
        heap.wrote(items);
    }

    /// The barrier alone: after other stores into an object or an array (or a part of one), before
    /// the next allocation.
    pub fn wrote(heap: Heap, object: anytype) void {
        const info = @typeInfo(@TypeOf(object)).pointer;
        if (comptime !layout.hasReferences(info.child)) return;
        if (info.size == .one) {
            c.goo_gc_barrier(heap.mutator, startOf(object));
        } else if (c.goo_gc_base_of(heap.raw, @ptrCast(object.ptr))) |start| {
            c.goo_gc_barrier(heap.mutator, start);
        }
    }

    /// What the C API calls the object of a value that `create` gave.
    pub fn startOf(object: anytype) *anyopaque {
        const T = @typeInfo(@TypeOf(object)).pointer.child;
        return @ptrFromInt(@intFromPtr(object) - comptime layout.valueOffset(T));
    }

    // --- roots ---

    /// From now on everything that the variable at `place` refers to lives: a pointer, a slice, or
    /// a struct of any depth. The variable stays where it is until `removeRoot`.
    pub fn addRoot(heap: Heap, place: anytype) errors.Error!void {
        const T = @typeInfo(@TypeOf(place)).pointer.child;
        if (comptime !layout.hasReferences(T)) {
            @compileError("goo: " ++ @typeName(T) ++ " refers to nothing: it is no root");
        }
        try heap.rootsAdd(T, place);
    }

    fn rootsAdd(heap: Heap, comptime T: type, place: *T) errors.Error!void {
        try errors.check(c.goo_gc_roots_add(heap.raw, layout.RootOf(T).trace, @ptrCast(place)));
    }

    /// The reverse of `addRoot`; the newest root is found at once.
    pub fn removeRoot(heap: Heap, place: anytype) void {
        const T = @typeInfo(@TypeOf(place)).pointer.child;
        const status = c.goo_gc_roots_remove(
            heap.raw,
            layout.RootOf(T).trace,
            @ptrCast(@constCast(place)),
        );
        std.debug.assert(status == c.GOO_OK); // it was added
    }

    /// A frame of local variables, each by its address: `var f = heap.frame(.{ &a, &b });
    /// try f.begin(); defer f.end();`
    pub fn frame(heap: Heap, places: anytype) references.Frame(@TypeOf(places)) {
        return .{ .heap = heap.raw, .places = places };
    }

    /// Keeps an object alive until it is popped.
    pub fn push(heap: Heap, object: anytype) void {
        c.goo_gc_push(heap.mutator, startOf(object));
    }

    pub fn pop(heap: Heap, count: usize) void {
        c.goo_gc_pop(heap.mutator, count);
    }

    /// A name that keeps an object alive until it is freed.
    pub fn handle(
        heap: Heap,
        object: anytype,
    ) errors.Error!references.Handle(@typeInfo(@TypeOf(object)).pointer.child) {
        return .init(heap.raw, object);
    }

    /// A reference that does not keep its target alive; itself a collected object.
    pub fn weak(
        heap: Heap,
        target: anytype,
    ) errors.Error!references.Weak(@typeInfo(@TypeOf(target)).pointer.child) {
        return .init(heap.mutator, target);
    }

    // --- collection ---

    pub fn collect(heap: Heap) errors.Error!void {
        try errors.check(c.goo_gc_collect(heap.mutator, c.GOO_GC_FULL));
    }

    /// A place where the thread can stop for a collection.
    pub fn safepoint(heap: Heap) void {
        c.goo_gc_safepoint(heap.mutator);
    }

    pub fn stats(heap: Heap) c.GooGcStats {
        return c.goo_gc_get_stats(heap.raw);
    }

    /// Walks the whole heap; error.Corrupt if something is wrong, told to `report`.
    pub fn verify(heap: Heap, report: ?*c.FILE) errors.Error!void {
        try errors.check(c.goo_gc_verify(heap.raw, report));
    }

    /// A Zig allocator whose blocks are collected: free does nothing. Pointer-free content only.
    /// Owner: the caller, until `goo.destroy`.
    pub fn leafAllocator(heap: Heap) errors.Error!*c.GooAllocator {
        return errors.created(c.goo_gc_allocator(heap.mutator, c.GOO_GC_LAYOUT_LEAF));
    }
};
