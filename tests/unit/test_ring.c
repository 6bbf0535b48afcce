/* The ring alone: order, padding, room, releases in any order, retracting, positions that wrap. Writer
 * and reader have two mappings of one memory, as two processes have; where the thread sanitizer is to
 * see both sides, they share one. What neither side believes: test_ring_lies.c.
 */
#include "ring_rig.h"

/* ---- one thread, at random ---- */

struct out_record {
    uint32_t serial, number, position;
    size_t size;
    const void *body;
};

struct story {
    struct pair p;
    uint32_t written, read;
    size_t sizes[UNITS]; /* of records that are written and not read, by their number */
    struct out_record held[UNITS];
    unsigned held_count;
    bool releases; /* sometimes, or all at the end */
};

static void story_write(struct story *s)
{
    uint32_t r = next_random(&s->p.random);
    size_t size = r % 8 == 0 ? r / 8 % 1900 : r / 8 % 100;
    int rc = write_one(&s->p, size, s->written);
    if (rc == SILL_AGAIN)
        return;
    support_ok(rc);
    s->sizes[s->written++ % UNITS] = size;
}

static void story_release(struct story *s, unsigned which)
{
    struct out_record *r = &s->held[which];
    if (!is_filled(r->body, r->size, r->number, r->position))
        fail_msg("record %lu of %zu bytes changed while it was out", (unsigned long)r->number,
                 r->size);
    uint32_t oldest = s->held[0].serial;
    uint32_t head = s->p.in.head;
    if (sill__ring_release(&s->p.in, r->serial))
        sill__ring_tell(&s->p.in);
    if (r->serial != oldest)
        assert_int_equal(head, s->p.in.head);
    assert_false(sill__ring_release(&s->p.in, r->serial) && r->serial != oldest);
    memmove(r, r + 1, (size_t)(--s->held_count - which) * sizeof *r);
}

static void story_read(struct story *s)
{
    struct sill__record record, again;
    struct sill__ring_in *in = &s->p.in;
    if (s->read == s->written) {
        assert_int_equal(SILL_AGAIN, sill__ring_look(in, &record));
        return;
    }
    support_ok(sill__ring_look(in, &record));
    support_ok(sill__ring_look(in, &again)); /* looking takes nothing */
    assert_ptr_equal(record.body, again.body);
    size_t size = s->sizes[s->read % UNITS];
    assert_int_equal(size, record.size);
    assert_int_equal(SILL_DATAGRAM, record.kind);
    assert_int_equal(0, record.flags);
    uint32_t position = position_of(&s->p, &record);
    assert_true(is_filled(record.body, size, s->read, position));
    if (next_random(&s->p.random) % 4 == 0) {
        if (sill__ring_skip(in, &record))
            sill__ring_tell(in);
    } else {
        struct out_record *r = &s->held[s->held_count++];
        *r = (struct out_record){0, s->read, position, size, record.body};
        support_ok(sill__ring_take(in, &record, &r->serial));
    }
    s->read++;
}

static void check_story(const struct story *s)
{
    const struct sill__ring_in *in = &s->p.in;
    const struct sill__ring_out *out = &s->p.out;
    assert_in_range(out->tail - out->head, 0, out->units - 1);
    assert_in_range(in->next - in->head, 0, out->units);
    assert_true(out->tail - out->head >= out->tail - in->head);
    assert_true(out->tail - in->head >= out->tail - in->next);
    assert_in_range(in->last - in->first, s->held_count, in->capacity);
    if (s->held_count == 0)
        assert_int_equal(in->head + in->pad, in->next);
}

static void run_story(uint32_t start, bool releases)
{
    static struct story s;
    memset(&s, 0, sizeof s);
    open_pair(&s.p, RING, start, true);
    s.releases = releases;
    for (int i = 0; i < 60000; i++) {
        uint32_t r = next_random(&s.p.random);
        unsigned mood = (unsigned)i / 500 % 4; /* full, empty, either */
        if (r % 8 < (mood == 0 ? 6U : mood == 1 ? 2U : 4U))
            story_write(&s);
        else
            story_read(&s);
        if (s.held_count > 0 && (r / 8 % 3 == 0 || s.held_count == UNITS))
            story_release(&s, releases ? r / 64 % s.held_count : s.held_count - 1);
        if (r % 97 == 0)
            sill__ring_tell(&s.p.in);
        check_story(&s);
    }
    while (s.read < s.written)
        story_read(&s);
    while (s.held_count > 0)
        story_release(&s, next_random(&s.p.random) % s.held_count);
    assert_int_equal(s.p.in.head + s.p.in.pad, s.p.in.next);
    assert_true(s.written > 5000);
    close_pair(&s.p);
}

