/* Ports where two things meet: a cancel and a message, a call and an event loop, a full queue and a
 * release, an end and a thread that is about to be told of something.
 */
#include "raw_peer.h"

#include "hub.h"
#include "link.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

/* One ordinary segment and no more, all messages mapped: two of BLOCK bytes do not fit. */
#define BLOCK ((size_t)600 * 1024)
static void one_segment(sill_policy *policy, sill_port_options *options)
{
    const sill_policy none = SILL_POLICY_INIT;
    const sill_port_options plain = SILL_PORT_OPTIONS_INIT;
    *policy = none;
    *options = plain;
    support_ok(sill_policy_defaults(policy));
    policy->mapped_max = policy->segment_size;
    options->policy = policy;
}

static int ready(sill_handle handle, int timeout_ms)
{
#ifdef _WIN32
    return WaitForSingleObject((HANDLE)handle, (DWORD)timeout_ms) == WAIT_OBJECT_0;
#else
    struct pollfd look = {(int)handle, POLLIN, 0};
    return poll(&look, 1, timeout_ms);
#endif
}

/* ---- cancels ---- */

/* A request whose caller has given up is not handed out; the client stays what it was. */
static void given_up_before_received(void **state)
{
    (void)state;
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL;
    rig_listen(&rig, NULL);
    connect_by_hand(&rig, NULL, &client, &server_end);
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_TIMEOUT, sill_call(client, "?", 1, &m, 0));
    support_status(SILL_AGAIN, sill_server_receive(rig.server, &m, 0));
    support_ok(sill_send(client, "x", 1, SUPPORT_PATIENCE_MS));
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_DATAGRAM, m.type);
    sill_port_close(client);
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_CLOSED, m.type);
    sill_release(&m);
    sill_server_close(rig.server);
}

/* The same where the request had filled the queue: the server reads on. */
static void given_up_in_a_full_queue(void **state)
{
    (void)state;
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.queue_max = 1;
    rig_listen(&rig, &options);
    connect_by_hand(&rig, NULL, &client, &server_end);
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_TIMEOUT, sill_call(client, "?", 1, &m, 0));
    support_status(SILL_AGAIN, sill_server_receive(rig.server, &m, 0));
    rig.thread = support_thread(rig_run, &rig);
    support_ok(sill_call(client, "!", 1, &m, SUPPORT_PATIENCE_MS));
    sill_release(&m);
    sill_port_close(client);
    rig_stop(&rig);
}

static int drain(void *arg)
{
    struct rig *rig = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int type = SILL_DATAGRAM;
    while (type == SILL_DATAGRAM &&
           sill_server_receive(rig->server, &m, SUPPORT_PATIENCE_MS) == 0) {
        type = m.type;
        sill_release(&m);
    }
    return type;
}

/* A cancel that nobody waited for does not keep a close from being told. */
static void canceled_then_closed(void **state)
{
    (void)state;
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL;
    rig_listen(&rig, NULL);
    connect_by_hand(&rig, NULL, &client, &server_end);
    static const char bytes[60000];
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = SILL_PATH_CHANNEL;
    while (sill_send_with(client, bytes, sizeof bytes, &options, 0) == 0)
        ;
    sill_port_cancel(client);
    struct support_thread *thread = support_thread(drain, &rig);
    sill_port_close(client);
    assert_int_equal(SILL_CLOSED, support_join(thread));
    sill_server_close(rig.server);
}

/* ---- event loops ---- */

static int call_held(void *arg)
{
    sill_message m = SILL_MESSAGE_INIT;
    int rc = sill_call(arg, "H", 1, &m, SUPPORT_PATIENCE_MS);
    sill_release(&m);
    return rc;
}

