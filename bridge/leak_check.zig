//! A Zig allocator over Goo's debug allocator that reports what was never freed, with the address
//! of the Zig code that asked for it.
//!
//! Zig hands a return address to every allocation. It is kept here for each live block, beside what
//! the debug allocator knows, so that a leak names the line that called `alloc`, whatever unwind
//! tables the program was built with. Misuse (double free, overrun, wrong length) panics as the
//! debug allocator says.
//!
//!     var check: goo.LeakCheck = undefined;
//!     try check.init(null, report);
//!     defer check.deinit();
//!     const gpa = check.allocator();
//!
//! Threads: any over a thread-safe parent, but init and deinit.

const std = @import("std");
const c = @import("goo_c");
const errors = @import("errors.zig");

const Alignment = std.mem.Alignment;

/// A block that was not freed. `return_address` is the caller of Zig's allocator interface; 0 if
/// the block was not asked for through it.
pub const Leak = struct { address: usize, size: usize, return_address: usize };

pub const Report = *const fn (leak: Leak) void;

pub const LeakCheck = struct {
    debug: *c.GooAllocator,
    report: Report,
    held: std.atomic.Value(bool),
    callers: std.AutoHashMapUnmanaged(usize, usize),

    /// `check` stays where it is until deinit. A null parent is this thread's allocator, a null
    /// report writes to standard error.
    pub fn init(check: *LeakCheck, parent: ?*c.GooAllocator, report: ?Report) errors.Error!void {
        const options: c.GooDebugOptions = .{
            .leak_mode = c.GOO_LEAK_CALLBACK,
            .on_leak = onLeak,
            .user = check,
        };
        check.* = .{
            .debug = try errors.created(c.goo_debug_allocator_create(parent, &options)),
            .report = report orelse print,
            .held = .init(false),
            .callers = .empty,
        };
    }

    /// Reports every leak, frees what leaked, and ends the check.
    pub fn deinit(check: *LeakCheck) void {
        c.goo_allocator_destroy(check.debug);
        check.callers.deinit(std.heap.c_allocator);
        check.* = undefined;
    }

    /// Reports every live block now, and changes nothing. Returns how many there are.
    pub fn reportLive(check: *LeakCheck) usize {
        return c.goo_debug_report(check.debug, null);
    }

    pub fn allocator(check: *LeakCheck) std.mem.Allocator {
        return .{
            .ptr = check,
            .vtable = &.{
                .alloc = alloc,
                .resize = resize,
                .remap = std.mem.Allocator.noRemap, // a move would be a copy
                .free = free,
            },
        };
    }

    fn of(context: ?*anyopaque) *LeakCheck {
        return @ptrCast(@alignCast(context.?));
    }

    fn lock(check: *LeakCheck) void {
        while (check.held.swap(true, .acquire)) std.atomic.spinLoopHint();
    }

    fn unlock(check: *LeakCheck) void {
        check.held.store(false, .release);
    }

    fn note(check: *LeakCheck, ptr: [*]u8, ret_addr: usize) bool {
        check.lock();
        defer check.unlock();
        check.callers.put(std.heap.c_allocator, @intFromPtr(ptr), ret_addr) catch return false;
        return true;
    }

    fn alloc(context: *anyopaque, len: usize, alignment: Alignment, ret_addr: usize) ?[*]u8 {
        const check = of(context);
        const ptr: [*]u8 = c.goo_bridge_alloc(
            check.debug,
            len,
            @intFromEnum(alignment),
            ret_addr,
        ) orelse return null;
        if (check.note(ptr, ret_addr)) return ptr;
        c.goo_bridge_free(check.debug, ptr, len, @intFromEnum(alignment), ret_addr);
        return null;
    }

    fn resize(
        context: *anyopaque,
        memory: []u8,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) bool {
        return c.goo_bridge_resize(
            of(context).debug,
            memory.ptr,
            memory.len,
            @intFromEnum(alignment),
            new_len,
            ret_addr,
        );
    }

    fn free(context: *anyopaque, memory: []u8, alignment: Alignment, ret_addr: usize) void {
        const check = of(context);
        check.lock();
        _ = check.callers.remove(@intFromPtr(memory.ptr)); // before another thread can be given it
        check.unlock();
        c.goo_bridge_free(check.debug, memory.ptr, memory.len, @intFromEnum(alignment), ret_addr);
    }

    fn onLeak(leak: [*c]const c.GooLeak, user: ?*anyopaque) callconv(.c) void {
        const check = of(user);
        const address = @intFromPtr(leak.*.ptr);
        check.lock();
        const caller = check.callers.get(address) orelse 0;
        check.unlock();
        check.report(.{ .address = address, .size = leak.*.size, .return_address = caller });
    }

    fn print(leak: Leak) void {
        std.debug.print(
            "leak: {d} bytes at 0x{x}, allocated here:\n",
            .{ leak.size, leak.address },
        );
        var addresses = [_]usize{leak.return_address};
        std.debug.dumpStackTrace(&.{ .return_addresses = &addresses, .skipped = .none });
    }
};
