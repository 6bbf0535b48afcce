/* test_policy.c - the pick of a path as a table, and every rule of validation. */
#include "support.h"

#include <sill/policy.h>

#include "policy_table.h"
#include "wire.h"

#define KIB SILL__KIB
#define MIB SILL__MIB
#define GIB SILL__GIB

#define BOTH (SILL_CAN_INLINE | SILL_CAN_MAP)

static sill_policy defaults(void)
{
    sill_policy policy = SILL_POLICY_INIT;
    assert_int_equal(sill_policy_defaults(&policy), SILL_OK);
    return policy;
}

static void default_values(void **state)
{
    (void)state;
    sill_policy policy = defaults();
    assert_int_equal(policy.struct_size, sizeof policy);
    assert_int_equal(policy.inline_max, 4096);
    assert_int_equal(policy.mapped_min, 4097);
    assert_int_equal(policy.segment_size, MIB);
    assert_int_equal(policy.segments_max, 16);
    assert_int_equal(policy.mapped_max, 256 * MIB);
    assert_int_equal(policy.ring_size, 16 * KIB);
    assert_int_equal(policy.spin_ns, support_under_wine() ? 100000 : 20000);
    assert_int_equal(policy.nontemporal_min, 16 * KIB);
    assert_int_equal(policy.path, SILL_PATH_AUTO);
    assert_int_equal(sill_policy_validate(&policy), SILL_OK);
}

static void path_names(void **state)
{
    (void)state;
    static const char *const names[] = {"auto", "channel", "inline", "mapped", "rounds"};
    assert_int_equal(sizeof names / sizeof names[0], SILL_PATH_COUNT);
    for (int path = 0; path < SILL_PATH_COUNT; path++) {
        assert_string_equal(sill_path_name(path), names[path]);
        assert_int_equal(sill_path_parse(names[path]), path);
    }
    assert_string_equal(sill_path_name(-1), "?");
    assert_string_equal(sill_path_name(SILL_PATH_COUNT), "?");
    static const char *const none[] = {"", "?", "Mapped", "mapped ", "map", NULL};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(sill_path_parse(none[i]), -1);
}

/* ---- the pick ---- */

struct pick {
    int forced;
    unsigned can;
    uint64_t size;
    int path;
};