/* What a thread in a call takes in for others is seen by who polls. */
static void call_beside_an_event_loop(void **state)
{
    (void)state;
    rig_needs_pollable();
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL;
    rig_listen(&rig, NULL);
    connect_by_hand(&rig, NULL, &client, &server_end);
    sill_handle handle = SILL_NO_HANDLE;
    support_ok(sill_port_pollable(client, &handle));
    struct support_thread *thread = support_thread(call_held, client);
    sill_message request = SILL_MESSAGE_INIT, m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(rig.server, &request, SUPPORT_PATIENCE_MS));
    for (int i = 0; i < 200; i++) {
        support_ok(sill_send(server_end, "x", 1, SUPPORT_PATIENCE_MS));
        do
            assert_int_equal(1, ready(handle, SUPPORT_PATIENCE_MS));
        while (sill_receive(client, &m, 0) == SILL_AGAIN);
        assert_int_equal(SILL_DATAGRAM, m.type);
    }
    sill_release(&m);
    support_ok(sill_reply(&request, "!", 1));
    assert_int_equal(0, support_join(thread));
    sill_port_close(client);
    sill_server_close(rig.server);
}

/* A message outlives the server that was in an event loop. */
static void message_outlives_server(void **state)
{
    (void)state;
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL;
    rig_listen(&rig, NULL);
    sill_handle handle = SILL_NO_HANDLE;
    if (rig_polls())
        support_ok(sill_server_pollable(rig.server, &handle));
    connect_by_hand(&rig, NULL, &client, &server_end);
    support_ok(sill_send(client, "x", 1, SUPPORT_PATIENCE_MS));
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    sill_server_close(rig.server);
    assert_memory_equal("x", m.data, 1);
    sill_release(&m);
    sill_port_close(client);
}

/* ---- the lock changes hands ---- */

/* Takes the lock of the port's hub at a time when a thread sleeps in its wait set. */
static struct sill__hub *enter_when_led(sill_port *port)
{
    struct sill__hub *hub = port->link.hub;
    sill__hub_enter(hub);
    while (!hub->led) {
        sill__hub_leave(hub);
        support_sleep_ms(1);
        sill__hub_enter(hub);
    }
    return hub;
}

static int receive_one(void *arg)
{
    struct rig *rig = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int rc = sill_server_receive(rig->server, &m, SUPPORT_PATIENCE_MS);
    int type = m.type;
    sill_release(&m);
    return rc == 0 ? type : rc;
}

