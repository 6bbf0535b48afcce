/* test_system.c - sill_list, sill_clean and sill_facts: what lives is listed and never touched,
 * what is stale goes with everything that belongs to it, and facts are told in one form.
 */
#include <sill/policy.h>
#include <sill/region.h>
#include <sill/system.h>

#include "backends.h"
#include "channel.h"
#include "clock.h"
#include "facts.h"
#include "memory.h"
#include "process.h"
#include "status.h"

#include "support.h"

#define SIZE 5000

/* ---- helpers that have something ---- */

/* Arguments: name, "server" or "region". Holds until its input ends, and closes in order. */
static int role_holder(int argc, char **argv)
{
    if (argc < 2)
        return 90;
    struct sill__named_listen listen = {0};
    sill_region *region = NULL;
    bool server = strcmp(argv[1], "server") == 0;
    int status = server ? sill__listener_open(&listen, sill__channels[0], argv[0], NULL, SILL_ACCESS_USER)
                        : sill_region_create(&region, argv[0], SIZE, NULL);
    support_say("%s", sill_status_name(status));
    if (status != SILL_OK)
        return 1;
    support_linger();
    sill_region_close(region);
    if (server)
        sill__listener_shut(&listen, true);
    return 0;
}

static struct support_process *start_holder(const char *name, const char *what)
{
    const char *const arguments[] = {name, what, NULL};
    struct support_process *process = support_start("holder", arguments, NULL);
    support_expect(process, "SILL_OK");
    return process;
}

static void kill_it(struct support_process *process)
{
    support_kill(process);
    support_finish(process);
}

/* ---- what is listed ---- */

struct seen {
    unsigned count;
    char type[8][16], kind[8][32], name[8][SILL__NAME_MAX + 1];
    sill_object object[8];
};

static int see(void *arg, const sill_object *object)
{
    struct seen *seen = arg;
    unsigned i = seen->count;
    if (i == 8 || object->struct_size != sizeof *object)
        return 1;
    snprintf(seen->type[i], sizeof seen->type[i], "%s", object->type);
    snprintf(seen->kind[i], sizeof seen->kind[i], "%s", object->kind);
    snprintf(seen->name[i], sizeof seen->name[i], "%s", object->name);
    seen->object[i] = *object;
    seen->count++;
    return 0;
}

static void expect_state(const char *name, int state)
{
    struct seen seen = {0};
    support_ok(sill_list(NULL, see, &seen));
    for (unsigned i = 0; i < seen.count; i++) {
        if (strcmp(seen.name[i], name) == 0) {
            assert_int_equal(seen.object[i].state, state);
            return;
        }
    }
    fail_msg("%s is not listed", name);
}

static void clean(struct seen *seen, int dry_run)
{
    memset(seen, 0, sizeof *seen);
    support_ok(sill_clean(NULL, dry_run, see, seen));
}

static void nothing_is_left(void)
{
    struct seen seen = {0};
    support_ok(sill_list(NULL, see, &seen));
    assert_int_equal(seen.count, 0);
    assert_int_equal(support_entries(".lock"), 0);
}

static bool region_exists(const char *name)
{
    sill_region *region;
    int status = sill_region_open(&region, name, NULL);
    if (status == SILL_OK)
        sill_region_close(region);
    else
        assert_int_equal(status, SILL_NOT_FOUND);
    return status == SILL_OK;
}

static void arguments_are_checked(void **state)
{
    (void)state;
    support_status(SILL_INVALID, sill_list(NULL, NULL, NULL));
    support_status(SILL_INVALID, sill_facts(NULL, NULL));
    support_ok(sill_clean(NULL, 0, NULL, NULL));
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "missing");
    support_status(SILL_NOT_FOUND, sill_list(path, see, NULL));
    support_status(SILL_NOT_FOUND, sill_clean(path, 1, NULL, NULL));
    nothing_is_left();
}

