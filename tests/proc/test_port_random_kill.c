/* A client or a server is killed at any moment in the middle of a stream by every way there is,
 * with calls in both directions. Whoever lives gets everything that was sent before, whole and in
 * order, then SILL_DIED, in its time; other clients are served on; nothing is left behind, and the
 * name is free at once.
 *
 * The victim notes in shared memory how many it has sent. SILL_LONG in the environment: 10,000
 * kills instead of some.
 */
#include "stream_rig.h"

enum { TOLD_MS = 10000, KILL_WITHIN_MS = 20, HELD = 4 };

struct page {
    _Atomic uint64_t sent[STREAM_LANES];
};

/* ---- the victims ---- */

static struct page *open_page(const char *path)
{
    sill_region *region = NULL;
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = SILL_REGION_FILE;
    return sill_region_open(&region, path, &options) == 0 ? sill_region_data(region) : NULL;
}

struct victim {
    sill_port *port;
    struct page *page;
    uint32_t number;
};

/* Sends for ever, and calls now and then. */
static int stream(void *arg)
{
    struct victim *v = arg;
    struct stream_out out = {.port = v->port, .random = v->number * 31 + 5, .bytes = malloc(STREAM_MOST)};
    unsigned char *bytes = malloc(STREAM_MOST);
    int rc = 0;
    while (rc == 0) {
        if (stream_random(&out.random) % 16 == 0)
            rc = stream_call(v->port, bytes, &out.random, SUPPORT_PATIENCE_MS);
        else
            rc = stream_send(&out, SUPPORT_PATIENCE_MS);
        atomic_store(&v->page->sent[out.lane], out.next[out.lane]);
    }
    free(out.bytes);
    free(bytes);
    support_say("%s: %s", sill_status_name(rc), sill_last_error()->message);
    return rc;
}

static bool parse(struct victim *v, int argc, char **argv)
{
    if (argc < 3)
        return false;
    v->page = open_page(argv[1]);
    v->number = (uint32_t)strtoul(argv[2], NULL, 10);
    v->port = NULL;
    return v->page != NULL;
}

static int play_client(int argc, char **argv)
{
    struct victim v;
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    if (!parse(&v, argc, argv))
        return 2;
    options.policy = &policy;
    options.data = &v.number;
    options.size = sizeof v.number;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    if (sill_connect(&v.port, argv[0], &options) != 0)
        return 3;
    struct support_thread *thread = support_thread(stream, &v);
    sill_message m = SILL_MESSAGE_INIT;
    while (sill_receive(v.port, &m, -1) == 0)
        sill_reply(&m, m.data, m.size);
    support_join(thread);
    return 4;
}

/* One client. */
static int play_server(int argc, char **argv)
{
    struct victim v;
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_server *server = NULL;
    if (!parse(&v, argc, argv))
        return 2;
    options.policy = &policy;
    int rc = sill_listen(&server, argv[0], &options);
    if (rc != 0) {
        support_say("%s: %s", sill_status_name(rc), sill_last_error()->message);
        return 3;
    }
    sill_message m = SILL_MESSAGE_INIT;
    while (sill_server_receive(server, &m, -1) == 0) {
        if (m.type == SILL_CONNECT) {
            sill_accept(server, &m, NULL, NULL, 0, &v.port);
            support_thread(stream, &v);
        } else if (m.type == SILL_REQUEST) {
            sill_reply(&m, m.data, m.size);
        } else {
            return 4;
        }
    }
    return 5;
}

/* ---- a test's own things ---- */

struct fixture {
    char name[SUPPORT_NAME_SIZE], path[SUPPORT_PATH_SIZE];
    sill_region *region;
    struct page *page;
    uint32_t random;
};

static void begin(struct fixture *f)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    memset(f, 0, sizeof *f);
    support_name(f->name, "random");
    support_path(f->path, "page");
    options.kind = SILL_REGION_FILE;
    support_ok(sill_region_create(&f->region, f->path, sizeof *f->page, &options));
    f->page = sill_region_data(f->region);
    f->random = 77;
}

static void end(struct fixture *f)
{
    sill_server *server = NULL;
    support_ok(sill_listen(&server, f->name, NULL));
    sill_server_close(server);
    sill_region_close(f->region);
    remove(f->path);
}

static struct support_process *start_victim(struct fixture *f, const char *role, unsigned number)
{
    char text[20];
    snprintf(text, sizeof text, "%u", number);
    const char *arguments[] = {f->name, f->path, text, NULL};
    for (unsigned i = 0; i < STREAM_LANES; i++)
        atomic_store(&f->page->sent[i], 0);
    return support_start(role, arguments, NULL);
}