/* A port ends, and goes, while a waiting thread has been told of it and has not yet the lock. */
static void port_goes_under_a_report(void **state)
{
    (void)state;
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL, *other = NULL, *other_end = NULL;
    rig_listen(&rig, NULL);
    connect_by_hand(&rig, NULL, &client, &server_end);
    connect_by_hand(&rig, NULL, &other, &other_end);
    struct support_thread *thread = support_thread(receive_one, &rig);
    struct sill__hub *hub = enter_when_led(server_end);
    support_ok(sill_send(client, "x", 1, SUPPORT_PATIENCE_MS));
    support_sleep_ms(50); /* the thread is told, and stands before the lock */
    sill__link_end(&server_end->link, SILL_CLOSED);
    sill__server_forget(server_end);
    sill__hub_leave(hub);
    support_ok(sill_send(other, "y", 1, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_DATAGRAM, support_join(thread));
    sill_port_close(client);
    sill_port_close(other);
    sill_server_close(rig.server);
}

/* The same for one that has ended and whose last message is still to be released. */
static void ended_under_a_report(void **state)
{
    (void)state;
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL, *other = NULL, *other_end = NULL;
    rig_listen(&rig, NULL);
    connect_by_hand(&rig, NULL, &client, &server_end);
    connect_by_hand(&rig, NULL, &other, &other_end);
    struct support_thread *thread = support_thread(receive_one, &rig);
    struct sill__hub *hub = enter_when_led(server_end);
    support_ok(sill_send(client, "x", 1, SUPPORT_PATIENCE_MS));
    support_sleep_ms(50);
    sill__link_end(&server_end->link, SILL_PROTOCOL);
    sill__hub_leave(hub);
    assert_int_equal(SILL_PROTOCOL, support_join(thread)); /* and with its release the port went */
    support_ok(sill_send(other, "y", 1, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_DATAGRAM, receive_one(&rig));
    sill_port_close(client);
    sill_port_close(other);
    sill_server_close(rig.server);
}

static void rings(struct sill__hub *hub)
{
    ++*(unsigned *)hub->owner;
    hub->alarm = 0;
}

static unsigned always_busy(struct sill__source *source, unsigned events)
{
    (void)source;
    return events;
}

static bool at_once(void *arg)
{
    return ++*(unsigned *)arg % 2 == 0; /* not before a turn, but after it */
}

/* A source that always has something does not keep the wait set and the alarm from being heard. */
static void busy_source(void **state)
{
    (void)state;
    struct sill__hub *hub = NULL;
    unsigned alarms = 0, looks = 0;
    support_ok(sill__hub_create(&hub, &sill__wait_system));
    hub->owner = &alarms;
    hub->on_alarm = rings;
    hub->alarm = 0;
    struct sill__source source = {.work = always_busy};
    struct sill__cancels cancels = {0};
    const struct sill__until until = {at_once, &looks, SILL__FOREVER, &cancels, 0, NULL, NULL};
    sill__hub_enter(hub);
    sill__hub_ready(hub, &source, SILL__READABLE);
    for (int i = 0; i < 10; i++)
        support_ok(sill__hub_wait(hub, &until));
    sill__hub_forget(hub, &source);
    sill__hub_leave(hub);
    assert_in_range(alarms, 2, 20);
    sill__hub_unref(hub);
}

/* ---- memory that is not given back yet ---- */

/* The reply of the last call, in the same message, does not keep the next one waiting. */
static void large_replies_in_one_message(void **state)
{
    (void)state;
    sill_policy policy;
    sill_port_options options;
    one_segment(&policy, &options);
    struct rig rig;
    rig_start(&rig, &options);
    sill_port *client = NULL;
    support_ok(sill_connect(&client, rig.name, &options));
    unsigned char *bytes = rig_bytes(BLOCK, 5);
    sill_message reply = SILL_MESSAGE_INIT;
    for (int i = 0; i < 3; i++) {
        support_ok(sill_call(client, bytes, BLOCK, &reply, SUPPORT_PATIENCE_MS));
        assert_int_equal(SILL_PATH_MAPPED, reply.path);
        assert_memory_equal(bytes, reply.data, BLOCK);
    }
    for (int i = 0; i < 3; i++) { /* and sent on from where it lies */
        support_ok(sill_call(client, reply.data, reply.size, &reply, SUPPORT_PATIENCE_MS));
        assert_memory_equal(bytes, reply.data, BLOCK);
    }
    sill_release(&reply);
    free(bytes);
    sill_port_close(client);
    rig_stop(&rig);
}

static int release_late(void *arg)
{
    support_sleep_ms(50); /* the sender waits by now */
    sill_release(arg);
    return 0;
}

/* A sender whose own queue is full learns all the same that there is room. */
static void room_behind_a_full_queue(void **state)
{
    (void)state;
    sill_policy policy;
    sill_port_options options;
    one_segment(&policy, &options);
    struct rig rig;
    rig_listen(&rig, &options);
    options.queue_max = 1;
    sill_port *client = NULL, *server_end = NULL;
    connect_by_hand(&rig, &options, &client, &server_end);
    unsigned char *bytes = rig_bytes(BLOCK, 6);
    support_ok(sill_send(server_end, "x", 1, SUPPORT_PATIENCE_MS));
    support_ok(sill_send(client, bytes, BLOCK, SUPPORT_PATIENCE_MS));
    support_status(SILL_TIMEOUT, sill_send(client, bytes, BLOCK, 20)); /* "x" fills the queue */
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    struct support_thread *thread = support_thread(release_late, &m);
    support_ok(sill_send(client, bytes, BLOCK, SUPPORT_PATIENCE_MS));
    assert_int_equal(0, support_join(thread));
    support_ok(sill_receive(client, &m, 0));
    sill_release(&m);
    free(bytes);
    sill_port_close(client);
    sill_server_close(rig.server);
}

/* Role: a server that sends one datagram and then does nothing. */
static int idle_server(int argc, char **argv)
{
    sill_server *server = NULL;
    sill_port *port = NULL;
    sill_message m = SILL_MESSAGE_INIT;
    if (argc < 1 || sill_listen(&server, argv[0], NULL) != 0)
        return 1;
    support_say("listening");
    if (sill_server_receive(server, &m, SUPPORT_PATIENCE_MS) != 0 ||
        sill_accept(server, &m, NULL, NULL, 0, &port) != 0 ||
        sill_send(port, "x", 1, SUPPORT_PATIENCE_MS) != 0)
        return 1;
    support_say("sent");
    support_linger();
    return 0;
}

/* Nor does it wait for one that has died, for room or for a reply. */
static void death_behind_a_full_queue(void **state)
{
    (void)state;
    sill_policy policy;
    sill_port_options options;
    one_segment(&policy, &options);
    options.queue_max = 1;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "idle");
    const char *const arguments[] = {name, NULL};
    struct support_process *process = support_start("idle", arguments, NULL);
    support_expect(process, "listening");
    sill_port *client = NULL;
    support_ok(sill_connect(&client, name, &options));
    support_expect(process, "sent");
    unsigned char *bytes = rig_bytes(BLOCK, 6);
    support_ok(sill_send(client, bytes, BLOCK, SUPPORT_PATIENCE_MS));
    support_status(SILL_TIMEOUT, sill_send(client, bytes, BLOCK, 50)); /* "x" fills the queue */
    support_kill(process);
    support_status(SILL_DIED, sill_send(client, bytes, BLOCK, SUPPORT_PATIENCE_MS));
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_DIED, sill_call(client, "?", 1, &m, SUPPORT_PATIENCE_MS));
    support_ok(sill_receive(client, &m, SUPPORT_PATIENCE_MS));
    support_status(SILL_DIED, sill_receive(client, &m, SUPPORT_PATIENCE_MS));
    free(bytes);
    sill_port_close(client);
    support_finish(process);
}

