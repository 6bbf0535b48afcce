/* tune_model.h - what `sill tune` makes of what it measured: pure functions, no I/O, no state.
 *
 * Measured were times one way by path, size and round. A round is a short while, and its times are
 * compared with each other only; what counts is how the ratios of the rounds lie.
 */
#ifndef SILL_TOOLS_TUNE_MODEL_H
#define SILL_TOOLS_TUNE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include <sill.h>

enum {
    TUNE_SIZES_MAX = 32,
    TUNE_ROUNDS_MAX = 24,
    TUNE_POINTS_MAX = SILL_PATH_COUNT * TUNE_SIZES_MAX,
    TUNE_PIECES = 4, /* of one path, at most */
    TUNE_PIECES_MAX = SILL_PATH_COUNT * TUNE_PIECES,
    TUNE_WHY = 200
};

/* What is measured. MAPPED is written with plain stores, NONTEMPORAL past the caches. */
enum tune_kind {
    TUNE_CHANNEL,
    TUNE_INLINE,
    TUNE_MAPPED,
    TUNE_NONTEMPORAL,
    TUNE_ROUNDS,
    TUNE_KINDS
};

struct tune_curves {
    uint64_t sizes[TUNE_SIZES_MAX]; /* growing */
    unsigned size_count;
    unsigned rounds;
    double ns[TUNE_KINDS][TUNE_SIZES_MAX][TUNE_ROUNDS_MAX]; /* 0: not measured */
};

/* ---- the cost model ---- */

/* The time of one path at one size: median and quartiles of the rounds. */
struct tune_point {
    int path;
    uint64_t size;
    double ns, low, high;
};

/* A straight line: fixed_ns + ns_per_kib * size / 1024, for sizes `from` to `to`. */
struct tune_piece {
    int path;
    uint64_t from, to;
    double fixed_ns, ns_per_kib;
};

/* Fits each path's points (those of a path together, growing) with at most TUNE_PIECES lines, whose
 * ends lie where the error is least: where the caches end. How many lines. */
unsigned tune_fit(const struct tune_point *points, unsigned count,
                  struct tune_piece pieces[TUNE_PIECES_MAX]);
/* What the model says of a message, ns; below 0: nothing. */
double tune_predict(const struct tune_piece *pieces, unsigned count, int path, uint64_t size);
/* After how many messages of `size` a mapping made for them has paid: 0 if it never does. */
uint64_t tune_payoff(double map_ns, double mapped_ns, double copied_ns);

/* A least-squares line through count points; both parts at least 0. */
void tune_line(const double *x, const double *y, unsigned count, double *fixed, double *slope);

/* ---- what follows for the policy ---- */

/* The three sizes that pick how a message is copied. */
struct tune_thresholds {
    uint64_t inline_max, mapped_min, nontemporal_min;
};

enum tune_outcome {
    TUNE_BETTER, /* than the default, by more than the noise */
    TUNE_SAME,   /* the default is as good */
    TUNE_NOISY   /* it may be better, but the rounds do not agree */
};

/* The thresholds with which the largest regret over the sizes is least: `out` is the default where
 * the outcome is not TUNE_BETTER. First nontemporal_min, which decides what mapping costs, then the
 * other two. */
enum tune_outcome tune_nontemporal(const struct tune_curves *curves,
                                   const struct tune_thresholds *standard,
                                   struct tune_thresholds *out);
enum tune_outcome tune_paths(const struct tune_curves *curves,
                             const struct tune_thresholds *standard, struct tune_thresholds *out);
/* The largest regret over the sizes of thresholds whose nontemporal_min is settled. */
double tune_regret(const struct tune_curves *curves, const struct tune_thresholds *thresholds);

/* Looking for as long as a wake-up takes costs at most twice what the best choice would have; a
 * little longer, so that two sides that have both slept find each other looking again instead of
 * sleeping for ever by turns. The next power of two of microseconds, or the default where that is
 * about as long. 0 where there is one processor. */
uint64_t tune_spin_ns(double wake_ns, unsigned cores, uint64_t standard);
/* What is done in a second with something of `size`, 2 size, 4 size, ...: each doubling must pay by
 * 15 %. */
uint64_t tune_larger(uint64_t size, const double *rates, unsigned count);

/* The largest message to measure: 64 MiB, less where that much memory is not free (0: not known),
 * 1 MiB at least. */
#define TUNE_LARGEST (UINT64_C(64) << 20)
uint64_t tune_largest(uint64_t free_memory);

/* Whether the tuned policy is at least as good as the default, each given by its largest ratio to
 * the other over the sizes. A twentieth is noise; and where each is much slower than the other
 * somewhere, that says nothing, and the default wins. */
int tune_wins(double tuned, double standard);

#endif
