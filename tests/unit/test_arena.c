/* The books of blocks in segments: where blocks are placed, that they never overlap, and what comes
 * back when.
 */
#include "support.h"

#include "arena.h"

enum { KIB = 1024, SEGMENT = 1024 * KIB, LIVE = 40 };

struct books {
    struct sill__arena *arena;
    _Atomic uint32_t released[SILL__SLOTS];
    unsigned made;
};

static int make(void *arg, sill_region **out, size_t size)
{
    struct books *books = arg;
    books->made++;
    return sill_region_create(out, NULL, size, NULL);
}

static void books_open(struct books *books, uint32_t segments)
{
    sill_policy policy = SILL_POLICY_INIT;
    const struct sill__arena_maker maker = {make, books};
    memset(books, 0, sizeof *books);
    support_ok(sill_policy_defaults(&policy));
    policy.segment_size = SEGMENT;
    policy.segments_max = segments;
    support_ok(sill__arena_create(&books->arena, &policy, &maker, books->released));
}

static struct sill__block take(struct books *books, uint64_t size)
{
    struct sill__block block;
    support_ok(sill__arena_take(books->arena, size, &block));
    assert_int_equal(size, block.size);
    assert_int_equal(0, block.offset % 64);
    return block;
}

/* Sent, and released by the peer. */
static void let_go(struct books *books, const struct sill__block *block)
{
    sill__arena_sent(books->arena, block);
    atomic_store(&books->released[block->slot], block->generation);
}

static uint64_t place_of_next(struct books *books, uint64_t size)
{
    struct sill__block block = take(books, size);
    let_go(books, &block);
    return block.offset;
}

static void small_ones_stay(void **state)
{
    (void)state;
    struct books books;
    books_open(&books, 4);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(0, place_of_next(&books, 1 + i * 300));
    assert_int_equal(1, books.made);
    sill__arena_destroy(books.arena);
}

static void large_ones_go_round(void **state)
{
    (void)state;
    struct books books;
    books_open(&books, 4);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(i % 4 * 256 * KIB, place_of_next(&books, 256 * KIB));
        assert_int_equal(0, place_of_next(&books, 100)); /* beside them */
    }
    for (int i = 0; i < 3; i++) /* what would not fit behind begins anew */
        assert_int_equal(0, place_of_next(&books, 700 * KIB));
    assert_int_equal(700 * KIB, place_of_next(&books, 300 * KIB));
    assert_int_equal(1, books.made);
    sill__arena_destroy(books.arena);
}

/* One that stays is gone round. */
static void around_what_stays(void **state)
{
    (void)state;
    struct books books;
    books_open(&books, 1);
    struct sill__block first = take(&books, 100 * KIB), second = take(&books, 100 * KIB);
    let_go(&books, &first);
    for (int i = 0; i < 50; i++) {
        uint64_t at = place_of_next(&books, 64 * KIB);
        assert_true(at + 64 * KIB <= second.offset || at >= second.offset + 100 * KIB);
    }
    struct sill__block rest = take(&books, 1024 * KIB - 200 * KIB), none;
    assert_int_equal(200 * KIB, rest.offset);
    support_status(SILL_AGAIN, sill__arena_take(books.arena, 200 * KIB, &none));
    sill__arena_give_back(books.arena, &second);
    struct sill__block whole = take(&books, 200 * KIB);
    assert_int_equal(0, whole.offset);
    assert_int_equal(1, books.made);
    sill__arena_destroy(books.arena);
}

static bool overlap(const struct sill__block *a, const struct sill__block *b)
{
    return a->segment == b->segment && a->offset < b->offset + b->size &&
           b->offset < a->offset + a->size;
}

/* Whatever is taken, sent, released and given back: what is out lies in its segment and alone. */
static void never_two_in_one_place(void **state)
{
    (void)state;
    struct books books;
    struct sill__block live[LIVE];
    unsigned count = 0;
    uint32_t x = 1;
    books_open(&books, 3);
    for (int i = 0; i < 20000; i++) {
        x = x * 1664525u + 1013904223u;
        uint32_t roll = x >> 8;
        if (count > 0 && (roll % 2 == 0 || count == LIVE)) {
            unsigned which = roll / 2 % count;
            if (roll / 128 % 3 == 0)
                sill__arena_give_back(books.arena, &live[which]);
            else
                let_go(&books, &live[which]);
            live[which] = live[--count];
            continue;
        }
        uint64_t size = 1 + (roll / 2) % (roll % 3 == 0 ? 300 * KIB : 3 * KIB);
        struct sill__block block;
        int status = sill__arena_take(books.arena, size, &block);
        if (status == SILL_AGAIN)
            continue;
        support_ok(status);
        assert_true(block.offset + size <= SEGMENT);
        for (unsigned k = 0; k < count; k++)
            assert_false(overlap(&block, &live[k]));
        live[count++] = block;
    }
    assert_in_range(books.made, 2, 3);
    sill__arena_destroy(books.arena);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(small_ones_stay),
    SUPPORT_TEST(large_ones_go_round),
    SUPPORT_TEST(around_what_stays),
    SUPPORT_TEST(never_two_in_one_place),
};
SUPPORT_MAIN_ALONE(tests)