/* A loan that one thread sends is not another's to send or to cancel. */
static int send_loan(void *arg)
{
    struct sill_message *pair = arg; /* .port, .data */
    return sill_send_loan(pair->port, (void *)(uintptr_t)pair->data, BLOCK, 300);
}

static void loan_in_two_hands(void **state)
{
    (void)state;
    sill_policy policy;
    sill_port_options options;
    one_segment(&policy, &options);
    struct rig rig;
    rig_listen(&rig, &options);
    sill_port *client = NULL, *server_end = NULL;
    connect_by_hand(&rig, &options, &client, &server_end);
    void *block = NULL;
    support_ok(sill_loan(client, BLOCK, &block));
    while (sill_send(client, "fill", 4, 0) == 0)
        ;
    sill_message pair = SILL_MESSAGE_INIT;
    pair.port = client;
    pair.data = block;
    struct support_thread *thread = support_thread(send_loan, &pair);
    sill__hub_leave(enter_when_led(client));
    support_status(SILL_INVALID, sill_loan_cancel(client, block));
    support_status(SILL_INVALID, sill_send_loan(client, block, BLOCK, 0));
    assert_int_equal(SILL_TIMEOUT, support_join(thread));
    support_ok(sill_loan_cancel(client, block));
    sill_port_close(client);
    sill_server_close(rig.server);
}

/* ---- handles ---- */

static void open_handle(sill_handle *handle)
{
#ifdef _WIN32
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    assert_non_null(event);
    *handle = (sill_handle)event;
#else
    *handle = dup(0);
    assert_true(*handle >= 0);
#endif
}

static void close_handle(sill_handle handle)
{
#ifdef _WIN32
    CloseHandle((HANDLE)handle);
#else
    close((int)handle);
#endif
}

