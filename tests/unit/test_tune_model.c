/* test_tune_model.c - the cost model of `sill tune`, and what it makes of measurements, as tables.
 *
 * Curves are made of straight lines, so that what must come out is known; noise is laid on them by
 * a rule, not by chance.
 */
#include "support.h"

#include <math.h>

#include "tune_model.h"

#define KIB   UINT64_C(1024)
#define MIB   (KIB * KIB)
#define NEVER (UINT64_C(1) << 40)

static const struct tune_thresholds standard = {4 * KIB, 4 * KIB + 1, 16 * KIB};

/* ---- lines ---- */

static void lines(void **state)
{
    (void)state;
    static const struct {
        double x[4], y[4];
        unsigned count;
        double fixed, slope;
    } table[] = {
        {{0, 1, 2, 3}, {10, 12, 14, 16}, 4, 10, 2}, {{0, 1, 2, 3}, {5, 5, 5, 5}, 4, 5, 0},
        {{1, 2, 4, 8}, {3, 6, 12, 24}, 4, 0, 3},    {{7, 0, 0, 0}, {9, 0, 0, 0}, 1, 9, 0},
        {{1, 2, 3, 4}, {8, 7, 6, 5}, 4, 6.06, 0},  /* falling: flat */
        {{1, 2, 0, 0}, {1, 10, 0, 0}, 2, 0, 1.19}, /* a fixed part below 0: through 0 */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        double fixed = -1, slope = -1;
        tune_line(table[i].x, table[i].y, table[i].count, &fixed, &slope);
        assert_true(fixed >= 0 && slope >= 0);
        assert_true(fabs(fixed - table[i].fixed) < 0.2);
        assert_true(fabs(slope - table[i].slope) < 0.1);
    }
}

/* Points of a curve that bends at one size are fitted with two lines that meet there. */
static void fits_pieces(void **state)
{
    (void)state;
    struct tune_point points[2 * TUNE_SIZES_MAX];
    struct tune_piece pieces[TUNE_PIECES_MAX];
    unsigned count = 0;
    for (unsigned path = 1; path <= 2; path++)
        for (uint64_t size = 8; size <= 64 * MIB; size *= 2) {
            double kib = (double)size / 1024;
            double ns = path == 1 ? 15000 + 100 * kib : size <= MIB ? 100 + 50 * kib : 300 * kib;
            points[count++] = (struct tune_point){(int)path, size, ns, ns, ns};
        }
    unsigned fitted = tune_fit(points, count, pieces);
    assert_in_range(fitted, 3, 5);
    for (unsigned i = 0; i < count; i++) {
        double ns = tune_predict(pieces, fitted, points[i].path, points[i].size);
        assert_true(fabs(ns / points[i].ns - 1) < 0.15);
    }
    assert_true(tune_predict(pieces, fitted, SILL_PATH_MAPPED, 8) < 0);
    assert_true(fabs(tune_predict(pieces, fitted, 1, 0) / 15000 - 1) < 0.01);
    assert_true(fabs(tune_predict(pieces, fitted, 1, 128 * MIB) / 13122200 - 1) < 0.01);
    assert_int_equal(tune_fit(points, 0, pieces), 0);
    assert_int_equal(tune_fit(points, 1, pieces), 1);
    assert_int_equal(tune_fit(points, 2, pieces), 1);
}

static void payoff(void **state)
{
    (void)state;
    assert_int_equal(tune_payoff(100, 10, 20), 10);
    assert_int_equal(tune_payoff(101, 10, 20), 11);
    assert_int_equal(tune_payoff(100, 20, 20), 0);
    assert_int_equal(tune_payoff(100, 30, 20), 0);
    assert_int_equal(tune_payoff(0, 10, 20), 1);
}

/* ---- thresholds ---- */

/* A machine: fixed parts in ns, and parts for each KiB. */
struct cost {
    double fixed, kib;
};
struct made {
    struct cost cost[TUNE_KINDS];
    double noise; /* a round in `bad` is so many times as slow for what is not the channel */
    unsigned bad; /* of 8 rounds */
};

static void make(struct tune_curves *c, const struct made *m)
{
    memset(c, 0, sizeof *c);
    c->rounds = 8;
    for (uint64_t size = 8; size <= 64 * MIB; size *= 2) {
        for (unsigned kind = 0; kind < TUNE_KINDS; kind++)
            for (unsigned round = 0; round < c->rounds; round++) {
                bool there = kind != TUNE_INLINE || size <= 32 * KIB;
                double noise = round < m->bad && kind != TUNE_CHANNEL ? m->noise : 1;
                double ns = m->cost[kind].fixed + m->cost[kind].kib * (double)size / 1024;
                c->ns[kind][c->size_count][round] = there ? ns * noise : 0;
            }
        c->sizes[c->size_count++] = size;
    }
}

