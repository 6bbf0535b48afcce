/* Death at every step of the protocol: a server or a client is stopped at the step (step.h) and
 * killed there. The other side is told within its time, what it had is given back, and the name is
 * free at once.
 *
 * Both sides are processes of their own that play one scenario: a refused client, small, mapped
 * and large requests, datagrams both ways, an orderly end. The table below says who passes which
 * step; a step that is in no row, or that is not reached, fails the test.
 */
#include <sill.h>

#include "backends.h"
#include "family.h"
#include "step.h"
#include "support.h"

/* How long a survivor may take to be told. It is told at once; machines are busy. */
#define TOLD_MS 10000

#ifdef SILL_STEPS
enum { CLIENT = 1, SERVER = 2, HALF = 4, FULL = 8, SYSV = 16 };

/* HALF, FULL: the step is reached when the peer does not read its channel, its ring, so a part of
 * the scenario is for it. SYSV: only ports over System V pass it. */
static const struct row {
    enum sill__step step;
    const char *name;
    unsigned who;
} rows[] = {
#define ROW(step, who) {sill__step_##step, #step, who}
    ROW(listen_claimed, SERVER),
    ROW(listen_block, SERVER | SYSV),
    ROW(listen_bound, SERVER),
    ROW(connect_slot, CLIENT | SYSV),
    ROW(connect_queues, CLIENT | SYSV),
    ROW(slot_emptied, SERVER | SYSV),
    ROW(connect_opened, CLIENT),
    ROW(connect_hello, CLIENT),
    ROW(accept_begin, SERVER),
    ROW(accept_welcome, SERVER),
    ROW(refuse_sent, SERVER),
    ROW(frame_half, CLIENT | SERVER | HALF),
    ROW(send_begin, CLIENT | SERVER),
    ROW(send_done, CLIENT | SERVER),
    ROW(record_written, CLIENT | SERVER),
    ROW(record_published, CLIENT | SERVER),
    ROW(bell_begin, CLIENT | SERVER),
    ROW(bell_done, CLIENT | SERVER),
    ROW(armed, CLIENT | SERVER),
    ROW(space_wanted, CLIENT | SERVER | FULL),
    ROW(position_told, CLIENT | SERVER),
    ROW(segment_made, CLIENT | SERVER),
    ROW(segment_announced, CLIENT | SERVER),
    ROW(mapped_soon, CLIENT | SERVER),
    ROW(mapped_copied, CLIENT | SERVER),
    ROW(mapped_sent, CLIENT | SERVER),
    ROW(rounds_piece, CLIENT | SERVER),
    ROW(receive_begin, CLIENT | SERVER),
    ROW(receive_taken, CLIENT | SERVER),
    ROW(release_begin, CLIENT | SERVER),
    ROW(release_done, CLIENT | SERVER),
    ROW(call_waiting, CLIENT),
    ROW(reply_begin, SERVER),
    ROW(close_begin, CLIENT | SERVER),
    ROW(close_sent, CLIENT | SERVER),
    /* of regions, which are killed in a test of their own: the control words of a connection */
    ROW(region_object, CLIENT | SERVER),
    ROW(region_sized, CLIENT | SERVER),
    ROW(region_published, CLIENT | SERVER),
};

enum { SMALL_SIZE = 100, MAPPED_SIZE = 200000, LARGE_SIZE = 3000000, HALF_SIZE = 4000000,
       FILL_COUNT = 1000, CALLS = 40 };

/* ---- the server ---- */

static void answer(sill_message *m)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = m->size > MAPPED_SIZE ? SILL_PATH_ROUNDS : SILL_PATH_AUTO;
    sill_reply_with(m, m->data, m->size, &options);
}

/* More than the ring holds. */
static void fill_ring(sill_port *port)
{
    unsigned char bytes[SMALL_SIZE] = {0};
    for (int i = 0; i < FILL_COUNT; i++)
        if (sill_send(port, bytes, sizeof bytes, SUPPORT_PATIENCE_MS) != 0)
            return;
}

