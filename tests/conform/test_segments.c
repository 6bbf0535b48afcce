/* test_segments.c - sets of small segments (sill/pool.h): limits, ids, two processes, deaths. */
#include <sill/pool.h>
#include <sill/sync.h>
#include <sill/system.h>

#include "regions.h"

#ifdef SILL_STEPS
#define STEPS 1
#else
#define STEPS 0
#endif

#define SEGMENT  10000
#define PERSISTS ((sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) != 0)

static sill_segments_options options_of(uint32_t least, uint32_t most)
{
    sill_segments_options options = SILL_SEGMENTS_OPTIONS_INIT;
    options.segment_size = SEGMENT;
    options.least = least;
    options.most = most;
    options.open_existing = 1;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    return options;
}

static sill_segments *make(char name[SUPPORT_NAME_SIZE], uint32_t least, uint32_t most)
{
    sill_segments_options options = options_of(least, most);
    sill_segments *set;
    support_name(name, "s");
    support_ok(sill_segments_create(&set, name, &options));
    return set;
}

static void drop(const char *name, sill_segments *set)
{
    sill_segments_close(set);
    if (PERSISTS)
        support_ok(sill_segments_remove(name, NULL));
    regions_nothing_left();
}

static sill_segments_statistics statistics_of(sill_segments *set)
{
    sill_segments_statistics statistics = SILL_SEGMENTS_STATISTICS_INIT;
    support_ok(sill_segments_statistics_get(set, &statistics));
    return statistics;
}

static void sets_check_arguments(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], long_name[300];
    sill_segments *set = make(name, 1, 2), *other;
    sill_segments_options options = options_of(3, 2);
    uint64_t id;
    void *data;
    support_status(SILL_INVALID, sill_segments_create(&other, "x", &options));
    options = options_of(1, SILL_SEGMENTS_MAX + 1);
    support_status(SILL_INVALID, sill_segments_create(&other, "x", &options));
    options = options_of(1, 2);
    options.struct_size = 1;
    support_status(SILL_INVALID, sill_segments_create(&other, "x", &options));
    memset(long_name, 'l', 195);
    long_name[195] = '\0';
    support_status(SILL_INVALID, sill_segments_create(&other, long_name, NULL));
    support_status(SILL_INVALID, sill_segments_create(&other, "a/b", NULL));
    support_status(SILL_INVALID, sill_segments_create(NULL, "x", NULL));
    support_status(SILL_EXISTS, sill_segments_create(&other, name, NULL));
    support_status(SILL_NOT_FOUND, sill_segments_open(&other, "none", NULL));
    support_status(SILL_NOT_FOUND, sill_segments_remove("none", NULL));
    sill_region *region;
    support_ok(sill_region_create(&region, "r", 100, NULL));
    support_status(SILL_FOREIGN, sill_segments_open(&other, "r", NULL));
    sill_region_close(region);
    if (PERSISTS)
        support_ok(sill_region_remove("r", NULL));
    support_status(SILL_INVALID, sill_segments_take(set, NULL, 0));
    support_status(SILL_INVALID, sill_segments_take(NULL, &id, 0));
    support_status(SILL_INVALID, sill_segments_get(set, 0, &data));
    support_status(SILL_INVALID, sill_segments_get(set, 3 | UINT64_C(1) << 32, &data));
    support_status(SILL_NOT_FOUND, sill_segments_get(set, 1 | UINT64_C(1) << 32, &data));
    support_status(SILL_INVALID, sill_segments_give(set, UINT64_MAX));
    sill_segments_close(NULL);
    drop(name, set);
}

