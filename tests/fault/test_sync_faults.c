/* test_sync_faults.c - synchronisation objects, pools, segments and rounds when memory runs out at
 * each allocation, and when signals interrupt every wait many times over. */
#include "support.h"

#include <sill/pool.h>
#include <sill/region.h>
#include <sill/sync.h>

#include "memory.h"
#include "process.h"

#ifndef _WIN32
#include <signal.h>
#include <sys/time.h>
#endif

#ifdef SILL_FAULTS
static const char *names[4];
static char name_room[4][SUPPORT_NAME_SIZE];

/* Makes one of each, uses it, closes it. The first failure ends it, with nothing left open. */
static int make_all(void)
{
    sill_mutex *mutex = NULL;
    sill_cond *cond = NULL;
    sill_region *region = NULL;
    sill_pool *pool = NULL;
    sill_rounds *rounds = NULL;
    sill_segments *set = NULL;
    uint64_t id;
    sill_sync_options options = SILL_SYNC_OPTIONS_INIT;
    sill_segments_options segments = SILL_SEGMENTS_OPTIONS_INIT;
    sill_region_options regions = SILL_REGION_OPTIONS_INIT;
    options.open_existing = 1;
    segments.open_existing = 1;
    regions.open_existing = 1;
    segments.directory = support_directory();
    int rc = sill_mutex_create(&mutex, names[0], &options);
    if (rc == 0)
        rc = sill_cond_create(&cond, names[1], &options);
    if (rc == 0)
        rc = sill_region_create(&region, names[2], 65536, &regions);
    if (rc == 0)
        rc = sill_pool_place(&pool, region,
                             &(sill_pool_options){sizeof(sill_pool_options), 0, 32768, 0});
    if (rc == 0)
        rc = sill_rounds_place(&rounds, region, 32768, 0);
    if (rc == 0)
        rc = sill_segments_create(&set, names[3], &segments);
    if (rc == 0)
        rc = sill_segments_take(set, &id, 0);
    if (rc == 0)
        rc = sill_segments_give(set, id);
    sill_segments_close(set);
    sill_rounds_close(rounds);
    sill_pool_close(pool);
    sill_region_close(region);
    sill_cond_close(cond);
    sill_mutex_close(mutex);
    return rc;
}

static void remove_all(void)
{
    if ((sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) == 0)
        return;
    sill_sync_remove(names[0], NULL);
    sill_sync_remove(names[1], NULL);
    sill_region_remove(names[2], NULL);
    sill_segments_remove(names[3], NULL);
}
#endif

static void memory_runs_out(void **state)
{
    (void)state;
#ifdef SILL_FAULTS
    for (int i = 0; i < 4; i++) {
        support_name(name_room[i], "f");
        names[i] = name_room[i];
    }
    support_ok(make_all());
    remove_all();
    unsigned before = support_handles();
    for (long nth = 1; nth < 1000; nth++) {
        sill__fault_allocation(nth);
        int rc = make_all();
        int happened = sill__fault_happened();
        sill__fault_allocation(0);
        assert_int_equal(support_handles(), before);
        if (happened && rc != 0) /* some failures are made good */
            support_status(SILL_NO_MEMORY, rc);
        support_ok(make_all()); /* whatever was half-made is in nobody's way */
        remove_all();
        assert_int_equal(support_entries(".lock"), 0);
        if (!happened)
            return;
    }
    fail_msg("the failures do not end");
#else
    support_skip("this build cannot order failures");
#endif
}

#ifndef _WIN32
static void ignore_signal(int number)
{
    (void)number;
}

static void storm(long period_us)
{
    struct sigaction action = {.sa_handler = ignore_signal}; /* no SA_RESTART */
    sigaction(SIGALRM, &action, NULL);
    const struct itimerval timer = {{0, period_us}, {0, period_us}};
    assert_int_equal(0, setitimer(ITIMER_REAL, &timer, NULL));
}

static int lock_late(void *arg)
{
    int rc = sill_mutex_lock(arg, SUPPORT_PATIENCE_MS);
    return rc != 0 ? rc : sill_mutex_unlock(arg);
}

/* No wait becomes longer, and none ends before its time. */
static void signals_do_not_end(void **state)
{
    (void)state;
    for (int family = SILL_SYNC_AUTO + 1; family <= SILL_SYNC_WIN32; family++) {
        if ((sill_sync_capabilities(family) & SILL_SYNC_NAMED) == 0)
            continue;
        sill_sync_options options = SILL_SYNC_OPTIONS_INIT;
        options.family = family;
        sill_mutex *mutex;
        sill_semaphore *semaphore;
        sill_cond *cond;
        support_ok(sill_mutex_create(&mutex, "storm.m", &options));
        support_ok(sill_semaphore_create(&semaphore, "storm.s", &options));
        support_ok(sill_cond_create(&cond, "storm.c", &options));
        storm(300);
        int64_t start = support_now_ms();
        support_status(SILL_TIMEOUT, sill_semaphore_wait(semaphore, 100));
        assert_true(support_now_ms() - start >= 100);
        support_ok(sill_mutex_lock(mutex, 100));
        struct support_thread *thread = support_thread(lock_late, mutex);
        start = support_now_ms();
        int rc;
        while ((rc = sill_cond_wait(cond, mutex, 60)) == 0 && support_now_ms() - start < 10000)
            ;
        support_status(SILL_TIMEOUT, rc);
        support_ok(sill_mutex_unlock(mutex));
        support_ok(support_join(thread));
        storm(0);
        sill_mutex_close(mutex);
        sill_semaphore_close(semaphore);
        sill_cond_close(cond);
        support_ok(sill_sync_remove("storm.m", &options));
        support_ok(sill_sync_remove("storm.s", &options));
        support_ok(sill_sync_remove("storm.c", &options));
    }
    assert_int_equal(support_entries(".lock"), 0);
}
#endif

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(memory_runs_out),
#ifndef _WIN32
    SUPPORT_TEST(signals_do_not_end),
#endif
};
SUPPORT_MAIN_ALONE(tests)
