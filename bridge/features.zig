//! What the machine can do, by MufiZ's names.

const c = @import("goo_c");

/// The library chooses its kernels when the program starts, so there is nothing to switch on.
pub const enable_simd = true;

/// Whether the kernels in use are wider than a word.
pub fn hasSimdSupport() bool {
    return c.goo_simd_level() > c.GOO_SIMD_WORD64;
}