static void stories(void **state)
{
    (void)state;
    static const uint32_t starts[] = {0, UNITS - 1, 0x7fffff80, UINT32_MAX, 0u - 700, 0x10000 - 5};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        run_story(starts[i], true);
        run_story(starts[i], false);
    }
}

/* ---- two threads ---- */

struct writer {
    struct pair *p;
    uint32_t count;
    const atomic_bool *stop;
};

static size_t size_of(uint32_t number)
{
    uint32_t x = number * 2246822519u + 7;
    uint32_t r = next_random(&x);
    return r % 16 == 0 ? r / 16 % 1900 : r / 16 % 90;
}

static int write_many(void *arg)
{
    const struct writer *w = arg;
    for (uint32_t i = 0; i < w->count;) {
        int rc = write_one(w->p, size_of(i), i);
        if (rc == 0)
            i++;
        else if (rc != SILL_AGAIN || atomic_load(w->stop))
            return rc;
        else
            support_sleep_ms(0); /* the reader's turn, if there is one processor */
    }
    return 0;
}

/* Looks at record `number` when it comes; up to three stay out. */
static bool read_many(struct pair *p, uint32_t count)
{
    struct out_record held[3];
    unsigned held_count = 0;
    int64_t end = support_now_ms() + SUPPORT_PATIENCE_MS;
    for (uint32_t i = 0; i < count;) {
        struct sill__record record;
        int rc = sill__ring_look(&p->in, &record);
        if (rc == SILL_AGAIN && support_now_ms() < end) {
            if (held_count > 0) {
                struct out_record *r = &held[--held_count];
                if (!is_filled(r->body, r->size, r->number, r->position))
                    return false;
                sill__ring_release(&p->in, r->serial);
            }
            sill__ring_tell(&p->in);
            support_sleep_ms(0);
            continue;
        }
        if (rc != 0 || record.size != size_of(i) ||
            !is_filled(record.body, record.size, i, p->in.next))
            return false;
        if (held_count == 3) {
            struct out_record *r = &held[i % 3];
            if (!is_filled(r->body, r->size, r->number, r->position))
                return false;
            if (sill__ring_release(&p->in, r->serial))
                sill__ring_tell(&p->in);
            *r = held[--held_count];
        }
        held[held_count] = (struct out_record){0, i, p->in.next, record.size, record.body};
        if (sill__ring_take(&p->in, &record, &held[held_count].serial) != 0)
            return false;
        held_count++;
        i++;
    }
    return true;
}

static void two_threads(bool apart, uint32_t start)
{
    struct pair p;
    atomic_bool stop;
    atomic_init(&stop, false);
    open_pair(&p, RING, start, apart);
    struct writer w = {&p, 100000, &stop};
    struct support_thread *thread = support_thread(write_many, &w);
    bool good = read_many(&p, w.count);
    uint32_t next = p.in.next;
    atomic_store(&stop, true);
    int rc = support_join(thread);
    if (!good)
        fail_msg("what was read at position %lu was not what was written: %s", (unsigned long)next,
                 sill_last_error()->message);
    assert_int_equal(0, rc);
    close_pair(&p);
}

static void threads_with_two_mappings(void **state)
{
    (void)state;
    two_threads(true, 0);
    two_threads(true, 0u - 3000);
}

static void threads_with_one_mapping(void **state)
{
    (void)state;
    two_threads(false, 0);
    two_threads(false, 0u - 3000);
}

/* ---- releases ---- */

static void releases_in_any_order(void **state)
{
    (void)state;
    enum { COUNT = 199 }; /* a prime */
    for (uint32_t step = 1; step < COUNT; step += 22) {
        struct pair p;
        struct sill__record record;
        uint32_t serials[COUNT] = {0}, first_serial = 0;
        open_pair(&p, RING, 0u - 100, true);
        p.in.first = p.in.last = 0u - 50; /* the serial numbers wrap too */
        for (uint32_t i = 0; i < COUNT; i++)
            support_ok(write_one(&p, 8, i));
        for (uint32_t i = 0; i < COUNT; i++) {
            support_ok(sill__ring_look(&p.in, &record));
            support_ok(sill__ring_take(&p.in, &record, &serials[i]));
            assert_int_equal(0u - 50 + i, serials[i]);
        }
        assert_int_equal(256, p.in.capacity);
        bool gone[COUNT] = {false};
        for (uint32_t i = 0, which = COUNT - 1; i < COUNT; i++, which = (which + step) % COUNT) {
            sill__ring_release(&p.in, serials[which]);
            gone[which] = true;
            while (first_serial < COUNT && gone[first_serial])
                first_serial++;
            assert_int_equal(0u - 100 + first_serial, p.in.head);
        }
        assert_int_equal(COUNT, first_serial);
        assert_false(sill__ring_release(&p.in, serials[COUNT - 1]) && p.in.head != p.in.next);
        sill__ring_release(&p.in, serials[COUNT - 1] + 1); /* never was */
        assert_int_equal(p.in.head, p.in.next);
        close_pair(&p);
    }
}

