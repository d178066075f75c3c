//! zig_vm: a small stack language whose values live on a Goo heap.
//!
//!     zig_vm PROGRAM [GC-SETTINGS]        settings as for goo_gc_options_parse: "stress=1,verify"
//!
//! compiler.zig turns the text into instructions, machine.zig runs them, value.zig says what a
//! value is. The program's text lies in an arena, which is Goo's too, behind Zig's allocator interface.

const std = @import("std");
const goo = @import("goo");
const Compiler = @import("compiler.zig").Compiler;
const Machine = @import("machine.zig").Machine;
const c = goo.c;

fn readFile(gpa: std.mem.Allocator, path: [*:0]const u8) ![]u8 {
    const file = c.fopen(path, "rb") orelse return error.CannotBeRead;
    defer _ = c.fclose(file);
    var bytes: std.ArrayList(u8) = .empty;
    errdefer bytes.deinit(gpa);
    while (true) {
        var part: [4096]u8 = undefined;
        const count = c.fread(&part, 1, part.len, file);
        if (count == 0) return bytes.toOwnedSlice(gpa);
        try bytes.appendSlice(gpa, part[0..count]);
    }
}

fn complain(comptime format: []const u8, values: anytype) void {
    _ = c.fflush(c.stdout);
    std.debug.print("zig_vm: " ++ format ++ "\n", values);
}

fn runProgram(text: []const u8, settings: ?[:0]const u8) !void {
    var heap = goo.Heap.init(.{ .settings = settings }) catch |err| {
        complain("no heap: {t}", .{err});
        return err;
    };
    defer heap.deinit();
    var machine: Machine = .{ .heap = heap };
    try machine.begin();
    defer machine.end();
    var compiler: Compiler = .{ .heap = heap, .words = &machine.roots.words, .rest = text };
    const program = compiler.compile() catch |err| {
        complain("{t} at '{s}'", .{ err, compiler.token });
        return err;
    };
    machine.run(program) catch |err| {
        complain("{t} in '{s}'", .{ err, machine.calls[machine.call_count - 1].word.name });
        return err;
    };
    if (settings != null) _ = c.printf("%lu collections\n", heap.stats().collections_full);
}

pub fn main(init: std.process.Init.Minimal) u8 {
    const arguments = init.args.vector;
    if (arguments.len < 2 or arguments.len > 3) {
        complain("PROGRAM [GC-SETTINGS]", .{});
        return 64;
    }
    const arena = goo.created(c.goo_arena_allocator_create(64 * 1024)) catch return 1;
    defer goo.destroy(arena);
    const text = readFile(goo.allocator(arena), arguments[1]) catch |err| {
        complain("{s}: {t}", .{ arguments[1], err });
        return 1;
    };
    const settings = if (arguments.len == 3) std.mem.span(arguments[2]) else null;
    runProgram(text, settings) catch return 1;
    return 0;
}
