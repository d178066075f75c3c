/* Choosing marking's loop while it marks.
 *
 * Direction: the references looked at lie mostly ahead of their objects, or behind.
 *
 * Mode: what a heap's references look like does not tell what its misses cost. A processor follows
 * a long walk through memory by itself, and the ordered loop is then the shorter one; of a walk
 * that jumps every few kilobytes it follows little, and prefetching through the ring halved the
 * time. So time decides. Objects are counted in windows; every so many windows the other mode is
 * tried for two of them, and kept if they took less time. A trial that fails doubles the distance
 * to the next.
 *
 *   windows   o o o o o o o o s s o o o o o o o o o o o o o o o o s s s s s s s …
 *                             trial, failed                       trial, kept
 *
 * A window's time is cut at twice the usual, so that an interruption does not decide. What was
 * found stays with the heap. Where it marks little, nothing is tried: its misses are cheap.
 *
 * The mode decides in which order objects are marked, and so how far the mark stack grows: nothing
 * else that a program could see.
 */
#include "gc/mark_mode.h"

#include "gc/heap.h"
#include "gc/team.h"
#include "runtime/platform/platform.h"

#define GOOI_LOOKS_PER_WINDOW 32
#define GOOI_TRIAL_WINDOWS 2
#define GOOI_PAUSE_MIN 8 /* windows between trials */
#define GOOI_PAUSE_MAX 512
#define GOOI_ALONE_LOOKS 256 /* a drain that is longer than these is worth waking others for */
#define GOOI_CACHED_HEAP ((size_t)2 << 20) /* below this a heap's misses are cheap */

/* A sixteenth less is worth the change. */
static bool modes_trial_won(const GooiMarkModes *modes) {
    return modes->trial_ns < GOOI_TRIAL_WINDOWS * (modes->usual_ns - modes->usual_ns / 16);
}

static void modes_end_trial(GooGcVisitor *v) {
    GooiMarkModes *modes = &v->modes;
    modes->on_trial = false;
    if (modes_trial_won(modes)) {
        modes->usual_ns = modes->trial_ns / GOOI_TRIAL_WINDOWS;
        modes->pause = GOOI_PAUSE_MIN;
    } else {
        v->scattered = !v->scattered;
        modes->pause = modes->pause < GOOI_PAUSE_MAX ? modes->pause * 2 : GOOI_PAUSE_MAX;
    }
    modes->windows_left = modes->pause;
}

static void modes_begin_trial(GooGcVisitor *v) {
    v->modes.on_trial = true;
    v->modes.trial_ns = 0;
    v->modes.windows_left = GOOI_TRIAL_WINDOWS;
    v->scattered = !v->scattered;
}

/* A window took so long. */
static void modes_window(GooGcVisitor *v, uint64_t ns) {
    GooiMarkModes *modes = &v->modes;
    if (modes->usual_ns != 0 && ns > 2 * modes->usual_ns) {
        ns = 2 * modes->usual_ns;
    }
    if (modes->on_trial) {
        modes->trial_ns += ns;
    } else {
        modes->usual_ns = modes->usual_ns == 0 ? ns : (3 * modes->usual_ns + ns) / 4;
    }
    if (--modes->windows_left == 0) {
        modes->on_trial ? modes_end_trial(v) : modes_begin_trial(v);
    }
}

/* The first window that a visitor ends began at an unknown time. */
static void modes_choose(GooGcVisitor *v) {
    GooiMarkModes *modes = &v->modes;
    uint64_t now = gooi_platform_time_ns(), began = modes->window_began;
    modes->window_began = now;
    if (began == 0) {
        return;
    }
    if (modes->windows_left == 0) {
        modes->pause = modes->windows_left = GOOI_PAUSE_MIN;
    }
    modes_window(v, now - began);
}

void gooi_mark_look(GooGcVisitor *v, GooiMarkSample *sample, uintptr_t object, uintptr_t child) {
    sample->until = GOOI_SAMPLE_EVERY;
    sample->ahead += child == 0 ? 0 : child > object ? 1 : -1;
    if (++sample->looks == GOOI_LOOKS_PER_WINDOW) {
        v->backwards = sample->ahead == 0 ? v->backwards : sample->ahead > 0;
        *sample = GOOI_MARK_SAMPLE_BEGIN;
        if (v->heap->used_bytes > GOOI_CACHED_HEAP) {
            modes_choose(v);
        }
    }
    if (v->team == NULL) {
        if (GOOI_UNLIKELY(++v->alone == GOOI_ALONE_LOOKS)) {
            gooi_team_join(v);
        }
    } else if (gooi_team_is_hungry(v->team)) {
        gooi_team_give(v);
    }
}

/* A visitor begins with what its heap is known for; a trial does not outlast a visitor. */
void gooi_mark_modes_take(GooGcVisitor *v) {
    v->modes = v->heap->mark_modes;
    v->modes.window_began = 0;
    v->scattered = v->modes.scattered && v->heap->used_bytes > GOOI_CACHED_HEAP;
    v->backwards = v->modes.backwards;
}

void gooi_mark_modes_keep(GooGcVisitor *v) {
    if (v->modes.on_trial) {
        v->scattered = !v->scattered;
        v->modes.on_trial = false;
        v->modes.windows_left = v->modes.pause;
    }
    v->modes.scattered = v->scattered;
    v->modes.backwards = v->backwards;
    v->heap->mark_modes = v->modes;
}
