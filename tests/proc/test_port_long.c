/* A long run: two processes send each other messages of random sizes by all ways at once, each in
 * order and whole. Some 100,000 in the ordinary run. SILL_LONG=1 in the environment: a billion on
 * Linux, a million under Wine, with progress on standard error; SILL_LONG=COUNT: so many.
 */
#include "numbered.h"

static uint64_t messages(void)
{
    const char *text = getenv("SILL_LONG");
    if (text == NULL)
        return support_under_wine() ? 10000 : 100000;
    uint64_t count = strtoull(text, NULL, 10);
    return count > 1 ? count : support_under_wine() ? 1000000 : 1000000000;
}

struct end {
    sill_server *server; /* NULL: receives at the port */
    sill_port *port;
    uint64_t count; /* messages to send, and to receive */
};

static int send_all(void *arg)
{
    const struct end *end = arg;
    uint64_t next[NUMBERED_LANES] = {0};
    void *buffer = malloc(NUMBERED_MAX);
    int rc = buffer != NULL ? 0 : SILL_NO_MEMORY;
    for (uint64_t position = 0; rc == 0 && position < end->count; position++)
        rc = numbered_send(end->port, position, next, buffer, SUPPORT_PATIENCE_MS);
    free(buffer);
    return rc;
}

/* Every 11th is held for a while, so that releases come out of order. */
static int receive_all(const struct end *end)
{
    uint64_t next[NUMBERED_LANES] = {0}, got = 0, shown = 0;
    sill_message m = SILL_MESSAGE_INIT, held = SILL_MESSAGE_INIT;
    int64_t begin = support_now_ms();
    int rc = 0;
    while (rc == 0 && got < end->count) {
        rc = end->server != NULL ? sill_server_receive(end->server, &m, SUPPORT_PATIENCE_MS)
                                 : sill_receive(end->port, &m, SUPPORT_PATIENCE_MS);
        if (rc != 0 || m.type != SILL_DATAGRAM)
            break;
        if (!numbered_take(&m, next))
            rc = SILL_OS;
        if (++got % 11 == 0 && m.size < 4096) {
            sill_release(&held);
            held = m;
            m = (sill_message)SILL_MESSAGE_INIT;
        }
        if (getenv("SILL_LONG") != NULL && got - shown >= 20000000) {
            shown = got;
            fprintf(stderr, "%llu messages, %.2f M/s\n", (unsigned long long)got,
                    (double)got / 1000 / (double)(support_now_ms() - begin + 1));
        }
    }
    if (got < end->count)
        fprintf(stderr, "after %llu messages: %s, type %d, path %d: %s\n", (unsigned long long)got,
                sill_status_name(rc), m.type, m.path, sill_last_error()->message);
    sill_release(&held);
    sill_release(&m);
    return rc != 0 ? rc : got == end->count ? 0 : SILL_OS;
}

/* Both ways at once; then waits until the other side has all of it. */
static int exchange(struct end *end)
{
    struct support_thread *sender = support_thread(send_all, end);
    int received = receive_all(end);
    int sent = support_join(sender);
    return received != 0 ? received : sent;
}

static int play_server(int argc, char **argv)
{
    if (argc < 1)
        return 2;
    struct end end = {.count = messages()};
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_listen(&end.server, argv[0], NULL));
    support_say("ready");
    support_ok(sill_server_receive(end.server, &m, SUPPORT_PATIENCE_MS));
    support_ok(sill_accept(end.server, &m, NULL, NULL, 0, &end.port));
    int rc = exchange(&end);
    support_say("%s", sill_status_name(rc));
    support_linger(); /* the client says when it has everything */
    sill_server_close(end.server);
    return 0;
}

static void both_ways(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "long");
    const char *const arguments[] = {name, NULL};
    struct support_process *server = support_start("server", arguments, NULL);
    support_expect(server, "ready");
    struct end end = {.count = messages()};
    support_ok(sill_connect(&end.port, name, NULL));
    support_ok(exchange(&end));
    support_expect(server, "SILL_OK");
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(end.port, &s));
    assert_int_equal(0, s.unreleased);
    for (int path = SILL_PATH_CHANNEL; path < SILL_PATH_COUNT; path++)
        assert_in_range(s.received[path].messages, 1, end.count);
    sill_port_close(end.port);
    support_finish(server);
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(both_ways)};

static const struct support_role roles[] = {{"server", play_server}};

SUPPORT_MAIN(tests, roles)
