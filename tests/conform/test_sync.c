/* test_sync.c - mutex, reader-writer lock, semaphore, event, condition variable: every family,
 * named and placed, between threads and processes. Deaths are in proc/test_sync_kill.c. */
#include "syncs.h"

#include <sill/system.h>

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#define SHORT_MS 30

static struct syncs_mode mode_of(void **state)
{
    return *(struct syncs_mode *)*state;
}

/* ---- making ---- */

static void arguments_are_checked(void **state)
{
    struct syncs_mode mode = mode_of(state);
    sill_sync_options options = syncs_options(mode);
    sill_mutex *mutex = NULL;
    sill_semaphore *semaphore;
    support_status(SILL_INVALID, sill_mutex_create(NULL, "x", &options));
    support_status(SILL_INVALID, sill_mutex_create(&mutex, NULL, &options));
    support_status(SILL_INVALID, sill_mutex_create(&mutex, "a/b", &options));
    support_status(SILL_INVALID, sill_mutex_open(&mutex, "", &options));
    support_status(SILL_INVALID, sill_mutex_place(&mutex, NULL, 0, NULL));
    options.recursive = 2;
    support_status(SILL_INVALID, sill_mutex_create(&mutex, "x", &options));
    options = syncs_options(mode);
    options.timeout_ms = -2;
    support_status(SILL_INVALID, sill_mutex_create(&mutex, "x", &options));
    options = syncs_options(mode);
    options.struct_size = 4;
    support_status(SILL_INVALID, sill_mutex_create(&mutex, "x", &options));
    options = syncs_options(mode);
    options.initial = SILL_SEMAPHORE_MAX + 1;
    support_status(SILL_INVALID, sill_semaphore_create(&semaphore, "x", &options));
    options.family = 99;
    support_status(SILL_INVALID, sill_mutex_create(&mutex, "x", &options));
    assert_null(mutex);
    support_status(SILL_INVALID, sill_mutex_lock(NULL, 0));
    support_status(SILL_INVALID, sill_rwlock_unlock(NULL));
    support_status(SILL_INVALID, sill_semaphore_post(NULL, 1));
    support_status(SILL_INVALID, sill_event_set(NULL));
    support_status(SILL_INVALID, sill_cond_wait(NULL, NULL, 0));
    sill_mutex_close(NULL);
    sill_cond_close(NULL);
    assert_int_equal(sill_sync_family_parse(sill_sync_family_name(mode.family)), mode.family);
    assert_int_equal(sill_sync_family_parse("none"), -1);
    assert_string_equal(sill_sync_family_name(99), "?");
    assert_int_equal(sill_sync_capabilities(99), 0);
    assert_int_equal(support_entries(".lock"), 0);
}

static void places_are_checked(void **state)
{
    if (!mode_of(state).placed)
        return;
    sill_region *region;
    sill_mutex *mutex, *again;
    sill_event *event;
    support_ok(sill_region_create(&region, NULL, 3 * SILL_SYNC_SIZE, NULL));
    support_status(SILL_INVALID, sill_mutex_place(&mutex, region, 8, NULL));
    support_status(SILL_INVALID, sill_mutex_place(&mutex, region, 2 * SILL_SYNC_SIZE + 64, NULL));
    support_status(SILL_INVALID, sill_mutex_place(&mutex, region, SIZE_MAX - 63, NULL));
    support_ok(sill_mutex_place(&mutex, region, 0, NULL));
    support_status(SILL_WRONG_KIND, sill_event_place(&event, region, 0, NULL));
    memset((char *)sill_region_data(region) + SILL_SYNC_SIZE, 'x', SILL_SYNC_SIZE);
    support_status(SILL_FOREIGN, sill_event_place(&event, region, SILL_SYNC_SIZE, NULL));
    support_ok(sill_mutex_place(&again, region, 0, NULL));
    support_ok(sill_mutex_lock(again, 0));
    support_ok(sill_mutex_unlock(again));
    sill_mutex_close(again);
    sill_mutex_close(mutex);
    sill_region_close(region);
}

