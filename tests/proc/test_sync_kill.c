/* test_sync_kill.c - processes that are killed with a lock, while they wait, while they make an
 * object, while they remove it: nobody waits for them, and nothing is left. */
#include "syncs.h"

#include <sill/system.h>

#include "sync_internal.h"

#ifndef _WIN32
#include <sys/sem.h>

#include "region_internal.h"
#include "sysv/segment.h"
#endif

#ifdef SILL_STEPS
#define STEPS 1
#else
#define STEPS 0
#endif

static void skip_without_steps(void)
{
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
}

static void kill_it(struct support_process *actor)
{
    support_kill(actor);
    support_finish(actor);
}

/* An actor that opens the objects, does as it is told, and is at the step now. */
static struct support_process *stopped(const struct syncs *syncs, const char *step,
                                       const char *command)
{
    struct support_process *actor = syncs_actor_stopping(syncs, step);
    if (command != NULL) {
        support_expect(actor, "ready");
        support_tell(actor, command);
    }
    support_wait_stopped(step);
    return actor;
}

/* ---- locks ---- */

static void owner_of_a_mutex_dies(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *owner = syncs_actor(&syncs), *waiter = syncs_actor(&syncs);
    syncs_do(owner, "mutex lock 0", "SILL_OK");
    support_tell(waiter, "mutex lock -1");
    kill_it(owner);
    support_expect(waiter, "SILL_DIED");
    support_status(SILL_AGAIN, sill_mutex_lock(syncs.mutex, 0)); /* the waiter has it */
    syncs_do(waiter, "mutex unlock", "SILL_OK");
    support_status(SILL_DIED, sill_mutex_lock(syncs.mutex, 0)); /* nobody has mended it */
    support_ok(sill_mutex_unlock(syncs.mutex));
    syncs_do(waiter, "mutex lock 0", "SILL_DIED");
    syncs_do(waiter, "mutex repaired", "SILL_OK");
    syncs_do(waiter, "mutex unlock", "SILL_OK");
    support_ok(sill_mutex_lock(syncs.mutex, 0));
    support_ok(sill_mutex_unlock(syncs.mutex));
    support_finish(waiter);
    syncs_drop(&syncs);
}

static int lock_and_end(void *arg)
{
    return sill_mutex_lock(arg, 0);
}

static void thread_ends_with_a_mutex(void **state)
{
    const struct syncs_mode *mode = *state;
    if ((sill_sync_capabilities(mode->family) & SILL_SYNC_THREADS) == 0)
        support_skip("the family %s knows processes only", sill_sync_family_name(mode->family));
    struct syncs syncs;
    syncs_make(&syncs, state);
    support_ok(support_join(support_thread(lock_and_end, syncs.mutex)));
    support_status(SILL_DIED, sill_mutex_lock(syncs.mutex, SUPPORT_PATIENCE_MS));
    support_ok(sill_mutex_repaired(syncs.mutex));
    support_ok(sill_mutex_unlock(syncs.mutex));
    syncs_drop(&syncs);
}

static void reader_dies(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *reader = syncs_actor(&syncs), *writer = syncs_actor(&syncs);
    syncs_do(reader, "rwlock read 0", "SILL_OK");
    support_tell(writer, "rwlock write -1");
    kill_it(reader);
    support_expect(writer, "SILL_OK"); /* a reader changes nothing */
    syncs_do(writer, "rwlock unlock", "SILL_OK");
    support_ok(sill_rwlock_read(syncs.rwlock, 0));
    support_ok(sill_rwlock_unlock(syncs.rwlock));
    support_finish(writer);
    syncs_drop(&syncs);
}

static void writer_dies(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *writer = syncs_actor(&syncs), *reader = syncs_actor(&syncs);
    syncs_do(writer, "rwlock write 0", "SILL_OK");
    support_tell(reader, "rwlock read -1");
    kill_it(writer);
    support_expect(reader, "SILL_DIED");
    support_status(SILL_DIED, sill_rwlock_read(syncs.rwlock, SUPPORT_PATIENCE_MS));
    support_ok(sill_rwlock_unlock(syncs.rwlock));
    syncs_do(reader, "rwlock unlock", "SILL_OK");
    support_status(SILL_DIED, sill_rwlock_write(syncs.rwlock, SUPPORT_PATIENCE_MS));
    support_ok(sill_rwlock_repaired(syncs.rwlock));
    support_ok(sill_rwlock_unlock(syncs.rwlock));
    syncs_do(reader, "rwlock read 0", "SILL_OK");
    syncs_do(reader, "rwlock unlock", "SILL_OK");
    support_finish(reader);
    syncs_drop(&syncs);
}