static void kill_it(struct support_process *victim)
{
    char line[500] = "";
    if (support_wait(victim, 0, NULL)) {
        support_hear(victim, line, sizeof line, 0);
        fail_msg("the victim ended before it was killed: %s", line);
    }
    support_kill(victim);
    support_finish(victim);
}

/* `in` got all that was noted, and no more than could have been sent. */
static void check_all_came(struct fixture *f, const struct stream_in *in, unsigned kill)
{
    if (in->wrong != NULL)
        fail_msg("kill %u: after %llu and %llu: %s", kill, (unsigned long long)in->next[0],
                 (unsigned long long)in->next[1], in->wrong);
    for (unsigned i = 0; i < STREAM_LANES; i++) {
        uint64_t sent = atomic_load(&f->page->sent[i]);
        if (in->next[i] < sent || in->next[i] > sent + 1)
            fail_msg("kill %u: %llu of lane %u were sent, %llu came", kill,
                     (unsigned long long)sent, i, (unsigned long long)in->next[i]);
    }
}

static unsigned kills(void)
{
    return getenv("SILL_LONG") != NULL ? 5000 : support_under_wine() ? 8 : 75;
}

static void tell_progress(unsigned kill, uint64_t messages)
{
    if (getenv("SILL_LONG") != NULL && kill % 250 == 249)
        fprintf(stderr, "%u kills, %llu messages\n", kill + 1, (unsigned long long)messages);
}

/* ---- clients die ---- */

/* A client that is a victim. The server's thread writes it, `ended` last. */
struct stream_of {
    struct stream_in in;
    atomic_bool begun;
    atomic_int ended; /* why; 0: not yet */
};

struct survivor {
    sill_server *server;
    struct stream_of *streams; /* by the number that a client brings */
    sill_message held[HELD];
    uint32_t random;
};

/* Some messages are held for a while, also over their sender's death. */
static void take_datagram(struct survivor *s, struct stream_of *stream, sill_message *m)
{
    struct stream_head head;
    sill_message *held = &s->held[stream_random(&s->random) % HELD];
    stream_take(&stream->in, m);
    if (stream_random(&s->random) % 8 == 0) {
        if (held->internal != NULL && !stream_whole(held->data, held->size, &head))
            stream->in.wrong = "a message that was held has changed";
        sill_release(held);
        *held = *m;
        *m = (sill_message)SILL_MESSAGE_INIT;
    }
    sill_release(m);
}

/* The victims are called back now and then. */
static void take_request(struct survivor *s, sill_message *m)
{
    unsigned char bytes[64];
    sill_message reply = SILL_MESSAGE_INIT;
    if (m->context != NULL && stream_random(&s->random) % 8 == 0) {
        stream_fill(bytes, sizeof bytes, STREAM_PLAIN, 1);
        sill_call(m->port, bytes, sizeof bytes, &reply, SUPPORT_PATIENCE_MS);
        sill_release(&reply);
    }
    sill_reply(m, m->data, m->size);
}

static void take_client(struct survivor *s, sill_message *m)
{
    struct stream_of *stream = NULL;
    uint32_t number;
    if (m->size == sizeof number) {
        memcpy(&number, m->data, sizeof number);
        stream = &s->streams[number];
    }
    if (sill_accept(s->server, m, stream, NULL, 0, NULL) == 0 && stream != NULL)
        atomic_store(&stream->begun, true);
}

static int serve(void *arg)
{
    struct survivor *s = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int rc;
    while ((rc = sill_server_receive(s->server, &m, -1)) == 0) {
        struct stream_of *stream = m.context;
        int type = m.type;
        if (type == SILL_CONNECT)
            take_client(s, &m);
        else if (type == SILL_DATAGRAM)
            take_datagram(s, stream, &m);
        else if (type == SILL_REQUEST)
            take_request(s, &m);
        sill_release(&m);
        if (type < 0 && stream != NULL)
            atomic_store(&stream->ended, type);
    }
    for (unsigned i = 0; i < HELD; i++)
        sill_release(&s->held[i]);
    return rc;
}

static bool has_ended(void *arg)
{
    struct stream_of *stream = arg;
    return !atomic_load(&stream->begun) || atomic_load(&stream->ended) != 0;
}

/* The other client is served until the victim's time has come: some time after it was accepted, or
 * after it was started. */
static void serve_other(sill_port *other, struct stream_of *stream, uint32_t *random)
{
    static unsigned char bytes[STREAM_MOST];
    bool begun = stream_random(random) % 8 == 0;
    int64_t patience = support_now_ms() + SUPPORT_PATIENCE_MS;
    int64_t when = support_now_ms() + stream_random(random) % KILL_WITHIN_MS;
    while (!begun || support_now_ms() < when) {
        support_ok(stream_call(other, bytes, random, SUPPORT_PATIENCE_MS));
        if (!begun && atomic_load(&stream->begun)) {
            begun = true;
            when = support_now_ms() + stream_random(random) % KILL_WITHIN_MS;
        }
        assert_true(support_now_ms() < patience);
    }
}

