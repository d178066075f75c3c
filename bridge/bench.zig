//! bench_bridge: what an allocation from Zig costs beside the same call in C, and Zig's allocators.
//!
//! For each of Goo's allocators the same work three ways, in turns within each round: C over the
//! front door, C over the bridge's calls, Zig over std.mem.Allocator. The work is batches of
//! 64-byte blocks: allocate and write each, then free each. Then the same work on Zig's own allocators.
//! Reported are medians over the rounds, in nanoseconds for one block (an allocation and its free);
//! what a call costs above C is half of the median difference.

const std = @import("std");
const goo = @import("goo");
const c = goo.c;

extern fn bench_bridge_now_ns() f64;
extern fn bench_bridge_row(allocator: [*:0]const u8, way: [*:0]const u8, role: c_int, ns: f64) void;
extern fn bench_bridge_progress(done: usize, of: usize) void;
extern fn bench_bridge_front_door(
    a: *c.GooAllocator,
    blocks: [*]?*anyopaque,
    batch: usize,
    rounds: usize,
    size: usize,
    alignment: usize,
) void;
extern fn bench_bridge_calls(
    a: *c.GooAllocator,
    blocks: [*]?*anyopaque,
    batch: usize,
    rounds: usize,
    size: usize,
    log2_align: u8,
) void;

/// As BenchRole of tests/bench/bench.h.
const role_goo = 0;
const role_peer = 1;
const role_bare = 2;

const Block = struct { words: [8]u64 };
const batch = 256;
const samples_max = 101;
var blocks: [batch]*Block = undefined;

const usage =
    \\Usage: ./goo bench bridge [--quick]
    \\
    \\What a 64-byte block costs (an allocation and its free), in nanoseconds: from C, through the
    \\bridge's calls, from Zig; and from Zig's own allocators. --quick: fewer rounds.
    \\
;

noinline fn zigWork(gpa: std.mem.Allocator, rounds: usize) void {
    for (0..rounds) |_| {
        for (&blocks, 0..) |*block, i| {
            block.* = gpa.create(Block) catch unreachable;
            block.*.words[0] = i;
        }
        for (blocks) |block| gpa.destroy(block);
    }
}

noinline fn poolWork(
    pool: *std.heap.MemoryPool(Block),
    gpa: std.mem.Allocator,
    rounds: usize,
) void {
    for (0..rounds) |_| {
        for (&blocks, 0..) |*block, i| {
            block.* = pool.create(gpa) catch unreachable;
            block.*.words[0] = i;
        }
        for (blocks) |block| pool.destroy(block);
    }
}

fn median(samples: []f64) f64 {
    std.mem.sort(f64, samples, {}, std.sort.asc(f64));
    return samples[samples.len / 2];
}

const Measured = struct { door: f64, calls: f64, zig: f64, above: f64 };

/// One allocator, its three ways in turns; `above` is the median of Zig minus C in each round.
fn measure(a: *c.GooAllocator, samples: usize, rounds: usize, reset: bool) Measured {
    var door: [samples_max]f64 = undefined;
    var calls: [samples_max]f64 = undefined;
    var zig: [samples_max]f64 = undefined;
    var above: [samples_max]f64 = undefined;
    const raw: [*]?*anyopaque = @ptrCast(&blocks);
    const each: f64 = @floatFromInt(batch * rounds);
    for (0..samples) |s| {
        if (reset) c.goo_arena_reset(a, c.GOO_ARENA_RETAIN_ALL);
        var began = bench_bridge_now_ns();
        bench_bridge_front_door(a, raw, batch, rounds, @sizeOf(Block), @alignOf(Block));
        door[s] = (bench_bridge_now_ns() - began) / each;
        if (reset) c.goo_arena_reset(a, c.GOO_ARENA_RETAIN_ALL);
        began = bench_bridge_now_ns();
        bench_bridge_calls(
            a,
            raw,
            batch,
            rounds,
            @sizeOf(Block),
            std.math.log2_int(usize, @alignOf(Block)),
        );
        calls[s] = (bench_bridge_now_ns() - began) / each;
        if (reset) c.goo_arena_reset(a, c.GOO_ARENA_RETAIN_ALL);
        began = bench_bridge_now_ns();
        zigWork(goo.allocator(a), rounds);
        zig[s] = (bench_bridge_now_ns() - began) / each;
        above[s] = zig[s] - door[s];
    }
    return .{
        .door = median(door[0..samples]),
        .calls = median(calls[0..samples]),
        .zig = median(zig[0..samples]),
        .above = median(above[0..samples]),
    };
}

