//! What the machine computes with. None of these types says anything about the collector: where
//! their references are is derived from their fields.

const goo = @import("goo");

pub const Value = union(enum) {
    nil,
    number: f64,
    text: *Text,
    list: *List,

    /// All values but nil and 0 are true.
    pub fn isTrue(value: Value) bool {
        return switch (value) {
            .nil => false,
            .number => |n| n != 0,
            else => true,
        };
    }
};

pub const Text = struct { bytes: []const u8 };

/// The first `count` of `items` are in use.
pub const List = struct { items: []Value, count: usize };

pub const Op = enum {
    add,
    subtract,
    multiply,
    divide,
    less,
    equal, // numbers
    dup,
    drop,
    swap,
    over, // the stack
    print,
    join,
    list,
    append,
    at,
    length,
    collect,
};

pub const Instruction = union(enum) {
    push: Value,
    op: Op,
    call: *Word,
    jump: usize,
    jump_if_false: usize,
};

/// A word of the program, also the program itself; the first `count` of `code` are in use.
pub const Word = struct {
    name: []const u8,
    code: []Instruction,
    count: usize,
    older: ?*Word,
};

/// Appends to the heap array in `owner.field`, which is larger than its `count`, or is made so.
/// `owner` and what `item` refers to are reachable from a root.
pub fn append(heap: goo.Heap, owner: anytype, comptime field: []const u8, item: anytype) !void {
    const T = @TypeOf(item);
    const items: []T = @field(owner, field);
    if (owner.count == items.len) {
        const larger = try heap.createArray(T, @max(8, 2 * items.len));
        @memcpy(larger[0..items.len], items);
        heap.set(owner, field, larger);
    }
    heap.setItem(@field(owner, field), owner.count, item);
    owner.count += 1;
}
