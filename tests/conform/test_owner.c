/* test_owner.c - owner records, the same on every system: who holds a name, what a record says
 * about one who ended, and that a name is never given to two.
 */
#include "owner_rig.h"

/* ---- one process ---- */

static void a_name_has_one_owner(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "one");
    sill__owner *owner, *other;
    struct sill__owner_info info = about(SILL__OWNER_SERVER, name), previous;
    memset(&previous, 0x33, sizeof previous);
    support_ok(sill__owner_claim(&owner, NULL, &info, &previous));
    assert_int_equal(previous.kind, 0);
    support_status(SILL_EXISTS, sill__owner_claim(&other, NULL, &info, &previous));
    only(name, SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
    nothing();
    support_ok(claim(&other, SILL__OWNER_SERVER, name));
    sill__owner_release(other, true);
    sill__owner_release(NULL, true);
    nothing();
}

static void a_record_says_who_made_it(void **state)
{
    (void)state;
    sill__owner *owner;
    support_ok(claim(&owner, SILL__OWNER_REGION_POSIX, "who"));
    struct seen seen;
    list(&seen);
    struct sill__process self;
    sill__process_self(&self);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.info[0].kind, SILL__OWNER_REGION_POSIX);
    assert_int_equal(seen.info[0].process.pid, self.pid);
    assert_true(seen.info[0].process.start == self.start);
    assert_int_equal(seen.info[0].size, 12345);
    assert_string_equal(seen.info[0].object, "object-of-a-test");
    assert_true(seen.info[0].created > 1600000000);
    assert_false(seen.info[0].kept);
    sill__owner_release(owner, true);
}

static void kinds_have_names_of_their_own(void **state)
{
    (void)state;
    sill__owner *server, *posix, *sysv;
    support_ok(claim(&server, SILL__OWNER_SERVER, "same"));
    support_ok(claim(&posix, SILL__OWNER_REGION_POSIX, "same"));
    support_ok(claim(&sysv, SILL__OWNER_REGION_SYSV, "same"));
    sill__owner_release(server, true);
    sill__owner_release(sysv, true);
    only("same", SILL__OWNER_LIVING);
    sill__owner_release(posix, true);
    nothing();
}

static void long_names_work(void **state)
{
    (void)state;
    char a[SILL__NAME_MAX + 1], b[SILL__NAME_MAX + 1];
    memset(a, 'n', SILL__NAME_MAX);
    a[SILL__NAME_MAX] = '\0';
    memcpy(b, a, sizeof b);
    b[SILL__NAME_MAX - 1] = 'm';
    sill__owner *owner_a, *owner_b;
    support_ok(claim(&owner_a, SILL__OWNER_SERVER, a));
    support_ok(claim(&owner_b, SILL__OWNER_SERVER, b));
    sill__owner_release(owner_b, true);
    only(a, SILL__OWNER_LIVING);
    sill__owner_release(owner_a, true);
    nothing();
}

