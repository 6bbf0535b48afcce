/* test_owner_records.c - what lies in the directory of owner records: files that are not sill's or
 * are damaged, lists, other directories; and that nothing is lost when something runs out.
 */
#include "owner_rig.h"

/* ---- files that sill did not write ---- */

static void place(const char *file, const char *text, size_t size)
{
    char path[SUPPORT_PATH_SIZE];
    support_path(path, file);
    support_write_file(path, text, size);
}

static void foreign_files_are_left_alone(void **state)
{
    (void)state;
    static const char text[] = "what somebody else keeps here\n";
    char path[SUPPORT_PATH_SIZE];
    sill__owner *owner;
    struct sill__owner_info info;
    place("server.foreign", text, sizeof text - 1);
    place("region-posix.foreign", text, sizeof text - 1);
    place("notes.txt", text, sizeof text - 1);
    struct seen seen;
    list(&seen);
    assert_int_equal(seen.count, 0);
    support_status(SILL_FOREIGN, claim(&owner, SILL__OWNER_SERVER, "foreign"));
    support_status(SILL_FOREIGN,
                   sill__owner_join(&owner, NULL, SILL__OWNER_REGION_POSIX, "foreign", &info));
    support_path(path, "server.foreign");
    size_t size;
    char *now = support_read_file(path, &size);
    assert_int_equal(size, sizeof text - 1);
    assert_memory_equal(now, text, size);
    free(now);
}

static void later_records_are_left_alone(void **state)
{
    (void)state;
    static const char text[] = "sill-owner 2\nwhatever that may say\n";
    sill__owner *owner;
    struct sill__owner_info info;
    place("server.later", text, sizeof text - 1);
    place("region-posix.later", text, sizeof text - 1);
    support_status(SILL_VERSION, claim(&owner, SILL__OWNER_SERVER, "later"));
    support_status(SILL_VERSION,
                   sill__owner_join(&owner, NULL, SILL__OWNER_REGION_POSIX, "later", &info));
    struct seen seen;
    list(&seen);
    assert_int_equal(seen.count, 0);
}

/* A power failure can leave an empty or a cut file: nobody's. */
static void damaged_records_do_not_block(void **state)
{
    (void)state;
    static const char zeros[500];
    static const struct {
        const char *name, *file, *text;
        size_t size;
    } cases[] = {
        {"empty", "server.empty", "", 0},
        {"cut", "server.cut", "sill-owner 1\nkind=ser", 21},
        {"zeros", "server.zeros", zeros, sizeof zeros},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sill__owner *owner;
        place(cases[i].file, cases[i].text, cases[i].size);
        struct seen seen;
        list(&seen);
        assert_int_equal(seen.count, 0);
        struct sill__owner_info info = about(SILL__OWNER_SERVER, cases[i].name), previous;
        support_ok(sill__owner_claim(&owner, NULL, &info, &previous));
        assert_int_equal(previous.kind, 0);
        only(cases[i].name, SILL__OWNER_LIVING);
        sill__owner_release(owner, true);
        nothing();
    }
}

/* A record under another file name than its own says nothing about that name. */
static void copied_records_are_passed_over(void **state)
{
    (void)state;
    sill__owner *owner;
    char path[SUPPORT_PATH_SIZE];
    struct sill__owner_info info = about(SILL__OWNER_REGION_POSIX, "original");
    info.kept = true;
    support_ok(sill__owner_claim(&owner, NULL, &info, NULL));
    sill__owner_release(owner, false);
    support_path(path, "region-posix.original");
    size_t size;
    char *text = support_read_file(path, &size);
    assert_non_null(text);
    place("region-posix.copy", text, size);
    free(text);
    only("original", SILL__OWNER_KEPT);
    support_status(SILL_NOT_FOUND,
                   sill__owner_join(&owner, NULL, SILL__OWNER_REGION_POSIX, "copy", &info));
}

/* ---- listing ---- */

static int stop_at_once(void *arg, const struct sill__owner_info *info,
                        enum sill__owner_state state)
{
    (void)info;
    (void)state;
    ++*(int *)arg;
    return 42;
}

/* Claims while it is called: so no lock can be held meanwhile. */
static int claim_within(void *arg, const struct sill__owner_info *info,
                        enum sill__owner_state state)
{
    sill__owner *owner;
    (void)info;
    (void)state;
    int status = claim(&owner, SILL__OWNER_REGION_SYSV, "within");
    if (status == SILL_OK)
        sill__owner_release(owner, true);
    ++*(int *)arg;
    return status;
}

static void lists_are_in_order_and_can_be_ended(void **state)
{
    (void)state;
    sill__owner *owners[3];
    support_ok(claim(&owners[0], SILL__OWNER_SERVER, "b"));
    support_ok(claim(&owners[1], SILL__OWNER_SERVER, "a"));
    support_ok(claim(&owners[2], SILL__OWNER_REGION_POSIX, "c"));
    struct seen seen;
    list(&seen);
    assert_int_equal(seen.count, 3);
    assert_string_equal(seen.info[0].name, "c");
    assert_string_equal(seen.info[1].name, "a");
    assert_string_equal(seen.info[2].name, "b");
    int calls = 0;
    assert_int_equal(sill__owner_list(NULL, stop_at_once, &calls), 42);
    assert_int_equal(calls, 1);
    calls = 0;
    support_ok(sill__owner_list(NULL, claim_within, &calls));
    assert_int_equal(calls, 3);
    for (int i = 0; i < 3; i++)
        sill__owner_release(owners[i], true);
    nothing();
}