/* With a gap for the channel: ring up to 4 KiB, mapped from 64 KiB to 256 MiB. */
static const struct pick picks[] = {
    /* rings and mappings */
    {SILL_PATH_AUTO, BOTH, 0, SILL_PATH_INLINE},
    {SILL_PATH_AUTO, BOTH, 1, SILL_PATH_INLINE},
    {SILL_PATH_AUTO, BOTH, 4095, SILL_PATH_INLINE},
    {SILL_PATH_AUTO, BOTH, 4096, SILL_PATH_INLINE},
    {SILL_PATH_AUTO, BOTH, 4097, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, BOTH, 65535, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, BOTH, 65536, SILL_PATH_MAPPED},
    {SILL_PATH_AUTO, BOTH, 65537, SILL_PATH_MAPPED},
    {SILL_PATH_AUTO, BOTH, 256 * MIB, SILL_PATH_MAPPED},
    {SILL_PATH_AUTO, BOTH, 256 * MIB + 1, SILL_PATH_ROUNDS},
    {SILL_PATH_AUTO, BOTH, UINT64_C(1) << 63, SILL_PATH_ROUNDS},
    {SILL_PATH_AUTO, BOTH, UINT64_MAX, SILL_PATH_ROUNDS},
    /* no rings */
    {SILL_PATH_AUTO, SILL_CAN_MAP, 0, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, SILL_CAN_MAP, 100, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, SILL_CAN_MAP, 4097, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, SILL_CAN_MAP, 65535, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, SILL_CAN_MAP, 65536, SILL_PATH_MAPPED},
    {SILL_PATH_AUTO, SILL_CAN_MAP, UINT64_MAX, SILL_PATH_ROUNDS},
    /* nothing can be mapped */
    {SILL_PATH_AUTO, SILL_CAN_INLINE, 4096, SILL_PATH_INLINE},
    {SILL_PATH_AUTO, SILL_CAN_INLINE, 65536, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, SILL_CAN_INLINE, UINT64_MAX, SILL_PATH_CHANNEL},
    /* the channel alone */
    {SILL_PATH_AUTO, 0, 0, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, 0, 65536, SILL_PATH_CHANNEL},
    {SILL_PATH_AUTO, 0, UINT64_MAX, SILL_PATH_CHANNEL},
    /* forced: the channel takes all */
    {SILL_PATH_CHANNEL, BOTH, 0, SILL_PATH_CHANNEL},
    {SILL_PATH_CHANNEL, BOTH, 64 * MIB, SILL_PATH_CHANNEL},
    {SILL_PATH_CHANNEL, BOTH, UINT64_MAX, SILL_PATH_CHANNEL},
    {SILL_PATH_CHANNEL, 0, 1, SILL_PATH_CHANNEL},
    /* forced: the ring takes what fits, and past it the next best */
    {SILL_PATH_INLINE, BOTH, 0, SILL_PATH_INLINE},
    {SILL_PATH_INLINE, BOTH, 4096, SILL_PATH_INLINE},
    {SILL_PATH_INLINE, BOTH, 4097, SILL_PATH_MAPPED},
    {SILL_PATH_INLINE, BOTH, 256 * MIB + 1, SILL_PATH_ROUNDS},
    {SILL_PATH_INLINE, SILL_CAN_INLINE, 4097, SILL_PATH_CHANNEL},
    {SILL_PATH_INLINE, SILL_CAN_MAP, 100, SILL_PATH_MAPPED},
    {SILL_PATH_INLINE, SILL_CAN_MAP, 0, SILL_PATH_CHANNEL},
    {SILL_PATH_INLINE, 0, 100, SILL_PATH_CHANNEL},
    /* forced: mapped, however small, but not empty */
    {SILL_PATH_MAPPED, BOTH, 1, SILL_PATH_MAPPED},
    {SILL_PATH_MAPPED, SILL_CAN_MAP, 1, SILL_PATH_MAPPED},
    {SILL_PATH_MAPPED, BOTH, 256 * MIB, SILL_PATH_MAPPED},
    {SILL_PATH_MAPPED, BOTH, 256 * MIB + 1, SILL_PATH_ROUNDS},
    {SILL_PATH_MAPPED, BOTH, UINT64_MAX, SILL_PATH_ROUNDS},
    {SILL_PATH_MAPPED, BOTH, 0, SILL_PATH_INLINE},
    {SILL_PATH_MAPPED, SILL_CAN_MAP, 0, SILL_PATH_CHANNEL},
    {SILL_PATH_MAPPED, SILL_CAN_INLINE, 100, SILL_PATH_INLINE},
    {SILL_PATH_MAPPED, SILL_CAN_INLINE, 65536, SILL_PATH_CHANNEL},
    {SILL_PATH_MAPPED, 0, 65536, SILL_PATH_CHANNEL},
    /* forced: rounds, if there is enough for two pieces */
    {SILL_PATH_ROUNDS, BOTH, 2, SILL_PATH_ROUNDS},
    {SILL_PATH_ROUNDS, BOTH, 1, SILL_PATH_INLINE},
    {SILL_PATH_ROUNDS, SILL_CAN_MAP, 1, SILL_PATH_MAPPED},
    {SILL_PATH_ROUNDS, SILL_CAN_MAP, 65536, SILL_PATH_ROUNDS},
    {SILL_PATH_ROUNDS, BOTH, UINT64_MAX, SILL_PATH_ROUNDS},
    {SILL_PATH_ROUNDS, BOTH, 0, SILL_PATH_INLINE},
    {SILL_PATH_ROUNDS, SILL_CAN_MAP, 0, SILL_PATH_CHANNEL},
    {SILL_PATH_ROUNDS, 0, 65536, SILL_PATH_CHANNEL},
};

static void pick_table(void **state)
{
    (void)state;
    sill_policy policy = defaults();
    policy.mapped_min = 64 * KIB;
    for (size_t i = 0; i < sizeof picks / sizeof picks[0]; i++) {
        const struct pick *p = &picks[i];
        const char *reason = NULL;
        policy.path = p->forced;
        int path = sill_policy_pick(&policy, p->size, p->can, &reason);
        if (path != p->path)
            fail_msg("forced %s, can %u, %llu bytes: %s instead of %s (%s)",
                     sill_path_name(p->forced), p->can, (unsigned long long)p->size,
                     sill_path_name(path), sill_path_name(p->path), reason);
        assert_non_null(reason);
        assert_true(strlen(reason) > 10);
        assert_int_equal(sill_policy_pick(&policy, p->size, p->can, NULL), path);
    }
}

