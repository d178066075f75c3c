/* The OS contract's locks, conditions and threads on POSIX systems.
 *
 * platform.h shows their storage as plain words, so that no header of an operating system reaches
 * the rest of the library; here they are what POSIX calls them. Conditions wait by the monotonic
 * clock: a change of the time of day ends no wait.
 *
 * A call that can fail only by misuse of ours is a panic, so that a lost lock never passes for one
 * that was taken.
 */
#define _GNU_SOURCE

#include "runtime/check.h"
#include "runtime/platform/platform.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(GooiPlatformMutex) &&
                   sizeof(pthread_cond_t) <= sizeof(GooiPlatformCondition) &&
                   sizeof(pthread_t) <= sizeof(GooiPlatformThread),
               "platform.h has room for what POSIX needs");

static pthread_mutex_t *posix_mutex(GooiPlatformMutex *m) {
    return (pthread_mutex_t *)(void *)m;
}

static pthread_cond_t *posix_condition(GooiPlatformCondition *c) {
    return (pthread_cond_t *)(void *)c;
}

static void posix_must(int error, const char *call) {
    if (GOOI_UNLIKELY(error != 0)) {
        gooi_panic("%s: error %d", call, error);
    }
}

void gooi_platform_mutex_init(GooiPlatformMutex *m) {
    posix_must(pthread_mutex_init(posix_mutex(m), NULL), "pthread_mutex_init");
}

void gooi_platform_mutex_deinit(GooiPlatformMutex *m) {
    posix_must(pthread_mutex_destroy(posix_mutex(m)), "pthread_mutex_destroy");
}

void gooi_platform_mutex_lock(GooiPlatformMutex *m) {
    posix_must(pthread_mutex_lock(posix_mutex(m)), "pthread_mutex_lock");
}

bool gooi_platform_mutex_try_lock(GooiPlatformMutex *m) {
    return pthread_mutex_trylock(posix_mutex(m)) == 0;
}

void gooi_platform_mutex_unlock(GooiPlatformMutex *m) {
    posix_must(pthread_mutex_unlock(posix_mutex(m)), "pthread_mutex_unlock");
}

void gooi_platform_condition_init(GooiPlatformCondition *c) {
    pthread_condattr_t attributes;
    posix_must(pthread_condattr_init(&attributes), "pthread_condattr_init");
    posix_must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC),
               "pthread_condattr_setclock");
    posix_must(pthread_cond_init(posix_condition(c), &attributes), "pthread_cond_init");
    pthread_condattr_destroy(&attributes);
}

void gooi_platform_condition_deinit(GooiPlatformCondition *c) {
    posix_must(pthread_cond_destroy(posix_condition(c)), "pthread_cond_destroy");
}

void gooi_platform_condition_wait(GooiPlatformCondition *c, GooiPlatformMutex *m) {
    posix_must(pthread_cond_wait(posix_condition(c), posix_mutex(m)), "pthread_cond_wait");
}

bool gooi_platform_condition_wait_for(GooiPlatformCondition *c, GooiPlatformMutex *m,
                                      uint64_t ns) {
    uint64_t until = gooi_platform_time_ns() + ns;
    struct timespec time = {.tv_sec = (time_t)(until / 1000000000u),
                            .tv_nsec = (long)(until % 1000000000u)};
    return pthread_cond_timedwait(posix_condition(c), posix_mutex(m), &time) == 0;
}

void gooi_platform_condition_broadcast(GooiPlatformCondition *c) {
    posix_must(pthread_cond_broadcast(posix_condition(c)), "pthread_cond_broadcast");
}

/* --- threads --- */

/* What a thread is to do, on the starter's stack until the thread has read it. */
typedef struct PosixStart {
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t taken;
    bool is_taken;
} PosixStart;

static void *posix_thread_main(void *start_arg) {
    PosixStart *start = start_arg;
    void (*fn)(void *arg) = start->fn;
    void *arg = start->arg;
    pthread_mutex_lock(&start->lock);
    start->is_taken = true;
    pthread_cond_signal(&start->taken);
    pthread_mutex_unlock(&start->lock);
    fn(arg);
    return NULL;
}

/* A thread inherits the signal mask of the one that starts it. */
static int posix_start_masked(pthread_t *thread, PosixStart *start) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, posix_thread_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

bool gooi_platform_thread_start(GooiPlatformThread *out, void (*fn)(void *arg), void *arg) {
    PosixStart start = {.fn = fn,
                        .arg = arg,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .taken = PTHREAD_COND_INITIALIZER};
    pthread_t thread;
    if (posix_start_masked(&thread, &start) != 0) {
        return false;
    }
    pthread_mutex_lock(&start.lock);
    while (!start.is_taken) {
        pthread_cond_wait(&start.taken, &start.lock);
    }
    pthread_mutex_unlock(&start.lock);
    memcpy(out, &thread, sizeof thread);
    return true;
}

void gooi_platform_thread_join(GooiPlatformThread *thread) {
    pthread_t id;
    memcpy(&id, thread, sizeof id);
    posix_must(pthread_join(id, NULL), "pthread_join");
}

bool gooi_platform_at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void)) {
    return pthread_atfork(before, in_parent, in_child) == 0;
}