static void a_set_grows_and_shrinks(void **state)
{
    (void)state;
    enum { LEAST = 2, MOST = 5 };
    char name[SUPPORT_NAME_SIZE];
    sill_segments *set = make(name, LEAST, MOST);
    uint64_t ids[MOST], id;
    void *data;
    assert_int_equal(statistics_of(set).made, 0);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MOST; i++) {
            support_ok(sill_segments_take(set, &ids[i], 0));
            support_ok(sill_segments_get(set, ids[i], &data));
            regions_fill(data, SEGMENT, i);
        }
        support_status(SILL_AGAIN, sill_segments_take(set, &id, 0));
        support_status(SILL_TIMEOUT, sill_segments_take(set, &id, 30));
        for (unsigned i = 0; i < MOST; i++) {
            support_ok(sill_segments_get(set, ids[i], &data));
            assert_true(regions_filled(data, SEGMENT, i));
            support_ok(sill_segments_give(set, ids[i]));
            support_status(SILL_NOT_FOUND, sill_segments_give(set, ids[i]));
            support_status(SILL_NOT_FOUND, sill_segments_get(set, ids[i], &data));
        }
        sill_segments_statistics statistics = statistics_of(set);
        assert_int_equal(statistics.free, MOST);
        assert_int_equal(statistics.taken, 0);
        assert_int_equal(statistics.made, MOST + round * (MOST - LEAST));
        support_ok(sill_segments_trim(set));
        assert_int_equal(statistics_of(set).free, LEAST);
        assert_int_equal(statistics_of(set).removed, (round + 1) * (MOST - LEAST));
    }
    /* An id of the past is refused, though its segment is in use again. */
    support_ok(sill_segments_take(set, &id, 0));
    assert_int_equal((uint32_t)id, (uint32_t)ids[0]);
    support_status(SILL_NOT_FOUND, sill_segments_get(set, ids[0], &data));
    support_ok(sill_segments_give(set, id));
    drop(name, set);
}

/* NAME: for each line with an id: looks at the segment and gives it back ("give") or keeps it
 * ("keep"); "take" takes one and tells its id, and has so many milliseconds for it (0: enough). */
static int role_partner(int argc, char **argv)
{
    sill_segments *set;
    sill_segments_options options = options_of(0, 0);
    char line[100], verb[20];
    if (argc != 1 || sill_segments_open(&set, argv[0], &options) != 0)
        return 2;
    support_say("ready");
    while (support_listen(line, sizeof line, 10 * SUPPORT_PATIENCE_MS)) {
        unsigned long long id = 0;
        uint64_t taken = 0;
        void *data = NULL;
        if (sscanf(line, "%19s %llx", verb, &id) < 1)
            return 3;
        if (strcmp(verb, "take") == 0) {
            int rc = sill_segments_take(set, &taken, id != 0 ? (int)id : SUPPORT_PATIENCE_MS);
            support_say("%s %llx", sill_status_name(rc), (unsigned long long)taken);
            continue;
        }
        int rc = sill_segments_get(set, id, &data);
        if (rc == 0 && !regions_filled(data, SEGMENT, 7))
            rc = SILL_PROTOCOL;
        if (rc == 0 && strcmp(verb, "give") == 0)
            rc = sill_segments_give(set, id);
        support_say("%s", sill_status_name(rc));
    }
    sill_segments_close(set);
    return 0;
}

static struct support_process *start_partner(const char *name)
{
    const char *const arguments[] = {name, NULL};
    struct support_process *partner = support_start("partner", arguments, NULL);
    support_expect(partner, "ready");
    return partner;
}

static void ask(struct support_process *partner, const char *verb, uint64_t id, const char *answer)
{
    char line[60];
    snprintf(line, sizeof line, "%s %llx", verb, (unsigned long long)id);
    support_tell(partner, line);
    support_expect(partner, answer);
}

static uint64_t ask_for_one(struct support_process *partner)
{
    char line[60] = "";
    unsigned long long id = 0;
    support_tell(partner, "take");
    assert_true(support_hear(partner, line, sizeof line, SUPPORT_PATIENCE_MS));
    assert_int_equal(sscanf(line, "SILL_OK %llx", &id), 1);
    return id;
}

static uint64_t take_filled(sill_segments *set)
{
    uint64_t id;
    void *data;
    support_ok(sill_segments_take(set, &id, 0));
    support_ok(sill_segments_get(set, id, &data));
    regions_fill(data, SEGMENT, 7);
    return id;
}