static void half_down(sill_port *port)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = SILL_PATH_CHANNEL;
    void *bytes = calloc(1, HALF_SIZE);
    sill_send_with(port, bytes, HALF_SIZE, &options, SUPPORT_PATIENCE_MS);
    free(bytes);
}

/* By the first letter: 'p' wait for a line from the test, then go on; 'b' send a large datagram
 * down; 'f' fill the ring down; 'h' answer with the number of open handles; 'q' end; else the same back. */
static bool serve_request(sill_message *m)
{
    char first = m->size > 0 ? *(const char *)m->data : 0, line[80], text[20];
    if (first == 'q') {
        sill_release(m);
        return false;
    }
    if (first == 'p') {
        sill_reply(m, "p", 1);
        support_listen(line, sizeof line, SUPPORT_PATIENCE_MS);
    } else if (first == 'b') {
        sill_port *port = m->port;
        sill_reply(m, "b", 1);
        half_down(port);
    } else if (first == 'f') {
        sill_port *port = m->port;
        sill_reply(m, "f", 1);
        fill_ring(port);
    } else if (first == 'h') {
        sill_reply(m, text, (size_t)snprintf(text, sizeof text, "%u", support_handles()));
    } else {
        answer(m);
    }
    return true;
}

static bool serve_message(sill_server *server, sill_message *m)
{
    switch (m->type) {
    case SILL_CONNECT:
        if (m->size == 2)
            sill_refuse(m, "no", 2);
        else
            sill_accept(server, m, NULL, NULL, 0, NULL);
        return true;
    case SILL_REQUEST:
        return serve_request(m);
    case SILL_DATAGRAM:
        if (m->size < MAPPED_SIZE)
            sill_send(m->port, m->data, m->size, SUPPORT_PATIENCE_MS);
        sill_release(m);
        return true;
    default:
        support_say("gone %s", sill_status_name(m->type));
        sill_release(m);
        return true;
    }
}

static int play_server(int argc, char **argv)
{
    if (argc < 1)
        return 2;
    sill_server *server = NULL;
    if (sill_listen(&server, argv[0], NULL) != 0)
        return 3;
    support_say("ready");
    sill_message m = SILL_MESSAGE_INIT;
    while (sill_server_receive(server, &m, -1) == 0 && serve_message(server, &m))
        ;
    sill_server_close(server);
    support_say("closed");
    return 0;
}

/* ---- the client ---- */

static int call_size(sill_port *port, size_t size, int path)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = path;
    unsigned char *bytes = calloc(1, size);
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call_with(port, bytes, size, &options, &reply, SUPPORT_PATIENCE_MS);
    if (rc == 0 && (reply.size != size || memcmp(reply.data, bytes, size) != 0))
        rc = SILL_OS;
    sill_release(&reply);
    free(bytes);
    return rc;
}

static int call_letter(sill_port *port, const char *letter)
{
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call(port, letter, 1, &reply, SUPPORT_PATIENCE_MS);
    sill_release(&reply);
    return rc;
}

/* The server does not read what is sent. */
static int stay_alone(sill_port *port, void (*send)(sill_port *port))
{
    int rc = call_letter(port, "p");
    if (rc == 0)
        send(port);
    return rc;
}

/* We do not read, until the test says so. */
static int stay_away(sill_port *port, const char *letter)
{
    char line[80];
    int rc = call_letter(port, letter);
    support_say("away");
    support_listen(line, sizeof line, SUPPORT_PATIENCE_MS);
    sill_message m = SILL_MESSAGE_INIT;
    while (rc == 0)
        rc = sill_receive(port, &m, SUPPORT_PATIENCE_MS);
    sill_release(&m);
    return rc;
}

static int play_ordinary(sill_port *port)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < CALLS; i++)
        rc = call_size(port, SMALL_SIZE, SILL_PATH_AUTO);
    if (rc == 0)
        rc = call_size(port, MAPPED_SIZE, SILL_PATH_AUTO);
    if (rc == 0)
        rc = call_size(port, LARGE_SIZE, SILL_PATH_ROUNDS);
    if (rc == 0)
        rc = sill_send(port, "datagram", 8, SUPPORT_PATIENCE_MS);
    sill_message m = SILL_MESSAGE_INIT;
    if (rc == 0)
        rc = sill_receive(port, &m, SUPPORT_PATIENCE_MS);
    sill_release(&m);
    return rc;
}