static const struct {
    const char *what;
    struct made made;
    enum tune_outcome nontemporal, paths;
    struct tune_thresholds expected;
} machines[] = {
    {"as the default expects",
     {{{15000, 100}, {90, 140}, {220, 105}, {220, 105}, {300, 200}}, 1, 0},
     TUNE_SAME,
     TUNE_SAME,
     {4 * KIB, 4 * KIB + 1, 16 * KIB}},
    {"mapping is dear: the channel takes over from the ring, then mapping",
     {{{1000, 100}, {90, 400}, {20000, 50}, {20000, 50}, {30000, 200}}, 1, 0},
     TUNE_SAME,
     TUNE_BETTER,
     {2 * KIB, 512 * KIB, 16 * KIB}},
    {"the channel is best for all that is large",
     {{{1000, 10}, {90, 400}, {300, 100}, {300, 100}, {300, 200}}, 1, 0},
     TUNE_SAME,
     TUNE_BETTER,
     {2 * KIB, 128 * MIB, 16 * KIB}},
    {"plain stores are better everywhere",
     {{{15000, 100}, {90, 140}, {220, 105}, {220, 210}, {300, 200}}, 1, 0},
     TUNE_BETTER,
     TUNE_SAME,
     {4 * KIB, 4 * KIB + 1, NEVER}},
    {"past the caches is better everywhere",
     {{{15000, 600}, {90, 140}, {220, 4000}, {220, 105}, {300, 200}}, 1, 0},
     TUNE_BETTER,
     TUNE_SAME,
     {4 * KIB, 4 * KIB + 1, 4 * KIB}},
    {"one bad round changes nothing",
     {{{1000, 100}, {90, 400}, {20000, 50}, {20000, 50}, {30000, 200}}, 3, 1},
     TUNE_SAME,
     TUNE_BETTER,
     {2 * KIB, 512 * KIB, 16 * KIB}},
};

static void thresholds(void **state)
{
    (void)state;
    struct tune_curves *c = malloc(sizeof *c);
    assert_non_null(c);
    for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++) {
        struct tune_thresholds t = standard;
        make(c, &machines[i].made);
        enum tune_outcome nontemporal = tune_nontemporal(c, &standard, &t);
        enum tune_outcome paths = tune_paths(c, &standard, &t);
        if (nontemporal != machines[i].nontemporal || paths != machines[i].paths ||
            memcmp(&t, &machines[i].expected, sizeof t) != 0)
            fail_msg("%s: %d, %d: inline_max %llu, mapped_min %llu, nontemporal_min %llu, "
                     "regret %.3f",
                     machines[i].what, nontemporal, paths, (unsigned long long)t.inline_max,
                     (unsigned long long)t.mapped_min, (unsigned long long)t.nontemporal_min,
                     tune_regret(c, &t));
        assert_true(
            tune_regret(c, &t) <=
            tune_regret(c, &(struct tune_thresholds){standard.inline_max, standard.mapped_min,
                                                     t.nontemporal_min}) *
                1.0001);
    }
    free(c);
}

/* Two kinds of rounds, half of each, that contradict each other: the default stays. */
static void contradicting_rounds(void **state)
{
    (void)state;
    struct tune_curves *c = malloc(sizeof *c);
    assert_non_null(c);
    make(c, &(struct made){{{15000, 100}, {90, 140}, {220, 105}, {220, 105}, {300, 200}}, 1, 0});
    for (unsigned size = 0; size < c->size_count; size++)
        for (unsigned round = 0; round < c->rounds; round++) {
            c->ns[TUNE_NONTEMPORAL][size][round] *= round % 2 ? 9 : 0.5;
            c->ns[TUNE_MAPPED][size][round] *= round % 2 ? 1 : 1.01;
        }
    struct tune_thresholds t = standard;
    assert_int_equal(tune_nontemporal(c, &standard, &t), TUNE_NOISY);
    assert_int_equal(t.nontemporal_min, standard.nontemporal_min);
    make(c, &machines[0].made);
    for (unsigned size = 0; size < c->size_count; size++)
        for (unsigned round = 0; round < c->rounds; round++)
            if (c->ns[TUNE_INLINE][size][round] > 0 && c->sizes[size] == 4 * KIB)
                c->ns[TUNE_INLINE][size][round] *= round % 2 ? 0.9 : 9;
    t = standard;
    assert_int_equal(tune_paths(c, &standard, &t), TUNE_NOISY);
    assert_memory_equal(&t, &standard, sizeof t);
    free(c);
}