static void a_record_can_be_rewritten(void **state)
{
    (void)state;
    sill__owner *owner;
    support_ok(claim(&owner, SILL__OWNER_REGION_POSIX, "changing"));
    struct seen seen;
    list(&seen);
    struct sill__owner_info info = seen.info[0];
    info.size = 777;
    info.kept = true;
    snprintf(info.object, sizeof info.object, "other-words");
    support_ok(sill__owner_update(owner, &info));
    list(&seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.info[0].size, 777);
    assert_true(seen.info[0].kept);
    assert_string_equal(seen.info[0].object, "other-words");
    assert_int_equal(seen.state[0], SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
    nothing();
}

static void what_is_kept_stays(void **state)
{
    (void)state;
    struct sill__owner_info info = about(SILL__OWNER_REGION_POSIX, "kept");
    sill__owner *owner;
    int answer = SILL_OK;
    info.kept = true;
    support_ok(sill__owner_claim(&owner, NULL, &info, NULL));
    only("kept", SILL__OWNER_LIVING);
    sill__owner_release(owner, false);
    only("kept", SILL__OWNER_KEPT);
    support_status(SILL_EXISTS, sill__owner_claim(&owner, NULL, &info, NULL));
    support_status(SILL_EXISTS, remove_stale(SILL__OWNER_REGION_POSIX, "kept", SILL_OK));
    assert_int_equal(removed, 0);
    support_ok(sill__owner_join(&owner, NULL, SILL__OWNER_REGION_POSIX, "kept", &info));
    assert_int_equal(info.size, 12345);
    only("kept", SILL__OWNER_LIVING);
    info.kept = false;
    support_ok(sill__owner_update(owner, &info));
    sill__owner_release(owner, false);
    only("kept", SILL__OWNER_STALE);
    support_ok(remove_stale(SILL__OWNER_REGION_POSIX, "kept", answer));
    nothing();
}

/* ---- several processes ---- */

static void a_dead_owners_name_is_free(void **state)
{
    (void)state;
    struct support_process *process = start_owner(SILL__OWNER_SERVER, "dead", "");
    uint32_t pid = support_pid(process);
    struct sill__owner_info info = about(SILL__OWNER_SERVER, "dead"), previous;
    sill__owner *owner;
    support_status(SILL_EXISTS, sill__owner_claim(&owner, NULL, &info, &previous));
    only("dead", SILL__OWNER_LIVING);
    kill_it(process);
    only("dead", SILL__OWNER_STALE);
    support_ok(sill__owner_claim(&owner, NULL, &info, &previous));
    assert_int_equal(previous.kind, SILL__OWNER_SERVER);
    assert_string_equal(previous.name, "dead");
    assert_string_equal(previous.object, "object-of-a-test");
    assert_int_equal(previous.process.pid, pid);
    only("dead", SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
    nothing();
}

static void an_orderly_end_leaves_nothing(void **state)
{
    (void)state;
    struct support_process *process = start_owner(SILL__OWNER_SERVER, "orderly", "");
    assert_int_equal(support_finish(process), 0);
    nothing();
}

static void users_keep_a_region_alive(void **state)
{
    (void)state;
    struct support_process *creator = start_owner(SILL__OWNER_REGION_POSIX, "shared", "");
    struct support_process *user = start_user(SILL__OWNER_REGION_POSIX, "shared");
    sill__owner *owner;
    kill_it(creator);
    only("shared", SILL__OWNER_LIVING);
    support_status(SILL_EXISTS, claim(&owner, SILL__OWNER_REGION_POSIX, "shared"));
    support_status(SILL_EXISTS, remove_stale(SILL__OWNER_REGION_POSIX, "shared", SILL_OK));
    assert_int_equal(support_finish(user), 0);
    only("shared", SILL__OWNER_STALE);
    support_ok(remove_stale(SILL__OWNER_REGION_POSIX, "shared", SILL_OK));
    nothing();
}

static void a_killed_keeper_keeps(void **state)
{
    (void)state;
    kill_it(start_owner(SILL__OWNER_REGION_POSIX, "keeper", "keep"));
    only("keeper", SILL__OWNER_KEPT);
    removed = 0;
    int answer = SILL_OK;
    int status =
        sill__owner_remove_any(NULL, SILL__OWNER_REGION_POSIX, "keeper", remove_nothing, &answer);
    if (status == SILL_UNSUPPORTED)
        support_skip("no kind of region persists on this system");
    support_ok(status);
    assert_int_equal(removed, 1);
    nothing();
}

static void what_lives_is_not_removed(void **state)
{
    (void)state;
    struct support_process *process = start_owner(SILL__OWNER_SERVER, "living", "");
    support_status(SILL_EXISTS, remove_stale(SILL__OWNER_SERVER, "living", SILL_OK));
    assert_int_equal(removed, 0);
    kill_it(process);
    /* Who cannot remove the object leaves the record, so that it can be tried again. */
    support_status(SILL_DENIED, remove_stale(SILL__OWNER_SERVER, "living", SILL_DENIED));
    assert_int_equal(removed, 1);
    only("living", SILL__OWNER_STALE);
    support_ok(remove_stale(SILL__OWNER_SERVER, "living", SILL_NOT_FOUND));
    assert_int_equal(removed, 1);
    support_status(SILL_NOT_FOUND, remove_stale(SILL__OWNER_SERVER, "living", SILL_OK));
    nothing();
}

#define RACERS 12

/* Exactly one of many that want a stale name at the same moment gets it. */
static void one_racer_wins(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], line[40];
    for (int round = 0; round < 3; round++) {
        support_name(name, "race");
        kill_it(start_owner(SILL__OWNER_SERVER, name, ""));
        const char *const arguments[] = {name, NULL};
        struct support_process *racers[RACERS];
        for (int i = 0; i < RACERS; i++)
            racers[i] = support_start("racer", arguments, NULL);
        for (int i = 0; i < RACERS; i++)
            support_expect(racers[i], "ready");
        for (int i = 0; i < RACERS; i++)
            support_tell(racers[i], "go");
        int won = 0, lost = 0;
        for (int i = 0; i < RACERS; i++) {
            assert_true(support_hear(racers[i], line, sizeof line, SUPPORT_PATIENCE_MS));
            won += strcmp(line, "SILL_OK") == 0;
            lost += strcmp(line, "SILL_EXISTS") == 0;
        }
        assert_int_equal(won, 1);
        assert_int_equal(lost, RACERS - 1);
        only(name, SILL__OWNER_LIVING);
        for (int i = 0; i < RACERS; i++)
            assert_int_equal(support_finish(racers[i]), 0);
        nothing();
    }
}

/* A kill at any moment leaves something that does not block the next owner. */
static void no_kill_blocks_a_name(void **state)
{
    (void)state;
    const char *const arguments[] = {"churn", NULL};
    for (int round = 0; round < 25; round++) {
        struct support_process *process = support_start("churner", arguments, NULL);
        support_expect(process, "ready");
        support_sleep_ms(round % 5); /* anywhere in its loop */
        kill_it(process);
        sill__owner *owner;
        support_ok(claim(&owner, SILL__OWNER_SERVER, "churn"));
        only("churn", SILL__OWNER_LIVING);
        sill__owner_release(owner, true);
        nothing();
    }
}

/* ---- joining ---- */

static void only_what_is_there_can_be_joined(void **state)
{
    (void)state;
    sill__owner *owner, *user;
    struct sill__owner_info info;
    support_status(SILL_NOT_FOUND,
                   sill__owner_join(&user, NULL, SILL__OWNER_REGION_POSIX, "nobody", &info));
    support_ok(claim(&owner, SILL__OWNER_REGION_SYSV, "somebody"));
    support_status(SILL_NOT_FOUND,
                   sill__owner_join(&user, NULL, SILL__OWNER_REGION_POSIX, "somebody", &info));
    support_ok(sill__owner_join(&user, NULL, SILL__OWNER_REGION_SYSV, "somebody", &info));
    assert_string_equal(info.name, "somebody");
    assert_int_equal(info.kind, SILL__OWNER_REGION_SYSV);
    sill__owner_release(owner, false);
    only("somebody", SILL__OWNER_LIVING);
    sill__owner_release(user, true);
    nothing();
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(a_name_has_one_owner),
    SUPPORT_TEST(a_record_says_who_made_it),
    SUPPORT_TEST(kinds_have_names_of_their_own),
    SUPPORT_TEST(long_names_work),
    SUPPORT_TEST(a_record_can_be_rewritten),
    SUPPORT_TEST(what_is_kept_stays),
    SUPPORT_TEST(a_dead_owners_name_is_free),
    SUPPORT_TEST(an_orderly_end_leaves_nothing),
    SUPPORT_TEST(users_keep_a_region_alive),
    SUPPORT_TEST(a_killed_keeper_keeps),
    SUPPORT_TEST(what_lives_is_not_removed),
    SUPPORT_TEST(one_racer_wins),
    SUPPORT_TEST(no_kill_blocks_a_name),
    SUPPORT_TEST(only_what_is_there_can_be_joined),
};
static const struct support_role roles[] = {
    {"owner", role_owner},
    {"user", role_user},
    {"racer", role_racer},
    {"churner", role_churner},
};
SUPPORT_MAIN(tests, roles)
