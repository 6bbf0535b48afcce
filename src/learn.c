/* learn.c - thresholds from the times of a connection's own calls. See learn.h. */
#include "learn.h"

#include <string.h>

#include "memory.h"
#include "policy_table.h"

#define RANGE 16 /* how far a threshold may move, as a factor */

struct sill__learn *sill__learn_new(const sill_policy *given)
{
    struct sill__learn *learn = sill__alloc_zeroed(sizeof *learn);
    if (learn != NULL)
        learn->given = *given;
    return learn;
}

static unsigned order_of(uint64_t size)
{
    unsigned order = 0;
    while (size > 1 && order + 1 < SILL__LEARN_CLASSES) {
        size >>= 1;
        order++;
    }
    return order;
}

/* Whether a message can take the path as the policy stands now. */
static bool possible(const sill_policy *policy, int path, uint64_t size, unsigned can)
{
    if (path == SILL_PATH_INLINE)
        return (can & SILL_CAN_INLINE) != 0 && size <= policy->inline_max;
    if (path == SILL_PATH_MAPPED)
        return (can & SILL_CAN_MAP) != 0 && size > 0 && size <= policy->mapped_max;
    return path == SILL_PATH_CHANNEL;
}

int sill__learn_path(struct sill__learn *learn, const sill_policy *policy, uint64_t size,
                     unsigned can)
{
    static const int paths[] = {SILL_PATH_CHANNEL, SILL_PATH_MAPPED, SILL_PATH_INLINE};
    int picked = sill_policy_pick(policy, size, can, NULL);
    learn->can = can;
    if (picked == SILL_PATH_ROUNDS || ++learn->samples % SILL__LEARN_TRY != 0)
        return picked;
    unsigned turn = learn->samples / SILL__LEARN_TRY;
    for (unsigned i = 0; i < 3; i++) {
        int path = paths[(turn + i) % 3];
        if (path != picked && possible(policy, path, size, can))
            return path;
    }
    return picked;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Moves the threshold between two paths so that sizes of that order go from one to the other. */
static bool move(const struct sill__learn *learn, sill_policy *policy, unsigned order, int from,
                 int to)
{
    const sill_policy *given = &learn->given;
    const uint64_t first = UINT64_C(1) << order, behind = UINT64_C(2) << order;
    sill_policy next = *policy;
    struct sill__policy_fault fault;
    if (from == SILL_PATH_INLINE) {
        next.inline_max = first - 1;
        if (to == SILL_PATH_MAPPED)
            next.mapped_min = first;
    } else if (from == SILL_PATH_MAPPED) {
        next.mapped_min = behind;
    } else {
        next.mapped_min = at_least(first, next.inline_max + 1);
    }
    if (next.inline_max < given->inline_max / RANGE ||
        next.mapped_min < given->mapped_min / RANGE ||
        next.mapped_min / RANGE > given->mapped_min || !sill__policy_check(&next, ~0U, &fault))
        return false;
    *policy = next;
    return true;
}

static void begin_anew(struct sill__learn *learn, sill_policy *policy)
{
    policy->inline_max = learn->given.inline_max;
    policy->mapped_min = learn->given.mapped_min;
    learn->samples = 0;
    memset(learn->cost, 0, sizeof learn->cost);
}

bool sill__learn_note(struct sill__learn *learn, sill_policy *policy, uint64_t size, int path,
                      int64_t ns)
{
    const unsigned order = order_of(size);
    const int picked = sill_policy_pick(policy, size, learn->can, NULL);
    if (learn->samples >= SILL__LEARN_ANEW) {
        begin_anew(learn, policy);
        return true;
    }
    if (learn->cost[order][path].count++ == 0 || ns < learn->cost[order][path].least)
        learn->cost[order][path].least = ns;
    if (learn->cost[order][picked].count < SILL__LEARN_ENOUGH || picked == SILL_PATH_ROUNDS)
        return false;
    for (int other = SILL_PATH_CHANNEL; other <= SILL_PATH_MAPPED; other++) {
        if (other == picked || learn->cost[order][other].count < SILL__LEARN_ENOUGH ||
            learn->cost[order][other].least / 9 >= learn->cost[order][picked].least / 10 ||
            !move(learn, policy, order, picked, other))
            continue;
        memset(learn->cost[order], 0, sizeof learn->cost[order]);
        return true;
    }
    return false;
}
