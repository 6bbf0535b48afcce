/* What a reader of a ring must refuse, and what a writer must not believe.
 */
#include "ring_rig.h"

struct lie {
    const char *name;
    uint32_t kind, flags, at; /* at: as the word says, from the real position */
    uint32_t size;
    int status;
    uint32_t start; /* where the reader looks */
    uint32_t out;   /* units before it that are not released */
};

static const struct lie lies[] = {
    {"nothing", 0, 0, 0, 0, SILL_AGAIN, 0, 0},
    {"an empty record", 4, 0, 0, 0, 0, 0, 0},
    {"a record that fills the ring", 4, 0, 0, RING - 8, 0, 0, 0},
    {"a record of any kind", 99, 255, 0, 8, 0, 5, 0},
    {"one byte beyond the ring", 4, 0, 0, RING - 7, SILL_PROTOCOL, 0, 0},
    {"as large as the ring", 4, 0, 0, RING, SILL_PROTOCOL, 0, 0},
    {"larger than the ring", 4, 0, 0, RING + 1, SILL_PROTOCOL, 0, 0},
    {"a size that overflows with its head", 4, 0, 0, UINT32_MAX - 7, SILL_PROTOCOL, 0, 0},
    {"a size that overflows when rounded", 4, 0, 0, UINT32_MAX - 20, SILL_PROTOCOL, 0, 0},
    {"the largest size", 4, 0, 0, UINT32_MAX, SILL_PROTOCOL, 0, 0},
    {"a size with the highest bit", 4, 0, 0, 0x80000000, SILL_PROTOCOL, 0, 0},
    {"up to the end", 4, 0, 0, 5 * 16 - 8, 0, UNITS - 5, 0},
    {"over the end", 4, 0, 0, 5 * 16 - 7, SILL_PROTOCOL, UNITS - 5, 0},
    {"the next position", 4, 0, 1, 8, SILL_PROTOCOL, 0, 0},
    {"the position before", 4, 0, 0u - 1, 8, SILL_PROTOCOL, 0, 0},
    {"the position of a round before", 4, 0, 0u - UNITS, 8, SILL_PROTOCOL, UNITS, 0},
    {"what was not released, and no more", 4, 0, 0, 100 * 16 - 8, 0, 100, UNITS - 100},
    {"what was not released", 4, 0, 0, 100 * 16 - 7, SILL_PROTOCOL, 100, UNITS - 100},
    {"all that was not released", 4, 0, 0, 0, SILL_PROTOCOL, 100, UNITS},
    {"the same, at a wrap", 4, 0, 0, 0, SILL_PROTOCOL, 0u - 3, UNITS},
    {"padding", 1, 0, 0, 5 * 16 - 8, SILL_AGAIN, UNITS - 5, 0},
    {"padding, at a wrap", 1, 0, 0, 5 * 16 - 8, SILL_AGAIN, 0u - 5, 0},
    {"padding with flags", 1, 255, 0, 5 * 16 - 8, SILL_AGAIN, UNITS - 5, 0},
    {"padding that ends early", 1, 0, 0, 4 * 16 - 8, SILL_PROTOCOL, UNITS - 5, 0},
    {"padding over the end", 1, 0, 0, 6 * 16 - 8, SILL_PROTOCOL, UNITS - 5, 0},
    {"padding of nothing", 1, 0, 0, 0, SILL_PROTOCOL, UNITS - 5, 0},
    {"padding that is the whole ring", 1, 0, 0, RING - 8, SILL_PROTOCOL, 0, 0},
    {"padding elsewhere", 1, 0, 7, 5 * 16 - 8, SILL_PROTOCOL, UNITS - 5, 0},
    {"padding that overflows", 1, 0, 0, UINT32_MAX - 7, SILL_PROTOCOL, UNITS - 5, 0},
    {"padding over what was not released", 1, 0, 0, 5 * 16 - 8, SILL_PROTOCOL, UNITS - 5,
     UNITS - 4},
};