static void names_are_kept_apart(void **state)
{
    struct syncs_mode mode = mode_of(state);
    if (mode.placed)
        return;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "n");
    sill_sync_options options = syncs_options(mode);
    options.open_existing = 0;
    sill_mutex *mutex, *other;
    sill_event *event;
    support_status(SILL_NOT_FOUND, sill_mutex_open(&mutex, name, &options));
    support_ok(sill_mutex_create(&mutex, name, &options));
    support_status(SILL_EXISTS, sill_mutex_create(&other, name, &options));
    support_status(SILL_WRONG_KIND, sill_event_open(&event, name, &options));
    support_ok(sill_mutex_open(&other, name, &options));
    sill_mutex_close(other);
    sill_mutex_close(mutex);
    if (mode.family == SILL_SYNC_WIN32) {
        support_status(SILL_UNSUPPORTED, sill_sync_remove(name, &options));
    } else {
        support_ok(sill_mutex_open(&mutex, name, &options)); /* it stays */
        sill_mutex_close(mutex);
        support_ok(sill_sync_remove(name, &options));
    }
    support_status(SILL_NOT_FOUND, sill_mutex_open(&mutex, name, &options));
    sill_region_options how = SILL_REGION_OPTIONS_INIT;
    how.kind = mode.family == SILL_SYNC_SYSV ? SILL_REGION_SYSV : SILL_REGION_AUTO;
    sill_region *region;
    support_ok(sill_region_create(&region, name, 100, &how));
    support_status(SILL_FOREIGN, sill_mutex_open(&mutex, name, &options));
    sill_region_close(region);
    if (mode.family != SILL_SYNC_WIN32)
        support_ok(sill_region_remove(name, &how));
    assert_int_equal(support_entries(".lock"), 0);
}

static void everything_is_given_back(void **state)
{
    unsigned before = 0;
    for (int round = 0; round < 3; round++) {
        if (round == 1)
            before = support_handles();
        struct syncs syncs;
        syncs_make(&syncs, state);
        support_ok(sill_mutex_lock(syncs.mutex, 0));
        support_ok(sill_mutex_unlock(syncs.mutex));
        syncs_drop(&syncs);
    }
    assert_int_equal(support_handles(), before);
}

/* ---- mutex ---- */

static void mutex_excludes(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *actor = syncs_actor(&syncs);
    support_ok(sill_mutex_lock(syncs.mutex, -1));
    support_status(SILL_INVALID, sill_mutex_lock(syncs.mutex, 0)); /* not recursive */
    syncs_do(actor, "mutex lock 0", "SILL_AGAIN");
    syncs_do(actor, "mutex lock 30", "SILL_TIMEOUT");
    syncs_do(actor, "mutex unlock", "SILL_INVALID");
    syncs_do(actor, "mutex repaired", "SILL_INVALID");
    support_tell(actor, "mutex lock 30000");
    support_ok(sill_mutex_unlock(syncs.mutex));
    support_expect(actor, "SILL_OK");
    support_status(SILL_AGAIN, sill_mutex_lock(syncs.mutex, 0));
    support_status(SILL_INVALID, sill_mutex_unlock(syncs.mutex));
    syncs_do(actor, "mutex unlock", "SILL_OK");
    support_ok(sill_mutex_lock(syncs.mutex, SHORT_MS));
    support_ok(sill_mutex_unlock(syncs.mutex));
    support_finish(actor);
    syncs_drop(&syncs);
}

static void processes_count(void **state)
{
    enum { ACTORS = 3, TIMES = 300 };
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *actors[ACTORS];
    for (int i = 0; i < ACTORS; i++)
        actors[i] = syncs_actor(&syncs);
    static const char *const commands[] = {"count 300", "scount 300"};
    for (int round = 0; round < 2; round++) {
        syncs.words[0] = 0;
        for (int i = 0; i < ACTORS; i++)
            support_tell(actors[i], commands[round]);
        for (int i = 0; i < ACTORS; i++)
            support_expect(actors[i], "SILL_OK");
        assert_int_equal(syncs.words[0], ACTORS * TIMES);
    }
    for (int i = 0; i < ACTORS; i++)
        support_finish(actors[i]);
    syncs_drop(&syncs);
}

struct counting {
    struct syncs *syncs;
    uint32_t count;
};