/* A round in which something was left out says nothing of it; the others do. */
static void rounds_with_gaps(void **state)
{
    (void)state;
    struct tune_curves *c = malloc(sizeof *c);
    assert_non_null(c);
    make(c, &machines[1].made);
    for (unsigned size = 0; size < c->size_count; size++)
        for (unsigned kind = 0; kind < TUNE_KINDS; kind++)
            c->ns[kind][size][(size + kind) % c->rounds] = 0;
    struct tune_thresholds t = standard;
    assert_int_equal(tune_nontemporal(c, &standard, &t), TUNE_SAME);
    assert_int_equal(tune_paths(c, &standard, &t), TUNE_BETTER);
    assert_memory_equal(&t, &machines[1].expected, sizeof t);
    assert_true(tune_regret(c, &t) < 2);
    free(c);
}

/* What was not measured is not chosen, and nothing measured is nothing found. */
static void gaps(void **state)
{
    (void)state;
    struct tune_curves *c = malloc(sizeof *c);
    assert_non_null(c);
    make(c, &machines[1].made);
    for (unsigned size = 0; size < c->size_count; size++)
        for (unsigned round = 0; round < c->rounds; round++)
            if (c->sizes[size] > KIB)
                c->ns[TUNE_CHANNEL][size][round] = 0;
    struct tune_thresholds t = standard;
    tune_nontemporal(c, &standard, &t);
    tune_paths(c, &standard, &t);
    assert_int_equal(t.mapped_min, t.inline_max + 1);
    memset(c, 0, sizeof *c);
    t = standard;
    assert_int_equal(tune_nontemporal(c, &standard, &t), TUNE_SAME);
    assert_int_equal(tune_paths(c, &standard, &t), TUNE_SAME);
    assert_memory_equal(&t, &standard, sizeof t);
    free(c);
}

/* ---- the rest ---- */

static void waits(void **state)
{
    (void)state;
    static const struct {
        double wake;
        unsigned cores;
        uint64_t spin;
    } table[] = {
        {17000, 2, 20000}, {6000, 64, 20000},   {20000, 2, 32000},   {30000, 2, 64000},
        {1000, 2, 2000},   {100000, 2, 128000}, {110000, 2, 256000}, {5e9, 2, 1024000},
        {20000, 1, 0},     {0, 2, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(tune_spin_ns(table[i].wake, table[i].cores, 20000), table[i].spin);
}

static void doublings(void **state)
{
    (void)state;
    assert_int_equal(tune_larger(16384, (double[]){10, 11, 20, 30}, 4), 16384);
    assert_int_equal(tune_larger(16384, (double[]){10, 12, 13, 30}, 4), 32768);
    assert_int_equal(tune_larger(16384, (double[]){10, 20, 40, 80}, 4), 131072);
    assert_int_equal(tune_larger(16384, (double[]){10}, 1), 16384);
}

static void winners(void **state)
{
    (void)state;
    assert_true(tune_wins(1, 1));
    assert_true(tune_wins(1.04, 1));
    assert_false(tune_wins(1.06, 1));
    assert_true(tune_wins(1.2, 1.3));
    assert_false(tune_wins(1.3, 1.2));
    assert_true(tune_wins(1.02, 500));
    assert_false(tune_wins(2.4, 10000)); /* a busy machine */
}

static void little_memory(void **state)
{
    const uint64_t mib = 1 << 20;
    (void)state;
    assert_int_equal(64 * mib, tune_largest(0)); /* not known */
    assert_int_equal(64 * mib, tune_largest(UINT64_MAX));
    assert_int_equal(64 * mib, tune_largest(40 * 64 * mib));
    assert_int_equal(32 * mib, tune_largest(40 * 64 * mib - 1));
    assert_int_equal(8 * mib, tune_largest(512 * mib));
    assert_int_equal(mib, tune_largest(1));
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(lines),
    SUPPORT_TEST(fits_pieces),
    SUPPORT_TEST(payoff),
    SUPPORT_TEST(thresholds),
    SUPPORT_TEST(contradicting_rounds),
    SUPPORT_TEST(gaps),
    SUPPORT_TEST(rounds_with_gaps),
    SUPPORT_TEST(waits),
    SUPPORT_TEST(doublings),
    SUPPORT_TEST(winners),
    SUPPORT_TEST(little_memory),
};
SUPPORT_MAIN_ALONE(tests)
