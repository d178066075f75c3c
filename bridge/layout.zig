//! Where the references are in a Zig type, found at compile time, and how the collector traces it.
//!
//! A collected value lies behind its object's header:
//!
//!     object ▶ | GooGcType * | value …                    at 8, or at 16 for what is aligned to 16
//!              | GooGcType * | count | elements …         arrays whose elements hold references
//!
//! so a `*T` is the object's address with 8 in its low bits: a slot under the heap's encoding
//! LOW_TAG(4, 8). What each field is:
//!
//!   slot     `*T`, `?*T`: null, or what Heap.create gave. Precise; a type of nothing but slots
//!            is a bitmap, which the collector reads without a call.
//!   anything slices, `[*]T`, `[*c]T`, `*const T`, `*anyopaque`, `*T` aligned above 8: may point
//!            into an object, and anywhere else: it is looked up.
//!   object   pointers to the C API's collected objects (GooGcWeak and its like).
//!   parts    structs, arrays, optionals, error unions and tagged unions: what is in them.
//!
//! A type that declares `pub fn trace(self: *T, visitor: goo.Visitor) void` is traced by it. What
//! is none of these is a compile error that names the field.
//!
//!   LAYOUT-1  a value's references are exactly what `traceValue` visits, in bitmaps too
//!   LAYOUT-2  memory that reads zero holds no reference

const std = @import("std");
const c = @import("goo_c");

comptime {
    if (@sizeOf(usize) != 8) @compileError("goo.Heap needs 64-bit pointers: a slot has 8 bytes");
}

/// What a trace function gets: `visitor.visit(&self.field)` for each field that holds references.
pub const Visitor = struct {
    raw: *c.GooGcVisitor,

    /// Visits all that the value at `place` refers to, by its type.
    pub fn visit(v: Visitor, place: anytype) void {
        const T = @typeInfo(@TypeOf(place)).pointer.child;
        comptime describe(T, @typeName(T));
        traceValue(T, v, @constCast(place));
    }

    fn word(v: Visitor, comptime kind: Word, address: [*]u8) void {
        switch (kind) {
            .none => {},
            .slot => c.goo_gc_visit(v.raw, address),
            .object => c.goo_gc_visit_pointer(v.raw, address),
            .anything => c.goo_gc_visit_conservative(v.raw, address, address + 8),
        }
    }

    fn custom(v: Visitor, comptime T: type, place: *T) void {
        T.trace(place, v);
    }
};

/// Counts slots that are neither null nor what Heap.create gave; a trace function's are not seen.
const Checker = struct {
    heap: *c.GooGcHeap,
    strays: usize = 0,

    fn word(checker: *Checker, comptime kind: Word, address: [*]u8) void {
        if (kind != .slot) return;
        const value = @as(*align(1) const usize, @ptrCast(address)).*;
        if (value == 0) return;
        const base = c.goo_gc_base_of(checker.heap, @ptrFromInt(value));
        checker.strays += @intFromBool(@intFromPtr(base) +% 8 != value);
    }

    fn custom(checker: *Checker, comptime T: type, place: *T) void {
        _ = checker;
        _ = place;
    }
};

/// How many `*T` of the value at `place` break the rule for them.
pub fn strays(heap: *c.GooGcHeap, place: anytype) usize {
    var checker: Checker = .{ .heap = heap };
    traceValue(@typeInfo(@TypeOf(place)).pointer.child, &checker, @constCast(place));
    return checker.strays;
}

const Word = enum { none, slot, anything, object };

/// What a pointer type is; `P` is a pointer.
fn pointerWord(comptime P: type) Word {
    const info = @typeInfo(P).pointer;
    if (@typeInfo(info.child) == .@"fn") return .none;
    if (info.size == .one) {
        switch (info.child) {
            c.GooGcWeak, c.GooGcEphemeron, c.GooGcWeakMap => return .object,
            else => {},
        }
        if (@typeInfo(info.child) == .@"opaque") return .anything;
        if (@sizeOf(info.child) == 0) return .none;
        if (!info.is_const and @alignOf(info.child) <= 8) return .slot;
    }
    return .anything;
}

/// The pointer type in `P` or `?P` where an optional is as large as its pointer; null for others.
fn pointerIn(comptime T: type) ?type {
    return switch (@typeInfo(T)) {
        .pointer => T,
        .optional => |o| if (@typeInfo(o.child) == .pointer and @sizeOf(T) == 8) o.child else null,
        else => null,
    };
}

/// A function of the name that does something else is none.
fn declaresTrace(comptime T: type) bool {
    switch (@typeInfo(T)) {
        .@"struct", .@"union" => if (!@hasDecl(T, "trace")) return false,
        else => return false,
    }
    const F = @TypeOf(T.trace);
    return F == fn (*T, Visitor) void or F == fn (*const T, Visitor) void;
}

