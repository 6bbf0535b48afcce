/* Several messages at once: sill_send_many, sill_receive_many, sill_server_receive_many and
 * sill_release_many say the same as as many single calls.
 */
#include "port_rig.h"

enum { FEW = 3, MANY = 16, ALL = 300 };

/* Small ones, now and then one by the channel, in a mapped segment, in many frames. */
static size_t size_of(unsigned number)
{
    static const size_t sizes[] = {8, 100, 3000, 0, 20000, 5, 5, 5, 70000, 300};
    return sizes[number % 10];
}

static int send_all(void *arg)
{
    sill_port *port = arg;
    sill_bytes bytes[ALL];
    size_t sent = 0;
    for (unsigned i = 0; i < ALL; i++)
        bytes[i] = (sill_bytes){rig_bytes(size_of(i), i), size_of(i)};
    int rc = sill_send_many(port, bytes, ALL, &sent, SUPPORT_PATIENCE_MS);
    for (unsigned i = 0; i < ALL; i++)
        free((void *)(uintptr_t)bytes[i].data);
    return rc == 0 && sent == ALL ? 0 : -1;
}

static void check(const sill_message *m, unsigned number)
{
    unsigned char *bytes = rig_bytes(size_of(number), number);
    assert_int_equal(SILL_DATAGRAM, m->type);
    assert_int_equal(size_of(number), m->size);
    if (m->size > 0)
        assert_memory_equal(bytes, m->data, m->size);
    free(bytes);
}

/* `port` NULL: at the server. */
static int receive(struct pair *e, sill_port *port, sill_message *m, size_t capacity,
                   size_t *count, int timeout_ms)
{
    return port == NULL
               ? sill_server_receive_many(e->rig.server, m, capacity, count, timeout_ms)
               : sill_receive_many(port, m, capacity, count, timeout_ms);
}

static void all_come_in_order(void **state)
{
    (void)state;
    struct pair e;
    pair_open(&e, NULL);
    for (int way = 0; way < 2; way++) {
        sill_port *from = way == 0 ? e.client : e.server_end, *at = way == 0 ? NULL : e.client;
        struct support_thread *thread = support_thread(send_all, from);
        sill_message m[MANY] = {SILL_MESSAGE_INIT};
        size_t count;
        for (unsigned number = 0; number < ALL; number += (unsigned)count) {
            support_ok(receive(&e, at, m, MANY, &count, SUPPORT_PATIENCE_MS));
            assert_in_range(count, 1, MANY);
            for (unsigned i = 0; i < count; i++)
                check(&m[i], number + i);
        }
        sill_release_many(m, MANY);
        assert_int_equal(0, support_join(thread));
    }
    pair_close(&e);
}

/* Neither more than there is room for, nor fewer than there are. */
static void what_is_there_is_taken(void **state)
{
    (void)state;
    struct pair e;
    sill_message m[FEW] = {SILL_MESSAGE_INIT};
    const sill_bytes bytes[5] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}};
    size_t count = 7;
    pair_open(&e, NULL);
    support_status(SILL_AGAIN, receive(&e, NULL, m, FEW, &count, 0));
    assert_int_equal(0, count);
    support_ok(sill_send_many(e.client, bytes, 5, NULL, SUPPORT_PATIENCE_MS));
    support_ok(receive(&e, NULL, m, FEW, &count, SUPPORT_PATIENCE_MS));
    assert_int_equal(FEW, count);
    assert_memory_equal("c", m[2].data, 1);
    support_ok(receive(&e, NULL, m, FEW, &count, SUPPORT_PATIENCE_MS));
    assert_int_equal(2, count);
    assert_memory_equal("e", m[1].data, 1);
    assert_null(m[2].data); /* what it held is released */
    count = 7;
    support_status(SILL_TIMEOUT, receive(&e, NULL, m, FEW, &count, 1));
    assert_int_equal(0, count);
    pair_close(&e);
}