/* A writer that is killed while it waits for readers keeps nobody out. */
static void waiting_writer_dies(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *writer = syncs_actor(&syncs), *reader = syncs_actor(&syncs);
    support_ok(sill_rwlock_read(syncs.rwlock, 0));
    support_tell(writer, "rwlock write -1");
    kill_it(writer);
    syncs_do(reader, "rwlock read 30000", "SILL_OK");
    syncs_do(reader, "rwlock unlock", "SILL_OK");
    support_ok(sill_rwlock_unlock(syncs.rwlock));
    syncs_do(reader, "rwlock write 30000", "SILL_OK");
    support_finish(reader);
    syncs_drop(&syncs);
}

static void locker_dies_at_each_step(void **state)
{
    skip_without_steps();
    static const struct {
        const char *step, *command, *mutex, *rwlock; /* what the next one is told */
    } rows[] = {
        {"sync_locked", "mutex lock 0", "SILL_OK", NULL},
        {"sync_owned", "mutex lock 0", "SILL_DIED", NULL},
        {"sync_disowned", "count 1", "SILL_OK", NULL},
        {"sync_gate", "rwlock write 0", NULL, "SILL_OK"},
        {"sync_locked", "rwlock write 0", NULL, "SILL_OK"},
        {"sync_owned", "rwlock write 0", NULL, "SILL_DIED"},
        {"sync_disowned", "scount 1", NULL, "SILL_OK"},
        {"sync_read", "rwlock read 0", NULL, "SILL_OK"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct syncs syncs;
        syncs_make(&syncs, state);
        struct support_process *next = syncs_actor(&syncs);
        struct support_process *dead = stopped(&syncs, rows[i].step, rows[i].command);
        support_tell(next, rows[i].mutex != NULL ? "mutex lock -1" : "rwlock write -1");
        kill_it(dead);
        support_expect(next, rows[i].mutex != NULL ? rows[i].mutex : rows[i].rwlock);
        support_finish(next);
        syncs_drop(&syncs);
    }
}

/* Three count without end, and are killed at any moment and replaced. The
 * locks are to be had after each death. */
static void lockers_die_at_any_moment(void **state)
{
    enum { ACTORS = 3, KILLS = 12 };
    static const char *const commands[] = {"count 1000000", "scount 1000000", "count 1000000"};
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *actors[ACTORS];
    for (int i = 0; i < ACTORS; i++) {
        actors[i] = syncs_actor(&syncs);
        support_tell(actors[i], commands[i]);
    }
    for (int i = 0; i < KILLS; i++) {
        kill_it(actors[i % ACTORS]);
        int rc = sill_mutex_lock(syncs.mutex, SUPPORT_PATIENCE_MS);
        if (rc == SILL_DIED)
            support_ok(sill_mutex_repaired(syncs.mutex));
        else
            support_ok(rc);
        support_ok(sill_mutex_unlock(syncs.mutex));
        rc = sill_rwlock_read(syncs.rwlock, SUPPORT_PATIENCE_MS);
        if (rc != SILL_DIED)
            support_ok(rc);
        support_ok(sill_rwlock_unlock(syncs.rwlock));
        rc = sill_rwlock_write(syncs.rwlock, SUPPORT_PATIENCE_MS);
        if (rc == SILL_DIED)
            support_ok(sill_rwlock_repaired(syncs.rwlock));
        else
            support_ok(rc);
        support_ok(sill_rwlock_unlock(syncs.rwlock));
        actors[i % ACTORS] = syncs_actor(&syncs);
        support_tell(actors[i % ACTORS], commands[i % ACTORS]);
    }
    for (int i = 0; i < ACTORS; i++)
        kill_it(actors[i]);
    syncs_drop(&syncs);
}

/* ---- waits ---- */

static void wait_hears_of_a_death(void **state)
{
    static const char *const commands[] = {"semaphore wait -1", "auto wait -1", "manual wait -1"};
    static const char *const again[] = {"semaphore wait 200", "auto wait 200", "manual wait 200"};
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *waiter = syncs_actor(&syncs);
    for (int i = 0; i < 3; i++) {
        struct support_process *dead = syncs_actor(&syncs);
        support_tell(waiter, commands[i]);
        kill_it(dead);
        support_expect(waiter, "SILL_DIED");
        syncs_do(waiter, again[i], "SILL_TIMEOUT"); /* told once */
    }
    struct support_process *dead = syncs_actor(&syncs);
    kill_it(dead);
    support_ok(sill_semaphore_post(syncs.semaphore, 1));
    syncs_do(waiter, "semaphore wait 0", "SILL_OK"); /* what is there is told first */
    support_finish(waiter);
    syncs_drop(&syncs);
}

/* One of two waiters is killed about when a post wakes one: the other one is served, or told. */
static void killed_waiter_takes_nobody_along(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    for (int i = 0; i < 5; i++) {
        struct support_process *a = syncs_actor(&syncs), *b = syncs_actor(&syncs);
        char line[40] = "";
        support_tell(a, "semaphore wait -1");
        support_tell(b, "semaphore wait -1");
        support_ok(sill_semaphore_post(syncs.semaphore, 1));
        kill_it(a);
        assert_true(support_hear(b, line, sizeof line, SUPPORT_PATIENCE_MS));
        if (strcmp(line, "SILL_OK") != 0)
            assert_string_equal(line, "SILL_DIED");
        support_finish(b);
        while (sill_semaphore_wait(syncs.semaphore, 0) == 0)
            ;
    }
    syncs_drop(&syncs);
}

static void waiter_of_a_condition_hears_of_a_death(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *waiter = syncs_actor(&syncs), *dead = syncs_actor(&syncs);
    support_tell(waiter, "cond until 7");
    syncs_do(dead, "mutex lock 30000", "SILL_OK");
    kill_it(dead);
    support_expect(waiter, "SILL_DIED");
    support_status(SILL_DIED, sill_mutex_lock(syncs.mutex, SUPPORT_PATIENCE_MS));
    support_ok(sill_mutex_repaired(syncs.mutex));
    support_ok(sill_mutex_unlock(syncs.mutex));
    support_finish(waiter);
    syncs_drop(&syncs);
}

/* It has changed what is waited for, and not woken anybody. */
static void broadcaster_dies_on_the_way(void **state)
{
    skip_without_steps();
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *waiter = syncs_actor(&syncs);
    support_tell(waiter, "cond until 7");
    struct support_process *dead = syncs_actor(&syncs);
    syncs_do(dead, "store 7", "SILL_OK");
    support_finish(dead);
    /* As after the death of a waiter: so a broadcast goes all its way, whoever waits just then. */
    atomic_fetch_add(&((struct sill__sync *)syncs.cond)->shared->waiters, 1);
    kill_it(stopped(&syncs, "sync_counted", "cond broadcast"));
    support_expect(waiter, "SILL_OK");
    support_ok(sill_cond_broadcast(syncs.cond));
    support_finish(waiter);
    syncs_drop(&syncs);
}

static void waiter_of_a_condition_dies(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    for (int i = 0; i < 3; i++) {
        struct support_process *dead = syncs_actor(&syncs), *waiter = syncs_actor(&syncs);
        syncs.words[0] = 0;
        support_tell(dead, "cond until 7");
        support_tell(waiter, "cond until 7");
        kill_it(dead);
        int rc = sill_mutex_lock(syncs.mutex, SUPPORT_PATIENCE_MS);
        if (rc == SILL_DIED) /* it died in one of the moments in which it had the mutex */
            support_ok(sill_mutex_repaired(syncs.mutex));
        else
            support_ok(rc);
        syncs.words[0] = 7;
        support_ok(sill_cond_broadcast(syncs.cond));
        support_ok(sill_mutex_unlock(syncs.mutex));
        char line[40] = "";
        assert_true(support_hear(waiter, line, sizeof line, SUPPORT_PATIENCE_MS));
        if (strcmp(line, "SILL_OK") != 0) /* or the waiter was the one to be told */
            assert_string_equal(line, "SILL_DIED");
        support_finish(waiter);
    }
    syncs_drop(&syncs);
}

/* ---- making and removing ---- */

static void maker_dies_at_each_step(void **state)
{
    skip_without_steps();
    const struct syncs_mode *mode = *state;
    static const char *const steps[] = {"sync_making", "sync_made", "sync_set_made",
                                        "sync_making:3", "sync_made:6"};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (strcmp(steps[i], "sync_set_made") == 0 && mode->family != SILL_SYNC_SYSV)
            continue;
        struct syncs syncs = {.mode = *mode};
        support_name(syncs.name, "k");
        struct support_process *dead = stopped(&syncs, steps[i], NULL);
        kill_it(dead);
        char name[SUPPORT_NAME_SIZE];
        snprintf(name, sizeof name, "%s", syncs.name);
        syncs_open(&syncs, *mode, name);
        support_ok(sill_mutex_lock(syncs.mutex, 0));
        support_ok(sill_mutex_unlock(syncs.mutex));
        support_status(SILL_AGAIN, sill_semaphore_wait(syncs.semaphore, 0));
        syncs_drop(&syncs);
    }
}

