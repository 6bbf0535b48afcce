/* test_channel_traits.c - the names of the kinds of channels, and what each is said to do. */
#include "support.h"

#include <sill.h>

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int kind = SILL_CHANNEL_AUTO; kind <= SILL_CHANNEL_QUEUE; kind++) {
        const char *name = sill_channel_kind_name(kind);
        assert_string_not_equal(name, "?");
        assert_int_equal(sill_channel_kind_parse(name), kind);
    }
    assert_string_equal(sill_channel_kind_name(-1), "?");
    assert_string_equal(sill_channel_kind_name(SILL_CHANNEL_QUEUE + 1), "?");
    assert_int_equal(sill_channel_kind_parse("pigeon"), -1);
    assert_int_equal(sill_channel_kind_parse(""), -1);
    assert_int_equal(sill_channel_kind_parse(NULL), -1);
}

struct row {
    int kind;
    bool posix, windows;
    int boundaries, duplex, priorities, handles, identity, death, pollable, named;
};

static const struct row rows[] = {
    {SILL_CHANNEL_AUTO, true, true, 1, 1, 1, 1, 1, 1, 1, 1},
    {SILL_CHANNEL_SOCKET, true, false, 1, 1, 1, 1, 1, 1, 1, 1},
    {SILL_CHANNEL_NAMED_PIPE, false, true, 1, 1, 1, 1, 1, 1, 1, 1},
    {SILL_CHANNEL_PIPE, true, true, 0, 0, 1, 0, 0, 0, 1, 0},
    {SILL_CHANNEL_FIFO, true, true, 0, 0, 1, 0, 0, 1, 1, 1},
    {SILL_CHANNEL_MQUEUE, true, false, 1, 1, 32, 0, 0, 1, 1, 1},
    {SILL_CHANNEL_SYSV, true, false, 1, 1, 32, 0, 0, 1, 0, 1},
    {SILL_CHANNEL_QUEUE, false, true, 1, 1, 32, 0, 0, 1, 1, 1},
};

static void what_each_can_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        sill_channel_traits traits = {.struct_size = sizeof traits};
        support_ok(sill_channel_get_traits(row->kind, &traits));
#ifdef _WIN32
        bool here = row->windows;
#else
        bool here = row->posix;
#endif
        assert_int_equal(traits.available, here);
        assert_int_equal(traits.boundaries, here ? row->boundaries : 0);
        assert_int_equal(traits.duplex, here ? row->duplex : 0);
        assert_int_equal(traits.priorities, here ? row->priorities : 0);
        assert_int_equal(traits.handles, here ? row->handles : 0);
        assert_int_equal(traits.identity, here ? row->identity : 0);
        assert_int_equal(traits.death, here ? row->death : 0);
        assert_int_equal(traits.pollable, here ? row->pollable : 0);
        assert_int_equal(traits.named, here ? row->named : 0);
        assert_int_equal(traits.message_max > 0, here && row->boundaries);
        assert_int_equal(traits.depth > 0, here && row->priorities > 1);
    }
}

static void arguments_are_checked(void **state)
{
    sill_channel_traits traits = {.struct_size = sizeof traits};
    (void)state;
    support_status(SILL_INVALID, sill_channel_get_traits(99, &traits));
    support_status(SILL_INVALID, sill_channel_get_traits(-1, &traits));
    support_status(SILL_INVALID, sill_channel_get_traits(SILL_CHANNEL_FIFO, NULL));
    traits.struct_size = 1;
    support_status(SILL_INVALID, sill_channel_get_traits(SILL_CHANNEL_FIFO, &traits));
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(names_go_both_ways),
    SUPPORT_TEST(what_each_can_do),
    SUPPORT_TEST(arguments_are_checked),
};
SUPPORT_MAIN_ALONE(tests)
