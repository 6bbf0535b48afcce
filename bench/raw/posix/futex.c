/* futex.c - 8 bytes in shared memory, and a futex that wakes the one who sleeps there. Each side
 * writes its own word and wakes; the other sleeps until the word has changed. */
#include "baseline.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

struct box {
    _Alignas(128) _Atomic uint32_t number; /* of the message */
    uint32_t word;
};

static struct box *ours, *theirs;
static uint32_t received;

static int prepare(struct side *side)
{
    side->size_max = 8;
    return 0;
}

static int begin(struct side *side)
{
    struct box *boxes = side->shared;

    ours = &boxes[side->number];
    theirs = &boxes[1 - side->number];
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    (void)side;
    ours->word = (uint32_t)word;
    atomic_fetch_add(&ours->number, 1);
    if (syscall(SYS_futex, &ours->number, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
        return baseline_fail("futex", errno);
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    (void)side;
    while (atomic_load(&theirs->number) == received)
        if (syscall(SYS_futex, &theirs->number, FUTEX_WAIT, received, NULL, NULL, 0) < 0 &&
            errno != EAGAIN && errno != EINTR)
            return baseline_fail("futex", errno);
    received++;
    *word = theirs->word;
    return 0;
}

#define LOOPS_LATENCY_ONLY
#include "loops.h"

const struct baseline baseline = {
    .name = "futex",
    .about = "Hands 8 bytes over in shared memory and wakes the other side by a futex.",
    .wait = "block",
    .shared_size = 2 * sizeof(struct box),
    .prepare = prepare,
    .begin = begin,
    .latency = loops_latency,
    .answer = loops_answer,
};
