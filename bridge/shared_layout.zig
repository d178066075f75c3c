//! Checks that Zig and the library agree about every type they share.
//!
//! The translated headers are walked at compile time: each struct, member and enumeration constant
//! is asked of goo_bridge_layout, and at the end as many facts must have been asked as it knows, so
//! that neither side has a struct, a member or a constant that the other has not.

const std = @import("std");
const c = @import("goo_c");

/// The first fact on which the two sides differ.
pub const Disagreement = struct { name: []const u8, here: usize, library: usize };

fn isStruct(comptime name: []const u8) bool {
    return std.mem.startsWith(u8, name, "struct_Goo") and
        @typeInfo(@field(c, name)) == .@"struct";
}

fn isConstant(comptime name: []const u8) bool {
    if (!std.mem.startsWith(u8, name, "GOO_")) return false;
    inline for (not_enumerations) |other| if (std.mem.eql(u8, name, other)) return false;
    return true;
}

/// Macros that do not translate.
const not_enumerations = [_][]const u8{
    "GOO_ALLOC",
    "GOO_FREE",
    "GOO_SIZEOF_",
    "GOO_GC_ENCODING_POINTER",
    "GOO_GC_ENCODING_LOW_TAG",
    "GOO_GC_ENCODING_NAN_BOX",
};

fn differs(name: [:0]const u8, here: usize, count: *usize) ?Disagreement {
    count.* += 1;
    const library = c.goo_bridge_layout(name.ptr);
    return if (library == here) null else .{ .name = name, .here = here, .library = library };
}

fn structDiffers(comptime name: []const u8, count: *usize) ?Disagreement {
    const T = @field(c, name);
    const short = name["struct_".len..];
    if (differs("sizeof " ++ short, @sizeOf(T), count)) |d| return d;
    inline for (@typeInfo(T).@"struct".fields) |field| {
        const member = "offsetof " ++ short ++ "." ++ field.name;
        if (differs(member, @offsetOf(T, field.name), count)) |d| return d;
    }
    return null;
}

/// null: they agree, and on everything.
pub fn disagreement() ?Disagreement {
    @setEvalBranchQuota(2_000_000);
    var count: usize = 0;
    inline for (@typeInfo(c).@"struct".decls) |decl| {
        if (comptime std.mem.startsWith(u8, decl.name, "struct_Goo")) {
            if (comptime isStruct(decl.name)) if (structDiffers(decl.name, &count)) |d| return d;
        } else if (comptime isConstant(decl.name)) {
            const T = @TypeOf(@field(c, decl.name));
            if (T == c_int or T == c_uint) {
                const value: isize = @field(c, decl.name);
                // A macro looks like an enumeration constant here; the library knows none.
                if (c.goo_bridge_layout(decl.name) != std.math.maxInt(isize)) {
                    if (differs(decl.name, @bitCast(value), &count)) |d| return d;
                }
            }
        }
    }
    var known: usize = 0;
    while (c.goo_bridge_layout_name(known) != null) known += 1;
    return if (known == count) null else .{
        .name = "the number of facts",
        .here = count,
        .library = known,
    };
}
