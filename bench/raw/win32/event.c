/* event.c - 8 bytes in shared memory, and an event each way that wakes the one who sleeps. */
#include "baseline.h"

#include <stdatomic.h>
#include <stdio.h>
#include <windows.h>

struct box {
    _Alignas(128) _Atomic uint64_t word;
};

static HANDLE events[2]; /* by the side that sets it */
static struct box *boxes;

static int prepare(struct side *side)
{
    char name[96];
    int i;

    side->size_max = 8;
    boxes = side->shared;
    for (i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s-event-%d", side->token, i);
        events[i] = CreateEventA(NULL, FALSE, FALSE, name);
        if (!events[i])
            return baseline_fail("an event cannot be made", 0);
    }
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    atomic_store(&boxes[side->number].word, word);
    return SetEvent(events[side->number]) ? 0 : baseline_fail("SetEvent", 0);
}

static inline int get(struct side *side, uint64_t *word)
{
    if (WaitForSingleObject(events[1 - side->number], INFINITE) != WAIT_OBJECT_0)
        return baseline_fail("WaitForSingleObject", 0);
    *word = atomic_load(&boxes[1 - side->number].word);
    return 0;
}

#define LOOPS_LATENCY_ONLY
#include "loops.h"

const struct baseline baseline = {
    .name = "event",
    .about = "Hands 8 bytes over in shared memory and wakes the other side by an event.",
    .wait = "block",
    .shared_size = 2 * sizeof(struct box),
    .prepare = prepare,
    .latency = loops_latency,
    .answer = loops_answer,
};
