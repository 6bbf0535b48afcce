/* policy_keys.h - the numbers of a policy by their names, as the command shows and writes them. */
#ifndef SILL_TOOLS_POLICY_KEYS_H
#define SILL_TOOLS_POLICY_KEYS_H

#include <stdint.h>

#include <sill.h>

enum policy_key {
    POLICY_INLINE_MAX,
    POLICY_MAPPED_MIN,
    POLICY_MAPPED_MAX,
    POLICY_SEGMENT_SIZE,
    POLICY_SEGMENTS_MAX,
    POLICY_RING_SIZE,
    POLICY_SPIN_NS,
    POLICY_NONTEMPORAL_MIN,
    POLICY_KEYS
};

const char *policy_key_name(enum policy_key key);
uint64_t policy_key_get(const sill_policy *policy, enum policy_key key);
void policy_key_set(sill_policy *policy, enum policy_key key, uint64_t value);

#endif
