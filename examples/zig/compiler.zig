//! Text to instructions. Words stand behind their operands:
//!
//!     : square dup * ;            a new word
//!     3 square .                  9
//!     x if … else … then          begin … until          "text"          \ a comment
//!
//! A word under construction is the newest of the dictionary, which is a root: everything that is
//! compiled is reachable from there before the next allocation.

const std = @import("std");
const goo = @import("goo");
const value = @import("value.zig");

const Instruction = value.Instruction;
const Word = value.Word;

pub const Error = error{ UnknownWord, Unbalanced, Unfinished, TooDeep, OutOfMemory };

const names = std.StaticStringMap(value.Op).initComptime(.{
    .{ "+", .add },      .{ "-", .subtract },  .{ "*", .multiply }, .{ "/", .divide },
    .{ "<", .less },     .{ "=", .equal },     .{ "dup", .dup },    .{ "drop", .drop },
    .{ "swap", .swap },  .{ "over", .over },   .{ ".", .print },    .{ "join", .join },
    .{ "list", .list },  .{ "push", .append }, .{ "at", .at },      .{ "len", .length },
    .{ "gc", .collect },
});

pub const Compiler = struct {
    heap: goo.Heap,
    words: *?*Word, // the dictionary, newest first; a root
    rest: []const u8,
    /// The word that failed, for messages.
    token: []const u8 = "",
    /// Places of jumps and loops that are not closed yet.
    open: [32]usize = undefined,
    depth: usize = 0,

    /// Compiles the whole text; the program is the returned word.
    pub fn compile(self: *Compiler) Error!*Word {
        const main = try self.begin("main");
        var frame = self.heap.frame(.{&main});
        try frame.begin();
        defer frame.end();
        while (self.next()) |token| {
            if (std.mem.eql(u8, token, ":")) try self.define() else try self.one(main, token);
        }
        return if (self.depth == 0) main else error.Unfinished;
    }

    fn begin(self: *Compiler, name: []const u8) Error!*Word {
        var copy: []const u8 = try self.heap.dupe(u8, name);
        var frame = self.heap.frame(.{&copy});
        try frame.begin();
        defer frame.end();
        const word = try self.heap.new(
            Word{ .name = copy, .code = &.{}, .count = 0, .older = self.words.* },
        );
        self.words.* = word;
        return word;
    }

    fn define(self: *Compiler) Error!void {
        const word = try self.begin(self.next() orelse return error.Unfinished);
        while (self.next()) |token| {
            if (std.mem.eql(u8, token, ";")) return;
            try self.one(word, token);
        }
        return error.Unfinished;
    }

    fn emit(self: *Compiler, word: *Word, instruction: Instruction) Error!void {
        var kept = instruction;
        var frame = self.heap.frame(.{&kept});
        try frame.begin();
        defer frame.end();
        try value.append(self.heap, word, "code", instruction);
    }

    fn remember(self: *Compiler, place: usize) Error!void {
        if (self.depth == self.open.len) return error.TooDeep;
        self.open[self.depth] = place;
        self.depth += 1;
    }

    fn recall(self: *Compiler) Error!usize {
        if (self.depth == 0) return error.Unbalanced;
        self.depth -= 1;
        return self.open[self.depth];
    }

    /// Lets the jump at `place` lead to the end of the code as it is now.
    fn land(word: *Word, place: usize) void {
        switch (word.code[place]) {
            .jump, .jump_if_false => |*target| target.* = word.count,
            else => unreachable,
        }
    }

    fn one(self: *Compiler, word: *Word, token: []const u8) Error!void {
        if (std.mem.eql(u8, token, "if")) {
            try self.remember(word.count);
            return self.emit(word, .{ .jump_if_false = 0 });
        }
        if (std.mem.eql(u8, token, "else")) {
            const place = try self.recall();
            try self.remember(word.count);
            try self.emit(word, .{ .jump = 0 });
            return land(word, place);
        }
        if (std.mem.eql(u8, token, "then")) return land(word, try self.recall());
        if (std.mem.eql(u8, token, "begin")) return self.remember(word.count);
        if (std.mem.eql(u8, token, "until")) {
            return self.emit(word, .{ .jump_if_false = try self.recall() });
        }
        if (token[0] == '"') return self.text(word, token[1..]);
        if (names.get(token)) |op| return self.emit(word, .{ .op = op });
        if (std.fmt.parseFloat(f64, token)) |n| {
            return self.emit(word, .{ .push = .{ .number = n } });
        } else |_| {}
        var known = self.words.*;
        while (known) |w| : (known = w.older) {
            if (std.mem.eql(u8, w.name, token)) return self.emit(word, .{ .call = w });
        }
        return error.UnknownWord;
    }

    fn text(self: *Compiler, word: *Word, bytes: []const u8) Error!void {
        var copy: []const u8 = try self.heap.dupe(u8, bytes);
        var frame = self.heap.frame(.{&copy});
        try frame.begin();
        defer frame.end();
        try self.emit(
            word,
            .{ .push = .{ .text = try self.heap.new(value.Text{ .bytes = copy }) } },
        );
    }

    /// The next word; a text begins with its quote and lacks the one at its end.
    fn next(self: *Compiler) ?[]const u8 {
        while (true) {
            self.rest = std.mem.trimStart(u8, self.rest, " \t\r\n");
            if (self.rest.len == 0) return null;
            if (self.rest[0] != '\\') break;
            self.rest = self.rest[std.mem.indexOfScalar(
                u8,
                self.rest,
                '\n',
            ) orelse self.rest.len ..];
        }
        const end = if (self.rest[0] == '"')
            std.mem.indexOfScalarPos(u8, self.rest, 1, '"') orelse self.rest.len
        else
            std.mem.indexOfAny(u8, self.rest, " \t\r\n") orelse self.rest.len;
        self.token = self.rest[0..end];
        self.rest = self.rest[@min(end + 1, self.rest.len)..];
        return self.token;
    }
};