/* Handles of messages for which there was no room are as if they had never been passed. */
static void handles_without_room(void **state)
{
    const bool from_server = *state != NULL;
    struct rig rig;
    sill_port *client = NULL, *server_end = NULL;
    rig_needs_handles();
    rig_listen(&rig, NULL);
    connect_by_hand(&rig, NULL, &client, &server_end);
    sill_port *from = from_server ? server_end : client;
    static const char bytes[60000];
    sill_handle handles[SILL_HANDLES_MAX];
    for (int i = 0; i < SILL_HANDLES_MAX; i++)
        open_handle(&handles[i]);
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = SILL_PATH_CHANNEL;
    unsigned sent = 0;
    while (sill_send_with(from, bytes, sizeof bytes, &options, 0) == 0)
        sent++;
    options.handles = handles;
    options.handle_count = SILL_HANDLES_MAX;
    unsigned before = support_handles();
    for (int i = 0; i < 40; i++)
        support_status(SILL_TIMEOUT, sill_send_with(from, "h", 1, &options, 0));
    assert_int_equal(before, support_handles());
    sill_message m = SILL_MESSAGE_INIT;
    for (unsigned i = 0; i < sent; i++)
        support_ok(from_server ? sill_receive(client, &m, SUPPORT_PATIENCE_MS)
                               : sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    support_ok(sill_send_with(from, "h", 1, &options, SUPPORT_PATIENCE_MS));
    support_ok(from_server ? sill_receive(client, &m, SUPPORT_PATIENCE_MS)
                           : sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
    assert_int_equal(SILL_HANDLES_MAX, m.handle_count);
    sill_release(&m);
    for (int i = 0; i < SILL_HANDLES_MAX; i++)
        close_handle(handles[i]);
    sill_port_close(client);
    sill_server_close(rig.server);
}

#ifndef _WIN32
/* ---- forks and descriptors ---- */

/* A child that closes what is its parent's gives nothing back to the peer. */
static void child_gives_nothing_back(void **state)
{
    (void)state;
    sill_policy policy;
    sill_port_options options;
    one_segment(&policy, &options);
    unsigned handles = support_handles();
    struct rig rig;
    rig_listen(&rig, &options);
    sill_port *client = NULL, *server_end = NULL;
    connect_by_hand(&rig, &options, &client, &server_end);
    unsigned char *bytes = rig_bytes(BLOCK, 7);
    support_ok(sill_send(server_end, bytes, BLOCK, SUPPORT_PATIENCE_MS));
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_TIMEOUT, sill_call(client, "?", 1, &m, 20)); /* takes it into the queue */
    pid_t child = fork();
    if (child == 0) {
        sill_port_close(client);
        sill_server_close(rig.server);
        _exit(support_handles() > handles);
    }
    int status = 1;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_int_equal(0, status);
    support_status(SILL_TIMEOUT, sill_send(server_end, bytes, BLOCK, 0)); /* it is still in use */
    support_ok(sill_receive(client, &m, SUPPORT_PATIENCE_MS));
    assert_memory_equal(bytes, m.data, BLOCK);
    sill_release(&m);
    free(bytes);
    sill_port_close(client);
    sill_server_close(rig.server);
}

/* A server that had no descriptor for a client is ready for it in an event loop later. (The client
 * has all of its own before, for it is in this process.) */
static void descriptors_come_back(void **state)
{
    (void)state;
    rig_needs_pollable();
    struct rig rig;
    rig_listen(&rig, NULL);
    sill_handle handle = SILL_NO_HANDLE;
    support_ok(sill_server_pollable(rig.server, &handle));
    struct rlimit old, none;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &old));
    struct raw raw;
    raw_connect(&raw, &rig);
    raw_send_greeting(&raw, SILL__FRAME_HELLO);
    assert_int_equal(1, ready(handle, SUPPORT_PATIENCE_MS));
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none));
    sill_message m = SILL_MESSAGE_INIT;
    int rc = sill_server_receive(rig.server, &m, 0);
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &old));
    assert_int_equal(SILL_AGAIN, rc);
    unsigned asked = 0;
    do {
        assert_int_equal(1, ready(handle, SUPPORT_PATIENCE_MS));
        asked++;
    } while (sill_server_receive(rig.server, &m, 0) == SILL_AGAIN);
    assert_in_range(asked, 1, 10); /* it slept meanwhile */
    assert_int_equal(SILL_CONNECT, m.type);
    support_ok(sill_accept(rig.server, &m, NULL, NULL, 0, NULL));
    raw_read_greeting(&raw, SILL__FRAME_WELCOME);
    raw_close(&raw);
    sill_server_close(rig.server);
}

