/* server.c - the server: a listener and all its ports in one hub.
 *
 * Every port of the server is in `ports` from the moment its channel was accepted until its last
 * message is released (or it is refused, or closed by the user). A port that has something to hand
 * out stands in line (`ready`); the receiver takes one message from the first and puts it at the
 * end again if it has more, so a client that floods gets its turn and no more.
 *
 * A connection that never became a client (silent too long, broken before it was accepted, its
 * SILL_CONNECT not handed out yet) goes without a word. A client that was accepted is given a last
 * message, made in advance so that it cannot fail.
 */
#include "link.h"

#include <string.h>

#include "backends.h"
#include "channel.h"
#include "memory.h"
#include "status.h"
#include "step.h"

#define ACCEPTS_AT_ONCE 16
#define ACCEPT_RETRY_NS INT64_C(100000000) /* when descriptors have run out */
#define TURNS           64
#define LINGER_NS       INT64_C(1000000000)

struct sill_server {
    struct sill__source source; /* of the listener */
    struct sill__hub *hub;
    struct sill__named_listen listen;
    sill_port_options options; /* pointers in it are not used after sill_listen */
    sill_policy policy;
    sill_port *ports;
    unsigned count;
    sill_port *ready_first, *ready_last;
    unsigned standing; /* ports in that line */
    unsigned turns;    /* messages until all hot ones are asked again */
    sill_port *last;   /* that was served last; NULL: it is gone */
    struct sill__cancels cancels;
    bool accept_later; /* the listener waits for the alarm */
};

/* ---- ports in line ---- */

/* Whether the port has something to hand out. */
static bool has_news(sill_port *port)
{
    if (sill__link_has(&port->link))
        return true;
    return port->link.state == SILL__LINK_ENDED && port->farewell != NULL;
}

static void stand_in_line(sill_server *server, sill_port *port)
{
    if (port->listed || !has_news(port))
        return;
    port->listed = true;
    port->next_ready = NULL;
    if (server->ready_last != NULL)
        server->ready_last->next_ready = port;
    else
        server->ready_first = port;
    server->ready_last = port;
    server->standing++;
}

static void leave_line(sill_server *server, sill_port *port)
{
    if (!port->listed)
        return;
    sill_port **at = &server->ready_first, *before = NULL;
    while (*at != port) {
        before = *at;
        at = &(*at)->next_ready;
    }
    *at = port->next_ready;
    if (server->ready_last == port)
        server->ready_last = before;
    port->listed = false;
    server->standing--;
}

void sill__server_forget(sill_port *port)
{
    sill_server *server = port->server;
    if (server == NULL || !port->open)
        return;
    leave_line(server, port);
    if (port->previous != NULL)
        port->previous->next = port->next;
    else
        server->ports = port->next;
    if (port->next != NULL)
        port->next->previous = port->previous;
    server->count--;
    if (server->last == port)
        server->last = NULL;
    port->open = false;
    sill__port_unref(port);
}

void sill__server_ready(sill_server *server, sill_port *port)
{
    if (!port->open)
        return;
    bool ended = port->link.state == SILL__LINK_ENDED;
    /* Not accepted, and no SILL_CONNECT of it is in the user's hands: nobody knows of it. */
    if (ended && !port->accepted && !port->asked) {
        sill__server_forget(port);
        return;
    }
    if (has_news(port))
        stand_in_line(server, port);
    else
        leave_line(server, port); /* its caller took back what had come */
}

/* ---- new clients ---- */

static void set_alarm(struct sill__hub *hub, int64_t when)
{
    hub->alarm = sill__earlier(hub->alarm, when);
}

static void on_alarm(struct sill__hub *hub)
{
    sill_server *server = hub->owner;
    int64_t now = sill__now_ns();
    hub->alarm = SILL__FOREVER;
    if (server->accept_later) {
        server->accept_later = false;
        sill__hub_ready(hub, &server->source, SILL__READABLE);
    }
    for (sill_port *port = server->ports, *next; port != NULL; port = next) {
        next = port->next; /* the port may go */
        if (port->link.state != SILL__LINK_SILENT)
            continue;
        if (port->link.handshake_deadline <= now)
            sill__link_end(&port->link, SILL_TIMEOUT);
        else
            set_alarm(hub, port->link.handshake_deadline);
    }
}