/// LAYOUT-2
fn hasZero(comptime Tag: type) bool {
    return inline for (@typeInfo(Tag).@"enum".fields) |field| {
        if (field.value == 0) break true;
    } else false;
}

fn fail(comptime path: []const u8, comptime why: []const u8) noreturn {
    @compileError("goo: the collector can't describe " ++ path ++ ": " ++ why);
}

/// Fails to compile, naming the field, if T can't be described.
pub fn describe(comptime T: type, comptime path: []const u8) void {
    @setEvalBranchQuota(100_000);
    if (declaresTrace(T)) return;
    switch (@typeInfo(T)) {
        .void, .bool, .int, .float, .@"enum", .error_set => {},
        .pointer => |p| {
            if (p.is_volatile) fail(path, "a volatile pointer");
            if (p.address_space != .generic) fail(path, "a pointer to another address space");
        },
        .optional => |o| describe(o.child, path ++ ".?"),
        .error_union => |e| describe(e.payload, path ++ " (its payload)"),
        .array => |a| describe(a.child, path ++ "[]"),
        .vector => |v| if (@typeInfo(v.child) == .pointer or @typeInfo(v.child) == .optional)
            fail(path, "a vector of pointers"),
        .@"struct" => |s| inline for (s.fields) |field| {
            if (field.is_comptime) continue;
            describe(field.type, path ++ "." ++ field.name);
            if (s.layout == .@"packed" and hasReferences(field.type))
                fail(path ++ "." ++ field.name, "a pointer in a packed struct");
            if (hasReferences(field.type) and @offsetOf(T, field.name) % 8 != 0)
                fail(path ++ "." ++ field.name, "a pointer that is not aligned");
        },
        .@"union" => |u| inline for (u.fields) |field| {
            describe(field.type, path ++ "." ++ field.name);
            if (u.tag_type != null and hasReferences(field.type) and !hasZero(u.tag_type.?))
                fail(path ++ "." ++ field.name, "a pointer in a union without a tag 0: new " ++
                    "memory, which reads zero, would be none of its values");
            if (u.tag_type == null and hasReferences(field.type))
                fail(path ++ "." ++ field.name, "a pointer in a union without a tag; declare " ++
                    "`pub fn trace(self: *" ++ @typeName(T) ++ ", visitor: goo.Visitor) void`");
        },
        else => fail(path, "a value of type " ++ @typeName(T)),
    }
}

/// Whether a value of T can refer to an object.
pub fn hasReferences(comptime T: type) bool {
    if (declaresTrace(T)) return true;
    if (pointerIn(T)) |P| return pointerWord(P) != .none;
    return switch (@typeInfo(T)) {
        .optional => |o| hasReferences(o.child),
        .error_union => |e| hasReferences(e.payload),
        .array => |a| a.len > 0 and hasReferences(a.child),
        .@"struct" => |s| inline for (s.fields) |field| {
            if (!field.is_comptime and hasReferences(field.type)) break true;
        } else false,
        .@"union" => |u| inline for (u.fields) |field| {
            if (hasReferences(field.type)) break true;
        } else false,
        else => false,
    };
}

/// Whether all references of T are slots at fixed, aligned places.
fn isBitmap(comptime T: type, comptime offset: usize) bool {
    if (!hasReferences(T)) return true;
    if (declaresTrace(T)) return false;
    if (pointerIn(T)) |P| return pointerWord(P) == .slot and offset % 8 == 0;
    return switch (@typeInfo(T)) {
        .array => |a| isBitmap(a.child, offset) and @sizeOf(a.child) % 8 == 0 and a.len <= 64,
        .@"struct" => |s| s.layout != .@"packed" and inline for (s.fields) |field| {
            if (field.is_comptime) continue;
            if (!isBitmap(field.type, offset + @offsetOf(T, field.name))) break false;
        } else true,
        else => false,
    };
}

fn setBits(comptime T: type, comptime offset: usize, bits: []u64) void {
    if (!hasReferences(T)) return;
    if (pointerIn(T) != null) {
        bits[offset / 8 / 64] |= @as(u64, 1) << (offset / 8 % 64);
        return;
    }
    switch (@typeInfo(T)) {
        .array => |a| for (0..a.len) |i| setBits(a.child, offset + i * @sizeOf(a.child), bits),
        .@"struct" => |s| for (s.fields) |field| {
            if (!field.is_comptime) setBits(field.type, offset + @offsetOf(T, field.name), bits);
        },
        else => unreachable,
    }
}

