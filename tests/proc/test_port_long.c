/* A long way: two processes send each other messages of random sizes by every way, each with one
 * thread that sends and one that receives. All of them come, whole and in order, and behind the
 * last one the orderly end. Some are held for long and released in another order.
 *
 * SILL_LONG=1 in the environment: a billion in each direction (a million under Wine), with the rate
 * on stderr; SILL_LONG=COUNT: so many.
 */
#include "stream_rig.h"

enum { HELD = 4, TOLD_EVERY = 10000000, SMALL = 120 };

struct side {
    sill_port *port;
    uint64_t count;   /* messages in each direction */
    uint32_t every;   /* one of so many goes by any way, the others are small */
    uint32_t seed;
    struct stream_in in;
    unsigned paths; /* by which messages came, as bits */
    sill_message held[HELD];
    uint32_t random;
    int64_t since; /* when it began, for the rate; 0: do not tell */
};

static uint64_t messages(void)
{
    const char *text = getenv("SILL_LONG");
    bool slow = support_under_wine();
    if (text == NULL)
        return slow ? 20000 : 200000;
    uint64_t count = strtoull(text, NULL, 10);
    return count > 1 ? count : slow ? 1000000 : 1000000000;
}

static uint32_t one_of(void)
{
    return getenv("SILL_LONG") != NULL ? 2048 : 32;
}

static int send_small(struct stream_out *out)
{
    unsigned char bytes[SMALL];
    size_t size = 16 + stream_random(&out->random) % (sizeof bytes - 15);
    stream_fill(bytes, size, STREAM_PLAIN, out->next[STREAM_PLAIN]);
    int rc = sill_send(out->port, bytes, size, SUPPORT_PATIENCE_MS);
    if (rc == 0)
        out->next[STREAM_PLAIN]++;
    return rc;
}

static int send_all(void *arg)
{
    const struct side *side = arg;
    struct stream_out out = {.port = side->port, .random = side->seed, .bytes = malloc(STREAM_MOST)};
    int rc = 0;
    for (uint64_t i = 0; i < side->count && rc == 0; i++)
        rc = stream_random(&out.random) % side->every == 0
                 ? stream_send(&out, SUPPORT_PATIENCE_MS)
                 : send_small(&out);
    free(out.bytes);
    return rc;
}

static void release_held(struct side *side, sill_message *held)
{
    struct stream_head head;
    if (held->internal != NULL && !stream_whole(held->data, held->size, &head))
        side->in.wrong = "a message that was held has changed";
    sill_release(held);
}

static void take(struct side *side, sill_message *m)
{
    uint32_t r = stream_random(&side->random);
    sill_message *held = &side->held[r / 64 % HELD];
    stream_take(&side->in, m);
    side->paths |= 1U << m->path;
    if (r % 64 < 2) {
        release_held(side, held);
        *held = *m;
        *m = (sill_message)SILL_MESSAGE_INIT;
    } else if (r % 64 < 6) {
        release_held(side, held);
    }
}

static uint64_t have(const struct side *side)
{
    return side->in.next[STREAM_PLAIN] + side->in.next[STREAM_URGENT];
}

static void tell_rate(const struct side *side)
{
    uint64_t got = have(side);
    if (side->since == 0 || got % TOLD_EVERY != 0)
        return;
    int64_t ms = support_now_ms() - side->since;
    fprintf(stderr, "%llu messages each way, %llu per second\n", (unsigned long long)got,
            (unsigned long long)(got * 1000 / (uint64_t)(ms > 0 ? ms : 1)));
}

static int play_client(int argc, char **argv)
{
    const sill_policy policy = stream_policy();
    struct side side = {.count = messages(), .every = one_of(), .seed = 4, .random = 6};
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    int rc = argc < 1 ? SILL_INVALID : sill_connect(&side.port, argv[0], &options);
    if (rc != 0)
        return 2;
    struct support_thread *thread = support_thread(send_all, &side);
    sill_message m = SILL_MESSAGE_INIT;
    while (rc == 0 && side.in.wrong == NULL && have(&side) < side.count) {
        rc = sill_receive(side.port, &m, SUPPORT_PATIENCE_MS);
        if (rc == 0)
            take(&side, &m);
    }
    sill_release(&m);
    int sent = support_join(thread);
    for (unsigned i = 0; i < HELD; i++)
        release_held(&side, &side.held[i]);
    sill_port_close(side.port);
    support_say("%s, %s: %s", sill_status_name(rc), sill_status_name(sent),
                side.in.wrong != NULL ? side.in.wrong : "all came");
    return 0;
}

/* Until the client has closed. */
static int receive_all(sill_server *server, struct side *side)
{
    sill_message m = SILL_MESSAGE_INIT;
    int rc;
    while ((rc = sill_server_receive(server, &m, SUPPORT_PATIENCE_MS)) == 0 && m.type >= 0) {
        take(side, &m);
        tell_rate(side);
        if (side->in.wrong != NULL)
            break;
    }
    rc = rc == 0 ? m.type : rc;
    sill_release(&m);
    return rc;
}

static void both_ways(void **state)
{
    (void)state;
    const sill_policy policy = stream_policy();
    struct side side = {.count = messages(), .every = one_of(), .seed = 1, .random = 2};
    char name[SUPPORT_NAME_SIZE];
    sill_server *server = NULL;
    sill_message m = SILL_MESSAGE_INIT;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    support_name(name, "long");
    support_ok(sill_listen(&server, name, &options));
    const char *arguments[] = {name, NULL};
    struct support_process *client = support_start("client", arguments, NULL);
    support_ok(sill_server_receive(server, &m, SUPPORT_PATIENCE_MS));
    support_ok(sill_accept(server, &m, NULL, NULL, 0, &side.port));
    side.since = getenv("SILL_LONG") != NULL ? support_now_ms() : 0;
    struct support_thread *thread = support_thread(send_all, &side);
    int last = receive_all(server, &side);
    int sent = support_join(thread);
    if (side.in.wrong != NULL)
        fail_msg("after %llu and %llu: %s", (unsigned long long)side.in.next[0],
                 (unsigned long long)side.in.next[1], side.in.wrong);
    support_expect(client, "SILL_OK, SILL_OK: all came");
    assert_int_equal(0, sent);
    assert_int_equal(SILL_CLOSED, last);
    assert_true(have(&side) == side.count);
    assert_true(side.paths == 15 << SILL_PATH_CHANNEL); /* each was taken */
    for (unsigned i = 0; i < HELD; i++)
        release_held(&side, &side.held[i]);
    assert_null(side.in.wrong);
    assert_int_equal(0, support_finish(client));
    sill_server_close(server);
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(both_ways)};
static const struct support_role roles[] = {{"client", play_client}};
SUPPORT_MAIN(tests, roles)
