/* test_memory.c - the heap calls, and the failure that tests order. */
#include "support.h"

#include "memory.h"

static void sizes_of_zero(void **state)
{
    (void)state;
    void *a = sill__alloc(0), *b = sill__alloc_zeroed(0), *c = sill__realloc(NULL, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_ptr_not_equal(a, b);
    assert_ptr_not_equal(b, c);
    c = sill__realloc(c, 0);
    assert_non_null(c);
    sill__free(a);
    sill__free(b);
    sill__free(c);
    sill__free(NULL);
}

static void contents(void **state)
{
    (void)state;
    unsigned char *block = sill__alloc_zeroed(1000);
    assert_non_null(block);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(block[i], 0);
    memset(block, 7, 1000);
    block = sill__realloc(block, 100000);
    assert_non_null(block);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(block[i], 7);
    sill__free(block);
    char *copy = sill__strdup("");
    assert_string_equal(copy, "");
    sill__free(copy);
    copy = sill__strdup("a text");
    assert_string_equal(copy, "a text");
    sill__free(copy);
}

#ifdef SILL_FAULTS
/* The nth call from now, whichever it is, fails once; the calls before and after it do not. */
static void nth_fails(void **state)
{
    (void)state;
    for (long n = 1; n <= 4; n++) {
        sill__fault_allocation(n);
        for (long call = 1; call <= 6; call++) {
            assert_int_equal(sill__fault_happened(), call > n);
            void *block = NULL;
            if (call % 4 == 0)
                block = sill__strdup("text");
            else if (call % 4 == 1)
                block = sill__alloc(8);
            else if (call % 4 == 2)
                block = sill__alloc_zeroed(8);
            else
                block = sill__realloc(NULL, 8);
            assert_int_equal(block == NULL, call == n);
            sill__free(block);
        }
    }
    sill__fault_allocation(0);
    assert_int_equal(sill__fault_happened(), 0);
    void *block = sill__alloc(8);
    assert_non_null(block);
    sill__free(block);
}

static void failed_realloc_keeps_the_old(void **state)
{
    (void)state;
    char *block = sill__strdup("old");
    sill__fault_allocation(1);
    assert_null(sill__realloc(block, 1000));
    assert_string_equal(block, "old");
    sill__free(block);
}

/* Counts its failures; of all threads together there is one. */
static int allocate(void *arg)
{
    int failures = 0;
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        void *block = sill__alloc(8);
        failures += block == NULL;
        sill__free(block);
    }
    return failures;
}

static void one_failure_among_threads(void **state)
{
    (void)state;
    struct support_thread *threads[4];
    int failures = 0;
    sill__fault_allocation(2500);
    for (int i = 0; i < 4; i++)
        threads[i] = support_thread(allocate, NULL);
    for (int i = 0; i < 4; i++)
        failures += support_join(threads[i]);
    assert_int_equal(failures, 1);
    assert_int_equal(sill__fault_happened(), 1);
    sill__fault_allocation(0);
}
#else
static void failures_on_order(void **state)
{
    (void)state;
    support_skip("this build cannot order failures (SILL_FAULTS)");
}
#endif

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(sizes_of_zero),
    SUPPORT_TEST(contents),
#ifdef SILL_FAULTS
    SUPPORT_TEST(nth_fails),
    SUPPORT_TEST(failed_realloc_keeps_the_old),
    SUPPORT_TEST(one_failure_among_threads),
#else
    SUPPORT_TEST(failures_on_order),
#endif
};
SUPPORT_MAIN_ALONE(tests)
