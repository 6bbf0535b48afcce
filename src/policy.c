/* policy.c - the thresholds: names, defaults, checks, and the pick of a path.
 *
 * Everything here is pure: no I/O, no state, no allocation (the defaults ask once whether this is
 * Wine). The table in policy_table.h is the only list of keys, and SILL_PATH_TABLE the only list of
 * paths. Two contradictions are ruled out so that each size has one path: what the ring takes ends
 * before what is mapped begins, and the smallest message that is mapped may be mapped at all.
 */
#include "policy_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "process.h"
#include "status.h"

const struct sill__policy_key sill__policy_keys[SILL__POLICY_NUMBERS] = {
#define KEY(field, low, high, unit, standard)                                                      \
    {#field, offsetof(sill_policy, field), low, high, unit, standard},
    SILL__POLICY_TABLE(KEY)
#undef KEY
};

const struct sill__policy_word sill__policy_words[SILL__POLICY_KEYS - SILL__POLICY_NUMBERS] = {
    {"path", offsetof(sill_policy, path), SILL_PATH_COUNT, sill_path_name, sill_path_parse},
    {"family", offsetof(sill_policy, family), SILL_FAMILY_COUNT, sill_family_name,
     sill_family_parse},
};

const char *sill_path_name(int path)
{
    switch (path) {
#define NAME(name, value, text)                                                                    \
    case value:                                                                                    \
        return text;
        SILL_PATH_TABLE(NAME)
#undef NAME
    default:
        return "?";
    }
}

int sill_path_parse(const char *text)
{
    if (text == NULL)
        return -1;
    for (int path = 0; path < SILL_PATH_COUNT; path++)
        if (strcmp(text, sill_path_name(path)) == 0)
            return path;
    return -1;
}

const char *sill__policy_key_name(enum sill__policy_index key)
{
    return sill__policy_is_word(key) ? sill__policy_word(key)->name : sill__policy_keys[key].name;
}

uint64_t sill__policy_get(const sill_policy *policy, enum sill__policy_index key)
{
    uint64_t value;
    memcpy(&value, (const char *)policy + sill__policy_keys[key].offset, sizeof value);
    return value;
}

void sill__policy_set(sill_policy *policy, enum sill__policy_index key, uint64_t value)
{
    memcpy((char *)policy + sill__policy_keys[key].offset, &value, sizeof value);
}

int sill__policy_word_get(const sill_policy *policy, enum sill__policy_index key)
{
    int value;
    memcpy(&value, (const char *)policy + sill__policy_word(key)->offset, sizeof value);
    return value;
}

void sill__policy_word_set(sill_policy *policy, enum sill__policy_index key, int value)
{
    memcpy((char *)policy + sill__policy_word(key)->offset, &value, sizeof value);
}

int sill_policy_defaults(sill_policy *policy)
{
    if (policy == NULL || policy->struct_size != sizeof *policy)
        return sill__fail(SILL_INVALID, "The policy is not set to SILL_POLICY_INIT.");
    for (int key = 0; key < SILL__POLICY_NUMBERS; key++)
        sill__policy_set(policy, (enum sill__policy_index)key, sill__policy_keys[key].standard);
    if (sill__wakes_slowly())
        policy->spin_ns *= 5;
    policy->path = SILL_PATH_AUTO;
    policy->family = SILL_FAMILY_AUTO;
    return SILL_OK;
}

void sill__policy_allowed(enum sill__policy_index key, char out[120])
{
    if (sill__policy_is_word(key)) {
        const struct sill__policy_word *word = sill__policy_word(key);
        int used = 0;
        for (int value = 0; value < word->count; value++)
            used += snprintf(out + used, 120 - (size_t)used, "%s\"%s\"",
                             value == 0                 ? "one of "
                             : value + 1 == word->count ? " and "
                                                        : ", ",
                             word->text(value));
        return;
    }
    const struct sill__policy_key *k = &sill__policy_keys[key];
    char what[40] = "an integer";
    if (k->unit == SILL__POLICY_POWER)
        snprintf(what, sizeof what, "a power of two");
    else if (k->unit > 1)
        snprintf(what, sizeof what, "a multiple of %" PRIu64, k->unit);
    snprintf(out, 120, "%s from %" PRIu64 " to %" PRIu64, what, k->low, k->high);
}

static bool fits(const struct sill__policy_key *key, uint64_t value)
{
    if (value < key->low || value > key->high)
        return false;
    return key->unit == SILL__POLICY_POWER ? (value & (value - 1)) == 0 : value % key->unit == 0;
}

bool sill__policy_check_key(const sill_policy *policy, enum sill__policy_index key,
                            struct sill__policy_fault *out)
{
    char allowed[120], value[24];
    if (sill__policy_is_word(key)) {
        int number = sill__policy_word_get(policy, key);
        if (number >= 0 && number < sill__policy_word(key)->count)
            return true;
        snprintf(value, sizeof value, "%d", number);
    } else {
        const struct sill__policy_key *k = &sill__policy_keys[key];
        uint64_t number = sill__policy_get(policy, key);
        if (fits(k, number))
            return true;
        snprintf(value, sizeof value, "%" PRIu64, number);
    }
    sill__policy_allowed(key, allowed);
    out->key = out->other = key;
    snprintf(out->text, sizeof out->text, "\"%s\" is %s, but must be %s.",
             sill__policy_key_name(key), value, allowed);
    return false;
}

static bool contradicts(const sill_policy *policy, unsigned named, enum sill__policy_index key,
                        const char *rule, enum sill__policy_index other,
                        struct sill__policy_fault *out)
{
    const char *standard = " by default";
    out->key = key;
    out->other = other;
    snprintf(out->text, sizeof out->text,
             "\"%s\" is %" PRIu64 "%s, but must be %s \"%s\", which is %" PRIu64 "%s.",
             sill__policy_key_name(key), sill__policy_get(policy, key),
             named & 1U << key ? "" : standard, rule, sill__policy_key_name(other),
             sill__policy_get(policy, other), named & 1U << other ? "" : standard);
    return false;
}

bool sill__policy_check(const sill_policy *policy, unsigned named, struct sill__policy_fault *out)
{
    for (int key = 0; key < SILL__POLICY_KEYS; key++)
        if (!sill__policy_check_key(policy, (enum sill__policy_index)key, out))
            return false;
    if (policy->inline_max >= policy->mapped_min)
        return contradicts(policy, named, sill__policy_inline_max, "less than",
                           sill__policy_mapped_min, out);
    /* Several records of the largest size must fit, or the two sides would work by turns. */
    if (policy->inline_max > policy->ring_size / 4)
        return contradicts(policy, named, sill__policy_inline_max, "at most a quarter of",
                           sill__policy_ring_size, out);
    if (policy->segment_size > policy->mapped_max)
        return contradicts(policy, named, sill__policy_segment_size, "at most",
                           sill__policy_mapped_max, out);
    if (policy->mapped_min > policy->mapped_max)
        return contradicts(policy, named, sill__policy_mapped_min, "at most",
                           sill__policy_mapped_max, out);
    return true;
}

int sill_policy_validate(const sill_policy *policy)
{
    if (policy == NULL || policy->struct_size != sizeof *policy)
        return sill__fail(SILL_INVALID, "The policy is not set to SILL_POLICY_INIT.");
    struct sill__policy_fault fault;
    if (!sill__policy_check(policy, ~0U, &fault))
        return sill__fail(SILL_INVALID, "The policy's %s", fault.text);
    return SILL_OK;
}

/* Whether a message can take the path at all, whatever the thresholds prefer. */
static bool possible(const sill_policy *policy, int path, uint64_t size, unsigned can)
{
    switch (path) {
    case SILL_PATH_INLINE:
        return (can & SILL_CAN_INLINE) != 0 && size <= policy->inline_max;
    case SILL_PATH_MAPPED:
        return (can & SILL_CAN_MAP) != 0 && size > 0 && size <= policy->mapped_max;
    case SILL_PATH_ROUNDS: /* two pieces at least */
        return (can & SILL_CAN_MAP) != 0 && size > 1;
    default:
        return path == SILL_PATH_CHANNEL;
    }
}

static int pick_forced(const sill_policy *policy, uint64_t size, unsigned can, const char **reason)
{
    static const int order[] = {SILL_PATH_INLINE, SILL_PATH_MAPPED, SILL_PATH_ROUNDS};
    if (possible(policy, policy->path, size, can)) {
        *reason = "the policy forces this path";
        return policy->path;
    }
    *reason = "the forced path cannot take it: the next best";
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (possible(policy, order[i], size, can))
            return order[i];
    return SILL_PATH_CHANNEL;
}

int sill_policy_pick(const sill_policy *policy, uint64_t size, unsigned can, const char **reason)
{
    const char *unused;
    if (reason == NULL)
        reason = &unused;
    if (policy == NULL) {
        *reason = "there is no policy";
        return SILL_PATH_CHANNEL;
    }
    if (policy->path > SILL_PATH_AUTO && policy->path < SILL_PATH_COUNT)
        return pick_forced(policy, size, can, reason);
    if (possible(policy, SILL_PATH_INLINE, size, can)) {
        *reason = "at most inline_max: through the ring";
        return SILL_PATH_INLINE;
    }
    if (size < policy->mapped_min || size == 0) {
        *reason = "less than mapped_min: copied through the operating system";
        return SILL_PATH_CHANNEL;
    }
    if ((can & SILL_CAN_MAP) == 0) {
        *reason = "this connection cannot map memory: copied through the operating system";
        return SILL_PATH_CHANNEL;
    }
    if (possible(policy, SILL_PATH_MAPPED, size, can)) {
        *reason = "at least mapped_min: lies in a mapped segment";
        return SILL_PATH_MAPPED;
    }
    *reason = "more than mapped_max: in pieces through segments";
    return SILL_PATH_ROUNDS;
}
