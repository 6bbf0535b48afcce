/* test_pool_kill.c - processes that are killed inside a pool, at each step and at any moment: the
 * next one goes on, nothing is lost, and what the dead had allocated is told. */
#include "regions.h"

#include <sill/pool.h>

#define SIZE (128 * 1024)

#ifdef SILL_STEPS
#define STEPS 1
#else
#define STEPS 0
#endif

static void open_pool(const char *name, sill_region **region, sill_pool **pool)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.open_existing = 1;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    sill_pool_options how = SILL_POOL_OPTIONS_INIT;
    how.timeout_ms = SUPPORT_PATIENCE_MS;
    support_ok(sill_region_create(region, name, SIZE, &options));
    support_ok(sill_pool_place(pool, *region, &how));
}

static void drop(const char *name, sill_region *region, sill_pool *pool)
{
    sill_pool_close(pool);
    sill_region_close(region);
    if ((sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) != 0)
        support_ok(sill_region_remove(name, NULL));
    regions_nothing_left();
}

static sill_pool_statistics statistics_of(sill_pool *pool)
{
    sill_pool_statistics statistics = SILL_POOL_STATISTICS_INIT;
    support_ok(sill_pool_statistics_get(pool, &statistics));
    return statistics;
}

/* NAME: allocates three, frees the outer two and then the middle one, so that each step is passed:
 * splitting, freeing alone, merging with both sides; roots; with more than one name, for ever. */
static int role_user(int argc, char **argv)
{
    sill_region *region;
    sill_pool *pool;
    open_pool(argv[0], &region, &pool);
    support_say("ready");
    do {
        uint64_t block[3] = {0};
        for (int i = 0; i < 3; i++)
            support_ok(sill_pool_allocate(pool, 1000, &block[i]));
        support_ok(sill_pool_set_root(pool, "user", block[1]));
        support_ok(sill_pool_free(pool, block[0]));
        support_ok(sill_pool_free(pool, block[2]));
        support_ok(sill_pool_set_root(pool, "user", 0));
        support_ok(sill_pool_free(pool, block[1]));
    } while (argc > 1);
    support_say("done");
    support_linger();
    sill_pool_close(pool);
    sill_region_close(region);
    return 0;
}

static void kill_user_at(const char *name, const char *step)
{
    const char *const arguments[] = {name, NULL};
    support_kill_at("user", arguments, step);
}

static int free_dead(void *arg, const sill_pool_block *block)
{
    uint64_t *offsets = arg;
    if (block->alive)
        return 9;
    offsets[offsets[0] + 1] = block->offset;
    return ++offsets[0] < 4 ? 0 : 9;
}

/* What it had got by then is told as a dead one's, and can be freed. */
static void expect_recovered(sill_pool *pool, uint64_t all, unsigned most)
{
    uint64_t dead[8] = {0}, root;
    support_ok(sill_pool_check(pool));
    support_ok(sill_pool_each(pool, free_dead, dead));
    assert_true(dead[0] <= most);
    for (uint64_t i = 0; i < dead[0]; i++)
        support_ok(sill_pool_free(pool, dead[1 + i]));
    if (sill_pool_get_root(pool, "user", &root) == 0)
        support_ok(sill_pool_set_root(pool, "user", 0));
    support_ok(sill_pool_check(pool));
    assert_int_equal(statistics_of(pool).largest, all);
    assert_int_equal(statistics_of(pool).blocks, 0);
}