/* ---- directories ---- */

static void directories_can_be_named(void **state)
{
    (void)state;
    sill__owner *owner;
    struct sill__owner_info info = about(SILL__OWNER_SERVER, "elsewhere");
    char path[SUPPORT_PATH_SIZE], found[SUPPORT_PATH_SIZE];
    snprintf(path, sizeof path, "%s", support_directory());
    support_setenv("SILL_RUNTIME_DIR", "/no/such/directory/at/all");
    assert_int_not_equal(sill__runtime_directory(NULL, found, sizeof found), SILL_OK);
    support_ok(sill__runtime_directory(path, found, sizeof found));
    support_ok(sill__owner_claim(&owner, path, &info, NULL));
    struct seen seen;
    memset(&seen, 0, sizeof seen);
    support_ok(sill__owner_list(path, see, &seen));
    assert_int_equal(seen.count, 1);
    sill__owner_release(owner, true);
    support_setenv("SILL_RUNTIME_DIR", path);
    nothing();
}

static void directories_are_checked(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE], found[SUPPORT_PATH_SIZE];
    support_path(path, "missing");
    support_status(SILL_NOT_FOUND, sill__runtime_directory(path, found, sizeof found));
    support_path(path, "file");
    support_write_file(path, "x", 1);
    support_status(SILL_DENIED, sill__runtime_directory(path, found, sizeof found));
    support_status(SILL_INVALID, sill__runtime_directory("", found, sizeof found));
    support_status(SILL_LIMIT, sill__runtime_directory(NULL, found, 4));
    char long_path[6000];
    memset(long_path, 'd', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    int status = sill__runtime_directory(long_path, found, sizeof found);
    assert_true(status == SILL_LIMIT || status == SILL_NOT_FOUND); /* Windows takes longer ones */
}

/* ---- nothing is lost ---- */

#ifdef SILL_FAULTS
static int walk(void)
{
    sill__owner *owner = NULL, *user = NULL;
    struct sill__owner_info info;
    struct seen seen = {0};
    int status = claim(&owner, SILL__OWNER_REGION_POSIX, "walk");
    if (status == SILL_OK)
        status = sill__owner_join(&user, NULL, SILL__OWNER_REGION_POSIX, "walk", &info);
    if (status == SILL_OK)
        status = sill__owner_list(NULL, see, &seen);
    sill__owner_release(user, false);
    sill__owner_release(owner, true);
    return status;
}
#endif

static void running_out_of_memory_harms_nothing(void **state)
{
    (void)state;
#ifdef SILL_FAULTS
    support_ok(walk());
    unsigned before = support_handles();
    for (long nth = 1; nth < 1000; nth++) {
        sill__fault_allocation(nth);
        int status = walk();
        int happened = sill__fault_happened();
        sill__fault_allocation(0);
        assert_int_equal(support_handles(), before);
        nothing();
        if (!happened) {
            support_ok(status);
            assert_true(nth > 2);
            return;
        }
        assert_int_equal(status, SILL_NO_MEMORY);
    }
    fail_msg("the failures do not end");
#else
    support_skip("this build cannot order failures");
#endif
}

static void no_handles_are_lost(void **state)
{
    (void)state;
    unsigned before = 0;
    for (int round = 0; round < 3; round++) {
        sill__owner *owner, *other;
        struct sill__owner_info info;
        support_ok(claim(&owner, SILL__OWNER_REGION_POSIX, "handles"));
        support_status(SILL_EXISTS, claim(&other, SILL__OWNER_REGION_POSIX, "handles"));
        support_ok(sill__owner_join(&other, NULL, SILL__OWNER_REGION_POSIX, "handles", &info));
        sill__owner_release(other, false);
        only("handles", SILL__OWNER_LIVING);
        sill__owner_release(owner, true);
        nothing();
        if (round == 0)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
}

static int claim_often(void *arg)
{
    int failures = 0;
    for (int i = 0; i < 100; i++) {
        sill__owner *owner;
        int status = claim(&owner, SILL__OWNER_SERVER, arg);
        if (status == SILL_OK)
            sill__owner_release(owner, true);
        else if (status != SILL_EXISTS)
            failures++;
    }
    return failures;
}

static void threads_can_claim_at_once(void **state)
{
    (void)state;
    static char names[4][8] = {"t-a", "t-a", "t-b", "t-c"};
    struct support_thread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = support_thread(claim_often, names[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(support_join(threads[i]), 0);
    nothing();
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(foreign_files_are_left_alone),
    SUPPORT_TEST(later_records_are_left_alone),
    SUPPORT_TEST(damaged_records_do_not_block),
    SUPPORT_TEST(copied_records_are_passed_over),
    SUPPORT_TEST(lists_are_in_order_and_can_be_ended),
    SUPPORT_TEST(directories_can_be_named),
    SUPPORT_TEST(directories_are_checked),
    SUPPORT_TEST(running_out_of_memory_harms_nothing),
    SUPPORT_TEST(no_handles_are_lost),
    SUPPORT_TEST(threads_can_claim_at_once),
};
static const struct support_role roles[] = {
    {"owner", role_owner},
    {"user", role_user},
    {"racer", role_racer},
    {"churner", role_churner},
};
SUPPORT_MAIN(tests, roles)
