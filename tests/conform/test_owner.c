/* test_owner.c - owner records, the same on every system: who holds a name, what a record says
 * about one who ended, and that a name is never given to two.
 */
#include "memory.h"
#include "owner.h"
#include "status.h"

#include "support.h"

static struct sill__owner_info about(enum sill__owner_kind kind, const char *name)
{
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kind = kind;
    snprintf(info.name, sizeof info.name, "%s", name);
    snprintf(info.object, sizeof info.object, "object-of-a-test");
    info.size = 12345;
    return info;
}

static int claim(sill__owner **owner, enum sill__owner_kind kind, const char *name)
{
    struct sill__owner_info info = about(kind, name);
    return sill__owner_claim(owner, NULL, &info, NULL);
}

/* ---- helpers that own things ---- */

/* Arguments: kind, name, "keep" or "". Says what claiming gave, holds until its input ends. */
static int role_owner(int argc, char **argv)
{
    if (argc < 3)
        return 90;
    struct sill__owner_info info = about((enum sill__owner_kind)atoi(argv[0]), argv[1]);
    info.kept = strcmp(argv[2], "keep") == 0;
    sill__owner *owner;
    int status = sill__owner_claim(&owner, NULL, &info, NULL);
    support_say("%s", sill_status_name(status));
    if (status != SILL_OK)
        return 1;
    support_linger();
    sill__owner_release(owner, !info.kept);
    return 0;
}

/* Arguments: kind, name. */
static int role_user(int argc, char **argv)
{
    if (argc < 2)
        return 90;
    struct sill__owner_info info;
    sill__owner *owner;
    int status =
        sill__owner_join(&owner, NULL, (enum sill__owner_kind)atoi(argv[0]), argv[1], &info);
    support_say("%s", sill_status_name(status));
    if (status != SILL_OK)
        return 1;
    support_linger();
    sill__owner_release(owner, false);
    return 0;
}

/* Argument: name. Claims at the word, says what it gave, holds until its input ends. */
static int role_racer(int argc, char **argv)
{
    char line[40];
    if (argc < 1)
        return 90;
    support_say("ready");
    if (!support_listen(line, sizeof line, SUPPORT_PATIENCE_MS))
        return 91;
    sill__owner *owner = NULL;
    int status = claim(&owner, SILL__OWNER_SERVER, argv[0]);
    support_say("%s", sill_status_name(status));
    support_linger();
    if (status == SILL_OK)
        sill__owner_release(owner, true);
    return 0;
}

/* Argument: name. Claims and releases without end. */
static int role_churner(int argc, char **argv)
{
    if (argc < 1)
        return 90;
    support_say("ready");
    for (;;) {
        sill__owner *owner;
        if (claim(&owner, SILL__OWNER_SERVER, argv[0]) != SILL_OK)
            continue;
        struct sill__owner_info info = about(SILL__OWNER_SERVER, argv[0]);
        info.size++;
        sill__owner_update(owner, &info);
        sill__owner_release(owner, true);
    }
}

static struct support_process *start_owner(enum sill__owner_kind kind, const char *name,
                                           const char *keep)
{
    char number[12];
    snprintf(number, sizeof number, "%d", (int)kind);
    const char *const arguments[] = {number, name, keep, NULL};
    struct support_process *process = support_start("owner", arguments, NULL);
    support_expect(process, "SILL_OK");
    return process;
}

static struct support_process *start_user(enum sill__owner_kind kind, const char *name)
{
    char number[12];
    snprintf(number, sizeof number, "%d", (int)kind);
    const char *const arguments[] = {number, name, NULL};
    struct support_process *process = support_start("user", arguments, NULL);
    support_expect(process, "SILL_OK");
    return process;
}

static void kill_it(struct support_process *process)
{
    support_kill(process);
    support_finish(process);
}

/* ---- what a list says ---- */

struct seen {
    unsigned count;
    struct sill__owner_info info[8];
    enum sill__owner_state state[8];
};

static int see(void *arg, const struct sill__owner_info *info, enum sill__owner_state state)
{
    struct seen *seen = arg;
    if (seen->count == 8)
        return 1;
    seen->info[seen->count] = *info;
    seen->state[seen->count++] = state;
    return 0;
}

static void list(struct seen *seen)
{
    memset(seen, 0, sizeof *seen);
    support_ok(sill__owner_list(NULL, see, seen));
}

/* The only record is this one. */
static void only(const char *name, enum sill__owner_state state)
{
    struct seen seen;
    list(&seen);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.info[0].name, name);
    assert_int_equal(seen.state[0], state);
}

static void nothing(void)
{
    struct seen seen;
    list(&seen);
    assert_int_equal(seen.count, 0);
    assert_int_equal(support_entries(".lock"), 0);
}

static int removed;

static int remove_nothing(void *arg, const struct sill__owner_info *info)
{
    removed++;
    assert_string_equal(info->object, "object-of-a-test");
    return *(int *)arg;
}

static int remove_stale(enum sill__owner_kind kind, const char *name, int answer)
{
    removed = 0;
    return sill__owner_remove_stale(NULL, kind, name, remove_nothing, &answer);
}

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
