/* Boehm's side: a heap expanded to its size at once; nodes are scanned conservatively. */
#define _DEFAULT_SOURCE
#include "tests/bench/bench.h"
#include "tests/bench/pause/side.h"

#define GC_THREADS
#include <gc.h>

static PauseLog *boehm_log;

static void GC_CALLBACK boehm_event(GC_EventType event) {
    static double began;
    if (event == GC_EVENT_PRE_STOP_WORLD) {
        began = bench_now_ns();
    } else if (event == GC_EVENT_POST_START_WORLD && boehm_log->count < PAUSES_MAX) {
        boehm_log->ns[boehm_log->count++] = bench_now_ns() - began;
    }
}

static void boehm_no_warning(char *message, GC_word argument) {
    (void)message;
    (void)argument;
}

static bool boehm_open(size_t heap_bytes, unsigned markers, PauseNode **root, PauseLog *log) {
    boehm_log = log;
    GC_set_all_interior_pointers(0);
    if (markers != 0) {
        GC_set_markers_count(markers);
    }
    GC_INIT();
    if (markers != 1) {
        GC_start_mark_threads(); /* it would wait for the program's first thread */
    }
    GC_set_warn_proc(boehm_no_warning);
    GC_add_roots(root, root + 1);
    GC_set_on_collection_event(boehm_event);
    size_t have = GC_get_heap_size();
    GC_set_max_heap_size(heap_bytes + heap_bytes / 16);
    return heap_bytes <= have || GC_expand_hp(heap_bytes - have) != 0;
}

static PauseNode *boehm_node(void) {
    return GC_MALLOC(sizeof(PauseNode));
}

const PauseSide pause_boehm = {"Boehm", boehm_open, boehm_node};