static void what_lives_is_listed(void **state)
{
    (void)state;
    char server[SUPPORT_NAME_SIZE], region[SUPPORT_NAME_SIZE];
    support_name(server, "server");
    support_name(region, "region");
    struct support_process *a = start_holder(server, "server"), *b = start_holder(region, "region");
    struct seen seen = {0};
    support_ok(sill_list(NULL, see, &seen));
    assert_int_equal(seen.count, 2);
    unsigned s = strcmp(seen.type[0], "server") == 0 ? 0 : 1, r = 1 - s;
    assert_string_equal(seen.type[s], "server");
    assert_string_equal(seen.kind[s], sill__channels[0]->name);
    assert_string_equal(seen.name[s], server);
    assert_int_equal(seen.object[s].state, SILL_OBJECT_LIVING);
    assert_int_equal(seen.object[s].size, 0);
    assert_true(seen.object[s].created > 1600000000);
    assert_string_equal(seen.type[r], "region");
    assert_string_equal(seen.kind[r], sill_region_kind_name(sill__region_auto_named));
    assert_string_equal(seen.name[r], region);
    assert_int_equal(seen.object[r].state, SILL_OBJECT_LIVING);
    assert_int_equal(seen.object[r].size, SIZE);
    assert_int_equal(seen.object[s].pid, support_pid(a));
    assert_int_equal(seen.object[r].pid, support_pid(b));
    kill_it(a);
    kill_it(b);
    support_ok(sill_clean(NULL, 0, NULL, NULL));
    nothing_is_left();
}

static int end_it(void *arg, const sill_object *object)
{
    (void)object;
    ++*(int *)arg;
    return 17;
}

static void a_list_can_be_ended(void **state)
{
    (void)state;
    struct support_process *a = start_holder("a", "server"), *b = start_holder("b", "server");
    int calls = 0;
    assert_int_equal(sill_list(NULL, end_it, &calls), 17);
    assert_int_equal(calls, 1);
    kill_it(a);
    kill_it(b);
    assert_int_equal(sill_clean(NULL, 0, end_it, &calls), 17);
    assert_int_equal(calls, 2);
    support_ok(sill_clean(NULL, 0, NULL, NULL));
    nothing_is_left();
}

/* Names whose objects' files could be taken for each other's records. */
static void similar_names_live_side_by_side(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "a.sock", "a.pipe", "a.lock", "a.", "server.a", ".lock"};
    struct sill__named_listen listen[sizeof names / sizeof names[0]];
    size_t count = sizeof names / sizeof names[0];
    for (size_t i = 0; i < count; i++)
        support_ok(sill__listener_open(&listen[i], sill__channels[0], names[i], NULL, SILL_ACCESS_USER));
    struct seen seen = {0};
    support_ok(sill_list(NULL, see, &seen));
    assert_int_equal(seen.count, count);
    for (size_t i = 0; i < count; i++)
        expect_state(names[i], SILL_OBJECT_LIVING);
    for (size_t i = 0; i < count; i++)
        sill__listener_shut(&listen[i], true);
    nothing_is_left();
}

/* ---- what is cleaned ---- */

static void what_lives_is_not_cleaned(void **state)
{
    (void)state;
    char server[SUPPORT_NAME_SIZE], region[SUPPORT_NAME_SIZE];
    support_name(server, "server");
    support_name(region, "region");
    struct support_process *a = start_holder(server, "server"), *b = start_holder(region, "region");
    struct seen seen;
    clean(&seen, 0);
    assert_int_equal(seen.count, 0);
    expect_state(server, SILL_OBJECT_LIVING);
    expect_state(region, SILL_OBJECT_LIVING);
    assert_true(region_exists(region));
    /* The server still does what it did. */
    struct sill__expect expect = {0};
    sill__conn *conn;
    support_ok(sill__client_open(&conn, sill__channels[0], server, NULL, &expect,
                                 sill__deadline(SUPPORT_PATIENCE_MS)));
    conn->ops->close(conn);
    assert_int_equal(support_finish(a), 0);
    assert_int_equal(support_finish(b), 0);
    clean(&seen, 0);
    assert_int_equal(seen.count, 0);
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    if ((sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) != 0) {
        expect_state(region, SILL_OBJECT_KEPT);
        assert_true(region_exists(region));
        support_ok(sill_region_remove(region, &options));
    }
    nothing_is_left();
}

static void what_is_stale_goes(void **state)
{
    (void)state;
    char server[SUPPORT_NAME_SIZE], region[SUPPORT_NAME_SIZE], living[SUPPORT_NAME_SIZE];
    support_name(server, "server");
    support_name(region, "region");
    support_name(living, "living");
    struct support_process *alive = start_holder(living, "server");
    kill_it(start_holder(server, "server"));
    kill_it(start_holder(region, "region"));
    expect_state(server, SILL_OBJECT_STALE);
    expect_state(region, SILL_OBJECT_STALE);
    struct seen seen;
    clean(&seen, 1);
    assert_int_equal(seen.count, 2);
    expect_state(server, SILL_OBJECT_STALE);
    expect_state(region, SILL_OBJECT_STALE);
    clean(&seen, 0);
    assert_int_equal(seen.count, 2);
    for (unsigned i = 0; i < seen.count; i++) {
        assert_int_equal(seen.object[i].state, SILL_OBJECT_STALE);
        assert_string_not_equal(seen.name[i], living);
    }
    clean(&seen, 0);
    assert_int_equal(seen.count, 0);
    assert_false(region_exists(region));
    expect_state(living, SILL_OBJECT_LIVING);
    assert_int_equal(support_finish(alive), 0);
    nothing_is_left();
}