static int count_in_thread(void *arg)
{
    struct counting *counting = arg;
    for (int i = 0; i < 500; i++) {
        int rc = sill_mutex_lock(counting->syncs->mutex, SUPPORT_PATIENCE_MS);
        if (rc != 0)
            return rc;
        counting->count++;
        rc = sill_mutex_unlock(counting->syncs->mutex);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static void threads_count(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct counting counting = {&syncs, 0};
    struct support_thread *a = support_thread(count_in_thread, &counting);
    struct support_thread *b = support_thread(count_in_thread, &counting);
    support_ok(support_join(a));
    support_ok(support_join(b));
    support_ok(sill_mutex_lock(syncs.mutex, 0));
    assert_int_equal(counting.count, 1000);
    support_ok(sill_mutex_unlock(syncs.mutex));
    syncs_drop(&syncs);
}

static int try_lock(void *arg)
{
    return sill_mutex_lock(arg, 0);
}

static void owner_may_lock_again(void **state)
{
    struct syncs_mode mode = mode_of(state);
    sill_sync_options options = syncs_options(mode);
    options.recursive = 1;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "again");
    sill_region *region = NULL;
    sill_mutex *mutex;
    if (mode.placed) {
        support_ok(sill_region_create(&region, NULL, SILL_SYNC_SIZE, NULL));
        support_ok(sill_mutex_place(&mutex, region, 0, &options));
    } else {
        support_ok(sill_mutex_create(&mutex, name, &options));
    }
    support_ok(sill_mutex_lock(mutex, 0));
    support_ok(sill_mutex_lock(mutex, 0));
    support_ok(sill_mutex_unlock(mutex));
    support_status(SILL_AGAIN, support_join(support_thread(try_lock, mutex)));
    support_ok(sill_mutex_unlock(mutex));
    support_status(SILL_INVALID, sill_mutex_unlock(mutex));
    sill_mutex_close(mutex);
    sill_region_close(region);
    if (!mode.placed && mode.family != SILL_SYNC_WIN32)
        support_ok(sill_sync_remove(name, &options));
    assert_int_equal(support_entries(".lock"), 0);
}

#ifndef _WIN32
static void forked_child_cannot_use_them(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    support_ok(sill_mutex_lock(syncs.mutex, 0));
    pid_t child = fork();
    if (child == 0) {
        bool refused = sill_mutex_unlock(syncs.mutex) == SILL_INVALID &&
                       sill_semaphore_post(syncs.semaphore, 1) == SILL_INVALID &&
                       sill_cond_broadcast(syncs.cond) == SILL_INVALID;
        syncs_close(&syncs);
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    support_status(SILL_AGAIN, sill_semaphore_wait(syncs.semaphore, 0));
    support_ok(sill_mutex_unlock(syncs.mutex));
    syncs_drop(&syncs);
}
#endif

static void closing_loses_what_is_held(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *actor = syncs_actor(&syncs);
    support_ok(sill_mutex_lock(syncs.mutex, 0));
    support_ok(sill_rwlock_write(syncs.rwlock, 0));
    sill_mutex_close(syncs.mutex);
    sill_rwlock_close(syncs.rwlock);
    syncs.mutex = NULL;
    syncs.rwlock = NULL;
    syncs_do(actor, "mutex lock 30000", "SILL_DIED");
    syncs_do(actor, "rwlock read 30000", "SILL_DIED");
    support_finish(actor); /* which closes too, with a reader's lock */
    syncs_drop(&syncs);
}

/* ---- reader-writer lock ---- */

static void readers_share(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *reader = syncs_actor(&syncs), *writer = syncs_actor(&syncs);
    support_ok(sill_rwlock_read(syncs.rwlock, 0));
    support_status(SILL_INVALID, sill_rwlock_read(syncs.rwlock, 0));
    support_status(SILL_INVALID, sill_rwlock_write(syncs.rwlock, 0));
    support_status(SILL_INVALID, sill_rwlock_repaired(syncs.rwlock));
    syncs_do(reader, "rwlock read 30000", "SILL_OK");
    syncs_do(writer, "rwlock write 0", "SILL_AGAIN");
    syncs_do(writer, "rwlock write 30", "SILL_TIMEOUT");
    support_ok(sill_rwlock_unlock(syncs.rwlock));
    support_status(SILL_INVALID, sill_rwlock_unlock(syncs.rwlock));
    support_tell(writer, "rwlock write 30000");
    syncs_do(reader, "rwlock unlock", "SILL_OK");
    support_expect(writer, "SILL_OK");
    syncs_do(reader, "rwlock read 0", "SILL_AGAIN");
    syncs_do(reader, "rwlock read 30", "SILL_TIMEOUT");
    support_tell(reader, "rwlock read 30000");
    syncs_do(writer, "rwlock unlock", "SILL_OK");
    support_expect(reader, "SILL_OK");
    support_ok(sill_rwlock_read(syncs.rwlock, 0));
    support_ok(sill_rwlock_unlock(syncs.rwlock));
    support_finish(reader);
    support_finish(writer);
    syncs_drop(&syncs);
}

static bool readers_are_kept_out(void *arg)
{
    struct syncs *syncs = arg;
    int rc = sill_rwlock_read(syncs->rwlock, 0);
    if (rc == 0)
        sill_rwlock_unlock(syncs->rwlock);
    return rc == SILL_AGAIN;
}

/* A writer that waits goes before readers that come later. */
static void writer_is_not_starved(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *reader = syncs_actor(&syncs), *writer = syncs_actor(&syncs);
    syncs_do(reader, "rwlock read 0", "SILL_OK");
    support_tell(writer, "rwlock write 30000");
    assert_true(support_until(readers_are_kept_out, &syncs, SUPPORT_PATIENCE_MS));
    syncs_do(reader, "rwlock unlock", "SILL_OK");
    support_expect(writer, "SILL_OK");
    syncs_do(writer, "rwlock unlock", "SILL_OK");
    support_finish(reader);
    support_finish(writer);
    syncs_drop(&syncs);
}

static int read_in_thread(void *arg)
{
    int rc = sill_rwlock_read(arg, SUPPORT_PATIENCE_MS);
    return rc != 0 ? rc : sill_rwlock_unlock(arg);
}

static int gather(void *arg)
{
    struct syncs *syncs = arg;
    int rc = sill_rwlock_read(syncs->rwlock, SUPPORT_PATIENCE_MS);
    if (rc == 0)
        rc = sill_semaphore_post(syncs->semaphore, 1);
    if (rc == 0)
        rc = sill_event_wait(syncs->manual, SUPPORT_PATIENCE_MS);
    if (rc == 0)
        rc = sill_rwlock_unlock(syncs->rwlock);
    return rc;
}

/* As many as there may be read at once; the next one waits, and comes in when one has left. */
static void readers_have_a_limit(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_thread *threads[SILL_RWLOCK_READERS];
    for (int i = 0; i < SILL_RWLOCK_READERS; i++)
        threads[i] = support_thread(gather, &syncs);
    for (int i = 0; i < SILL_RWLOCK_READERS; i++)
        support_ok(sill_semaphore_wait(syncs.semaphore, SUPPORT_PATIENCE_MS));
    support_status(SILL_AGAIN, sill_rwlock_read(syncs.rwlock, 0));
    struct support_thread *one_more = support_thread(read_in_thread, syncs.rwlock);
    support_ok(sill_event_set(syncs.manual));
    for (int i = 0; i < SILL_RWLOCK_READERS; i++)
        support_ok(support_join(threads[i]));
    support_ok(support_join(one_more));
    support_ok(sill_rwlock_write(syncs.rwlock, 0));
    support_ok(sill_rwlock_unlock(syncs.rwlock));
    syncs_drop(&syncs);
}

/* ---- semaphore and event ---- */

static void semaphore_counts(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *actor = syncs_actor(&syncs);
    support_status(SILL_AGAIN, sill_semaphore_wait(syncs.semaphore, 0));
    support_status(SILL_TIMEOUT, sill_semaphore_wait(syncs.semaphore, SHORT_MS));
    support_status(SILL_INVALID, sill_semaphore_post(syncs.semaphore, 0));
    syncs_do(actor, "semaphore post 3", "SILL_OK");
    for (int i = 0; i < 3; i++)
        support_ok(sill_semaphore_wait(syncs.semaphore, 0));
    support_status(SILL_AGAIN, sill_semaphore_wait(syncs.semaphore, 0));
    support_tell(actor, "semaphore wait 30000");
    support_ok(sill_semaphore_post(syncs.semaphore, 1));
    support_expect(actor, "SILL_OK");
    support_ok(sill_semaphore_post(syncs.semaphore, SILL_SEMAPHORE_MAX));
    support_status(SILL_LIMIT, sill_semaphore_post(syncs.semaphore, 1));
    support_status(SILL_LIMIT, sill_semaphore_post(syncs.semaphore, UINT32_MAX));
    support_ok(sill_semaphore_wait(syncs.semaphore, 0));
    support_ok(sill_semaphore_post(syncs.semaphore, 1));
    support_finish(actor);
    syncs_drop(&syncs);
}

static void events_end_waits(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *a = syncs_actor(&syncs), *b = syncs_actor(&syncs);
    support_status(SILL_AGAIN, sill_event_wait(syncs.automatic, 0));
    support_status(SILL_TIMEOUT, sill_event_wait(syncs.manual, SHORT_MS));
    support_ok(sill_event_set(syncs.automatic));
    support_ok(sill_event_set(syncs.automatic));
    syncs_do(a, "auto wait 0", "SILL_OK");
    syncs_do(b, "auto wait 0", "SILL_AGAIN");
    support_ok(sill_event_set(syncs.automatic));
    support_ok(sill_event_reset(syncs.automatic));
    syncs_do(a, "auto wait 0", "SILL_AGAIN");
    support_tell(a, "manual wait 30000");
    support_tell(b, "manual wait 30000");
    support_ok(sill_event_set(syncs.manual));
    support_expect(a, "SILL_OK");
    support_expect(b, "SILL_OK");
    syncs_do(a, "manual wait 0", "SILL_OK");
    syncs_do(b, "manual reset", "SILL_OK");
    syncs_do(a, "manual wait 0", "SILL_AGAIN");
    support_finish(a);
    support_finish(b);
    syncs_drop(&syncs);
}

static void objects_begin_as_they_are_told(void **state)
{
    struct syncs_mode mode = mode_of(state);
    sill_sync_options options = syncs_options(mode), set = options;
    char name[SUPPORT_NAME_SIZE], other[SUPPORT_NAME_SIZE];
    support_name(name, "i");
    support_name(other, "j");
    options.initial = 2;
    set.initial = 1;
    sill_region *region;
    sill_semaphore *semaphore;
    sill_event *event;
    support_ok(sill_region_create(&region, NULL, 2 * SILL_SYNC_SIZE, NULL));
    support_ok(mode.placed ? sill_semaphore_place(&semaphore, region, 0, &options)
                           : sill_semaphore_create(&semaphore, name, &options));
    support_ok(mode.placed ? sill_event_place(&event, region, SILL_SYNC_SIZE, &set)
                           : sill_event_create(&event, other, &set));
    support_ok(sill_semaphore_wait(semaphore, 0));
    support_ok(sill_semaphore_wait(semaphore, 0));
    support_status(SILL_AGAIN, sill_semaphore_wait(semaphore, 0));
    support_ok(sill_event_wait(event, 0));
    support_status(SILL_AGAIN, sill_event_wait(event, 0));
    sill_semaphore_close(semaphore);
    sill_event_close(event);
    sill_region_close(region);
    if (!mode.placed && mode.family != SILL_SYNC_WIN32) {
        support_ok(sill_sync_remove(name, &options));
        support_ok(sill_sync_remove(other, &options));
    }
    assert_int_equal(support_entries(".lock"), 0);
}

/* ---- condition variable ---- */

static void broadcast_wakes_all(void **state)
{
    struct syncs syncs;
    syncs_make(&syncs, state);
    struct support_process *a = syncs_actor(&syncs), *b = syncs_actor(&syncs);
    support_status(SILL_INVALID, sill_cond_wait(syncs.cond, syncs.mutex, 0));
    for (uint32_t round = 1; round <= 20; round++) {
        char command[40];
        snprintf(command, sizeof command, "cond until %u", (unsigned)round);
        support_tell(a, command);
        support_tell(b, command);
        support_ok(sill_mutex_lock(syncs.mutex, SUPPORT_PATIENCE_MS));
        syncs.words[0] = round;
        support_ok(sill_cond_broadcast(syncs.cond));
        support_ok(sill_mutex_unlock(syncs.mutex));
        support_expect(a, "SILL_OK");
        support_expect(b, "SILL_OK");
    }
    support_ok(sill_mutex_lock(syncs.mutex, SUPPORT_PATIENCE_MS));
    support_status(SILL_AGAIN, sill_cond_wait(syncs.cond, syncs.mutex, 0));
    int rc;
    while ((rc = sill_cond_wait(syncs.cond, syncs.mutex, SHORT_MS)) == 0)
        ;
    support_status(SILL_TIMEOUT, rc);
    support_ok(sill_mutex_unlock(syncs.mutex)); /* it was locked again */
    support_finish(a);
    support_finish(b);
    syncs_drop(&syncs);
}

static const struct syncs_test tests[] = {
    SYNCS_TEST(arguments_are_checked),
    SYNCS_TEST(places_are_checked),
    SYNCS_TEST(names_are_kept_apart),
    SYNCS_TEST(everything_is_given_back),
    SYNCS_TEST(mutex_excludes),
    SYNCS_TEST(processes_count),
    SYNCS_TEST(threads_count),
    SYNCS_TEST(owner_may_lock_again),
#ifndef _WIN32
    SYNCS_TEST(forked_child_cannot_use_them),
#endif
    SYNCS_TEST(closing_loses_what_is_held),
    SYNCS_TEST(readers_share),
    SYNCS_TEST(writer_is_not_starved),
    SYNCS_TEST(readers_have_a_limit),
    SYNCS_TEST(semaphore_counts),
    SYNCS_TEST(events_end_waits),
    SYNCS_TEST(objects_begin_as_they_are_told),
    SYNCS_TEST(broadcast_wakes_all),
};
SYNCS_MAIN_ALONE(tests)
