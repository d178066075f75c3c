//! The ways to hold a collected object from outside the heap, or without keeping it.
//!
//! Handles and weak references speak of objects, values lie behind an object's header
//! (layout.zig): each call here converts.

const std = @import("std");
const c = @import("goo_c");
const errors = @import("errors.zig");
const layout = @import("layout.zig");

fn valueOf(comptime T: type, object: ?*anyopaque) ?*T {
    const start = @intFromPtr(object orelse return null);
    return @ptrFromInt(start + comptime layout.valueOffset(T));
}

fn objectOf(comptime T: type, value: *const T) *anyopaque {
    return @ptrFromInt(@intFromPtr(value) - comptime layout.valueOffset(T));
}

/// What can only fail for want of memory.
pub fn mapped(result: errors.Error!void) error{OutOfMemory}!void {
    result catch return error.OutOfMemory;
}

/// A name for an object that keeps it alive until `free`; copies are the same name.
/// Threads: any that is attached.
pub fn Handle(comptime T: type) type {
    return struct {
        const Self = @This();
        heap: *c.GooGcHeap,
        raw: c.GooGcHandle,

        pub fn init(heap: *c.GooGcHeap, object: *T) errors.Error!Self {
            const raw = c.goo_gc_handle_new(heap, objectOf(T, object));
            return if (raw.bits != 0) .{ .heap = heap, .raw = raw } else error.OutOfMemory;
        }

        /// The object; null for a handle that was freed.
        pub fn get(self: Self) ?*T {
            return valueOf(T, c.goo_gc_handle_get(self.heap, self.raw));
        }

        pub fn free(self: Self) void {
            c.goo_gc_handle_free(self.heap, self.raw);
        }
    };
}

/// A reference that keeps nothing alive. It may be a field of an object or a root, like a pointer,
/// and must be reachable itself to be of use.
pub fn Weak(comptime T: type) type {
    return struct {
        const Self = @This();
        raw: ?*c.GooGcWeak,

        pub fn init(mutator: *c.GooGcMutator, target: *T) errors.Error!Self {
            return .{ .raw = try errors.created(c.goo_gc_weak_new(mutator, objectOf(T, target))) };
        }

        /// The target, or null once it has died. `heap` is the calling thread's.
        pub fn get(self: Self, heap: anytype) ?*T {
            const raw = self.raw orelse return null;
            return valueOf(T, c.goo_gc_weak_get(heap.mutator, raw));
        }
    };
}

/// A collected map whose entries live as long as their keys; values may refer to keys. Both are
/// what Heap.create gave. It may be a field of an object or a root.
pub fn WeakMap(comptime K: type, comptime V: type) type {
    return struct {
        const Self = @This();
        raw: *c.GooGcWeakMap,

        pub fn init(heap: anytype) errors.Error!Self {
            return .{ .raw = try errors.created(c.goo_gc_weak_map_new(heap.mutator)) };
        }

        pub fn set(self: Self, heap: anytype, key: *K, value: *V) errors.Error!void {
            const status = c.goo_gc_weak_map_set(
                heap.mutator,
                self.raw,
                objectOf(K, key),
                objectOf(V, value),
            );
            try errors.check(status);
        }

        pub fn get(self: Self, heap: anytype, key: *const K) ?*V {
            return valueOf(V, c.goo_gc_weak_map_get(heap.mutator, self.raw, objectOf(K, key)));
        }

        /// Whether there was an entry to remove.
        pub fn remove(self: Self, heap: anytype, key: *const K) bool {
            return c.goo_gc_weak_map_remove(heap.mutator, self.raw, objectOf(K, key));
        }

        /// Those of dead keys count until the next collection.
        pub fn count(self: Self, heap: anytype) usize {
            return c.goo_gc_weak_map_count(heap.mutator, self.raw);
        }
    };
}

/// Local variables that are roots from `begin` to `end`; `Places` is a tuple of their addresses.
pub fn Frame(comptime Places: type) type {
    return struct {
        const Self = @This();
        heap: *c.GooGcHeap,
        places: Places,

        /// The frame stays where it is until `end`.
        pub fn begin(self: *Self) error{OutOfMemory}!void {
            try mapped(errors.check(c.goo_gc_roots_add(self.heap, trace, self)));
        }

        pub fn end(self: *Self) void {
            const status = c.goo_gc_roots_remove(self.heap, trace, self);
            std.debug.assert(status == c.GOO_OK); // it began
        }

        fn trace(raw: ?*c.GooGcVisitor, user: ?*anyopaque) callconv(.c) void {
            const self: *Self = @ptrCast(@alignCast(user.?));
            const visitor: layout.Visitor = .{ .raw = raw.? };
            inline for (self.places) |place| visitor.visit(place);
        }
    };
}
