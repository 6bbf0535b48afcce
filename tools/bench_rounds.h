/* bench_rounds.h - several pairs measured in turn, round after round, at every size.
 *
 * What is compared runs within the same moment, since a machine is not the same for long: what one
 * round says of two pairs is a ratio, and the rounds' ratios are what counts. A round takes the
 * sizes in their order and at each size every pair.
 */
#ifndef SILL_TOOLS_BENCH_ROUNDS_H
#define SILL_TOOLS_BENCH_ROUNDS_H

#include <stddef.h>
#include <stdint.h>

#include "bench_frame.h"
#include "bench_pair.h"

enum { BENCH_ROUNDS_MAX = 24 };

/* Larger messages are not tried in the ring: each connection would have two of more than 128 KiB.
 */
#define BENCH_INLINE_MAX (UINT64_C(32) << 10)

/* A pair, and for which messages it stands. */
struct bench_lane {
    struct bench_pair pair;
    sill_policy policy; /* of both its sides */
    char *text;         /* the same as JSON */
    uint64_t from, to;  /* sizes, both included */
    int path;           /* only messages that took this path count; AUTO: any */
};

struct bench_rounds {
    struct bench bench;
    struct bench_lane lanes[BENCH_PAIRS_MAX];
    unsigned lane_count;
    uint64_t sizes[BENCH_SIZES_MAX]; /* growing */
    unsigned size_count;
    double slot;        /* seconds for one pair at one size */
    uint64_t skip_from; /* a path that has been twice as slow as the best at two sizes in a row is
                           left out of the round's larger ones, from this size on; 0: never */
    unsigned done;      /* rounds */
    void *data;
    /* the median one way of each round, ns; 0: the pair does not stand for this size */
    double ns[BENCH_PAIRS_MAX][BENCH_SIZES_MAX][BENCH_ROUNDS_MAX];
    int took[BENCH_PAIRS_MAX][BENCH_SIZES_MAX]; /* the path, at last */
};

/* These give -1 to go on, or an exit status after a message. */

/* Room for samples and messages of the sizes that have been filled in. NULL: out of memory, after a
 * message. The caller calls bench_pairs_begin before, and bench_pairs_end before the end. */
struct bench_rounds *bench_rounds_new(const uint64_t *sizes, unsigned count, double slot);
/* Adds a lane and starts its second process: for messages of `from` to `to` bytes, which `path`
 * forces (AUTO: none). Rounds leave a lane out whose `from` is greater than its `to`. `way` says
 * the rest. */
int bench_rounds_add(struct bench_rounds *rounds, const struct bench_way *way,
                     const sill_policy *policy, int path, uint64_t from, uint64_t to);
/* The policy with rings for messages of up to `inline_max`, and no larger than that takes. */
sill_policy bench_with_ring(const sill_policy *policy, uint64_t inline_max);
/* One more round. */
int bench_rounds_run(struct bench_rounds *rounds);
/* The lane's round trips of `size` for `seconds`: their median one way. */
int bench_rounds_trip(struct bench_rounds *rounds, unsigned lane, uint64_t size, double seconds,
                      double *ns);
/* The lane's stream of `size`: messages a second. */
int bench_rounds_rate(struct bench_rounds *rounds, unsigned lane, uint64_t size, double seconds,
                      double *per_second);
/* Ends a lane's second process before the others', after bench_pairs_end. */
int bench_rounds_end(struct bench_rounds *rounds);

/* A quantile (0 to 1) of the rounds' values; 0 if there are none. */
double bench_rounds_quantile(const struct bench_rounds *rounds, unsigned lane, unsigned size,
                             double part);
/* The same of any values, which are put into order; 0 of none. */
double bench_quantile(double *values, unsigned count, double part);

/* 8, 16, ... up to `most`. How many. */
unsigned bench_powers(uint64_t most, uint64_t sizes[BENCH_SIZES_MAX]);

#endif
