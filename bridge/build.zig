//! The Zig package: module `goo`, its tests, its benchmark and the example.
//!
//!     zig build -Dgoo-library=PATH/libgoo.a test
//!
//! The C library is built by meson (./goo build) or installed by the system. Without -Dgoo-library
//! it is linked as the system library `goo`; without -Dgoo-include the headers are those beside
//! this folder.

const std = @import("std");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{});
    const optimize = b.standardOptimizeOption(.{});
    const library = b.option([]const u8, "goo-library", "the library, libgoo.a or libgoo.so");
    const include = b.option([]const u8, "goo-include", "the folder with goo/goo.h") orelse
        b.pathFromRoot("../include");
    const filters = b.option(
        []const []const u8,
        "test-filter",
        "only tests whose name contains this",
    );

    const headers = b.addTranslateC(.{
        .root_source_file = b.path("goo_headers.h"),
        .target = target,
        .optimize = optimize,
        .link_libc = true,
    });
    headers.addIncludePath(.{ .cwd_relative = include });
    const c = headers.createModule();

    const goo = b.addModule("goo", .{
        .root_source_file = b.path("goo.zig"),
        .target = target,
        .optimize = optimize,
        .link_libc = true,
        .imports = &.{.{ .name = "goo_c", .module = c }},
    });
    linkGoo(goo, library);

    const tests = b.addTest(.{
        .name = "goo-zig-tests",
        .root_module = b.createModule(.{
            .root_source_file = b.path("tests.zig"),
            .target = target,
            .optimize = optimize,
            .link_libc = true,
            .imports = &.{.{ .name = "goo_c", .module = c }},
        }),
        .test_runner = .{ .path = b.path("tests/tap_runner.zig"), .mode = .simple },
        .filters = filters orelse &.{},
    });
    linkGoo(tests.root_module, library);
    tests.root_module.addIncludePath(.{ .cwd_relative = include }); // for @cImport
    const run_tests = b.addRunArtifact(tests);
    b.step("test", "run the package's tests").dependOn(&run_tests.step);
    const install_tests = b.addInstallArtifact(tests, .{});
    b.step("install-tests", "build the package's tests").dependOn(&install_tests.step);

    _ = program(
        b,
        goo,
        "zig_vm",
        "the example: a stack VM on a collected heap",
        "../examples/zig/main.zig",
    );
    const bench = program(b, goo, "bench_bridge", "what ./goo bench bridge runs", "bench.zig");
    bench.addCSourceFile(.{
        .file = .{ .cwd_relative = b.pathFromRoot("../tests/bench/bridge.c") },
        .flags = &.{ "-std=c11", "-O2" },
    });
    bench.addIncludePath(.{ .cwd_relative = include });
}

fn linkGoo(module: *std.Build.Module, library: ?[]const u8) void {
    if (library) |path| {
        module.addObjectFile(.{ .cwd_relative = path });
        module.linkSystemLibrary("xxhash", .{});
        module.linkSystemLibrary("unwind", .{}); // Zig's own; the debug allocator's stacks
    } else {
        module.linkSystemLibrary("goo", .{});
    }
}

fn program(
    b: *std.Build,
    goo: *std.Build.Module,
    name: []const u8,
    what: []const u8,
    source: []const u8,
) *std.Build.Module {
    const executable = b.addExecutable(.{
        .name = name,
        .root_module = b.createModule(.{
            .root_source_file = .{ .cwd_relative = b.pathFromRoot(source) },
            .target = goo.resolved_target,
            .optimize = goo.optimize,
            .link_libc = true,
            .imports = &.{.{ .name = "goo", .module = goo }},
        }),
    });
    const install = b.addInstallArtifact(executable, .{});
    b.step(name, what).dependOn(&install.step);
    return executable.root_module;
}