static void segments_travel(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_segments *set = make(name, 1, 3);
    struct support_process *partner = start_partner(name);
    for (int i = 0; i < 10; i++) {
        uint64_t id = take_filled(set);
        ask(partner, "give", id, "SILL_OK");
        ask(partner, "give", id, "SILL_NOT_FOUND");
        if (i == 5) /* what it has mapped is another one then */
            support_ok(sill_segments_trim(set));
    }
    assert_int_equal(statistics_of(set).taken, 0);
    uint64_t id = ask_for_one(partner);
    void *data;
    support_ok(sill_segments_get(set, id, &data));
    support_ok(sill_segments_give(set, id));
    assert_int_equal(support_finish(partner), 0);
    drop(name, set);
}

static int take_in_thread(void *arg)
{
    uint64_t id;
    int rc = sill_segments_take(arg, &id, SUPPORT_PATIENCE_MS);
    return rc != 0 ? rc : sill_segments_give(arg, id);
}

static void a_wait_ends_with_a_return(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_segments *set = make(name, 1, 1);
    uint64_t id = take_filled(set);
    struct support_thread *thread = support_thread(take_in_thread, set);
    support_ok(sill_segments_give(set, id));
    support_ok(support_join(thread));
    drop(name, set);
}

/* A wait for a segment ends with the death of those who hold them. */
static void holders_may_die(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_segments *set = make(name, 1, 2);
    struct support_process *a = start_partner(name), *b = start_partner(name);
    uint64_t first = ask_for_one(a), second = take_filled(set), id;
    void *data;
    ask(b, "keep", second, "SILL_OK");
    struct support_thread *thread = support_thread(take_in_thread, set);
    support_kill(a);
    support_finish(a);
    support_ok(support_join(thread));
    support_status(SILL_NOT_FOUND, sill_segments_get(set, first, &data));
    support_kill(b);
    support_finish(b);
    support_ok(sill_segments_take(set, &first, SUPPORT_PATIENCE_MS));
    support_ok(sill_segments_take(set, &id, SUPPORT_PATIENCE_MS));
    assert_int_equal(statistics_of(set).reclaimed, 2);
    drop(name, set);
}

static void kill_at(const char *role, const char *name, const char *step)
{
    const char *const arguments[] = {name, NULL};
    support_kill_at(role, arguments, step);
}

/* NAME: makes the set, takes three, gives them back, trims. */
static int role_worker(int argc, char **argv)
{
    sill_segments *set;
    sill_segments_options options = options_of(1, 3);
    uint64_t ids[3];
    support_ok(sill_segments_create(&set, argv[0], &options));
    for (int i = 0; i < 3; i++)
        support_ok(sill_segments_take(set, &ids[i], SUPPORT_PATIENCE_MS));
    for (int i = 0; i < 3; i++)
        support_ok(sill_segments_give(set, ids[i]));
    uint64_t again;
    support_ok(sill_segments_take(set, &again, 0));
    support_ok(sill_segments_give(set, again));
    support_ok(sill_segments_trim(set));
    sill_segments_close(set);
    return argc == 1 ? 0 : 1;
}

static void workers_may_die_at_each_step(void **state)
{
    (void)state;
    static const char *const steps[] = {"segments_begun",   "segments_making",  "segments_making:3",
                                        "segments_made",    "segments_made:2",  "segments_taken",
                                        "segments_given",   "segments_given:4", "segments_absent",
                                        "segments_absent:2"};
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        char name[SUPPORT_NAME_SIZE];
        support_name(name, "s");
        for (int others = 0; others < 2; others++) { /* without others who have it, and with */
            sill_segments *set = NULL;
            sill_segments_options options = options_of(1, 3);
            if (others && i == 0)
                continue; /* it is the one that makes the set */
            if (others)
                support_ok(sill_segments_create(&set, name, &options));
            kill_at("worker", name, steps[i]);
            if (!others)
                support_ok(sill_segments_create(&set, name, &options));
            uint64_t ids[3], id;
            for (int k = 0; k < 3; k++)
                support_ok(sill_segments_take(set, &ids[k], SUPPORT_PATIENCE_MS));
            support_status(SILL_AGAIN, sill_segments_take(set, &id, 0));
            for (int k = 0; k < 3; k++) {
                void *data;
                support_ok(sill_segments_get(set, ids[k], &data));
                regions_fill(data, SEGMENT, 1);
                support_ok(sill_segments_give(set, ids[k]));
            }
            drop(name, set);
        }
    }
}

/* A process that died may have had the pid of one that lives, and may have been what comes first.
 */
