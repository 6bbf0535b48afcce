/* learn.h - a connection that corrects its policy from what its own calls take.
 *
 * One call in SILL__LEARN_EVERY is timed, and of these one in SILL__LEARN_TRY takes another path
 * than the policy picks. What counts for a path is the least time that calls of a size class (a
 * power of two) took on it: what the peer does meanwhile and what the machine is busy with only add
 * to it. Where another path is a tenth faster than the picked one, after enough calls on both, the
 * threshold between them moves past that size class.
 *
 * Bounded: thresholds move by a factor of 16 at most from the policy that was given, inline_max
 * never above it (the ring was made for that), and the policy is valid at any time. After
 * SILL__LEARN_ANEW samples it begins anew, so what has changed since is found. No I/O, no clock, no
 * lock: the caller holds the hub's.
 */
#ifndef SILL__LEARN_H
#define SILL__LEARN_H

#include <stdbool.h>
#include <stdint.h>

#include <sill/policy.h>

enum {
    SILL__LEARN_EVERY = 64,
    SILL__LEARN_TRY = 16,
    SILL__LEARN_ENOUGH = 8, /* samples on either path */
    SILL__LEARN_ANEW = 1 << 16,
    SILL__LEARN_CLASSES = 41
};

struct sill__learn {
    sill_policy given;
    unsigned can; /* enum sill_policy_can: of the last sample */
    uint32_t calls, samples;
    struct {
        int64_t least; /* ns */
        uint32_t count;
    } cost[SILL__LEARN_CLASSES][SILL_PATH_COUNT];
};

/* NULL: out of memory. Freed with sill__free. */
struct sill__learn *sill__learn_new(const sill_policy *given);
/* Whether this call is to be timed. */
static inline bool sill__learn_due(struct sill__learn *learn)
{
    return ++learn->calls % SILL__LEARN_EVERY == 0;
}
/* The path that a call which is timed takes. */
int sill__learn_path(struct sill__learn *learn, const sill_policy *policy, uint64_t size,
                     unsigned can);
/* It took `ns` on that path. True if the policy has changed. */
bool sill__learn_note(struct sill__learn *learn, sill_policy *policy, uint64_t size, int path,
                      int64_t ns);

#endif