static int admit(sill_server *server, sill__conn *conn)
{
    sill_port *port = NULL;
    int rc = sill__port_create(&port, server->hub, conn, &server->options, &server->policy);
    if (rc != 0)
        return rc;
    port->server = server;
    port->next = server->ports;
    if (server->ports != NULL)
        server->ports->previous = port;
    server->ports = port;
    server->count++;
    if (server->count > server->options.clients_max) {
        sill__link_refuse(&port->link, SILL_LIMIT, NULL, 0); /* and it is forgotten */
        return 0;
    }
    port->link.handshake_deadline =
        sill__now_ns() + (int64_t)server->options.handshake_timeout_ms * 1000000;
    set_alarm(server->hub, port->link.handshake_deadline);
    return 0;
}

/* The listener's work. Without descriptors or memory, clients wait in the system's queue and the
 * connected ones are served on; it tries again a little later. */
static unsigned accept_some(struct sill__source *source, unsigned events)
{
    sill_server *server = (sill_server *)source;
    (void)events;
    if (server->accept_later)
        return 0;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        sill__conn *conn = NULL;
        int rc = server->listen.ops->accept(server->listen.listen, &conn);
        if (rc == 0)
            rc = admit(server, conn);
        if (rc == SILL_AGAIN)
            return 0;
        if (rc != 0) {
            server->accept_later = true;
            set_alarm(server->hub, sill__now_ns() + ACCEPT_RETRY_NS);
            return 0;
        }
    }
    return SILL__READABLE;
}

/* ---- the server itself ---- */

/* (Where an event loop cannot hear of the alarm it asks again while clients wait for descriptors.)
 */
static bool server_pending(struct sill__hub *hub)
{
    const sill_server *server = hub->owner;
    return server != NULL &&
           (server->ready_first != NULL || (server->accept_later && !hub->timed));
}

static int open_server(sill_server *server, const struct sill__channel_ops *channel,
                       const char *name)
{
    int rc = sill__listener_open(&server->listen, channel, name, server->options.directory,
                                 server->options.access);
    if (rc != 0)
        return rc;
    rc = server->listen.ops->watch_listen(server->listen.listen, server->hub->wait,
                                          &server->source);
    if (rc != 0)
        sill__listener_shut(&server->listen, true);
    return rc;
}