static void pids_come_back(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_segments *set = make(name, 1, 2);
    struct support_process *partner = start_partner(name);
    uint64_t ids[2], id;
    void *data;
    for (int i = 0; i < 2; i++)
        ids[i] = ask_for_one(partner);
    sill_region *region;
    support_ok(sill_region_open(&region, name, NULL));
    unsigned char *slots = (unsigned char *)sill_region_data(region) + 4160; /* shared-layout.md */
    uint64_t start;
    memcpy(&start, slots + 16, sizeof start);
    start--;
    memcpy(slots + 16, &start, sizeof start);
    sill_region_close(region);
    support_ok(sill_segments_take(set, &id, SUPPORT_PATIENCE_MS));
    support_status(SILL_NOT_FOUND, sill_segments_get(set, ids[0], &data));
    ask(partner, "take", 100, "SILL_TIMEOUT 0");
    assert_int_equal(statistics_of(set).reclaimed, 1);
    support_ok(sill_segments_give(set, id));
    support_ok(sill_segments_give(set, ids[1]));
    support_finish(partner);
    drop(name, set);
}

/* Who has an older segment of the slot mapped does not take it for the one that a process made that
 * died on the way. */
static void maker_dies_before_it_says_so(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    sill_segments *set = make(name, 1, 3);
    struct support_process *partner = start_partner(name);
    uint64_t ids[3];
    void *data;
    for (int i = 0; i < 3; i++)
        ids[i] = take_filled(set);
    for (int i = 0; i < 3; i++) {
        ask(partner, "keep", ids[i], "SILL_OK");
        support_ok(sill_segments_get(set, ids[i], &data));
        memset(data, 0, SEGMENT); /* what the partner would see */
        support_ok(sill_segments_give(set, ids[i]));
    }
    support_ok(sill_segments_trim(set));
    kill_at("worker", name, "segments_made:2"); /* it has the first, and makes the second */
    for (int i = 0; i < 3; i++) {
        support_ok(sill_segments_take(set, &ids[i], SUPPORT_PATIENCE_MS));
        support_ok(sill_segments_get(set, ids[i], &data));
        regions_fill(data, SEGMENT, 7);
    }
    for (int i = 0; i < 3; i++)
        ask(partner, "give", ids[i], "SILL_OK");
    support_finish(partner);
    drop(name, set);
}

/* A segment that has gone with its sender is nobody's, and is made anew. */
static void a_segment_may_be_gone(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], segment[SUPPORT_NAME_SIZE + 2];
    sill_segments *set = make(name, 1, 1);
    struct support_process *partner = start_partner(name);
    uint64_t id = ask_for_one(partner);
    void *data;
    snprintf(segment, sizeof segment, "%s.0", name);
    if (PERSISTS)
        support_ok(sill_region_remove(segment, NULL));
    assert_int_equal(support_finish(partner), 0);
    support_status(SILL_NOT_FOUND, sill_segments_get(set, id, &data));
    assert_int_equal(statistics_of(set).taken, 0);
    support_status(SILL_NOT_FOUND, sill_segments_give(set, id));
    partner = start_partner(name);
    id = take_filled(set);
    ask(partner, "give", id, "SILL_OK");
    support_finish(partner);
    drop(name, set);
}

static void a_segment_may_be_another(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], segment[SUPPORT_NAME_SIZE + 2];
    if (!PERSISTS)
        support_skip("the name of a region that somebody has mapped cannot be taken here");
    sill_segments *set = make(name, 1, 1);
    struct support_process *partner = start_partner(name);
    uint64_t id = take_filled(set);
    sill_region *region;
    snprintf(segment, sizeof segment, "%s.0", name);
    support_ok(sill_region_remove(segment, NULL));
    support_ok(sill_region_create(&region, segment, SEGMENT / 2, NULL));
    ask(partner, "give", id, "SILL_PROTOCOL");
    sill_region_close(region);
    support_finish(partner);
    drop(name, set);
}

