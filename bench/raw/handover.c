/* handover.c - the floor: a cache line each way, written by one side and looked at by the other.
 *
 * A line holds one word: the number of the message, and in its upper half what it says. `line[0]`
 * is written by side 0 alone, the other by side 1. They are 128 bytes apart, since processors fetch
 * lines in pairs. */
#include "baseline.h"

#include <stdatomic.h>

struct lines {
    _Alignas(128) _Atomic uint64_t line0;
    _Alignas(128) _Atomic uint64_t line1;
};

static _Atomic uint64_t *ours, *theirs;
static uint32_t sent, received;

static int begin(struct side *side)
{
    struct lines *lines = side->shared;

    ours = side->number == 0 ? &lines->line0 : &lines->line1;
    theirs = side->number == 0 ? &lines->line1 : &lines->line0;
    return 0;
}

static int prepare(struct side *side)
{
    side->size_max = 8;
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    (void)side;
    atomic_store_explicit(ours, word << 32 | ++sent, memory_order_release);
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    uint64_t seen;

    (void)side;
    received++;
    do
        seen = atomic_load_explicit(theirs, memory_order_acquire);
    while ((uint32_t)seen != received);
    *word = seen >> 32;
    return 0;
}

#define LOOPS_LATENCY_ONLY
#include "loops.h"

const struct baseline baseline = {
    .name = "handover",
    .about = "Hands 8 bytes over in a cache line of shared memory; both sides spin.",
    .wait = "spin",
    .shared_size = sizeof(struct lines),
    .prepare = prepare,
    .begin = begin,
    .latency = loops_latency,
    .answer = loops_answer,
};
