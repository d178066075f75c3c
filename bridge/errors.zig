//! Goo's status codes and errno as Zig errors.

const std = @import("std");
const c = @import("goo_c");

pub const Error = error{
    OutOfMemory,
    InvalidArgument,
    Limit,
    Unsupported,
    Busy,
    InputOutput,
    Corrupt,
};

/// The error that a `GooStatus` stands for.
pub fn check(status: c.GooStatus) Error!void {
    return switch (status) {
        c.GOO_OK => {},
        c.GOO_ERR_NO_MEMORY => error.OutOfMemory,
        c.GOO_ERR_LIMIT => error.Limit,
        c.GOO_ERR_UNSUPPORTED => error.Unsupported,
        c.GOO_ERR_BUSY => error.Busy,
        c.GOO_ERR_IO => error.InputOutput,
        c.GOO_ERR_CORRUPT => error.Corrupt,
        else => error.InvalidArgument,
    };
}

/// What a C call that returns a pointer gave, or the error that errno names.
pub fn created(pointer: anytype) Error!*Pointee(@TypeOf(pointer)) {
    if (@as(?*Pointee(@TypeOf(pointer)), pointer)) |p| return p;
    return switch (@as(std.c.E, @enumFromInt(std.c._errno().*))) {
        .INVAL => error.InvalidArgument,
        .OPNOTSUPP => error.Unsupported,
        else => error.OutOfMemory,
    };
}

fn Pointee(comptime P: type) type {
    return switch (@typeInfo(P)) {
        .optional => |o| @typeInfo(o.child).pointer.child,
        .pointer => |p| p.child,
        else => @compileError("goo: " ++ @typeName(P) ++ " is no pointer"),
    };
}