/* The peer reads nothing: some are sent, and exactly those come. */
static void some_are_sent(void **state)
{
    (void)state;
    enum { TOO_MANY = 20000 };
    struct pair e;
    pair_open(&e, NULL);
    static uint32_t numbers[TOO_MANY];
    static sill_bytes bytes[TOO_MANY];
    for (uint32_t i = 0; i < TOO_MANY; i++) {
        numbers[i] = i;
        bytes[i] = (sill_bytes){&numbers[i], sizeof numbers[i]};
    }
    size_t sent = 0, got = 0, count;
    support_status(SILL_TIMEOUT, sill_send_many(e.client, bytes, TOO_MANY, &sent, 0));
    assert_in_range(sent, 1, TOO_MANY - 1);
    sill_message m[MANY] = {SILL_MESSAGE_INIT};
    while (got < sent) {
        support_ok(receive(&e, NULL, m, MANY, &count, SUPPORT_PATIENCE_MS));
        for (size_t i = 0; i < count; i++, got++)
            assert_memory_equal(&numbers[got], m[i].data, sizeof numbers[got]);
    }
    support_status(SILL_AGAIN, receive(&e, NULL, m, MANY, &count, 0));
    support_ok(sill_send_many(e.client, bytes, 1, &sent, 0));
    assert_int_equal(1, sent);
    pair_close(&e);
}

/* The end of a client stands behind what it sent, and then nothing is there. */
static void the_end_comes_last(void **state)
{
    (void)state;
    struct pair e;
    sill_message m[MANY] = {SILL_MESSAGE_INIT};
    const sill_bytes bytes[2] = {{"a", 1}, {"b", 1}};
    size_t count, got = 0;
    int types[MANY];
    pair_open(&e, NULL);
    support_ok(sill_send_many(e.client, bytes, 2, NULL, SUPPORT_PATIENCE_MS));
    sill_port_close(e.client);
    while (got < 3) {
        support_ok(receive(&e, NULL, m, MANY, &count, SUPPORT_PATIENCE_MS));
        for (size_t i = 0; i < count; i++)
            types[got++] = m[i].type;
        assert_in_range(got, 1, 3);
    }
    assert_int_equal(SILL_DATAGRAM, types[1]);
    assert_int_equal(SILL_CLOSED, types[2]);
    sill_release_many(m, MANY);
    sill_server_close(e.rig.server);

    pair_open(&e, NULL);
    support_ok(sill_send_many(e.server_end, bytes, 2, NULL, SUPPORT_PATIENCE_MS));
    sill_port_close(e.server_end);
    for (got = 0; got < 2; got += count)
        support_ok(receive(&e, e.client, m, MANY, &count, SUPPORT_PATIENCE_MS));
    support_status(SILL_CLOSED, receive(&e, e.client, m, MANY, &count, SUPPORT_PATIENCE_MS));
    assert_int_equal(0, count);
    size_t sent = 7;
    support_status(SILL_CLOSED, sill_send_many(e.client, bytes, 2, &sent, SUPPORT_PATIENCE_MS));
    assert_int_equal(0, sent);
    pair_close(&e);
}

static int call(void *arg)
{
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call(arg, "how?", 4, &reply, SUPPORT_PATIENCE_MS);
    int same = rc == 0 && reply.size == 4 && memcmp(reply.data, "how?", 4) == 0;
    sill_release(&reply);
    return same ? 0 : -1;
}

/* Requests are answered one by one; one that is let go is refused. */
static void requests_among_them(void **state)
{
    (void)state;
    enum { CALLERS = 4 };
    struct pair e;
    struct support_thread *threads[CALLERS];
    sill_message m[MANY] = {SILL_MESSAGE_INIT};
    size_t count;
    pair_open(&e, NULL);
    for (int i = 0; i < CALLERS; i++)
        threads[i] = support_thread(call, e.client);
    for (size_t got = 0; got < CALLERS; got += count) {
        support_ok(receive(&e, NULL, m, MANY, &count, SUPPORT_PATIENCE_MS));
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(SILL_REQUEST, m[i].type);
            support_ok(sill_reply(&m[i], m[i].data, m[i].size));
        }
    }
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(0, support_join(threads[i]));
    threads[0] = support_thread(call, e.client);
    support_ok(receive(&e, NULL, m, MANY, &count, SUPPORT_PATIENCE_MS));
    sill_release_many(m, MANY);
    assert_int_equal(-1, support_join(threads[0]));
    pair_close(&e);
}