/* What was skipped while an older record is out is free only with it. */
static void skips_behind_what_is_out(void **state)
{
    (void)state;
    struct pair p;
    struct sill__record record;
    uint32_t first = 0, second = 0;
    open_pair(&p, RING, 0, true);
    for (uint32_t i = 0; i < 6; i++)
        support_ok(write_one(&p, 8, i));
    support_ok(sill__ring_look(&p.in, &record));
    sill__ring_skip(&p.in, &record);
    assert_int_equal(1, p.in.head);
    support_ok(sill__ring_look(&p.in, &record));
    support_ok(sill__ring_take(&p.in, &record, &first));
    support_ok(sill__ring_look(&p.in, &record));
    sill__ring_skip(&p.in, &record);
    support_ok(sill__ring_look(&p.in, &record));
    support_ok(sill__ring_take(&p.in, &record, &second));
    sill__ring_release(&p.in, second);
    support_ok(sill__ring_look(&p.in, &record));
    sill__ring_skip(&p.in, &record); /* behind one that is released already */
    assert_int_equal(1, p.in.head);
    sill__ring_release(&p.in, first);
    assert_int_equal(5, p.in.head);
    close_pair(&p);
}

static void growth_without_memory(void **state)
{
    (void)state;
#ifdef SILL_FAULTS
    struct pair p;
    struct sill__record record;
    uint32_t serials[SILL__RING_OUT_FEW + 1] = {0};
    open_pair(&p, RING, 0, true);
    for (uint32_t i = 0; i <= SILL__RING_OUT_FEW; i++)
        support_ok(write_one(&p, 20, i));
    for (uint32_t i = 0; i < SILL__RING_OUT_FEW; i++) {
        support_ok(sill__ring_look(&p.in, &record));
        support_ok(sill__ring_take(&p.in, &record, &serials[i]));
    }
    support_ok(sill__ring_look(&p.in, &record));
    uint32_t next = p.in.next;
    sill__fault_allocation(1);
    support_status(SILL_NO_MEMORY, sill__ring_take(&p.in, &record, &serials[SILL__RING_OUT_FEW]));
    assert_int_equal(next, p.in.next);
    support_ok(sill__ring_look(&p.in, &record));
    support_ok(sill__ring_take(&p.in, &record, &serials[SILL__RING_OUT_FEW]));
    for (uint32_t i = SILL__RING_OUT_FEW + 1; i-- > 0;)
        sill__ring_release(&p.in, serials[i]);
    assert_int_equal(p.in.next, p.in.head);
    close_pair(&p);
#else
    support_skip("this build has no failures on order (SILL_FAULTS)");
#endif
}

/* ---- room ---- */

static void full_and_free_again(void **state)
{
    (void)state;
    for (uint32_t start = 0u - 3; start != 4; start++) {
        struct pair p;
        struct sill__record record;
        uint32_t count = 0;
        int rc;
        open_pair(&p, RING, start, true);
        while ((rc = write_one(&p, 8, count)) == 0)
            count++;
        assert_int_equal(SILL_AGAIN, rc);
        assert_int_equal(UNITS - 2, count); /* one for the zero, one for an ABORT */
        for (uint32_t i = 0; i < count; i++) {
            support_ok(sill__ring_look(&p.in, &record));
            assert_true(is_filled(record.body, 8, i, p.in.next));
            sill__ring_skip(&p.in, &record);
            assert_int_equal(SILL_AGAIN, write_one(&p, 8, 0)); /* not told yet */
        }
        assert_int_equal(SILL_AGAIN, sill__ring_look(&p.in, &record));
        sill__ring_tell(&p.in);
        support_ok(write_one(&p, 8, 0));
        support_ok(sill__ring_look(&p.in, &record));
        close_pair(&p);
    }
}