static void tell_lie(void **state)
{
    const struct lie *lie = *state;
    struct pair p;
    struct sill__record record;
    open_pair(&p, RING, lie->start, true);
    p.in.head -= lie->out;
    struct sill__record_head *head = sill__ring_at(&p.out, lie->start);
    head->size = lie->size;
    if (lie->kind != 0)
        atomic_store(&head->word, sill__record_word(lie->kind, lie->flags, lie->start + lie->at));
    support_status(lie->status, sill__ring_look(&p.in, &record));
    if (lie->status == SILL_PROTOCOL) {
        assert_int_equal(lie->start, p.in.next);
        support_status(SILL_PROTOCOL, sill__ring_look(&p.in, &record)); /* and so again */
    }
    if (lie->status == 0) {
        assert_int_equal(lie->kind, record.kind);
        assert_int_equal(lie->flags, record.flags);
        assert_int_equal(lie->size, record.size);
        uint32_t end = lie->start + sill__record_units(lie->size);
        sill__ring_skip(&p.in, &record);
        assert_int_equal(end, p.in.next);
    }
    close_pair(&p);
}

/* A ring that is full of padding is looked at once, not round and round. */

static void padding_everywhere(void **state)
{
    (void)state;
    struct pair p;
    struct sill__record record;
    open_pair(&p, RING, UNITS - 1, true);
    for (uint32_t i = 0; i < UNITS; i++) {
        uint32_t position = UNITS - 1 + i;
        struct sill__record_head *head = sill__ring_at(&p.out, position);
        head->size = (UNITS - (position & (UNITS - 1))) * 16 - 8;
        atomic_store(&head->word, sill__record_word(SILL__RECORD_PAD, 0, position));
    }
    support_status(SILL_PROTOCOL, sill__ring_look(&p.in, &record));
    close_pair(&p);
}

static void positions_that_cannot_be(void **state)
{
    (void)state;
    static const uint32_t starts[] = {0, 1000, 0u - 1, 0u - 5};
    for (size_t s = 0; s < sizeof starts / sizeof starts[0]; s++) {
        struct pair p;
        void *body = NULL;
        open_pair(&p, RING, starts[s], true);
        for (uint32_t i = 0; i < 20; i++)
            support_ok(write_one(&p, 8, i));
        for (uint32_t head = 0; head <= 20; head += 10) {
            const uint32_t good[] = {starts[s] + head, starts[s] + head + (20 - head) / 2};
            const uint32_t bad[] = {starts[s] + head - 1,     starts[s] + 21,
                                    starts[s] + 0x80000000u,  starts[s] + UNITS,
                                    starts[s] + head - UNITS, starts[s] + 1000000};
            p.out.head = starts[s] + head;
            for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                atomic_store(&p.consumed, bad[i]);
                assert_false(sill__ring_reload(&p.out));
                assert_int_equal(starts[s] + head, p.out.head);
                p.out.reserved = UNITS; /* so that it must look */
                support_status(SILL_PROTOCOL, sill__ring_room(&p.out, 8, false, &body));
                p.out.reserved = 0;
                assert_int_equal(starts[s] + head, p.out.head);
            }
            for (size_t i = 0; i < 2; i++) {
                atomic_store(&p.consumed, good[i]);
                assert_true(sill__ring_reload(&p.out));
                assert_int_equal(good[i], p.out.head);
            }
        }
        close_pair(&p);
    }
}

/* All 2^32 positions are passed by what stands on both sides of the wrap, and the word to watch is
 * always the one that will be written. */
static void watched_word(void **state)
{
    (void)state;
    struct pair p;
    struct sill__record record;
    open_pair(&p, 1024, 0u - 90, true);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(0, atomic_load(sill__ring_watch(&p.in)));
        support_ok(write_one(&p, i * 7 % 150, i));
        assert_int_not_equal(0, atomic_load(sill__ring_watch(&p.in)));
        support_ok(sill__ring_look(&p.in, &record));
        sill__ring_skip(&p.in, &record);
        sill__ring_tell(&p.in);
    }
    assert_true(p.in.next < 100000);
    close_pair(&p);
}

enum { LIES = sizeof lies / sizeof lies[0] };

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[LIES + 20];
    const struct CMUnitTest others[] = {
        SUPPORT_TEST(padding_everywhere),
        SUPPORT_TEST(positions_that_cannot_be),
        SUPPORT_TEST(watched_word),
    };
    size_t count = 0;
    for (; count < LIES; count++)
        tests[count] = (struct CMUnitTest)SUPPORT_TEST_WITH(lies[count].name, tell_lie,
                                                           (void *)(uintptr_t)&lies[count]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        tests[count++] = others[i];
    return support_main(argc, argv, __FILE__, tests, count, NULL, 0);
}
