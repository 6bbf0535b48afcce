/* memcpy.c - what one copy costs: from this process's memory into shared memory, both of them in
 * use. One way is one copy. Small ones are timed many at once, since the clock would cost more. */
#include "baseline.h"

#include <string.h>

enum { BATCH = 65536 };

static unsigned char *target;

static int prepare(struct side *side)
{
    target = pair_memory(side->size_max);
    if (!target)
        return baseline_fail("shared memory", 0);
    memset(target, 1, side->size_max);
    return 0;
}

static inline int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static inline int copy(void *arg)
{
    struct side *side = arg;
    size_t done;

    for (done = 0; done == 0 || done + side->size <= BATCH; done += side->size) {
        memcpy(target, side->out, side->size);
        __asm__ volatile("" : : "r"(target), "r"(side->out) : "memory");
    }
    return 0;
}

static int alone(struct bench *bench, struct side *side, double *ways)
{
    *ways = side->size < BATCH ? (double)(BATCH / side->size) : 1;
    return bench_latency(bench, nothing, copy, side);
}

const struct baseline baseline = {
    .name = "memcpy",
    .about = "Copies with memcpy, in one process.",
    .wait = "none",
    .prepare = prepare,
    .alone = alone,
};
