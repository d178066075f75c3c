//! The stack machine. Its roots are one plain struct: the value stack and the dictionary.
//!
//! An operation leaves its operands on the stack until its result is there, so that what it
//! allocates in between can't take them away.

const std = @import("std");
const goo = @import("goo");
const value = @import("value.zig");

const Value = value.Value;
const Word = value.Word;

pub const Error = error{ StackEmpty, StackFull, WrongType, OutOfRange, OutOfMemory, TooManyCalls };

const Roots = struct {
    stack: [256]Value = @splat(.nil), // nil from `depth` on, so that nothing old is kept
    depth: usize = 0,
    words: ?*Word = null,
};

const Call = struct { word: *Word, at: usize };

pub const Machine = struct {
    heap: goo.Heap,
    roots: Roots = .{},
    calls: [200]Call = undefined,
    call_count: usize = 0,

    /// The machine stays where it is until `end`.
    pub fn begin(self: *Machine) !void {
        try self.heap.addRoot(&self.roots);
    }

    pub fn end(self: *Machine) void {
        self.heap.removeRoot(&self.roots);
    }

    pub fn run(self: *Machine, program: *Word) Error!void {
        self.call_count = 0;
        try self.enter(program);
        while (self.call_count > 0) {
            const call = &self.calls[self.call_count - 1];
            if (call.at == call.word.count) {
                self.call_count -= 1;
                continue;
            }
            call.at += 1;
            switch (call.word.code[call.at - 1]) {
                .push => |v| try self.push(v),
                .op => |op| try self.perform(op),
                .call => |word| try self.enter(word),
                .jump => |target| call.at = target,
                .jump_if_false => |target| if (!(try self.pop()).isTrue()) {
                    call.at = target;
                },
            }
        }
    }

    fn enter(self: *Machine, word: *Word) Error!void {
        if (self.call_count == self.calls.len) return error.TooManyCalls;
        self.calls[self.call_count] = .{ .word = word, .at = 0 };
        self.call_count += 1;
    }

    fn push(self: *Machine, v: Value) Error!void {
        if (self.roots.depth == self.roots.stack.len) return error.StackFull;
        self.roots.stack[self.roots.depth] = v;
        self.roots.depth += 1;
    }

    fn pop(self: *Machine) Error!Value {
        const v = (try self.top(0)).*;
        (try self.top(0)).* = .nil;
        self.roots.depth -= 1;
        return v;
    }

    fn top(self: *Machine, below: usize) Error!*Value {
        if (below >= self.roots.depth) return error.StackEmpty;
        return &self.roots.stack[self.roots.depth - 1 - below];
    }

    fn number(self: *Machine, below: usize) Error!f64 {
        return switch ((try self.top(below)).*) {
            .number => |n| n,
            else => error.WrongType,
        };
    }

    fn text(self: *Machine, below: usize) Error!*value.Text {
        return switch ((try self.top(below)).*) {
            .text => |t| t,
            else => error.WrongType,
        };
    }

    fn list(self: *Machine, below: usize) Error!*value.List {
        return switch ((try self.top(below)).*) {
            .list => |l| l,
            else => error.WrongType,
        };
    }

    /// The two operands on top give way to their result.
    fn replaceTwo(self: *Machine, result: Value) Error!void {
        _ = try self.pop();
        (try self.top(0)).* = result;
    }

    fn perform(self: *Machine, op: value.Op) Error!void {
        switch (op) {
            .add, .subtract, .multiply, .divide, .less, .equal => try self.compute(op),
            .dup => try self.push((try self.top(0)).*),
            .over => try self.push((try self.top(1)).*),
            .drop => _ = try self.pop(),
            .swap => std.mem.swap(Value, try self.top(0), try self.top(1)),
            .print => {
                print((try self.top(0)).*);
                _ = goo.c.printf("\n");
                _ = try self.pop();
            },
            .join => try self.join(),
            .list => try self.push(.{ .list = try self.heap.create(value.List) }),
            .append => {
                try value.append(self.heap, try self.list(1), "items", (try self.top(0)).*);
                _ = try self.pop();
            },
            .at => try self.replaceTwo(try self.itemAt()),
            .length => {
                const count = (try self.list(0)).count;
                (try self.top(0)).* = .{ .number = @floatFromInt(count) };
            },
            .collect => self.heap.collect() catch return error.OutOfMemory,
        }
    }

    fn compute(self: *Machine, op: value.Op) Error!void {
        const a = try self.number(1);
        const b = try self.number(0);
        try self.replaceTwo(.{ .number = switch (op) {
            .add => a + b,
            .subtract => a - b,
            .multiply => a * b,
            .divide => a / b,
            .less => @floatFromInt(@intFromBool(a < b)),
            .equal => @floatFromInt(@intFromBool(a == b)),
            else => unreachable,
        } });
    }

    fn join(self: *Machine) Error!void {
        const a = try self.text(1);
        const b = try self.text(0);
        var bytes = try self.heap.createArray(u8, a.bytes.len + b.bytes.len);
        @memcpy(bytes[0..a.bytes.len], a.bytes);
        @memcpy(bytes[a.bytes.len..], b.bytes);
        var frame = self.heap.frame(.{&bytes});
        try frame.begin();
        defer frame.end();
        try self.replaceTwo(.{ .text = try self.heap.new(value.Text{ .bytes = bytes }) });
    }

    fn itemAt(self: *Machine) Error!Value {
        const l = try self.list(1);
        const index = try self.number(0);
        if (!(index >= 0 and index < @as(f64, @floatFromInt(l.count)))) return error.OutOfRange;
        return l.items[@intFromFloat(index)];
    }
};

fn print(v: Value) void {
    switch (v) {
        .nil => _ = goo.c.printf("nil"),
        .number => |n| _ = goo.c.printf("%.10g", n),
        .text => |t| _ = goo.c.printf("%.*s", @as(c_int, @intCast(t.bytes.len)), t.bytes.ptr),
        .list => |l| _ = goo.c.printf("(%zu items)", l.count),
    }
}