/* "last": the server is asked to end, and its end is waited for. */
static int play_end(sill_port *port, const char *mode)
{
    sill_message m = SILL_MESSAGE_INIT;
    if (strcmp(mode, "last") != 0)
        return 0;
    int rc = sill_call(port, "q", 1, &m, SUPPORT_PATIENCE_MS);
    sill_release(&m);
    return rc == SILL_REFUSED ? sill_receive(port, &m, SUPPORT_PATIENCE_MS) : rc;
}

static int play_client(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    const char *mode = argv[1];
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.data = "no";
    options.size = 2;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    sill_port *port = NULL;
    int rc = sill_connect(&port, argv[0], &options);
    if (rc == SILL_REFUSED) {
        options.size = 0;
        rc = sill_connect(&port, argv[0], &options);
        if (rc == SILL_NOT_FOUND)
            rc = SILL_DIED; /* the server that has just refused is no more */
    }
    if (rc == 0)
        rc = strcmp(mode, "up") == 0          ? stay_alone(port, half_down)
             : strcmp(mode, "down") == 0      ? stay_away(port, "b")
             : strcmp(mode, "fill-up") == 0   ? stay_alone(port, fill_ring)
             : strcmp(mode, "fill-down") == 0 ? stay_away(port, "f")
                                              : play_ordinary(port);
    if (rc == 0)
        rc = play_end(port, mode);
    sill_port_close(port);
    support_say("end %s", sill_status_name(rc));
    return 0;
}

/* ---- the test ---- */

static bool noticed(void *arg)
{
    return support_exists(arg);
}

static struct support_process *start(const char *role, const char *name, const char *mode,
                                     const char *stop_at)
{
    static char stop[80], notice[SUPPORT_PATH_SIZE + 40], path[SUPPORT_PATH_SIZE];
    support_path(path, "notice");
    snprintf(stop, sizeof stop, "SILL_STOP_AT=%s", stop_at);
    snprintf(notice, sizeof notice, "SILL_STOP_NOTICE=%s", path);
    const char *arguments[] = {name, mode, NULL};
    const char *environment[] = {stop, notice, NULL};
    return support_start(role, arguments, environment);
}

static void wait_for_notice(const char *step)
{
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "notice");
    if (!support_until(noticed, path, SUPPORT_PATIENCE_MS))
        fail_msg("the step %s was not reached", step);
}

static void expect_line(struct support_process *process, const char *wanted, const char *step)
{
    char line[200];
    if (!support_hear(process, line, sizeof line, TOLD_MS))
        fail_msg("after a death at %s the other side was not told in time", step);
    if (strcmp(line, wanted) != 0)
        fail_msg("after a death at %s the other side said \"%s\" instead of \"%s\"", step, line,
                 wanted);
}

static const char *mode_of(const struct row *row, bool client)
{
    if ((row->who & HALF) != 0)
        return client ? "up" : "down";
    if ((row->who & FULL) != 0)
        return client ? "fill-up" : "fill-down";
    return "last";
}

/* What the client that lives finds, after its server died at the step. */
static const char *client_finds(const char *step)
{
    return strcmp(step, "close_sent") == 0 ? "end SILL_CLOSED" : "end SILL_DIED";
}

static void name_is_free(const char *name)
{
    sill_server *server = NULL;
    support_ok(sill_listen(&server, name, NULL));
    sill_server_close(server);
}

static void kill_server(void **state)
{
    const struct row *row = *state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "kill");
    struct support_process *server = start("server", name, "", row->name), *client = NULL;
    bool listens = strncmp(row->name, "listen", 6) != 0;
    if (listens) {
        support_expect(server, "ready");
        client = start("client", name, mode_of(row, false), "none");
    }
    wait_for_notice(row->name);
    support_kill(server);
    if (client != NULL) {
        if ((row->who & (HALF | FULL)) != 0) {
            support_expect(client, "away");
            support_tell(client, "go on");
        }
        expect_line(client, client_finds(row->name), row->name);
        assert_int_equal(0, support_finish(client));
    }
    support_finish(server);
    name_is_free(name);
}

