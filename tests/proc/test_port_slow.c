/* Receivers that are slow: that never read, read and never release, or read one message now and
 * then. The sender's timeouts hold by every way, its memory stays within the policy, nothing that
 * timed out is delivered, and everything goes on once the receiver wakes up. And a client that
 * floods a server on which several threads receive: the others are answered all the same.
 *
 * SILL_LONG in the environment: slow is a second between two messages, and more of them.
 */
#include "stream_rig.h"

enum { TIMEOUT_MS = 60, SLACK_MS = 8000, HELD = 8192, ENOUGH = 6000 };

/* ---- the receiver: a server that does what the test says ---- */

struct receiver {
    sill_server *server;
    struct stream_in in;
    sill_message held[HELD];
    unsigned held_count;
    uint64_t got;
};

static int take_one(struct receiver *r, bool hold, int timeout_ms)
{
    sill_message m = SILL_MESSAGE_INIT;
    int rc = sill_server_receive(r->server, &m, timeout_ms);
    if (rc != 0)
        return rc;
    if (m.type != SILL_DATAGRAM)
        return SILL_CLOSED;
    r->got++;
    stream_take(&r->in, &m);
    if (hold && r->held_count < HELD) {
        r->held[r->held_count++] = m;
        m = (sill_message)SILL_MESSAGE_INIT;
    }
    sill_release(&m);
    return r->in.wrong != NULL ? SILL_OS : 0;
}

static void release_held(struct receiver *r)
{
    struct stream_head head;
    for (unsigned i = 0; i < r->held_count; i++) {
        if (!stream_whole(r->held[i].data, r->held[i].size, &head))
            r->in.wrong = "a message that was held has changed";
        sill_release(&r->held[i]);
    }
    r->held_count = 0;
}

/* "hold N": takes until it has taken N in all, and keeps them. "go N": releases everything and takes
 * until N. "slow MS": takes one message each MS milliseconds until the next line comes. Each is
 * answered with how many it has taken in all, or with what is wrong. */
static bool obey(struct receiver *r, const char *line, char *next, size_t size)
{
    unsigned long number = strtoul(line + strcspn(line, " "), NULL, 10);
    bool hold = strncmp(line, "hold ", 5) == 0;
    int rc = 0;
    next[0] = '\0';
    if (strncmp(line, "slow ", 5) == 0) {
        support_say("slow");
        while (!support_listen(next, size, (int)number) && rc == 0)
            rc = take_one(r, false, SUPPORT_PATIENCE_MS);
    } else {
        if (!hold)
            release_held(r);
        while (rc == 0 && r->got < number)
            rc = take_one(r, hold, SUPPORT_PATIENCE_MS);
        support_say(rc == 0 ? "%llu" : "%llu, then %s: %s", (unsigned long long)r->got,
                    sill_status_name(rc), r->in.wrong != NULL ? r->in.wrong : "");
    }
    return rc == 0;
}

static int play_receiver(int argc, char **argv)
{
    static struct receiver r;
    static char line[80], next[80];
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_message m = SILL_MESSAGE_INIT;
    options.policy = &policy;
    if (argc < 1 || sill_listen(&r.server, argv[0], &options) != 0)
        return 2;
    support_say("ready");
    if (sill_server_receive(r.server, &m, SUPPORT_PATIENCE_MS) != 0 ||
        sill_accept(r.server, &m, NULL, NULL, 0, NULL) != 0)
        return 3;
    while (next[0] != '\0' || support_listen(next, sizeof next, SUPPORT_PATIENCE_MS)) {
        memcpy(line, next, sizeof line);
        if (!obey(&r, line, next, sizeof next))
            break;
    }
    release_held(&r);
    sill_server_close(r.server);
    return r.in.wrong != NULL;
}

/* ---- the sender ---- */

static const struct way {
    const char *name;
    int path;
    unsigned flags;
    size_t size;
} ways[] = {
    {"inline", SILL_PATH_INLINE, 0, 100},
    {"channel", SILL_PATH_CHANNEL, 0, 10000},
    {"large, by the channel", SILL_PATH_CHANNEL, 0, 300000},
    {"mapped", SILL_PATH_MAPPED, 0, 50000},
    {"loans", STREAM_LOAN, 0, 50000},
    {"rounds", SILL_PATH_ROUNDS, 0, 300000},
    {"urgent", SILL_PATH_AUTO, SILL_SEND_URGENT, 100},
    {"urgent, mapped", SILL_PATH_MAPPED, SILL_SEND_URGENT, 50000},
};