fn measureZig(gpa: std.mem.Allocator, samples: usize, rounds: usize) f64 {
    var times: [samples_max]f64 = undefined;
    for (times[0..samples]) |*time| {
        const began = bench_bridge_now_ns();
        zigWork(gpa, rounds);
        time.* = (bench_bridge_now_ns() - began) / @as(f64, @floatFromInt(batch * rounds));
    }
    return median(times[0..samples]);
}

fn measureArena(samples: usize, rounds: usize) f64 {
    var times: [samples_max]f64 = undefined;
    var arena: std.heap.ArenaAllocator = .init(std.heap.c_allocator);
    defer arena.deinit();
    for (times[0..samples]) |*time| {
        _ = arena.reset(.retain_capacity);
        const began = bench_bridge_now_ns();
        zigWork(arena.allocator(), rounds);
        time.* = (bench_bridge_now_ns() - began) / @as(f64, @floatFromInt(batch * rounds));
    }
    return median(times[0..samples]);
}

fn measurePool(samples: usize, rounds: usize) f64 {
    var times: [samples_max]f64 = undefined;
    const gpa = std.heap.c_allocator;
    var pool: std.heap.MemoryPool(Block) = .empty;
    defer pool.deinit(gpa);
    for (times[0..samples]) |*time| {
        const began = bench_bridge_now_ns();
        poolWork(&pool, gpa, rounds);
        time.* = (bench_bridge_now_ns() - began) / @as(f64, @floatFromInt(batch * rounds));
    }
    return median(times[0..samples]);
}

pub fn main(init: std.process.Init.Minimal) u8 {
    var quick = false;
    for (init.args.vector[1..]) |argument| {
        const text = std.mem.span(argument);
        if (std.mem.eql(u8, text, "--quick")) {
            quick = true;
        } else {
            const help = std.mem.eql(u8, text, "--help");
            _ = c.fputs(usage, if (help) c.stdout else c.stderr);
            return if (help) 0 else 64;
        }
    }
    run(if (quick) 15 else samples_max, if (quick) 40 else 200) catch return 1;
    return 0;
}

fn run(samples: usize, rounds: usize) !void {
    _ = c.printf("goo %s, 64-byte blocks in batches of %d, ns a block (allocation and free), " ++
        "medians of %zu rounds\n\n", c.goo_version(), @as(c_int, batch), samples);
    _ = c.printf("%-10s %10s %12s %10s %16s\n", "goo", "C", "C, bridge", "Zig", "above C, a call");
    const cases = [_]struct { name: [*:0]const u8, open: [*:0]const u8, reset: bool }{
        .{ .name = "system", .open = "system", .reset = false },
        .{ .name = "pool", .open = "pool:size=64", .reset = false },
        .{ .name = "arena", .open = "arena", .reset = true },
    };
    const parts = cases.len + 4;
    for (cases, 1..) |case, done| {
        const a = try goo.created(c.goo_allocator_open(case.open));
        defer goo.destroy(a);
        const m = measure(a, samples, rounds, case.reset);
        _ = c.printf(
            "%-10s %10.2f %12.2f %10.2f %16.2f\n",
            case.name,
            m.door,
            m.calls,
            m.zig,
            m.above / 2,
        );
        bench_bridge_row(case.name, "C", role_goo, m.door);
        bench_bridge_row(case.name, "C, bridge", role_goo, m.calls);
        bench_bridge_row(case.name, "Zig", role_goo, m.zig);
        bench_bridge_progress(done, parts);
    }
    _ = c.printf("\n%-26s %10s\n", "Zig's own", "Zig");
    reportZig("c_allocator (malloc)", role_peer, measureZig(std.heap.c_allocator, samples, rounds));
    bench_bridge_progress(parts - 3, parts);
    reportZig("smp_allocator", role_peer, measureZig(std.heap.smp_allocator, samples, rounds));
    bench_bridge_progress(parts - 2, parts);
    reportZig("ArenaAllocator", role_peer, measureArena(samples, rounds));
    bench_bridge_progress(parts - 1, parts);
    reportZig("MemoryPool, no interface", role_bare, measurePool(samples, rounds));
    bench_bridge_progress(parts, parts);
}

fn reportZig(name: [*:0]const u8, role: c_int, ns: f64) void {
    _ = c.printf("%-26s %10.2f\n", name, ns);
    bench_bridge_row(name, "", role, ns);
}
