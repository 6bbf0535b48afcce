/* policy_table.h - the keys of a policy: one table for the checks, the file and the tests.
 *
 * docs/policy.schema.json says the same; a test compares the two.
 */
#ifndef SILL__POLICY_TABLE_H
#define SILL__POLICY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/policy.h>

#define SILL__KIB (UINT64_C(1) << 10)
#define SILL__MIB (UINT64_C(1) << 20)
#define SILL__GIB (UINT64_C(1) << 30)

#define SILL__POLICY_FILE_MAX ((size_t)1 << 20) /* bytes */

/* X(field, smallest, largest, unit, default). Unit: the value is a multiple of it, or
 * SILL__POLICY_POWER: a power of two. Blocks are multiples of 64 bytes, so mapped_max is. The peer
 * keeps at most SILL__SEGMENTS_LIMIT segments (wire.h). */
#define SILL__POLICY_POWER 0
#define SILL__POLICY_TABLE(X)                                                                      \
    X(inline_max, 0, 64 * SILL__MIB, 1, 4 * SILL__KIB)                                             \
    X(mapped_min, 1, 1024 * SILL__GIB, 1, 4 * SILL__KIB + 1)                                       \
    X(segment_size, 4 * SILL__KIB, SILL__GIB, SILL__POLICY_POWER, SILL__MIB)                       \
    X(segments_max, 1, 64, 1, 16)                                                                  \
    X(mapped_max, 4 * SILL__KIB, 1024 * SILL__GIB, 64, 256 * SILL__MIB)                            \
    X(ring_size, 4 * SILL__KIB, 256 * SILL__MIB, SILL__POLICY_POWER, 16 * SILL__KIB)               \
    X(spin_ns, 0, 1000000000, 1, 20000)                                                            \
    X(nontemporal_min, 0, 1024 * SILL__GIB, 1, 16 * SILL__KIB)

enum sill__policy_index {
#define SILL__POLICY_INDEX(field, low, high, unit, standard) sill__policy_##field,
    SILL__POLICY_TABLE(SILL__POLICY_INDEX)
#undef SILL__POLICY_INDEX
        SILL__POLICY_NUMBERS,
    sill__policy_path = SILL__POLICY_NUMBERS, /* the keys that are words */
    sill__policy_family,
    SILL__POLICY_KEYS
};

/* The keys that are numbers, in the order of enum sill__policy_index. */
struct sill__policy_key {
    const char *name;
    size_t offset; /* of its uint64_t in sill_policy */
    uint64_t low;
    uint64_t high;
    uint64_t unit; /* as in the table */
    uint64_t standard;
};
extern const struct sill__policy_key sill__policy_keys[SILL__POLICY_NUMBERS];

/* The keys that are words, each one of a list. Their fields are ints. */
struct sill__policy_word {
    const char *name;
    size_t offset; /* of its int in sill_policy */
    int count;     /* of the words */
    const char *(*text)(int value);
    int (*parse)(const char *text); /* -1: none of them */
};
extern const struct sill__policy_word sill__policy_words[SILL__POLICY_KEYS - SILL__POLICY_NUMBERS];

static inline bool sill__policy_is_word(enum sill__policy_index key)
{
    return key >= SILL__POLICY_NUMBERS;
}
/* The entry of a key that is a word, and its value. */
static inline const struct sill__policy_word *sill__policy_word(enum sill__policy_index key)
{
    return &sill__policy_words[key - SILL__POLICY_NUMBERS];
}
int sill__policy_word_get(const sill_policy *policy, enum sill__policy_index key);
void sill__policy_word_set(sill_policy *policy, enum sill__policy_index key, int value);

/* The name of any key. */
const char *sill__policy_key_name(enum sill__policy_index key);

uint64_t sill__policy_get(const sill_policy *policy, enum sill__policy_index key);
void sill__policy_set(sill_policy *policy, enum sill__policy_index key, uint64_t value);

/* What a key may be, as the rest of a sentence: "an integer from 1 to 1024". */
void sill__policy_allowed(enum sill__policy_index key, char out[120]);

/* What is wrong with a policy. */
struct sill__policy_fault {
    enum sill__policy_index key;   /* the key that is wrong */
    enum sill__policy_index other; /* the key that it contradicts, or the same */
    char text[280];                /* a sentence that begins with the key */
};

/* Checks ranges, then contradictions; true if all is well. Bit n of `named` says that somebody
 * chose the value of key n; of the others the sentence says that they are defaults. */
bool sill__policy_check(const sill_policy *policy, unsigned named, struct sill__policy_fault *out);
/* Only the range of one key. */
bool sill__policy_check_key(const sill_policy *policy, enum sill__policy_index key,
                            struct sill__policy_fault *out);

#endif
