/* policy_tuned.h - what may stand in the key "tuned" of a policy file: tables for the check and for
 * the test that compares them with docs/policy.schema.json. */
#ifndef SILL__POLICY_TUNED_H
#define SILL__POLICY_TUNED_H

#include <stdbool.h>

enum { SILL__TUNED_FORMAT = 1, SILL__TUNED_TEXT_MAX = 256, SILL__TUNED_LIST_MAX = 2048 };

enum sill__tuned_kind {
    SILL__TUNED_TEXT,
    SILL__TUNED_WORD, /* one of `words` */
    SILL__TUNED_FLAG,
    SILL__TUNED_INTEGER, /* from `low` to `high` */
    SILL__TUNED_NUMBER,
    SILL__TUNED_OBJECT, /* with these `fields` */
    SILL__TUNED_LIST    /* of such objects, at most SILL__TUNED_LIST_MAX */
};

struct sill__tuned_field {
    const char *name; /* NULL ends a table */
    enum sill__tuned_kind kind;
    bool optional;
    double low, high;
    const char *const *words;
    const struct sill__tuned_field *fields;
};

extern const struct sill__tuned_field sill__tuned_fields[];

#endif
