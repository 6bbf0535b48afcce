/* policy_keys.c - the table of a policy's numbers. */
#include "policy_keys.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} keys[POLICY_KEYS] = {
#define KEY(constant, field) [constant] = {#field, offsetof(sill_policy, field)}
    KEY(POLICY_INLINE_MAX, inline_max),     KEY(POLICY_MAPPED_MIN, mapped_min),
    KEY(POLICY_MAPPED_MAX, mapped_max),     KEY(POLICY_SEGMENT_SIZE, segment_size),
    KEY(POLICY_SEGMENTS_MAX, segments_max), KEY(POLICY_RING_SIZE, ring_size),
    KEY(POLICY_SPIN_NS, spin_ns),           KEY(POLICY_NONTEMPORAL_MIN, nontemporal_min),
#undef KEY
};

const char *policy_key_name(enum policy_key key)
{
    return keys[key].name;
}

uint64_t policy_key_get(const sill_policy *policy, enum policy_key key)
{
    uint64_t value;

    memcpy(&value, (const char *)policy + keys[key].offset, sizeof value);
    return value;
}

void policy_key_set(sill_policy *policy, enum policy_key key, uint64_t value)
{
    memcpy((char *)policy + keys[key].offset, &value, sizeof value);
}