/* Messages of two servers' ports and empty ones in one row, released behind their ports' end. */
static void messages_of_several_ports(void **state)
{
    (void)state;
    struct pair a, b;
    sill_message m[5] = {SILL_MESSAGE_INIT};
    sill_port_statistics statistics = {.struct_size = sizeof statistics};
    pair_open(&a, NULL);
    pair_open(&b, NULL);
    for (int i = 0; i < 2; i++) {
        support_ok(sill_send(a.client, "1", 1, SUPPORT_PATIENCE_MS));
        support_ok(sill_send(b.client, "2", 1, SUPPORT_PATIENCE_MS));
    }
    for (int i = 0; i < 2; i++) {
        support_ok(sill_server_receive(a.rig.server, &m[3 * i], SUPPORT_PATIENCE_MS));
        support_ok(sill_server_receive(b.rig.server, &m[3 * i + 1], SUPPORT_PATIENCE_MS));
    }
    support_ok(sill_port_get_statistics(a.server_end, &statistics));
    assert_int_equal(2, statistics.unreleased);
    pair_close(&b);
    sill_release_many(m, 5);
    for (int i = 0; i < 5; i++)
        assert_null(m[i].internal);
    support_ok(sill_port_get_statistics(a.server_end, &statistics));
    assert_int_equal(0, statistics.unreleased);
    sill_release_many(m, 5);
    sill_release_many(NULL, 0);
    pair_close(&a);
}

static void wrong_arguments(void **state)
{
    (void)state;
    struct pair e;
    sill_message m[2] = {SILL_MESSAGE_INIT};
    const sill_bytes bytes[2] = {{"a", 1}, {NULL, 1}};
    size_t count = 7;
    pair_open(&e, NULL);
    support_status(SILL_INVALID, sill_server_receive_many(e.rig.server, NULL, 2, &count, 0));
    support_status(SILL_INVALID, sill_server_receive_many(e.rig.server, m, 0, &count, 0));
    support_status(SILL_INVALID, sill_server_receive_many(e.rig.server, m, 2, NULL, 0));
    support_status(SILL_INVALID, sill_server_receive_many(NULL, m, 2, &count, 0));
    support_status(SILL_INVALID, sill_receive_many(e.client, NULL, 2, &count, 0));
    support_status(SILL_INVALID, sill_receive_many(e.client, m, 0, &count, 0));
    support_status(SILL_INVALID, sill_receive_many(e.client, m, 2, NULL, 0));
    support_status(SILL_INVALID, sill_receive_many(e.server_end, m, 2, &count, 0));
    support_status(SILL_INVALID, sill_receive_many(NULL, m, 2, &count, 0));
    support_status(SILL_INVALID, sill_send_many(NULL, bytes, 1, &count, 0));
    support_status(SILL_INVALID, sill_send_many(e.client, NULL, 1, &count, 0));
    support_status(SILL_INVALID, sill_send_many(e.client, bytes, 2, &count, 0));
    assert_int_equal(1, count); /* the first one was good */
    support_ok(sill_server_receive_many(e.rig.server, m, 2, &count, SUPPORT_PATIENCE_MS));
    assert_int_equal(1, count);
    support_ok(sill_send_many(e.client, NULL, 0, &count, 0));
    assert_int_equal(0, count);
    sill_release_many(m, 2);
    pair_close(&e);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(all_come_in_order),     SUPPORT_TEST(what_is_there_is_taken),
    SUPPORT_TEST(some_are_sent),         SUPPORT_TEST(the_end_comes_last),
    SUPPORT_TEST(requests_among_them),   SUPPORT_TEST(messages_of_several_ports),
    SUPPORT_TEST(wrong_arguments),
};
SUPPORT_MAIN_ALONE(tests)