/* Who has a set open that was removed does nothing to a later one of the name. */
static void a_removed_set_is_over(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    if (!PERSISTS)
        support_skip("sets go by themselves on this system");
    sill_segments *old = make(name, 1, 2), *set;
    sill_segments_options options = options_of(1, 2);
    uint64_t before = take_filled(old), id;
    void *data, *mine;
    support_ok(sill_segments_get(old, before, &mine));
    support_ok(sill_segments_take(old, &id, 0));
    struct support_thread *thread = support_thread(take_in_thread, old);
    support_ok(sill_segments_remove(name, NULL));
    support_status(SILL_NOT_FOUND, support_join(thread));
    support_status(SILL_NOT_FOUND, sill_segments_open(&set, name, NULL));
    support_status(SILL_NOT_FOUND, sill_segments_remove(name, NULL));
    regions_nothing_left();
    support_ok(sill_segments_create(&set, name, &options));
    support_ok(sill_segments_take(set, &id, 0));
    support_ok(sill_segments_get(set, id, &data));
    memset(data, 0, SEGMENT);
    assert_true(regions_filled(mine, SEGMENT, 7));
    support_status(SILL_NOT_FOUND, sill_segments_take(old, &before, 0));
    support_status(SILL_NOT_FOUND, sill_segments_get(old, before, &data));
    support_status(SILL_NOT_FOUND, sill_segments_give(old, before));
    support_status(SILL_NOT_FOUND, sill_segments_trim(old));
    sill_segments_close(old);
    support_ok(sill_segments_give(set, id));
    drop(name, set);
}

/* NAME: removes the set. */
static int role_remover(int argc, char **argv)
{
    return argc == 1 ? sill_segments_remove(argv[0], NULL) : 1;
}

static void who_removes_a_set_may_die(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    if (!STEPS || !PERSISTS)
        support_skip("this build has no steps (SILL_STEPS), or sets go by themselves");
    for (int again = 0; again < 2; again++) {
        sill_segments *set = make(name, 1, 2);
        struct support_process *partner = start_partner(name);
        ask(partner, "give", take_filled(set), "SILL_OK");
        kill_at("remover", name, "segments_removing");
        if (!again) /* the set is as good as before */
            for (int i = 0; i < 2; i++) {
                sill_segments_close(set);
                sill_segments_options options = options_of(1, 2);
                support_ok(sill_segments_create(&set, name, &options));
                ask(partner, "give", take_filled(set), "SILL_OK");
            }
        support_finish(partner);
        drop(name, set);
    }
}

/* How large a set is, its maker says, also if another process is there before it has. */
static void openers_wait_for_the_maker(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_segments *set;
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    support_name(name, "s");
    const char *const arguments[] = {name, NULL};
    struct support_process *worker =
        support_start_stopping("worker", arguments, "region_published");
    support_wait_stopped("region_published");
    support_status(SILL_NOT_FOUND, sill_segments_open(&set, name, NULL));
    sill_segments_options options = options_of(2, 5);
    support_ok(sill_segments_create(&set, name, &options)); /* this is a maker, too */
    assert_int_equal(statistics_of(set).most, 5);
    support_kill(worker);
    support_finish(worker);
    drop(name, set);
}

static void what_the_dead_leave_is_cleaned(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "s");
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    kill_at("worker", name, "segments_given");
    support_ok(sill_clean(NULL, 0, NULL, NULL));
    regions_nothing_left();
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(sets_check_arguments),
    SUPPORT_TEST(a_set_grows_and_shrinks),
    SUPPORT_TEST(segments_travel),
    SUPPORT_TEST(a_wait_ends_with_a_return),
    SUPPORT_TEST(holders_may_die),
    SUPPORT_TEST(workers_may_die_at_each_step),
    SUPPORT_TEST(pids_come_back),
    SUPPORT_TEST(maker_dies_before_it_says_so),
    SUPPORT_TEST(a_segment_may_be_gone),
    SUPPORT_TEST(a_segment_may_be_another),
    SUPPORT_TEST(a_removed_set_is_over),
    SUPPORT_TEST(who_removes_a_set_may_die),
    SUPPORT_TEST(openers_wait_for_the_maker),
    SUPPORT_TEST(what_the_dead_leave_is_cleaned),
};
static const struct support_role roles[] = {
    {"partner", role_partner},
    {"worker", role_worker},
    {"remover", role_remover},
};
SUPPORT_MAIN(tests, roles)
