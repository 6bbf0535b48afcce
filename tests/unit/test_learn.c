/* test_learn.c - what a port makes of the times of its calls: that it finds the faster path, stays
 * within its bounds, does not follow noise, and hardly ever looks.
 */
#include "support.h"

#include "learn.h"
#include "memory.h"
#include "policy_table.h"

#define BOTH (SILL_CAN_INLINE | SILL_CAN_MAP)

/* Nanoseconds of a call: a fixed part and a part for each KiB, by path. */
struct cost {
    int64_t fixed[SILL_PATH_COUNT], kib[SILL_PATH_COUNT];
};

static int64_t took(const struct cost *cost, int path, uint64_t size)
{
    return cost->fixed[path] + cost->kib[path] * (int64_t)size / 1024;
}

/* `count` samples of a size; every fifth call is slow for a reason of its own. */
static void samples(struct sill__learn *learn, sill_policy *policy, const struct cost *cost,
                    uint64_t size, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int path = sill__learn_path(learn, policy, size, BOTH);
        sill__learn_note(learn, policy, size, path, took(cost, path, size) * (i % 5 == 0 ? 50 : 1));
        assert_int_equal(sill_policy_validate(policy), SILL_OK);
    }
}

#define USUAL {{0, 15000, 100, 220, 300}, {0, 100, 140, 105, 200}}
static const struct cost usual = USUAL;

static const struct {
    const char *what;
    struct cost cost;
    uint64_t size;
    uint64_t inline_max, mapped_min; /* afterwards; from 4096, 4097 */
} table[] = {
    {"the policy is right", USUAL, 1000, 4096, 4097},
    {"a tenth is needed", {{0, 15000, 100, 95, 300}, {0, 0, 0, 0, 0}}, 1000, 4096, 4097},
    {"mapping beats the ring",
     {{0, 15000, 900, 220, 300}, {0, 100, 140, 105, 200}},
     3000,
     2047,
     2048},
    {"the channel beats the ring",
     {{0, 10, 900, 220, 300}, {0, 1, 140, 105, 200}},
     3000,
     2047,
     4097},
    {"the channel beats mapping", {{0, 1000, 100, 9000, 300}, {0, 0, 0, 0, 0}}, 6000, 4096, 8192},
    {"not so far", {{0, 1000, 100, 9000, 300}, {0, 0, 0, 0, 0}}, 1 << 20, 4096, 4097},
};

static void finds_the_faster(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        sill_policy policy = SILL_POLICY_INIT;
        support_ok(sill_policy_defaults(&policy));
        struct sill__learn *learn = sill__learn_new(&policy);
        assert_non_null(learn);
        samples(learn, &policy, &table[i].cost, table[i].size, 1000);
        if (policy.inline_max != table[i].inline_max || policy.mapped_min != table[i].mapped_min)
            fail_msg("%s: inline_max %llu, mapped_min %llu", table[i].what,
                     (unsigned long long)policy.inline_max, (unsigned long long)policy.mapped_min);
        sill__free(learn);
    }
}

/* What was learned can be unlearned, and all sizes at once stay within the bounds. */
static void stays_within_bounds(void **state)
{
    (void)state;
    static const struct cost odd[] = {
        {{0, 1, 1000000, 1000000, 1000000}, {0, 0, 0, 0, 0}},
        {{0, 1000000, 1000000, 1, 1000000}, {0, 0, 0, 0, 0}},
        {{0, 1000000, 1, 1000000, 1000000}, {0, 0, 0, 0, 0}},
    };
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    const sill_policy given = policy;
    struct sill__learn *learn = sill__learn_new(&policy);
    assert_non_null(learn);
    for (unsigned turn = 0; turn < 30; turn++)
        for (uint64_t size = 0; size <= UINT64_C(1) << 41; size = size * 2 + 1) {
            samples(learn, &policy, &odd[turn % 3], size, 40);
            assert_in_range(policy.inline_max, given.inline_max / 16, given.inline_max);
            assert_in_range(policy.mapped_min, given.mapped_min / 16, given.mapped_min * 16);
        }
    sill__free(learn);
}

static void begins_anew(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    struct sill__learn *learn = sill__learn_new(&policy);
    assert_non_null(learn);
    samples(learn, &policy, &table[2].cost, 3000, 1000);
    assert_int_equal(policy.inline_max, 2047);
    samples(learn, &policy, &usual, 100, SILL__LEARN_ANEW);
    assert_int_equal(policy.inline_max, 4096);
    assert_int_equal(policy.mapped_min, 4097);
    sill__free(learn);
}

/* Without shared memory there is nothing else to try; what goes in rounds is left alone. */
static void leaves_alone(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    struct sill__learn *learn = sill__learn_new(&policy);
    assert_non_null(learn);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(sill__learn_path(learn, &policy, 5000, 0), SILL_PATH_CHANNEL);
        assert_false(sill__learn_note(learn, &policy, 5000, SILL_PATH_CHANNEL, 1));
        assert_int_equal(sill__learn_path(learn, &policy, SILL__GIB, BOTH), SILL_PATH_ROUNDS);
        assert_false(sill__learn_note(learn, &policy, SILL__GIB, SILL_PATH_ROUNDS, 1));
    }
    unsigned due = 0;
    for (unsigned i = 0; i < 6400; i++)
        due += sill__learn_due(learn);
    assert_int_equal(due, 100);
    sill__free(learn);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(finds_the_faster),
    SUPPORT_TEST(stays_within_bounds),
    SUPPORT_TEST(begins_anew),
    SUPPORT_TEST(leaves_alone),
};
SUPPORT_MAIN_ALONE(tests)