/* By default nothing goes over the channel where there is shared memory. */
static void pick_by_default(void **state)
{
    (void)state;
    sill_policy policy = defaults();
    assert_int_equal(sill_policy_pick(&policy, 4096, BOTH, NULL), SILL_PATH_INLINE);
    assert_int_equal(sill_policy_pick(&policy, 4097, BOTH, NULL), SILL_PATH_MAPPED);
    assert_int_equal(sill_policy_pick(&policy, 256 * MIB, BOTH, NULL), SILL_PATH_MAPPED);
    assert_int_equal(sill_policy_pick(&policy, 256 * MIB + 1, BOTH, NULL), SILL_PATH_ROUNDS);
}

/* The limit need not be a power of two. */
static void pick_at_other_limits(void **state)
{
    (void)state;
    sill_policy policy = defaults();
    static const uint64_t limits[] = {MIB, 3 * MIB, MIB + 64, 1024 * GIB};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        policy.mapped_max = limits[i];
        assert_int_equal(sill_policy_validate(&policy), SILL_OK);
        assert_int_equal(sill_policy_pick(&policy, limits[i], BOTH, NULL), SILL_PATH_MAPPED);
        assert_int_equal(sill_policy_pick(&policy, limits[i] + 1, BOTH, NULL), SILL_PATH_ROUNDS);
    }
}

static void pick_never_auto(void **state)
{
    (void)state;
    static const int forced[] = {SILL_PATH_AUTO, -1, SILL_PATH_COUNT, SILL_PATH_MAPPED};
    sill_policy zeroes = SILL_POLICY_INIT;
    sill_policy huge = SILL_POLICY_INIT;
    huge.inline_max = huge.mapped_min = huge.mapped_max = UINT64_MAX;
    for (size_t i = 0; i < sizeof forced / sizeof forced[0]; i++)
        for (unsigned bit = 0; bit <= 64; bit++)
            for (unsigned can = 0; can <= BOTH; can++) {
                uint64_t size = bit < 64 ? UINT64_C(1) << bit : UINT64_MAX;
                zeroes.path = huge.path = forced[i];
                assert_in_range(sill_policy_pick(&zeroes, size, can, NULL), SILL_PATH_CHANNEL,
                                SILL_PATH_ROUNDS);
                assert_in_range(sill_policy_pick(&huge, size, can, NULL), SILL_PATH_CHANNEL,
                                SILL_PATH_ROUNDS);
            }
    const char *reason = NULL;
    assert_int_equal(sill_policy_pick(NULL, 1, BOTH, &reason), SILL_PATH_CHANNEL);
    assert_non_null(reason);
}

/* ---- validation ---- */

static void assert_invalid(const sill_policy *policy, const char *sentence)
{
    assert_int_equal(sill_policy_validate(policy), SILL_INVALID);
    assert_int_equal(sill_last_error()->status, SILL_INVALID);
    assert_string_equal(sill_last_error()->message, sentence);
}

static void wants_struct_size(void **state)
{
    (void)state;
    static const char sentence[] = "The policy is not set to SILL_POLICY_INIT.";
    sill_policy policy = defaults();
    policy.struct_size = 0;
    assert_invalid(&policy, sentence);
    assert_int_equal(sill_policy_defaults(&policy), SILL_INVALID);
    policy.struct_size = sizeof policy + 8;
    assert_invalid(&policy, sentence);
    assert_invalid(NULL, sentence);
    assert_int_equal(sill_policy_defaults(NULL), SILL_INVALID);
}

/* Every number at both ends of its range and one step outside; all that else is wrong with such a
 * policy is a contradiction, never a range. */