static unsigned ask_handles(const char *name)
{
    sill_port *port = NULL;
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_connect(&port, name, NULL));
    support_ok(sill_call(port, "h", 1, &reply, SUPPORT_PATIENCE_MS));
    char text[20] = "";
    assert_in_range(reply.size, 1, sizeof text - 1);
    memcpy(text, reply.data, reply.size);
    sill_release(&reply);
    sill_port_close(port);
    return (unsigned)strtoul(text, NULL, 10);
}

/* The server's word on the client that died: none if it was never accepted. */
static const char *server_finds(const char *step)
{
    if (strncmp(step, "connect", 7) == 0 || strncmp(step, "region", 6) == 0)
        return NULL;
    if (strcmp(step, "receive_begin") == 0)
        return NULL; /* the refusal was coming */
    return strcmp(step, "close_sent") == 0 ? "gone SILL_CLOSED" : "gone SILL_DIED";
}

static void kill_client(void **state)
{
    const struct row *row = *state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "kill");
    struct support_process *server = start("server", name, "", "none");
    support_expect(server, "ready");
    ask_handles(name);
    support_expect(server, "gone SILL_CLOSED");
    unsigned before = ask_handles(name);
    support_expect(server, "gone SILL_CLOSED");
    bool alone = (row->who & (HALF | FULL)) != 0;
    const char *mode = alone ? mode_of(row, true) : "";
    struct support_process *client = start("client", name, mode, row->name);
    wait_for_notice(row->name);
    support_kill(client);
    if (alone)
        support_tell(server, "go on");
    if (server_finds(row->name) != NULL)
        expect_line(server, server_finds(row->name), row->name);
    support_finish(client);
    assert_int_equal(before, ask_handles(name));
    support_expect(server, "gone SILL_CLOSED");
    support_kill(server);
    support_finish(server);
    name_is_free(name);
}

static void every_step_has_a_row(void **state)
{
    (void)state;
    unsigned rows_of[sill__step_count] = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        rows_of[rows[i].step]++;
    for (int step = 0; step < sill__step_region_resizing; step++) {
        /* Queues and byte streams have tests of their own, and so has what comes behind. */
        bool elsewhere = step >= sill__step_queue_claimed && step <= sill__step_pipe_close;
        if (!elsewhere)
            assert_int_equal(1, rows_of[step]);
    }
}

static const struct support_role roles[] = {{"server", play_server}, {"client", play_client}};

enum { ROWS = sizeof rows / sizeof rows[0] };

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[2 * ROWS + 1];
    static char names[2 * ROWS][80];
    size_t count = 0;
    const struct sill__channel_ops *ops = NULL;
    bool sysv = sill__family_choose(0, 0, &ops) == 0 && ops != NULL && ops->family == SILL_FAMILY_SYSV;
    tests[count++] = (struct CMUnitTest)SUPPORT_TEST(every_step_has_a_row);
    for (size_t i = 0; i < 2 * ROWS; i++) {
        const struct row *row = &rows[i / 2];
        bool client = i % 2 == 0;
        if ((row->who & (client ? CLIENT : SERVER)) == 0 || ((row->who & SYSV) != 0 && !sysv))
            continue;
        snprintf(names[i], sizeof names[i], "%s dies at %s", client ? "client" : "server",
                 row->name);
        tests[count++] = (struct CMUnitTest)SUPPORT_TEST_WITH(
            names[i], client ? kill_client : kill_server, (void *)(uintptr_t)row);
    }
    return support_main(argc, argv, __FILE__, tests, count, roles, 2);
}
#else
static void without_steps(void **state)
{
    (void)state;
    support_skip("this build has no steps to stop at (SILL_STEPS)");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(without_steps)};
SUPPORT_MAIN_ALONE(tests)
#endif