static unsigned count_stale(void)
{
    unsigned count = 0;
    support_ok(sill_clean(NULL, 0, NULL, NULL));
    count = support_entries(".lock");
    return count;
}

#ifndef _WIN32
static key_t key_of(const struct syncs *syncs)
{
    char name[SUPPORT_NAME_SIZE + 4];
    snprintf(name, sizeof name, "%s.m", syncs->name);
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = SILL_REGION_SYSV;
    sill_region *region;
    support_ok(sill_region_open(&region, name, &options));
    key_t key = sill__segment_key(region->memory);
    sill_region_close(region);
    return key;
}
#endif

static void what_the_dead_leave_is_cleaned(void **state)
{
    struct syncs syncs = {.mode = *(const struct syncs_mode *)*state};
    support_name(syncs.name, "c");
    struct support_process *dead = syncs_actor(&syncs);
#ifndef _WIN32
    key_t key = 0;
    if (syncs.mode.family == SILL_SYNC_SYSV) {
        key = key_of(&syncs);
        assert_true(semget(key, 0, 0) >= 0);
    }
#endif
    kill_it(dead);
    assert_int_equal(count_stale(), 0);
#ifndef _WIN32
    if (key != 0)
        assert_int_equal(semget(key, 0, 0), -1);
#endif
}