/// Hands every reference of the value to `v`: a Visitor or a Checker.
fn traceValue(comptime T: type, v: anytype, place: *align(1) T) void {
    if (comptime !hasReferences(T)) return;
    if (comptime declaresTrace(T)) return v.custom(T, @alignCast(place));
    if (comptime pointerIn(T)) |P| {
        if (@typeInfo(P).pointer.size == .slice) return v.word(.anything, @ptrCast(&place.ptr));
        return v.word(comptime pointerWord(P), @ptrCast(place));
    }
    switch (@typeInfo(T)) {
        .optional => |o| if (place.*) |*inner| traceValue(o.child, v, inner),
        .error_union => |e| if (place.*) |*inner| traceValue(e.payload, v, inner) else |_| {},
        .array => |a| for (place) |*item| traceValue(a.child, v, item),
        .@"struct" => |s| inline for (s.fields) |field| {
            if (field.is_comptime) continue;
            traceValue(field.type, v, &@field(place, field.name));
        },
        .@"union" => switch (place.*) {
            inline else => |*inner| traceValue(@TypeOf(inner.*), v, inner),
        },
        else => comptime unreachable,
    }
}

/// Where in its object a value of T lies.
pub fn valueOffset(comptime T: type) usize {
    return if (@alignOf(T) <= 8) 8 else 16;
}

/// Where in its object the elements of an array of T lie.
pub fn itemsOffset(comptime T: type) usize {
    return if (hasReferences(T)) 16 else valueOffset(T);
}

fn checkAlignment(comptime T: type) void {
    if (@alignOf(T) > 16) fail(@typeName(T), "aligned to more than 16");
}

/// The collector's description of single values of T; one for each T in a program.
pub fn TypeOf(comptime T: type) type {
    comptime describe(T, @typeName(T));
    comptime checkAlignment(T);
    return struct {
        const offset = valueOffset(T);
        const word_count = (offset + @sizeOf(T) + 7) / 8;
        const bitmap_words = (word_count + 63) / 64;
        pub const kind: c.GooGcLayout = if (!hasReferences(T))
            c.GOO_GC_LAYOUT_LEAF
        else if (isBitmap(T, 0))
            c.GOO_GC_LAYOUT_BITMAP
        else
            c.GOO_GC_LAYOUT_TRACE;
        pub const bitmap: [bitmap_words]u64 = bits: {
            var bits: [bitmap_words]u64 = @splat(0);
            if (kind == c.GOO_GC_LAYOUT_BITMAP) setBits(T, offset, &bits);
            break :bits bits;
        };
        pub const raw: c.GooGcType = .{
            .name = @typeName(T),
            .size = offset + @sizeOf(T),
            .layout = kind,
            .bitmap = &bitmap,
            .bitmap_words = if (kind == c.GOO_GC_LAYOUT_BITMAP) bitmap_words else 0,
            .trace = if (kind == c.GOO_GC_LAYOUT_TRACE) trace else null,
            .finalize = if (declaresFinalize(T)) finalize else null,
        };

        fn value(object: ?*anyopaque) *T {
            return @ptrFromInt(@intFromPtr(object.?) + offset);
        }

        fn trace(object: ?*anyopaque, visitor: ?*c.GooGcVisitor) callconv(.c) void {
            traceValue(T, Visitor{ .raw = visitor.? }, value(object));
        }

        fn finalize(object: ?*anyopaque, _: ?*anyopaque) callconv(.c) void {
            value(object).finalize();
        }
    };
}

fn declaresFinalize(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .@"struct", .@"union" => @hasDecl(T, "finalize") and
            @TypeOf(T.finalize) == fn (*T) void,
        else => false,
    };
}

/// The collector's description of arrays of T.
pub fn ArrayTypeOf(comptime T: type) type {
    comptime describe(T, @typeName(T) ++ "[]");
    comptime checkAlignment(T);
    return struct {
        pub const kind: c.GooGcLayout = if (!hasReferences(T))
            c.GOO_GC_LAYOUT_LEAF
        else if (pointerIn(T) != null and isBitmap(T, 0))
            c.GOO_GC_LAYOUT_ARRAY
        else
            c.GOO_GC_LAYOUT_TRACE;
        pub const raw: c.GooGcType = .{
            .name = "[]" ++ @typeName(T),
            .size = itemsOffset(T),
            .layout = kind,
            .array_offset = if (kind == c.GOO_GC_LAYOUT_ARRAY) itemsOffset(T) else 0,
            .trace = if (kind == c.GOO_GC_LAYOUT_TRACE) trace else null,
        };

        fn trace(object: ?*anyopaque, visitor: ?*c.GooGcVisitor) callconv(.c) void {
            const start = @intFromPtr(object.?);
            const count: *const usize = @ptrFromInt(start + 8);
            const items: [*]T = @ptrFromInt(start + itemsOffset(T));
            for (items[0..count.*]) |*item| traceValue(T, Visitor{ .raw = visitor.? }, item);
        }
    };
}

/// A callback that visits the variable of type T at `user`.
pub fn RootOf(comptime T: type) type {
    comptime describe(T, @typeName(T));
    return struct {
        pub fn trace(visitor: ?*c.GooGcVisitor, user: ?*anyopaque) callconv(.c) void {
            const place: *T = @ptrCast(@alignCast(user.?));
            traceValue(T, Visitor{ .raw = visitor.? }, place);
        }
    };
}