/* Comes to life between the list and the removal: the name is claimed again while `each` of an
 * earlier name runs. */
struct revival {
    const char *name;
    struct sill__named_listen listen;
    int status;
    unsigned cleaned;
};

static int revive(void *arg, const sill_object *object)
{
    struct revival *revival = arg;
    revival->cleaned++;
    if (strcmp(object->name, revival->name) == 0)
        return 99;
    if (revival->listen.ops == NULL)
        revival->status =
            sill__listener_open(&revival->listen, sill__channels[0], revival->name, NULL,
                                SILL_ACCESS_USER);
    return 0;
}

static void what_comes_back_to_life_is_spared(void **state)
{
    (void)state;
    struct revival revival = {.name = "b"};
    kill_it(start_holder("a", "server"));
    kill_it(start_holder("b", "server"));
    support_ok(sill_clean(NULL, 0, revive, &revival));
    support_ok(revival.status);
    assert_int_equal(revival.cleaned, 1);
    expect_state("b", SILL_OBJECT_LIVING);
    sill__listener_shut(&revival.listen, true);
    nothing_is_left();
}

#ifdef SILL_FAULTS
static int walk(void)
{
    struct seen seen = {0};
    int status = sill_list(NULL, see, &seen);
    return status == SILL_OK ? sill_clean(NULL, 0, NULL, NULL) : status;
}
#endif

static void running_out_of_memory_harms_nothing(void **state)
{
    (void)state;
#ifdef SILL_FAULTS
    struct support_process *alive = start_holder("alive", "server");
    char stale[SUPPORT_NAME_SIZE];
    support_name(stale, "stale");
    for (long nth = 1; nth < 1000; nth++) {
        kill_it(start_holder(stale, "region"));
        unsigned before = support_handles();
        sill__fault_allocation(nth);
        int status = walk();
        int happened = sill__fault_happened();
        sill__fault_allocation(0);
        assert_int_equal(support_handles(), before);
        expect_state("alive", SILL_OBJECT_LIVING);
        if (!happened) {
            support_ok(status);
            assert_int_equal(support_finish(alive), 0);
            nothing_is_left();
            return;
        }
        assert_int_equal(status, SILL_NO_MEMORY);
        support_ok(sill_clean(NULL, 0, NULL, NULL));
    }
    fail_msg("the failures do not end");
#else
    support_skip("this build cannot order failures");
#endif
}

/* ---- facts ---- */

struct known {
    unsigned count, kinds, channels, syncs, ports, present, failed, limits;
    char system[40], cores[24], bad[200], reason[500];
};

static bool well_formed(const sill_fact *fact)
{
    bool whole = fact->struct_size == sizeof *fact && fact->topic != NULL && fact->name != NULL &&
                 fact->value != NULL && fact->unit != NULL && fact->note != NULL &&
                 fact->remedy != NULL;
    /* What is not good says why. */
    return whole && (fact->verdict == SILL_FACT_GOOD ||
                     ((fact->verdict == SILL_FACT_LOW || fact->verdict == SILL_FACT_MISSING) &&
                      fact->note[0] != '\0'));
}

