//! MufiZ's configuration and figures, by its names: what `mem_utils.initAllocator` takes and
//! `mem_utils.getMemStats` gives.

const c = @import("goo_c");

/// Each member means what the member of GooMemoryConfig means that it names.
pub const AllocatorConfig = struct {
    enable_leak_detection: bool = true,
    enable_tracking: bool = true,
    enable_safety: bool = true,
    never_unmap: bool = false,
    retain_metadata: bool = false,
};

/// What the process holds: goo_memory_get_stats.
pub const MemoryStats = struct {
    current_bytes: usize = 0,
    peak_bytes: usize = 0,
    current_allocations: usize = 0,
    total_allocations: usize = 0,
    total_frees: usize = 0,
    failed_allocations: usize = 0,
    reserved_bytes: usize = 0,
    gc_bytes: usize = 0,
    external_bytes: usize = 0,

    pub fn read() MemoryStats {
        const now = c.goo_memory_get_stats();
        var result: MemoryStats = .{};
        inline for (@typeInfo(MemoryStats).@"struct".fields) |field| {
            @field(result, field.name) = @field(now, field.name);
        }
        return result;
    }
};