/* A client that says nothing is dropped in its time, though nothing else happens. */
static void silence_in_an_event_loop(void **state)
{
    (void)state;
    rig_needs_pollable();
    struct rig rig;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.handshake_timeout_ms = 30;
    rig_listen(&rig, &options);
    sill_handle handle = SILL_NO_HANDLE;
    support_ok(sill_server_pollable(rig.server, &handle));
    sill_channel *silent = NULL;
    support_ok(sill_channel_connect(&silent, rig.name, NULL, SUPPORT_PATIENCE_MS));
    sill_message m = SILL_MESSAGE_INIT;
    char byte;
    size_t size;
    int rc;
    do {
        assert_int_equal(1, ready(handle, SUPPORT_PATIENCE_MS));
        support_status(SILL_AGAIN, sill_server_receive(rig.server, &m, 0));
        rc = sill_channel_receive(silent, &byte, 1, &size, NULL, NULL, 0);
    } while (rc == SILL_AGAIN);
    assert_int_equal(SILL_DIED, rc);
    sill_channel_close(silent);
    sill_server_close(rig.server);
}

/* Handles in messages that nobody takes out do not use up the descriptors of the process. */
static void handles_in_the_queue(void **state)
{
    (void)state;
    rig_needs_handles();
    struct rig rig;
    rig_listen(&rig, NULL);
    sill_port *client = NULL, *server_end = NULL, *busy = NULL, *busy_end = NULL;
    connect_by_hand(&rig, NULL, &client, &server_end);
    connect_by_hand(&rig, NULL, &busy, &busy_end);
    struct support_thread *thread = support_thread(call_held, busy_end); /* reads for everybody */
    sill_message request = SILL_MESSAGE_INIT, m = SILL_MESSAGE_INIT;
    support_ok(sill_receive(busy, &request, SUPPORT_PATIENCE_MS));
    unsigned before = support_handles();
    sill_handle handles[SILL_HANDLES_MAX] = {0, 0, 0, 0, 0, 0, 0, 0};
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.handles = handles;
    options.handle_count = SILL_HANDLES_MAX;
    unsigned sent = 0;
    while (sent < 100 && sill_send_with(client, "h", 1, &options, 50) == 0)
        sent++;
    support_sleep_ms(20); /* or the thread is not done reading, and there are fewer */
    assert_in_range(support_handles(), before, before + 300);
    support_ok(sill_reply(&request, "!", 1));
    assert_int_equal(0, support_join(thread));
    for (unsigned i = 0; i < sent; i++) {
        support_ok(sill_server_receive(rig.server, &m, SUPPORT_PATIENCE_MS));
        assert_int_equal(SILL_HANDLES_MAX, m.handle_count);
    }
    sill_release(&m);
    sill_port_close(client);
    sill_port_close(busy);
    sill_server_close(rig.server);
}
#endif

int main(int argc, char **argv)
{
    static char from_server[] = "server";
    static const struct CMUnitTest tests[] = {
        SUPPORT_TEST(given_up_before_received),
        SUPPORT_TEST(given_up_in_a_full_queue),
        SUPPORT_TEST(canceled_then_closed),
        SUPPORT_TEST(call_beside_an_event_loop),
        SUPPORT_TEST(message_outlives_server),
        SUPPORT_TEST(port_goes_under_a_report),
        SUPPORT_TEST(ended_under_a_report),
        SUPPORT_TEST(busy_source),
        SUPPORT_TEST(large_replies_in_one_message),
        SUPPORT_TEST(room_behind_a_full_queue),
        SUPPORT_TEST(death_behind_a_full_queue),
        SUPPORT_TEST(handles_without_room),
        SUPPORT_TEST_WITH("handles_without_room_at_the_server", handles_without_room, from_server),
        SUPPORT_TEST(loan_in_two_hands),
#ifndef _WIN32
        SUPPORT_TEST(child_gives_nothing_back),
        SUPPORT_TEST(descriptors_come_back),
        SUPPORT_TEST(handles_in_the_queue),
        SUPPORT_TEST(silence_in_an_event_loop),
#endif
    };
    static const struct support_role roles[] = {{"idle", idle_server}};
    return support_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], roles, 1);
}