static int know(void *arg, const sill_fact *fact)
{
    struct known *known = arg;
    known->count++;
    if (!well_formed(fact)) {
        snprintf(known->bad, sizeof known->bad, "%s %s", fact->topic, fact->name);
        return 1;
    }
    if (strcmp(fact->topic, "system") == 0 && strcmp(fact->name, "name") == 0)
        snprintf(known->system, sizeof known->system, "%s", fact->value);
    if (strcmp(fact->topic, "cores") == 0 && strcmp(fact->name, "usable") == 0)
        snprintf(known->cores, sizeof known->cores, "%s", fact->value);
    bool kind = strcmp(fact->topic, "kind") == 0, channel = strcmp(fact->topic, "channel") == 0;
    bool sync = strcmp(fact->topic, "sync") == 0, port = strcmp(fact->topic, "port") == 0;
    known->limits += strcmp(fact->topic, "limit") == 0;
    known->kinds += kind;
    known->channels += channel;
    known->syncs += sync;
    known->ports += port;
    if (kind || channel || sync || port) {
        bool present = strcmp(fact->value, "present") == 0;
        bool limited = strcmp(fact->value, "limited") == 0;
        if (!present && !limited && strcmp(fact->value, "absent") != 0)
            snprintf(known->bad, sizeof known->bad, "%s is %s", fact->name, fact->value);
        known->present += present || limited;
    }
    if ((kind || channel || sync || port) && fact->verdict == SILL_FACT_MISSING) {
        known->failed++;
        snprintf(known->reason, sizeof known->reason, "%s: %s", fact->name, fact->note);
    }
    return 0;
}

static void facts_are_told(void **state)
{
    (void)state;
    struct known known = {0};
    support_ok(sill_facts(know, &known));
    assert_string_equal(known.bad, "");
    if (known.failed > 0)
        fail_msg("%s", known.reason);
    unsigned present = 0;
    while (sill__regions[present] != NULL)
        present++;
    for (int kind = SILL_CHANNEL_SOCKET; kind <= SILL_CHANNEL_QUEUE; kind++) {
        sill_channel_traits traits = {.struct_size = sizeof traits};
        support_ok(sill_channel_get_traits(kind, &traits));
        present += traits.available != 0;
    }
    for (int i = 0; sill__syncs[i] != NULL; i++)
        present++;
    for (int i = 0; sill__channels[i] != NULL; i++)
        present++;
    assert_int_equal(known.ports, SILL_FAMILY_COUNT - 1);
    assert_int_equal(known.syncs, SILL_SYNC_WIN32);
    assert_int_equal(known.present, present);
    assert_int_equal(known.kinds, SILL_REGION_WIN32);
    assert_int_equal(known.channels, SILL_CHANNEL_QUEUE);
    assert_true(known.limits > 0);
    assert_true(strtol(known.cores, NULL, 10) >= 1);
#ifdef _WIN32
    assert_string_equal(known.system, support_under_wine() ? "Wine" : "Windows");
#else
    assert_int_not_equal(known.system[0], '\0');
#endif
    nothing_is_left(); /* of all that was tried */
}

static int stop_at_third(void *arg, const sill_fact *fact)
{
    (void)fact;
    return ++*(int *)arg == 3 ? 5 : 0;
}

static void facts_can_be_ended(void **state)
{
    (void)state;
    int calls = 0;
    assert_int_equal(sill_facts(stop_at_third, &calls), 5);
    assert_int_equal(calls, 3);
    nothing_is_left();
}

static void facts_lose_no_handles(void **state)
{
    (void)state;
    unsigned before = 0;
    for (int round = 0; round < 3; round++) {
        struct known known = {0};
        support_ok(sill_facts(know, &known));
        if (round == 0)
            before = support_handles();
    }
    assert_int_equal(support_handles(), before);
}

/* A directory that cannot be used is told, and is no failure of the call. */
static void facts_say_what_fails(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "file");
    support_write_file(path, "x", 1);
    support_setenv("SILL_RUNTIME_DIR", path);
    struct known known = {0};
    int status = sill_facts(know, &known);
    support_setenv("SILL_RUNTIME_DIR", support_directory());
    support_ok(status);
    assert_string_equal(known.bad, "");
    assert_int_equal(known.channels, SILL_CHANNEL_QUEUE);
    assert_true(known.failed >= 1);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(arguments_are_checked),
    SUPPORT_TEST(what_lives_is_listed),
    SUPPORT_TEST(a_list_can_be_ended),
    SUPPORT_TEST(similar_names_live_side_by_side),
    SUPPORT_TEST(what_lives_is_not_cleaned),
    SUPPORT_TEST(what_is_stale_goes),
    SUPPORT_TEST(what_comes_back_to_life_is_spared),
    SUPPORT_TEST(running_out_of_memory_harms_nothing),
    SUPPORT_TEST(facts_are_told),
    SUPPORT_TEST(facts_can_be_ended),
    SUPPORT_TEST(facts_lose_no_handles),
    SUPPORT_TEST(facts_say_what_fails),
};
static const struct support_role roles[] = {
    {"holder", role_holder},
};
SUPPORT_MAIN(tests, roles)
