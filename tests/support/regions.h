/* regions.h - test programs of regions: every test is run for each kind that this system has and
 * that can do what the test needs. */
#ifndef SUPPORT_REGIONS_H
#define SUPPORT_REGIONS_H

#include "support.h"

#include <sill/region.h>

struct regions_test {
    const char *name;
    CMUnitTestFunction function; /* gets a pointer to the kind, an int, in *state */
    unsigned needs;              /* enum sill_region_capability; SILL_REGION_NAMED includes files */
};
#define REGIONS_TEST(function, needs)                                                              \
    {                                                                                              \
#function, function, needs                                                                 \
    }

/* After main's arguments: the tests of this table, once for each kind. */
int regions_main(int argc, char **argv, const char *program, const struct regions_test *tests,
                 size_t test_count, const struct support_role *roles, size_t role_count);
#define REGIONS_MAIN(tests, roles)                                                                 \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return regions_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], roles,    \
                            sizeof roles / sizeof roles[0]);                                       \
    }
#define REGIONS_MAIN_ALONE(tests)                                                                  \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return regions_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0); \
    }

sill_region_options regions_options(int kind);
bool regions_can(int kind, unsigned capabilities);

/* A new name for a region of this kind: for files a path in the runtime directory. */
void regions_name(int kind, char name[SUPPORT_PATH_SIZE]);

/* What create and open need as a name: NULL for kinds without. */
const char *regions_name_or_null(int kind, const char *name);

/* Windows refuses to remove a file that is mapped: sill_region_remove is then DENIED. */
bool regions_may_be_stuck(int kind);

/* Fills with, or compares with, bytes that depend on `seed` and the position. */
void regions_fill(void *data, size_t size, unsigned seed);
bool regions_filled(const void *data, size_t size, unsigned seed);
bool regions_zero(const void *data, size_t size);

/* The words that a helper gets for a kind and a name. */
#define REGIONS_WORDS(kind, name) sill_region_kind_name(kind), (name)

/* Nothing is left in the runtime directory but sill's own files. */
void regions_nothing_left(void);

#endif