static int make_server(sill_server **out, const struct sill__channel_ops *channel, const char *name,
                       const sill_port_options *options, const sill_policy *policy)
{
    sill_server *server = sill__alloc_zeroed(sizeof *server);
    if (server == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for a server");
    server->options = *options;
    server->policy = *policy;
    server->source.work = accept_some;
    int rc = sill__hub_create(&server->hub, channel->wait);
    if (rc != 0)
        goto fail_memory;
    server->hub->owner = server;
    server->hub->pending = server_pending;
    server->hub->on_alarm = on_alarm;
    rc = open_server(server, channel, name);
    if (rc != 0)
        goto fail_hub;
    sill__hub_ready(server->hub, &server->source, SILL__READABLE);
    *out = server;
    return 0;

fail_hub:
    sill__hub_unref(server->hub);
fail_memory:
    sill__free(server);
    return rc;
}

int sill_listen(sill_server **server, const char *name, const sill_port_options *options)
{
    if (server == NULL)
        return sill__fail(SILL_INVALID, "there is no place for the server");
    int rc = sill__name_check(name);
    if (rc != 0)
        return rc;
    sill_port_options o;
    sill_policy policy;
    const struct sill__channel_ops *channel = NULL;
    rc = sill__port_options(options, &o, &policy, &channel);
    if (rc == 0 && channel == NULL)
        channel = sill__channels[0];
    return rc == 0 ? make_server(server, channel, name, &o, &policy) : rc;
}

static int enter(sill_server *server)
{
    if (server == NULL)
        return sill__fail(SILL_INVALID, "there is no server");
    if (!sill__hub_is_ours(server->hub))
        return sill__fail(SILL_INVALID, "the server belongs to the parent process");
    sill__hub_enter(server->hub);
    return 0;
}

static void hand_farewell(sill_port *port, sill_message *message)
{
    struct sill__received *r = port->farewell;
    port->farewell = NULL;
    r->type = port->link.end;
    r->answered = true;
    sill__received_hand(r, message);
}

/* The port's next messages, or its last word. How many. */
static size_t hand_from(sill_port *port, sill_message *messages, size_t capacity)
{
    size_t count = sill__link_next(&port->link, messages, capacity);
    if (count > 0) {
        if (messages->type == SILL_CONNECT)
            port->asked = true;
        return count;
    }
    if (port->link.state != SILL__LINK_ENDED || port->farewell == NULL)
        return 0;
    hand_farewell(port, messages);
    return 1;
}

/* Hands out one message of the port that stands first, or several if it stands alone; then it goes to
 * the end of the line if it has more. */
static size_t hand_from_line(sill_server *server, sill_message *messages, size_t capacity)
{
    size_t count = 0;
    while (count == 0 && server->ready_first != NULL) {
        sill_port *port = server->ready_first;
        sill__port_ref(port); /* its link may end, and be forgotten */
        leave_line(server, port);
        count = hand_from(port, messages, server->ready_first == NULL ? capacity : 1);
        if (port->open) {
            stand_in_line(server, port);
            server->last = port;
        }
        sill__port_unref(port);
    }
    return count;
}

/* While nobody stands in line, the port that was served last is asked at once. But all hot ones are
 * asked whenever the line has been gone through and a few messages were handed out: no client keeps
 * the others from it. */
static size_t hand_next(sill_server *server, sill_message *messages, size_t capacity)
{
    size_t count = 0;
    if (server->turns == 0) {
        sill__hub_look(server->hub);
        server->turns = server->standing + TURNS;
    }
    if (capacity > server->turns)
        capacity = server->turns;
    if (server->ready_first == NULL && server->last != NULL)
        count = sill__link_next(&server->last->link, messages, capacity);
    if (count == 0 && server->ready_first == NULL)
        sill__hub_look(server->hub);
    if (count == 0)
        count = hand_from_line(server, messages, capacity);
    server->turns -= count > 0 ? (unsigned)count : 1;
    return count;
}

struct receive_wait {
    sill_server *server;
    sill_message *message;
    bool handed;
};

static bool anybody_ready(void *arg)
{
    struct receive_wait *wait = arg;
    wait->handed = wait->handed || hand_next(wait->server, wait->message, 1) > 0;
    return wait->handed;
}

/* Takes one, waiting for it, and then what is there. The lock is held. */
static int receive_some(sill_server *server, sill_message *messages, size_t capacity,
                        size_t *count, int timeout_ms)
{
    struct receive_wait wait = {server, messages, false};
    size_t done = 0, more;
    int rc = 0;
    if (server->hub->led || !sill__hub_overdue(server->hub))
        done = hand_next(server, messages, capacity);
    wait.handed = done > 0;
    if (!wait.handed) {
        const struct sill__until until = {anybody_ready,          &wait, sill__deadline(timeout_ms),
                                          &server->cancels, server->cancels.told, NULL, NULL};
        rc = sill__hub_wait(server->hub, &until);
    }
    if (rc != 0)
        return rc == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : rc;
    done = done > 0 ? done : 1;
    while (done < capacity && (more = hand_next(server, messages + done, capacity - done)) > 0)
        done += more;
    *count = done;
    return 0;
}

int sill_server_receive_many(sill_server *server, sill_message *messages, size_t capacity,
                             size_t *count, int timeout_ms)
{
    if (messages == NULL || capacity == 0 || count == NULL)
        return sill__fail(SILL_INVALID, "there is no place for the message");
    *count = 0;
    int rc = enter(server);
    if (rc != 0) {
        sill_release_many(messages, capacity);
        return rc;
    }
    sill__messages_release(server->hub, messages, capacity);
    rc = receive_some(server, messages, capacity, count, timeout_ms);
    sill__hub_leave(server->hub);
    return rc;
}

int sill_server_receive(sill_server *server, sill_message *message, int timeout_ms)
{
    size_t count;
    return sill_server_receive_many(server, message, 1, &count, timeout_ms);
}

int sill_reply_receive(sill_server *server, sill_message *message, const void *data, size_t size,
                       int timeout_ms)
{
    if (message == NULL || server == NULL)
        return sill__fail(SILL_INVALID, "there is no server or no message");
    sill_reply(message, data, size);
    return sill_server_receive(server, message, timeout_ms);
}

/* ---- accepting ---- */

static int accept_client(sill_server *server, struct sill__received *r, void *context,
                         const void *data, size_t size, sill_port **out)
{
    sill_port *port = r->port;
    struct sill__link *link = &port->link;
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    struct sill__received *farewell = sill__received_new(port, SILL_DIED, 0, true);
    if (farewell == NULL)
        return SILL_NO_MEMORY;
    SILL__STEP(accept_begin);
    port->context = context;
    int rc = sill__link_welcome(link, data, size,
                                sill__now_ns() + server->options.handshake_timeout_ms *
                                                     INT64_C(1000000));
    if (rc != 0) {
        sill__received_free(farewell);
        return rc;
    }
    port->accepted = true;
    port->farewell = farewell;
    stand_in_line(server, port); /* it may have ended meanwhile */
    if (out != NULL)
        *out = port;
    return 0;
}

int sill_accept(sill_server *server, sill_message *message, void *context, const void *data,
                size_t size, sill_port **port)
{
    struct sill__received *r = message != NULL ? message->internal : NULL;
    if (r == NULL || r->type != SILL_CONNECT || r->answered || r->port->server != server)
        return sill__fail(SILL_INVALID, "the message is no client of this server to accept");
    int rc = sill__check_send(data, size, NULL);
    if (rc == 0 && size > SILL__DATA_MAX)
        rc = sill__fail(SILL_TOO_BIG, "the answer has %zu bytes, allowed are %d", size,
                        SILL__DATA_MAX);
    if (rc != 0)
        return rc;
    rc = enter(server);
    if (rc != 0)
        return rc;
    rc = accept_client(server, r, context, data, size, port);
    r->answered = rc == 0;
    sill__hub_leave(server->hub);
    sill_release(message); /* refuses and forgets a client that could not be accepted */
    return rc;
}

/* ---- the rest ---- */

void sill_server_cancel(sill_server *server)
{
    if (server != NULL && sill__hub_is_ours(server->hub))
        sill__hub_cancel(server->hub, &server->cancels);
}

int sill_server_pollable(sill_server *server, sill_handle *handle)
{
    if (handle == NULL)
        return sill__fail(SILL_INVALID, "there is no place for the handle");
    int rc = enter(server);
    if (rc != 0)
        return rc;
    rc = sill__hub_pollable(server->hub, handle);
    sill__hub_leave(server->hub);
    return rc;
}

static void close_ports(sill_server *server)
{
    int64_t deadline = sill__now_ns() + LINGER_NS;
    while (server->ports != NULL) {
        sill_port *port = server->ports;
        int64_t left = deadline - sill__now_ns();
        sill__port_ref(port);
        sill__link_close(&port->link, left > 0 ? left : 0);
        sill__server_forget(port); /* unless ending it did */
        port->server = NULL;       /* messages of it may outlive the server */
        sill__port_unref(port);
    }
}

void sill_server_close(sill_server *server)
{
    if (server == NULL)
        return;
    bool ours = sill__hub_is_ours(server->hub);
    if (ours) {
        sill__hub_enter(server->hub);
        server->listen.ops->unwatch_listen(server->listen.listen);
        sill__hub_forget(server->hub, &server->source);
        close_ports(server);
        server->hub->owner = NULL; /* messages keep the hub */
        server->hub->alarm = SILL__FOREVER;
        sill__hub_leave(server->hub);
    } else {
        for (sill_port *port; (port = server->ports) != NULL;) {
            server->ports = port->next;
            sill__port_abandon(port);
        }
    }
    sill__listener_shut(&server->listen, ours);
    sill__hub_unref(server->hub);
    sill__free(server);
}
