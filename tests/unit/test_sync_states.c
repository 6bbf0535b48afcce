/* test_sync_states.c - what an opener makes of memory in which an object was left by others: of
 * another layout, C library, pid namespace, boot of the machine; half-made by a dead or a living
 * process; attendees that are gone. */
#include "support.h"

#include <sill/pool.h>
#include <sill/region.h>
#include <sill/sync.h>

#include "process.h"
#include "sync_ops.h"

#define MAKING UINT64_C(0x73796d6b00000000)

static sill_region *region;
static struct sill__sync_shared *shared;

static void begin(size_t size)
{
    support_ok(sill_region_create(&region, NULL, size, NULL));
    shared = sill_region_data(region);
}

static int try_place(int timeout_ms)
{
    sill_mutex *mutex;
    sill_sync_options options = SILL_SYNC_OPTIONS_INIT;
    options.timeout_ms = timeout_ms;
    int rc = sill_mutex_place(&mutex, region, 0, &options);
    if (rc == 0)
        sill_mutex_close(mutex);
    return rc;
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    begin(SILL_SYNC_SIZE);
    support_ok(try_place(0));
    shared->abi++;
    support_status(SILL_VERSION, try_place(0));
    shared->abi--;
    shared->space++;
    support_status(SILL_UNSUPPORTED, try_place(0));
    shared->space--;
    shared->family = SILL_SYNC_SYSV;
    support_status(SILL_WRONG_KIND, try_place(0));
    shared->family = (uint32_t)(sill_sync_capabilities(SILL_SYNC_POSIX) != 0 ? SILL_SYNC_POSIX
                                                                             : SILL_SYNC_WIN32);
    shared->type = 77;
    support_status(SILL_WRONG_KIND, try_place(0));
    shared->type = 1;
    support_ok(try_place(0));
    uint64_t made = atomic_load(&shared->state);
    atomic_store(&shared->state, made + 1);
    support_status(SILL_VERSION, try_place(0));
    atomic_store(&shared->state, 12345);
    support_status(SILL_FOREIGN, try_place(0));
    sill_region_close(region);
}

/* A maker that lives is waited for; one that is dead is replaced. */
static void makers_are_told_apart(void **state)
{
    (void)state;
    struct sill__process self;
    sill__process_self(&self);
    begin(SILL_SYNC_SIZE);
    atomic_store(&shared->state, MAKING | self.pid);
    support_status(SILL_TIMEOUT, try_place(30));
    atomic_store(&shared->state, MAKING | 0x7ffffff0); /* no pid is that large */
    support_ok(try_place(30));
    sill_region_close(region);
}

/* As memory comes back from a disk after a restart: its lock was held, its owner is of the past. */
static void another_boot_is_made_anew(void **state)
{
    (void)state;
    sill_mutex *mutex;
    begin(SILL_SYNC_SIZE);
    support_ok(sill_mutex_place(&mutex, region, 0, NULL));
    if (shared->boot == 0) {
        sill_mutex_close(mutex);
        sill_region_close(region);
        support_skip("this system has no boot ids, its objects go with their last user");
    }
    atomic_store(&shared->owner, 12345);
    shared->boot++;
    sill_mutex *again;
    support_ok(sill_mutex_place(&again, region, 0, NULL));
    support_status(SILL_DIED, sill_mutex_lock(again, 0));
    support_ok(sill_mutex_repaired(again));
    support_ok(sill_mutex_unlock(again));
    support_ok(sill_mutex_lock(again, 0));
    support_ok(sill_mutex_unlock(again));
    sill_mutex_close(again);
    sill_mutex_close(mutex);
    sill_region_close(region);
}

/* The same for a pool: its books are repaired at the first use. */
static void a_pool_survives_another_boot(void **state)
{
    (void)state;
    sill_pool *pool;
    uint64_t offset, found;
    begin(65536);
    support_ok(sill_pool_place(&pool, region, NULL));
    support_ok(sill_pool_allocate(pool, 100, &offset));
    support_ok(sill_pool_set_root(pool, "kept", offset));
    sill_pool_close(pool);
    uint64_t boot = shared->boot;
    shared->boot = boot != 0 ? boot + 1 : 0;
    support_ok(sill_pool_place(&pool, region, NULL));
    support_ok(sill_pool_check(pool));
    support_ok(sill_pool_get_root(pool, "kept", &found));
    assert_int_equal(found, offset);
    sill_pool_statistics statistics = SILL_POOL_STATISTICS_INIT;
    support_ok(sill_pool_statistics_get(pool, &statistics));
    assert_int_equal(statistics.blocks, 1);
    assert_int_equal(statistics.repairs, boot != 0 ? 1 : 0);
    sill_pool_close(pool);
    sill_region_close(region);
}

/* It died, and its pid is ours by now. */
static void a_dead_attendee_may_have_had_our_pid(void **state)
{
    (void)state;
    sill_semaphore *semaphore;
    begin(SILL_SYNC_SIZE);
    support_ok(sill_semaphore_place(&semaphore, region, 0, NULL));
    struct sill__process self;
    sill__process_self(&self);
    atomic_store(&shared->attendees[5].start, self.start - 1);
    atomic_store(&shared->attendees[5].who, self.pid);
    support_status(SILL_DIED, sill_semaphore_wait(semaphore, SUPPORT_PATIENCE_MS));
    assert_int_equal(atomic_load(&shared->attendees[5].who), 0);
    support_status(SILL_TIMEOUT, sill_semaphore_wait(semaphore, 20));
    sill_semaphore_close(semaphore);
    sill_region_close(region);
}

/* More processes than places: who finds none attends unseen. A dead one is told and taken out. */
static void attendees_have_a_limit(void **state)
{
    (void)state;
    sill_semaphore *semaphores[SILL__SYNC_ATTENDEES + 2];
    begin(SILL_SYNC_SIZE);
    for (int i = 0; i < SILL__SYNC_ATTENDEES + 2; i++)
        support_ok(sill_semaphore_place(&semaphores[i], region, 0, NULL));
    for (int i = 0; i < SILL__SYNC_ATTENDEES; i++)
        assert_true(atomic_load(&shared->attendees[i].who) != 0);
    support_status(SILL_TIMEOUT, sill_semaphore_wait(semaphores[SILL__SYNC_ATTENDEES + 1], 20));
    atomic_store(&shared->attendees[3].who, 0x7ffffff0);
    support_status(SILL_DIED, sill_semaphore_wait(semaphores[0], SUPPORT_PATIENCE_MS));
    assert_int_equal(atomic_load(&shared->attendees[3].who), 0);
    assert_int_equal(atomic_load(&shared->deaths), 1);
    support_status(SILL_TIMEOUT, sill_semaphore_wait(semaphores[0], 20));
    support_status(SILL_DIED, sill_semaphore_wait(semaphores[1], SUPPORT_PATIENCE_MS));
    for (int i = 0; i < SILL__SYNC_ATTENDEES + 2; i++)
        sill_semaphore_close(semaphores[i]);
    for (int i = 0; i < SILL__SYNC_ATTENDEES; i++)
        assert_true(atomic_load(&shared->attendees[i].who) == 0);
    sill_region_close(region);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(what_does_not_fit_is_refused), SUPPORT_TEST(makers_are_told_apart),
    SUPPORT_TEST(another_boot_is_made_anew),    SUPPORT_TEST(a_pool_survives_another_boot),
    SUPPORT_TEST(attendees_have_a_limit),       SUPPORT_TEST(a_dead_attendee_may_have_had_our_pid),
};
SUPPORT_MAIN_ALONE(tests)