static int send_next(struct stream_out *out, const struct way *way, int timeout_ms)
{
    unsigned lane = (way->flags & SILL_SEND_URGENT) != 0 ? STREAM_URGENT : STREAM_PLAIN;
    int64_t before = support_now_ms();
    int rc;
    if (way->path == STREAM_LOAN) {
        rc = stream_send_loan(out, way->size, timeout_ms);
    } else {
        sill_send_options options = SILL_SEND_OPTIONS_INIT;
        options.path = way->path;
        options.flags = way->flags;
        stream_fill(out->bytes, way->size, lane, out->next[lane]);
        rc = sill_send_with(out->port, out->bytes, way->size, &options, timeout_ms);
    }
    int64_t took = support_now_ms() - before;
    if (rc == 0)
        out->next[lane]++;
    if (rc == SILL_TIMEOUT && took < timeout_ms)
        fail_msg("%s: a timeout of %d ms was over after %d", way->name, timeout_ms, (int)took);
    if (took > timeout_ms + SLACK_MS)
        fail_msg("%s: a timeout of %d ms took %d", way->name, timeout_ms, (int)took);
    return rc;
}

static void check_memory(sill_port *port, const struct way *way)
{
    const sill_policy policy = stream_policy();
    sill_port_statistics s = {.struct_size = sizeof s};
    support_ok(sill_port_get_statistics(port, &s));
    if (s.segment_bytes > policy.mapped_max || s.segments > policy.segments_max)
        fail_msg("%s: %llu bytes in %llu segments", way->name, (unsigned long long)s.segment_bytes,
                 (unsigned long long)s.segments);
    assert_int_equal(0, s.fallbacks);
}

/* Until there is no room any more. */
static void fill_up(struct stream_out *out, const struct way *way)
{
    int rc = 0;
    for (unsigned i = 0; i < ENOUGH && rc == 0; i++) {
        rc = send_next(out, way, TIMEOUT_MS);
        check_memory(out->port, way);
    }
    support_status(SILL_TIMEOUT, rc);
    rc = send_next(out, way, 0);
    if (rc != SILL_TIMEOUT && rc != SILL_AGAIN)
        fail_msg("%s: without any time: %s", way->name, sill_status_name(rc));
}

static uint64_t sent(const struct stream_out *out)
{
    return out->next[STREAM_PLAIN] + out->next[STREAM_URGENT];
}

static void tell(struct support_process *receiver, const char *what, uint64_t number)
{
    char line[80];
    snprintf(line, sizeof line, "%s %llu", what, (unsigned long long)number);
    support_tell(receiver, line);
}

static void expect(struct support_process *receiver, uint64_t number)
{
    char line[80];
    snprintf(line, sizeof line, "%llu", (unsigned long long)number);
    support_expect(receiver, line);
}

static void open_sender(struct stream_out *out, const char *name)
{
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    memset(out, 0, sizeof *out);
    support_ok(sill_connect(&out->port, name, &options));
    out->bytes = malloc(STREAM_MOST);
}

static void slow_receiver(void **state)
{
    const struct way *way = *state;
    bool long_run = getenv("SILL_LONG") != NULL;
    char name[SUPPORT_NAME_SIZE];
    struct stream_out out;
    support_name(name, "slow");
    const char *arguments[] = {name, NULL};
    struct support_process *receiver = support_start("receiver", arguments, NULL);
    support_expect(receiver, "ready");
    open_sender(&out, name);

    fill_up(&out, way); /* it never reads */
    tell(receiver, "hold", sent(&out));
    expect(receiver, sent(&out));
    fill_up(&out, way); /* it never releases, and does not read either */

    uint64_t more = sent(&out) + 200;
    tell(receiver, "go", more);
    while (sent(&out) < more)
        support_ok(send_next(&out, way, SUPPORT_PATIENCE_MS));
    expect(receiver, more);
    check_memory(out.port, way);

    tell(receiver, "slow", long_run ? 1000 : 100);
    support_expect(receiver, "slow");
    unsigned timeouts = 0;
    for (unsigned i = 0; i < (long_run ? 200U : 10U) && timeouts < 100000; i++) {
        int rc;
        while ((rc = send_next(&out, way, TIMEOUT_MS / 4)) == 0)
            ;
        support_status(SILL_TIMEOUT, rc);
        timeouts++;
    }
    check_memory(out.port, way);
    more = sent(&out) + 100;
    tell(receiver, "go", more);
    while (sent(&out) < more)
        support_ok(send_next(&out, way, SUPPORT_PATIENCE_MS));
    expect(receiver, more);
    sill_port_close(out.port);
    free(out.bytes);
    assert_int_equal(0, support_finish(receiver));
}

/* ---- a flood ---- */

enum { OTHERS = 30, CALLS = 20, RECEIVERS = 4, WORK_NS = 20000, MOST_CALLS = OTHERS * CALLS };

static int play_flood(int argc, char **argv)
{
    struct stream_out out;
    char line[80];
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    memset(&out, 0, sizeof out);
    options.data = "flood";
    options.size = 5;
    if (argc < 1 || sill_connect(&out.port, argv[0], &options) != 0)
        return 2;
    uint64_t number = 0;
    int rc = 0;
    support_say("floods");
    for (; rc == 0 && (number % 64 != 0 || !support_listen(line, sizeof line, 0)); number++)
        rc = sill_send(out.port, &number, sizeof number, SUPPORT_PATIENCE_MS);
    support_say("%llu", (unsigned long long)number);
    support_linger();
    sill_port_close(out.port);
    return rc != 0;
}

