//! MufiZ's names over Goo: one allocator for the process, C-style calls, and bytes.
//!
//!     mem_utils.initAllocator(.{ .enable_leak_detection = true });
//!     defer mem_utils.deinit();
//!     const buffer = try mem_utils.alloc(mem_utils.getAllocator(), u8, 1024);
//!     defer mem_utils.free(mem_utils.getAllocator(), buffer);
//!
//! malloc, c_realloc and c_free keep a table of their live blocks. MufiZ's programs free a pointer
//! that they gave to c_realloc before: a c_free of what is no live block does nothing.
//!
//! Threads: any, but initAllocator and deinit.

const std = @import("std");
const c = @import("goo_c");
const goo = @import("zig_allocator.zig");
const allocator_mod = @import("allocator.zig");

pub const AllocatorConfig = allocator_mod.AllocatorConfig;
pub const MemoryStats = allocator_mod.MemoryStats;

/// Begins a use of Goo's memory with a configuration. A nested call that asks for what the
/// outermost did not is a panic: it could not be honoured.
pub fn initAllocator(config: AllocatorConfig) void {
    var chosen: c.GooMemoryConfig = .{};
    inline for (@typeInfo(AllocatorConfig).@"struct".fields) |field| {
        @field(chosen, field.name) = @field(config, field.name);
    }
    const status = c.goo_memory_init_with(&chosen);
    if (status != c.GOO_OK) std.debug.panic("initAllocator: {s}", .{c.goo_status_message(status)});
}

/// Ends the use that initAllocator began.
pub fn deinit() void {
    blocks.lock();
    defer blocks.unlock();
    if (blocks.live.count() == 0) blocks.live.clearAndFree(std.heap.c_allocator);
    c.goo_memory_cleanup();
}

/// The process's default allocator.
pub fn getAllocator() std.mem.Allocator {
    return goo.allocator(c.goo_get_default_allocator());
}

pub fn alloc(allocator: std.mem.Allocator, comptime T: type, count: usize) ![]T {
    return allocator.alloc(T, count);
}

pub fn free(allocator: std.mem.Allocator, memory: anytype) void {
    allocator.free(memory);
}

pub fn realloc(allocator: std.mem.Allocator, memory: anytype, count: usize) !@TypeOf(memory) {
    return allocator.realloc(memory, count);
}

pub fn dupe(allocator: std.mem.Allocator, comptime T: type, items: []const T) ![]T {
    return allocator.dupe(T, items);
}

// --- C-style blocks ---

/// The live blocks of malloc, each with its size. In C's own heap, which no leak check looks at.
const blocks = struct {
    var held: std.atomic.Value(bool) = .init(false);
    var live: std.AutoHashMapUnmanaged(usize, usize) = .empty;

    fn lock() void {
        while (held.swap(true, .acquire)) std.atomic.spinLoopHint();
    }

    fn unlock() void {
        held.store(false, .release);
    }

    fn add(ptr: *anyopaque, size: usize) bool {
        lock();
        defer unlock();
        live.put(std.heap.c_allocator, @intFromPtr(ptr), size) catch return false;
        return true;
    }

    /// The size of a block that is now no longer live; null: it was not.
    fn take(ptr: *anyopaque) ?usize {
        lock();
        defer unlock();
        const entry = live.fetchRemove(@intFromPtr(ptr)) orelse return null;
        return entry.value;
    }
};

/// Null when there is no memory, and for size 0.
pub fn malloc(size: usize) ?*anyopaque {
    const ptr = c.goo_memory_alloc_with(c.goo_get_default_allocator(), size) orelse return null;
    if (blocks.add(ptr, size)) return ptr;
    c.goo_memory_free_with(c.goo_get_default_allocator(), ptr, size);
    return null;
}

/// Frees a block of malloc's or c_realloc's. The table knows its size: `size` is not used.
pub fn c_free(ptr: ?*anyopaque, size: usize) void {
    _ = size;
    const block = ptr orelse return;
    if (blocks.take(block)) |known| {
        c.goo_memory_free_with(c.goo_get_default_allocator(), block, known);
    }
}

/// Null when there is no memory, and the old block stays; or for new_size 0, and it is freed. What
/// is no live block is null too.
pub fn c_realloc(ptr: ?*anyopaque, old_size: usize, new_size: usize) ?*anyopaque {
    const block = ptr orelse return malloc(new_size);
    if (new_size == 0) {
        c_free(block, old_size);
        return null;
    }
    const known = blocks.take(block) orelse return null;
    const moved = c.goo_memory_realloc_with(c.goo_get_default_allocator(), block, known, new_size);
    // The entry that was taken left its room, so that none is asked for here.
    _ = blocks.add(moved orelse block, if (moved != null) new_size else known);
    return moved;
}

// --- bytes ---

pub fn memcpy(dest: [*]u8, src: [*]const u8, count: usize) void {
    c.goo_memory_copy(dest, src, count);
}

pub const memcpyFast = memcpy;
pub const memcpySIMD = memcpy;

pub fn memsetSIMD(ptr: [*]u8, value: u8, count: usize) void {
    c.goo_memory_set(ptr, value, count);
}

/// Below, equal or above 0, as -1, 0 or 1.
pub fn memcmp(a: [*]const u8, b: [*]const u8, count: usize) i32 {
    return std.math.sign(@as(i32, c.goo_memory_compare(a, b, count)));
}

pub const memcmpSIMD = memcmp;

// --- figures ---

/// Whether blocks are live; each is a line on standard error. Needs enable_leak_detection, or
/// enable_tracking for their number alone.
pub fn checkForLeaks() bool {
    return c.goo_memory_check_leaks(c.stderr) != 0;
}

pub fn getMemStats() MemoryStats {
    return .read();
}

/// A table on standard error.
pub fn printMemStats() void {
    c.goo_memory_print_stats(c.stderr);
}
