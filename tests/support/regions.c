/* regions.c - what the tests of regions share. See regions.h. */
#include "regions.h"

#define MOST_TESTS 256

static struct CMUnitTest made[MOST_TESTS];
static char names[MOST_TESTS][96];
static int kinds[MOST_TESTS];

int regions_main(int argc, char **argv, const char *program, const struct regions_test *tests,
                 size_t test_count, const struct support_role *roles, size_t role_count)
{
    size_t count = 0;
    for (size_t test = 0; test < test_count; test++) {
        for (int kind = SILL_REGION_AUTO + 1; kind <= SILL_REGION_WIN32; kind++) {
            if (count == MOST_TESTS ||
                !regions_can(kind, tests[test].needs | SILL_REGION_AVAILABLE))
                continue;
            kinds[count] = kind;
            snprintf(names[count], sizeof names[count], "%s: %s", tests[test].name,
                     sill_region_kind_name(kind));
            made[count] = (struct CMUnitTest){names[count], tests[test].function, support_setup,
                                              support_teardown, &kinds[count]};
            count++;
        }
    }
    if (count == MOST_TESTS) {
        fprintf(stderr, "there are too many tests in %s\n", program);
        return 99;
    }
    return support_main(argc, argv, program, made, count, roles, role_count);
}

sill_region_options regions_options(int kind)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = kind;
    return options;
}

bool regions_can(int kind, unsigned capabilities)
{
    return (sill_region_capabilities(kind) & capabilities) == capabilities;
}

void regions_name(int kind, char name[SUPPORT_PATH_SIZE])
{
    char plain[SUPPORT_NAME_SIZE];
    support_name(plain, "r"); /* short, so that objects' names can hold the whole of it */
    if (kind == SILL_REGION_FILE)
        support_path(name, plain);
    else
        snprintf(name, SUPPORT_PATH_SIZE, "%s", plain);
}

const char *regions_name_or_null(int kind, const char *name)
{
    return regions_can(kind, SILL_REGION_NAMED) ? name : NULL;
}

bool regions_may_be_stuck(int kind)
{
    return kind == SILL_REGION_FILE && regions_can(SILL_REGION_WIN32, SILL_REGION_AVAILABLE);
}

static unsigned char byte_at(size_t at, unsigned seed)
{
    return (unsigned char)(at * 131 + (at >> 8) * 7 + seed * 31 + 1);
}

void regions_fill(void *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)data)[i] = byte_at(i, seed);
}

bool regions_filled(const void *data, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)data)[i] != byte_at(i, seed))
            return false;
    return true;
}

bool regions_zero(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)data)[i] != 0)
            return false;
    return true;
}

void regions_nothing_left(void)
{
    unsigned left = support_entries(".lock");
    if (left != 0)
        fail_msg("%u files are left in the runtime directory", left);
}