static void user_dies_at_each_step(void **state)
{
    (void)state;
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    /* The blocks that its caller has by then, of which the books must not lose one. */
    static const struct {
        const char *step;
        unsigned blocks, recovered;
    } rows[] = {
        {"pool_begun", 0, 0},    {"pool_split", 0, 0},    {"pool_taken", 0, 1},
        {"pool_done", 1, 0},     {"pool_begun:2", 1, 0},  {"pool_split:3", 2, 0},
        {"pool_taken:3", 2, 1},  {"pool_root", 3, 0},     {"pool_begun:4", 2, 1},
        {"pool_freed", 2, 0},    {"pool_done:4", 2, 0},   {"pool_begun:5", 1, 1},
        {"pool_freed:2", 1, 0},  {"pool_merged", 1, 0},   {"pool_freed:3", 0, 0},
        {"pool_merged:2", 0, 0}, {"pool_merged:3", 0, 0}, {"pool_done:6", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[SUPPORT_NAME_SIZE];
        sill_region *region;
        sill_pool *pool;
        support_name(name, "p");
        open_pool(name, &region, &pool);
        uint64_t all = statistics_of(pool).largest;
        kill_user_at(name, rows[i].step);
        sill_pool_statistics statistics = statistics_of(pool);
        if (statistics.blocks != rows[i].blocks || statistics.recovered != rows[i].recovered)
            fail_msg("%s: %u blocks, %u recovered", rows[i].step, (unsigned)statistics.blocks,
                     (unsigned)statistics.recovered);
        assert_int_equal(statistics.repairs, 1);
        expect_recovered(pool, all, rows[i].blocks);
        drop(name, region, pool);
    }
}

/* The one that makes the pool dies, and so does the one that repairs it. */
static void maker_and_mender_die(void **state)
{
    (void)state;
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    char name[SUPPORT_NAME_SIZE];
    sill_region *region;
    sill_pool *pool;
    support_name(name, "p");
    kill_user_at(name, "pool_formatted");
    open_pool(name, &region, &pool);
    support_ok(sill_pool_check(pool));
    uint64_t all = statistics_of(pool).largest;
    assert_int_equal(statistics_of(pool).repairs, 0);
    kill_user_at(name, "pool_taken:2");
    /* It has to repair before anything else: at its third block, and when it is through. */
    kill_user_at(name, "pool_repairing:2");
    kill_user_at(name, "pool_repairing");
    sill_pool_statistics statistics = statistics_of(pool);
    assert_int_equal(statistics.blocks, 1);
    expect_recovered(pool, all, 1);
    drop(name, region, pool);
}

/* Three work without end, and are killed at any moment and replaced; we work beside them. */
static void users_die_at_any_moment(void **state)
{
    (void)state;
    enum { USERS = 3, KILLS = 30 };
    char name[SUPPORT_NAME_SIZE];
    sill_region *region;
    sill_pool *pool;
    support_name(name, "p");
    open_pool(name, &region, &pool);
    struct support_process *users[USERS];
    const char *const arguments[] = {name, "on", NULL};
    uint64_t all = statistics_of(pool).largest;
    for (int i = 0; i < USERS; i++) {
        users[i] = support_start("user", arguments, NULL);
        support_expect(users[i], "ready");
    }
    for (int i = 0; i < KILLS; i++) {
        uint64_t offset;
        for (int turn = 0; turn < i; turn++) {
            support_ok(sill_pool_allocate(pool, 500, &offset));
            support_ok(sill_pool_free(pool, offset));
        }
        support_kill(users[i % USERS]);
        support_finish(users[i % USERS]);
        support_ok(sill_pool_check(pool));
        users[i % USERS] = support_start("user", arguments, NULL);
        support_expect(users[i % USERS], "ready");
    }
    for (int i = 0; i < USERS; i++) {
        support_kill(users[i]);
        support_finish(users[i]);
    }
    support_ok(sill_pool_check(pool));
    uint64_t dead[8] = {0};
    while (sill_pool_each(pool, free_dead, dead) == 9 || dead[0] > 0) {
        for (uint64_t i = 0; i < dead[0]; i++)
            support_ok(sill_pool_free(pool, dead[1 + i]));
        dead[0] = 0;
    }
    support_ok(sill_pool_check(pool));
    assert_int_equal(statistics_of(pool).largest, all);
    drop(name, region, pool);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(user_dies_at_each_step),
    SUPPORT_TEST(maker_and_mender_die),
    SUPPORT_TEST(users_die_at_any_moment),
};
static const struct support_role roles[] = {{"user", role_user}};
SUPPORT_MAIN(tests, roles)