static int role_remover(int argc, char **argv)
{
    sill_sync_options options = SILL_SYNC_OPTIONS_INIT;
    options.family = SILL_SYNC_SYSV;
    support_say("%s", sill_status_name(sill_sync_remove(argv[0], &options)));
    return argc == 1 ? 0 : 1;
}

static void remover_dies_half_way(void **state)
{
    skip_without_steps();
    const struct syncs_mode *mode = *state;
    if (mode->family != SILL_SYNC_SYSV)
        return; /* the others are one object, and regions are tested elsewhere */
    for (int again = 0; again < 2; again++) {
        char name[SUPPORT_NAME_SIZE];
        support_name(name, "d");
        sill_sync_options options = syncs_options(*mode);
        sill_event *event;
        support_ok(sill_event_create(&event, name, &options));
        sill_event_close(event);
        const char *const arguments[] = {name, NULL};
        support_kill_at("remover", arguments, "sync_set_removed");
        support_status(SILL_NOT_FOUND, sill_event_open(&event, name, &options));
        if (again == 0) {
            support_ok(sill_event_create(&event, name, &options));
            support_ok(sill_event_set(event));
            sill_event_close(event);
        }
        support_ok(sill_sync_remove(name, &options));
        assert_int_equal(support_entries(".lock"), 0);
    }
}

/* Those who wait for what is removed are told. */
static void removal_ends_waits(void **state)
{
    struct syncs syncs;
    if (((const struct syncs_mode *)*state)->family != SILL_SYNC_SYSV)
        return; /* elsewhere those who have it keep it */
    syncs_make(&syncs, state);
    struct support_process *waiter = syncs_actor(&syncs);
    support_tell(waiter, "semaphore wait -1");
    char name[SUPPORT_NAME_SIZE + 4];
    snprintf(name, sizeof name, "%s.s", syncs.name);
    sill_sync_options options = syncs_options(syncs.mode);
    support_ok(sill_sync_remove(name, &options));
    support_expect(waiter, "SILL_NOT_FOUND");
    support_status(SILL_NOT_FOUND, sill_semaphore_post(syncs.semaphore, 1));
    support_finish(waiter);
    sill_semaphore_close(syncs.semaphore);
    options.initial = 0;
    support_ok(sill_semaphore_create(&syncs.semaphore, name, &options));
    syncs_drop(&syncs);
}

static const struct syncs_test tests[] = {
    SYNCS_TEST(owner_of_a_mutex_dies),
    SYNCS_TEST(thread_ends_with_a_mutex),
    SYNCS_TEST(reader_dies),
    SYNCS_TEST(writer_dies),
    SYNCS_TEST(waiting_writer_dies),
    SYNCS_TEST(locker_dies_at_each_step),
    SYNCS_TEST(lockers_die_at_any_moment),
    SYNCS_TEST(wait_hears_of_a_death),
    SYNCS_TEST(killed_waiter_takes_nobody_along),
    SYNCS_TEST(waiter_of_a_condition_hears_of_a_death),
    SYNCS_TEST(broadcaster_dies_on_the_way),
    SYNCS_TEST(waiter_of_a_condition_dies),
    SYNCS_TEST(maker_dies_at_each_step),
    SYNCS_TEST(what_the_dead_leave_is_cleaned),
    SYNCS_TEST(remover_dies_half_way),
    SYNCS_TEST(removal_ends_waits),
};
static const struct support_role roles[] = {{"remover", role_remover}};
SYNCS_MAIN(tests, roles)
