/* test_copy.c - the copies of copy.h, and the choice between them. */
#include "support.h"

#include "copy.h"

/* Every size and offset gives the same bytes, and nothing beside them is touched. */
static void copies_are_exact(void **state)
{
    (void)state;
    enum { ROOM = 5000 };
    _Alignas(64) static unsigned char from[ROOM], to[ROOM + 128], expected[ROOM + 128];
    static const size_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 65, 192, 193, 255, 256, 1000, 4096, 4999};
    for (size_t i = 0; i < ROOM; i++)
        from[i] = (unsigned char)(i * 37 + 11);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int way = 0; way < 2; way++) {
            size_t offset = ROOM - sizes[i] < 3 ? 0 : i % 3;
            memset(to, 0xEE, sizeof to);
            memset(expected, 0xEE, sizeof expected);
            memcpy(expected + 64, from + offset, sizes[i]);
            if (way == 0)
                sill__copy(to + 64, from + offset, sizes[i]);
            else
                sill__copy_nontemporal(to + 64, from + offset, sizes[i]);
            assert_memory_equal(expected, to, sizeof to);
        }
}

static void large_copies_are_exact(void **state)
{
    (void)state;
    const size_t size = (1 << 20) + 100;
    unsigned char *from = malloc(size), *to = malloc(size);
    assert_true(from != NULL && to != NULL);
    for (size_t i = 0; i < size; i++)
        from[i] = (unsigned char)(i * 31 >> 3);
    memset(to, 0, size);
    sill__copy(to, from, size);
    assert_memory_equal(from, to, size);
    memset(to, 0, size);
    sill__copy_nontemporal(to + 16 - (uintptr_t)to % 16, from, size - 16);
    assert_memory_equal(from, to + 16 - (uintptr_t)to % 16, size - 16);
    free(from);
    free(to);
}

/* ---- the choice ---- */

/* What each way takes, ns for a KiB. */
struct costs {
    double plain, nontemporal;
};

/* How many of `count` copies were made past the caches. */
static unsigned run(struct sill__copy_choice *choice, size_t size, struct costs costs,
                    unsigned count)
{
    unsigned past = 0;
    for (unsigned i = 0; i < count; i++) {
        struct sill__copy_way way = sill__copy_choose(choice, size);
        double ns = (way.nontemporal ? costs.nontemporal : costs.plain) * (double)size / 1024;
        past += way.nontemporal;
        if (way.timed)
            sill__copy_took(choice, size, way, (int64_t)ns);
    }
    return past;
}

static bool is_here(void)
{
    struct sill__copy_choice choice = {0};
    return run(&choice, 1 << 16, (struct costs){2, 1}, 100) > 0;
}

/* The faster way is taken but for a few tries, and where they are alike the plain one. */
static void the_faster_way_is_taken(void **state)
{
    (void)state;
    enum { COUNT = 10000, FEW = COUNT / 25 };
    static const struct {
        struct costs costs;
        bool past;
    } cases[] = {{{24, 40}, false},  {{24, 24}, false}, {{33, 23}, false}, {{150, 40}, true},
                 {{580, 40}, true},  {{40, 580}, false}, {{5000, 1}, true}};
    if (!is_here())
        support_skip("this processor's stores are not chosen from");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sill__copy_choice choice = {0};
        unsigned past = run(&choice, 1 << 16, cases[i].costs, COUNT);
        unsigned wrong = cases[i].past ? COUNT - past : past;
        assert_in_range(wrong, 1, FEW);
    }
}

/* A way that has become faster is found, a single slow copy changes nothing. */
static void changes_are_found(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    struct sill__copy_choice choice = {0};
    if (!is_here())
        support_skip("this processor's stores are not chosen from");
    run(&choice, 1 << 16, (struct costs){580, 40}, COUNT);
    run(&choice, 1 << 16, (struct costs){24, 40}, COUNT);
    assert_true(run(&choice, 1 << 16, (struct costs){24, 40}, COUNT) < COUNT / 25);
    run(&choice, 1 << 16, (struct costs){580, 40}, COUNT);
    assert_true(run(&choice, 1 << 16, (struct costs){580, 40}, COUNT) > COUNT - COUNT / 25);
    struct sill__copy_way way = {true, true};
    sill__copy_took(&choice, 1 << 16, way, 1000000000);
    assert_true(run(&choice, 1 << 16, (struct costs){580, 40}, 100) > 90);
}

/* The first copies touch new memory: what they take does not count for long. */
static void new_memory_is_forgotten(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    struct sill__copy_choice choice = {0};
    if (!is_here())
        support_skip("this processor's stores are not chosen from");
    run(&choice, 1 << 20, (struct costs){900, 40}, 4);
    assert_true(run(&choice, 1 << 20, (struct costs){24, 40}, COUNT) < COUNT / 25);
}

/* Sizes differ in what is faster. */
static void sizes_are_apart(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    struct sill__copy_choice choice = {0};
    if (!is_here())
        support_skip("this processor's stores are not chosen from");
    static const size_t sizes[] = {1, 4096, 1 << 14, 1 << 16, 1 << 20, SIZE_MAX / 2};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        run(&choice, sizes[i], (struct costs){1, 1}, 100); /* none is out of range */
    run(&choice, 1 << 16, (struct costs){580, 40}, COUNT);
    run(&choice, 1 << 20, (struct costs){24, 40}, COUNT);
    assert_true(run(&choice, 1 << 16, (struct costs){580, 40}, COUNT) > COUNT - COUNT / 25);
    assert_true(run(&choice, 1 << 20, (struct costs){24, 40}, COUNT) < COUNT / 25);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(copies_are_exact),        SUPPORT_TEST(large_copies_are_exact),
    SUPPORT_TEST(the_faster_way_is_taken), SUPPORT_TEST(changes_are_found),
    SUPPORT_TEST(new_memory_is_forgotten), SUPPORT_TEST(sizes_are_apart),
};
SUPPORT_MAIN_ALONE(tests)