static void ranges(void **state)
{
    (void)state;
    for (int i = 0; i < SILL__POLICY_NUMBERS; i++) {
        const struct sill__policy_key *key = &sill__policy_keys[i];
        enum sill__policy_index index = (enum sill__policy_index)i;
        struct sill__policy_fault fault;
        sill_policy policy = defaults();
        const uint64_t inside[] = {key->low, key->standard, key->high};
        for (size_t n = 0; n < 3; n++) {
            sill__policy_set(&policy, index, inside[n]);
            assert_true(sill__policy_check_key(&policy, index, &fault));
            if (sill_policy_validate(&policy) != SILL_OK)
                assert_non_null(strstr(sill_last_error()->message, "which is"));
        }
        const uint64_t outside[] = {key->low - 1, key->high + 1, UINT64_MAX};
        for (size_t n = key->low == 0; n < 3; n++) {
            char expected[200], allowed[120];
            sill__policy_set(&policy, index, outside[n]);
            sill__policy_allowed(index, allowed);
            snprintf(expected, sizeof expected, "The policy's \"%s\" is %llu, but must be %s.",
                     key->name, (unsigned long long)outside[n], allowed);
            assert_invalid(&policy, expected);
        }
    }
}

static void units(void **state)
{
    (void)state;
    sill_policy policy = defaults();
    policy.segment_size = MIB + 4096;
    assert_invalid(&policy, "The policy's \"segment_size\" is 1052672, but must be a power of two "
                            "from 4096 to 1073741824.");
    policy = defaults();
    policy.ring_size = 65535;
    assert_invalid(&policy, "The policy's \"ring_size\" is 65535, but must be a power of two from "
                            "4096 to 268435456.");
    policy = defaults();
    policy.mapped_max++;
    assert_invalid(&policy,
                   "The policy's \"mapped_max\" is 268435457, but must be a multiple of 64 "
                   "from 4096 to 1099511627776.");
    policy = defaults();
    policy.segments_max = 0;
    assert_invalid(&policy, "The policy's \"segments_max\" is 0, but must be an integer from 1 to "
                            "64.");
    assert_int_equal(sill__policy_keys[sill__policy_segments_max].high, SILL__SEGMENTS_LIMIT);
}

static void path_is_checked(void **state)
{
    (void)state;
    sill_policy policy = defaults();
    for (policy.path = 0; policy.path < SILL_PATH_COUNT; policy.path++)
        assert_int_equal(sill_policy_validate(&policy), SILL_OK);
    assert_invalid(&policy, "The policy's \"path\" is 5, but must be one of \"auto\", \"channel\", "
                            "\"inline\", \"mapped\" and \"rounds\".");
    policy.path = -1;
    assert_int_equal(sill_policy_validate(&policy), SILL_INVALID);
}

static void contradictions(void **state)
{
    (void)state;
    sill_policy policy = defaults();
    policy.mapped_min = 4097;
    assert_int_equal(sill_policy_validate(&policy), SILL_OK);
    policy.mapped_min = 4096;
    assert_invalid(&policy, "The policy's \"inline_max\" is 4096, but must be less than "
                            "\"mapped_min\", which is 4096.");
    policy = defaults();
    policy.mapped_min = MIB;
    policy.ring_size = 65536;
    policy.inline_max = 16384;
    assert_int_equal(sill_policy_validate(&policy), SILL_OK);
    policy.inline_max = 16385;
    assert_invalid(&policy,
                   "The policy's \"inline_max\" is 16385, but must be at most a quarter of "
                   "\"ring_size\", which is 65536.");
    policy = defaults();
    policy.segment_size = policy.mapped_max = 4 * MIB;
    assert_int_equal(sill_policy_validate(&policy), SILL_OK);
    policy.mapped_max -= 64;
    assert_invalid(&policy, "The policy's \"segment_size\" is 4194304, but must be at most "
                            "\"mapped_max\", which is 4194240.");
    policy = defaults();
    policy.mapped_max = 3 * MIB;
    policy.mapped_min = 3 * MIB;
    assert_int_equal(sill_policy_validate(&policy), SILL_OK);
    policy.mapped_min++;
    assert_invalid(&policy, "The policy's \"mapped_min\" is 3145729, but must be at most "
                            "\"mapped_max\", which is 3145728.");
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(default_values),
    SUPPORT_TEST(path_names),
    SUPPORT_TEST(pick_table),
    SUPPORT_TEST(pick_by_default),
    SUPPORT_TEST(pick_at_other_limits),
    SUPPORT_TEST(pick_never_auto),
    SUPPORT_TEST(wants_struct_size),
    SUPPORT_TEST(ranges),
    SUPPORT_TEST(units),
    SUPPORT_TEST(path_is_checked),
    SUPPORT_TEST(contradictions),
};
SUPPORT_MAIN_ALONE(tests)