/* Whatever fits half of the ring comes through an empty ring from every position. */
static void sizes_at_every_position(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 8, 9, 24, 25, 500, 1900, RING / 2 - 4 * 16 - 8};
    enum { LARGEST = sizeof sizes / sizeof sizes[0] - 1 };
    void *body = NULL;
    for (size_t s = 0; s <= LARGEST; s++) {
        for (uint32_t start = 0u - UNITS; start != 0; start++) {
            struct pair p;
            struct sill__record record;
            open_pair(&p, RING, start, false);
            support_ok(write_one(&p, sizes[s], start));
            support_ok(sill__ring_look(&p.in, &record));
            assert_int_equal(sizes[s], record.size);
            assert_true(is_filled(record.body, record.size, start, p.in.next));
            sill__ring_skip(&p.in, &record);
            assert_int_equal(p.out.tail, p.in.head);
            assert_int_equal(SILL_AGAIN, sill__ring_look(&p.in, &record));
            support_status(SILL_TOO_BIG, sill__ring_room(&p.out, RING, false, &body));
            close_pair(&p);
        }
    }
}

/* Room that was promised is there, whatever others write meanwhile. */
static void reserved_units(void **state)
{
    (void)state;
    for (uint32_t start = 0; start < 40; start++) {
        struct pair p;
        struct sill__record record;
        void *body = NULL;
        uint32_t number = 0, promised = start % 7;
        open_pair(&p, 1024, start + 0u - 20, true);
        for (uint32_t i = 0; i < promised; i++) {
            support_ok(sill__ring_room(&p.out, 0, false, &body));
            p.out.reserved++;
        }
        while (write_one(&p, start % 3 * 17, number) == 0)
            number++;
        assert_true(number > 10);
        for (uint32_t i = 0; i < promised; i++) {
            p.out.reserved--;
            support_ok(sill__ring_room(&p.out, 0, true, &body));
            sill__ring_publish(&p.out, SILL__RECORD_ABORT, 0, 0);
            if (write_one(&p, 0, number) == 0)
                number++;
        }
        support_ok(sill__ring_room(&p.out, 0, true, &body)); /* the last ABORT's own */
        sill__ring_publish(&p.out, SILL__RECORD_ABORT, 0, 0);
        assert_in_range(p.out.tail - p.out.head, 1, p.out.units - 1);
        uint32_t aborts = 0, datagrams = 0;
        while (sill__ring_look(&p.in, &record) == 0) {
            aborts += record.kind == SILL__RECORD_ABORT;
            datagrams += record.kind == SILL_DATAGRAM;
            sill__ring_skip(&p.in, &record);
        }
        assert_int_equal(promised + 1, aborts);
        assert_int_equal(number, datagrams);
        assert_int_equal(p.out.tail, p.in.head);
        close_pair(&p);
    }
}

/* ---- retracting ---- */

static void retracting(void **state)
{
    (void)state;
    for (uint32_t start = 0u - 6; start != 3; start++) {
        struct pair p;
        struct sill__record record;
        void *body = NULL;
        uint32_t at[3];
        open_pair(&p, RING, start, true);
        for (uint32_t i = 0; i < 3; i++) {
            support_ok(sill__ring_room(&p.out, 30, false, &body));
            fill(body, 30, i, 0);
            at[i] = sill__ring_publish(&p.out, SILL_DATAGRAM, 4, 30);
        }
        sill__ring_retract(&p.out, at[1]);
        for (uint32_t i = 0; i < 3; i++) {
            support_ok(sill__ring_look(&p.in, &record));
            assert_int_equal(i == 1 ? 4 | SILL__RECORD_RETRACTED : 4, record.flags);
            assert_true(is_filled(record.body, 30, i, 0));
            sill__ring_skip(&p.in, &record);
        }
        sill__ring_tell(&p.in);
        support_ok(write_one(&p, 8, 77));
        unsigned char before[RING];
        memcpy(before, p.out.base, RING);
        for (uint32_t i = 0; i < 3; i++) /* taken and freed: whose room it is now is not known */
            sill__ring_retract(&p.out, at[i]);
        sill__ring_retract(&p.out, p.out.tail + 5);
        sill__ring_retract(&p.out, start - 1);
        assert_memory_equal(before, p.out.base, RING);
        atomic_store(&p.consumed, p.out.tail + 1); /* a reader that lies */
        sill__ring_retract(&p.out, at[0]);
        assert_memory_equal(before, p.out.base, RING);
        close_pair(&p);
    }
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(stories),
    SUPPORT_TEST(threads_with_two_mappings),
    SUPPORT_TEST(threads_with_one_mapping),
    SUPPORT_TEST(releases_in_any_order),
    SUPPORT_TEST(skips_behind_what_is_out),
    SUPPORT_TEST(growth_without_memory),
    SUPPORT_TEST(full_and_free_again),
    SUPPORT_TEST(sizes_at_every_position),
    SUPPORT_TEST(reserved_units),
    SUPPORT_TEST(retracting),
};

SUPPORT_MAIN_ALONE(tests)