struct pool {
    sill_server *server;
    atomic_ullong flooded, sum; /* messages of the flood, and of their numbers */
    atomic_uint ended;          /* threads */
};

/* A datagram costs a little, as work does. */
static void spend(void)
{
    volatile uint32_t x = 1;
    for (int i = 0; i < WORK_NS / 4; i++)
        x = x * 1664525u + 1;
}

static int receive_in_pool(void *arg)
{
    struct pool *pool = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int rc;
    while ((rc = sill_server_receive(pool->server, &m, -1)) == 0) {
        uint64_t number;
        if (m.type == SILL_CONNECT) {
            sill_accept(pool->server, &m, NULL, NULL, 0, NULL);
        } else if (m.type == SILL_REQUEST) {
            sill_reply(&m, m.data, m.size);
        } else if (m.type == SILL_DATAGRAM) {
            memcpy(&number, m.data, sizeof number);
            atomic_fetch_add(&pool->sum, number);
            atomic_fetch_add(&pool->flooded, 1);
            spend();
        }
        sill_release(&m);
    }
    atomic_fetch_add(&pool->ended, 1);
    return rc;
}

/* A cancel ends those that wait at the moment, and not who comes a moment later. */
static bool all_ended(void *arg)
{
    struct pool *pool = arg;
    sill_server_cancel(pool->server);
    return atomic_load(&pool->ended) == RECEIVERS;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool all_came(void *arg)
{
    void **both = arg;
    struct pool *pool = both[0];
    const uint64_t *number = both[1];
    return atomic_load(&pool->flooded) == *number;
}

/* How many messages of the flood were taken during each call, sorted. */
static void call_all(struct pool *pool, sill_port *ports[OTHERS], uint64_t during[MOST_CALLS])
{
    static unsigned char bytes[STREAM_MOST];
    uint32_t random = 5;
    for (unsigned i = 0; i < MOST_CALLS; i++) {
        uint64_t before = atomic_load(&pool->flooded);
        support_ok(stream_call(ports[i % OTHERS], bytes, &random, SUPPORT_PATIENCE_MS));
        during[i] = atomic_load(&pool->flooded) - before;
    }
    qsort(during, MOST_CALLS, sizeof during[0], compare);
}

static void flood(void **state)
{
    (void)state;
    static uint64_t during[MOST_CALLS];
    struct pool pool = {0};
    struct support_thread *threads[RECEIVERS];
    sill_port *ports[OTHERS] = {NULL};
    char name[SUPPORT_NAME_SIZE], line[80];
    support_name(name, "flood");
    support_ok(sill_listen(&pool.server, name, NULL));
    for (unsigned i = 0; i < RECEIVERS; i++)
        threads[i] = support_thread(receive_in_pool, &pool);
    for (unsigned i = 0; i < OTHERS; i++)
        support_ok(sill_connect(&ports[i], name, NULL));
    const char *arguments[] = {name, NULL};
    struct support_process *process = support_start("flood", arguments, NULL);
    support_expect(process, "floods");
    call_all(&pool, ports, during);
    support_tell(process, "stop");
    assert_true(support_hear(process, line, sizeof line, SUPPORT_PATIENCE_MS));
    uint64_t number = strtoull(line, NULL, 10);
    void *both[2] = {&pool, &number};
    assert_true(support_until(all_came, both, SUPPORT_PATIENCE_MS));
    assert_true(atomic_load(&pool.sum) == number * (number - 1) / 2);
    assert_int_equal(0, support_finish(process));
    if (getenv("SILL_LONG") != NULL)
        print_message("flood: %llu messages; during a call %llu, in 99 of 100 %llu, most %llu\n",
                      (unsigned long long)number, (unsigned long long)during[MOST_CALLS / 2],
                      (unsigned long long)during[MOST_CALLS * 99 / 100],
                      (unsigned long long)during[MOST_CALLS - 1]);
    /* In most calls of a busy machine it is how long this thread itself did not run; the best of
     * them tell what the server does. */
    assert_in_range(during[MOST_CALLS / 10], 0, 500);
    for (unsigned i = 0; i < OTHERS; i++)
        sill_port_close(ports[i]);
    assert_true(support_until(all_ended, &pool, SUPPORT_PATIENCE_MS));
    for (unsigned i = 0; i < RECEIVERS; i++)
        assert_int_equal(SILL_CANCELED, support_join(threads[i]));
    sill_server_close(pool.server);
}

enum { WAYS = sizeof ways / sizeof ways[0] };

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[WAYS + 1];
    static const struct support_role roles[] = {{"receiver", play_receiver}, {"flood", play_flood}};
    for (size_t i = 0; i < WAYS; i++)
        tests[i] = (struct CMUnitTest)SUPPORT_TEST_WITH(ways[i].name, slow_receiver,
                                                       (void *)(uintptr_t)&ways[i]);
    tests[WAYS] = (struct CMUnitTest)SUPPORT_TEST(flood);
    return support_main(argc, argv, __FILE__, tests, WAYS + 1, roles, 2);
}