static void kill_a_client(struct fixture *f, struct survivor *s, sill_port *other, unsigned number)
{
    struct stream_of *stream = &s->streams[number];
    struct support_process *victim = start_victim(f, "client", number);
    serve_other(other, stream, &f->random);
    kill_it(victim);
    if (!support_until(has_ended, stream, TOLD_MS))
        fail_msg("kill %u: the server was not told in time", number);
    if (!atomic_load(&stream->begun)) {
        assert_int_equal(0, atomic_load(&f->page->sent[0]));
        return;
    }
    if (atomic_load(&stream->ended) != SILL_DIED)
        fail_msg("kill %u: the server was told %s", number, sill_status_name(stream->ended));
    check_all_came(f, &stream->in, number);
}

static void kill_clients(unsigned count)
{
    struct fixture f;
    begin(&f);
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    struct survivor s = {.streams = calloc(count, sizeof *s.streams), .random = 3};
    support_ok(sill_listen(&s.server, f.name, &options));
    struct support_thread *thread = support_thread(serve, &s);
    sill_port *other = NULL;
    support_ok(sill_connect(&other, f.name, &options));
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        kill_a_client(&f, &s, other, i);
        all += s.streams[i].in.next[0] + s.streams[i].in.next[1];
        tell_progress(i, all);
    }
    sill_server_cancel(s.server);
    assert_int_equal(SILL_CANCELED, support_join(thread));
    sill_port_close(other);
    sill_server_close(s.server);
    assert_true(all > count || count < 10);
    free(s.streams);
    end(&f);
}

static void clients_die(void **state)
{
    (void)state;
    kill_clients(2);
    unsigned before = support_handles();
    kill_clients(kills() - 2);
    assert_int_equal(before, support_handles());
}

/* ---- servers die ---- */

/* Receives until the victim has died, and kills it once its time has come. */
static int outlive(sill_port *port, struct support_process *victim, struct stream_in *in,
                   uint32_t *random)
{
    static unsigned char bytes[STREAM_MOST];
    sill_message m = SILL_MESSAGE_INIT;
    int64_t when = support_now_ms() + stream_random(random) % KILL_WITHIN_MS;
    bool killed = false;
    int rc = 0;
    while (rc == 0 || (rc == SILL_TIMEOUT && !killed)) {
        if (!killed && support_now_ms() >= when) {
            kill_it(victim);
            killed = true;
        }
        if (stream_random(random) % 16 == 0)
            stream_call(port, bytes, random, killed ? TOLD_MS : SUPPORT_PATIENCE_MS);
        rc = sill_receive(port, &m, killed ? TOLD_MS : 1);
        if (rc == 0 && m.type == SILL_REQUEST)
            sill_reply(&m, m.data, m.size);
        else if (rc == 0)
            stream_take(in, &m);
    }
    sill_release(&m);
    if (!killed)
        kill_it(victim);
    return rc;
}

/* How many messages came. */
static uint64_t kill_a_server(struct fixture *f, unsigned number)
{
    struct support_process *victim = start_victim(f, "server", number);
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_port *port = NULL;
    struct stream_in in = {{0}, NULL};
    options.policy = &policy;
    options.wait_for_server = 1;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    if (stream_random(&f->random) % 8 == 0) { /* at its beginning */
        int64_t when = support_now_ms() + stream_random(&f->random) % KILL_WITHIN_MS;
        while (support_now_ms() < when)
            ;
        kill_it(victim);
        return 0;
    }
    support_ok(sill_connect(&port, f->name, &options));
    int rc = outlive(port, victim, &in, &f->random);
    if (rc != SILL_DIED)
        fail_msg("kill %u: the client was told %s", number, sill_status_name(rc));
    sill_port_close(port);
    check_all_came(f, &in, number);
    return in.next[0] + in.next[1];
}

static void kill_servers(unsigned count)
{
    struct fixture f;
    begin(&f);
    uint64_t all = 0;
    for (unsigned i = 0; i < count; i++) {
        all += kill_a_server(&f, i);
        tell_progress(i, all);
    }
    assert_true(all > count || count < 10);
    end(&f);
}

static void servers_die(void **state)
{
    (void)state;
    kill_servers(3);
    unsigned before = support_handles();
    kill_servers(kills() - 3);
#ifdef _WIN32
    /* What a server put into its client's table just before it died, nobody can tell the client. */
    assert_in_range(support_handles(), before, before + kills() - 3);
#else
    assert_int_equal(before, support_handles());
#endif
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(clients_die), SUPPORT_TEST(servers_die)};
static const struct support_role roles[] = {{"client", play_client}, {"server", play_server}};
SUPPORT_MAIN(tests, roles)
