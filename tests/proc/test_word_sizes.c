/* test_word_sizes.c - a 32-bit and a 64-bit program share regions, ports and synchronisation
 * objects, each in both parts; and either is killed.
 *
 * The other one is this same program as the preset m32 has built it, or, seen from there, the
 * preset release. Where it is not built, everything here is skipped.
 */
#include "stream_rig.h"

#include "regions.h"

#define OTHER (sizeof(void *) == 4 ? "release" : "m32")

enum { SIZE = 70000, STREAMED = 300 };

static const char *other_program(void)
{
    static char path[SUPPORT_PATH_SIZE];
    snprintf(path, sizeof path, "%s/build/%s/bin/proc-word_sizes", SILL_SOURCE_DIR, OTHER);
    return path;
}

static void need_other(void)
{
    if (strstr(support_self(), ".exe") != NULL || !support_exists(other_program()))
        support_skip("there is no program of the other word size, %s", other_program());
}

static struct support_process *start_other(const char *role, const char *first, const char *second)
{
    const char *const arguments[] = {other_program(), "--role", role, first, second, NULL};
    return support_start_program(arguments, NULL);
}

/* It has another word size indeed. */
static void the_other_is_another(void **state)
{
    (void)state;
    need_other();
    struct support_process *other = start_other("size", NULL, NULL);
    support_expect(other, sizeof(void *) == 4 ? "8" : "4");
    assert_int_equal(support_finish(other), 0);
}

static int role_size(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    support_say("%u", (unsigned)sizeof(void *));
    return 0;
}

/* ---- regions ---- */

/* KIND NAME: opens the region that is filled by 1, and fills it by 2. */
static int role_opener(int argc, char **argv)
{
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    sill_region *region = NULL;
    int rc = argc == 2 ? sill_region_open(&region, argv[1], &options) : SILL_INVALID;
    if (rc == 0 &&
        (sill_region_size(region) != SIZE || !regions_filled(sill_region_data(region), SIZE, 1)))
        rc = SILL_WRONG_SIZE;
    if (rc == 0)
        regions_fill(sill_region_data(region), SIZE, 2);
    support_say("%s", sill_status_name(rc));
    sill_region_close(region);
    return 0;
}

/* KIND NAME: creates it, and it is filled by 1; then it is filled by 2. */
static int role_creator(int argc, char **argv)
{
    char line[80];
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    sill_region *region = NULL;
    int rc = argc == 2 ? sill_region_create(&region, argv[1], SIZE, &options) : SILL_INVALID;
    if (rc == 0)
        regions_fill(sill_region_data(region), SIZE, 1);
    support_say("%s", sill_status_name(rc));
    if (rc == 0 && support_listen(line, sizeof line, SUPPORT_PATIENCE_MS))
        support_say(regions_filled(sill_region_data(region), SIZE, 2) ? "filled" : "not filled");
    sill_region_close(region);
    return 0;
}

static const int kinds[] = {SILL_REGION_POSIX, SILL_REGION_FILE, SILL_REGION_SYSV};

static void share_region(int kind, bool ours)
{
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    struct support_process *other = NULL;
    if (ours) {
        support_ok(sill_region_create(&region, name, SIZE, &options));
        regions_fill(sill_region_data(region), SIZE, 1);
        other = start_other("opener", REGIONS_WORDS(kind, name));
        support_expect(other, "SILL_OK");
        assert_true(regions_filled(sill_region_data(region), SIZE, 2));
    } else {
        other = start_other("creator", REGIONS_WORDS(kind, name));
        support_expect(other, "SILL_OK");
        support_ok(sill_region_open(&region, name, &options));
        assert_int_equal(sill_region_size(region), SIZE);
        assert_true(regions_filled(sill_region_data(region), SIZE, 1));
        regions_fill(sill_region_data(region), SIZE, 2);
        support_tell(other, "look");
        support_expect(other, "filled");
    }
    assert_int_equal(support_finish(other), 0);
    sill_region_close(region);
    support_ok(sill_region_remove(name, &options));
    regions_nothing_left();
}

static void regions_are_shared(void **state)
{
    (void)state;
    need_other();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        share_region(kinds[i], true);
        share_region(kinds[i], false);
    }
}

/* ---- ports ---- */

static const struct {
    int path;
    size_t size;
} ways[] = {
    {SILL_PATH_CHANNEL, 40},    {SILL_PATH_CHANNEL, 200000}, {SILL_PATH_INLINE, 16},
    {SILL_PATH_INLINE, 1001},   {SILL_PATH_MAPPED, 5000},    {SILL_PATH_MAPPED, 100003},
    {SILL_PATH_ROUNDS, 300000}, {STREAM_LOAN, 70000},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static int path_of(int way)
{
    return way == STREAM_LOAN ? SILL_PATH_MAPPED : way;
}

/* Answers a request with its own bytes, by its own path or by a loan. */
static int answer(sill_message *m, bool by_loan)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = m->path;
    if (!by_loan)
        return sill_reply_with(m, m->data, m->size, &options);
    void *block = NULL;
    size_t size = m->size;
    int rc = sill_loan(m->port, size, &block);
    if (rc != 0)
        return rc;
    memcpy(block, m->data, size);
    options.path = SILL_PATH_AUTO;
    options.flags = SILL_SEND_LOAN;
    return sill_reply_with(m, block, size, &options);
}

static int listen_here(sill_server **server, const char *name)
{
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    return sill_listen(server, name, &options);
}

static int connect_here(sill_port **port, const char *name)
{
    const sill_policy policy = stream_policy();
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    return sill_connect(port, name, &options);
}

/* Serves one client until it goes: the status of its last message, or what went wrong. Datagrams
 * are the numbered ones of a stream. */
static int serve(sill_server *server, struct stream_in *in)
{
    unsigned turn = 0;
    for (;;) {
        sill_message m = SILL_MESSAGE_INIT;
        struct stream_head head;
        int rc = sill_server_receive(server, &m, SUPPORT_PATIENCE_MS), type = m.type;
        if (rc != 0)
            return rc;
        if (type == SILL_CONNECT)
            rc = sill_accept(server, &m, NULL, NULL, 0, NULL);
        else if (type == SILL_DATAGRAM)
            stream_take(in, &m);
        else if (type == SILL_REQUEST && !stream_whole(m.data, m.size, &head))
            in->wrong = "a request is not as it was sent";
        else if (type == SILL_REQUEST && m.path != path_of(ways[turn % WAYS].path))
            in->wrong = "a request came by another path";
        else if (type == SILL_REQUEST)
            rc = answer(&m, ways[turn++ % WAYS].path == STREAM_LOAN);
        sill_release(&m);
        if (rc != 0 || type < 0)
            return rc != 0 ? rc : type;
    }
}

static int call_by(sill_port *port, unsigned way, unsigned char *bytes)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    sill_message reply = SILL_MESSAGE_INIT;
    struct stream_head head;
    void *data = bytes;
    size_t size = ways[way].size;
    int rc = 0;
    if (ways[way].path == STREAM_LOAN) {
        options.flags = SILL_SEND_LOAN;
        rc = sill_loan(port, size, &data);
    } else {
        options.path = ways[way].path;
    }
    if (rc != 0)
        return rc;
    stream_fill(data, size, STREAM_PLAIN, way);
    rc = sill_call_with(port, data, size, &options, &reply, SUPPORT_PATIENCE_MS);
    if (rc == 0 && (!stream_whole(reply.data, reply.size, &head) || head.number != way ||
                    reply.size != size || reply.path != path_of(ways[way].path)))
        rc = SILL_OS;
    sill_release(&reply);
    return rc;
}

/* Three times by every way, each a call; then datagrams by any. */
static int talk(sill_port *port, uint64_t datagrams)
{
    static unsigned char bytes[STREAM_MOST];
    struct stream_out out = {.port = port, .random = 7, .bytes = bytes};
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 3 * WAYS; i++)
        rc = call_by(port, i % WAYS, bytes);
    for (uint64_t i = 0; rc == 0 && i < datagrams; i++)
        rc = stream_send(&out, SUPPORT_PATIENCE_MS);
    return rc;
}

/* NAME: serves one client, and says how it ended. */
static int role_server(int argc, char **argv)
{
    sill_server *server = NULL;
    struct stream_in in = {{0}, NULL};
    int rc = argc == 1 ? listen_here(&server, argv[0]) : SILL_INVALID;
    support_say("%s", sill_status_name(rc));
    if (rc == 0)
        support_say("%s %s", sill_status_name(serve(server, &in)), in.wrong ? in.wrong : "whole");
    sill_server_close(server);
    return 0;
}

/* NAME COUNT: talks to the server, with so many datagrams. */
static int role_client(int argc, char **argv)
{
    sill_port *port = NULL;
    int rc = argc == 2 ? connect_here(&port, argv[0]) : SILL_INVALID;
    support_say("%s", sill_status_name(rc));
    if (rc == 0)
        support_say("%s", sill_status_name(talk(port, strtoull(argv[1], NULL, 10))));
    sill_port_close(port);
    return 0;
}

static void other_serves(void **state)
{
    (void)state;
    need_other();
    char name[SUPPORT_NAME_SIZE];
    sill_port *port = NULL;
    support_name(name, "w");
    struct support_process *other = start_other("server", name, NULL);
    support_expect(other, "SILL_OK");
    support_ok(connect_here(&port, name));
    support_ok(talk(port, STREAMED));
    sill_port_close(port);
    support_expect(other, "SILL_CLOSED whole");
    assert_int_equal(support_finish(other), 0);
}

static void other_calls(void **state)
{
    (void)state;
    need_other();
    char name[SUPPORT_NAME_SIZE];
    sill_server *server = NULL;
    struct stream_in in = {{0}, NULL};
    support_name(name, "w");
    support_ok(listen_here(&server, name));
    struct support_process *other = start_other("client", name, "300");
    support_status(SILL_CLOSED, serve(server, &in));
    assert_null(in.wrong);
    assert_int_equal(in.next[STREAM_PLAIN] + in.next[STREAM_URGENT], STREAMED);
    support_expect(other, "SILL_OK");
    support_expect(other, "SILL_OK");
    assert_int_equal(support_finish(other), 0);
    sill_server_close(server);
}

static void server_is_killed(void **state)
{
    (void)state;
    need_other();
    static unsigned char bytes[STREAM_MOST];
    char name[SUPPORT_NAME_SIZE];
    sill_port *port = NULL;
    support_name(name, "w");
    struct support_process *other = start_other("server", name, NULL);
    support_expect(other, "SILL_OK");
    support_ok(connect_here(&port, name));
    support_ok(talk(port, STREAMED));
    support_kill(other);
    support_finish(other);
    struct stream_out out = {.port = port, .random = 11, .bytes = bytes};
    int rc = 0;
    while (rc == 0)
        rc = stream_send(&out, SUPPORT_PATIENCE_MS);
    assert_int_equal(rc, SILL_DIED);
    sill_port_close(port);
    support_ok(sill_clean(NULL, 0, NULL, NULL));
}

/* It is killed while it streams; what came before is whole. */
static void client_is_killed(void **state)
{
    (void)state;
    need_other();
    char name[SUPPORT_NAME_SIZE];
    sill_server *server = NULL;
    struct stream_in in = {{0}, NULL};
    support_name(name, "w");
    support_ok(listen_here(&server, name));
    struct support_process *other = start_other("client", name, "1000000000");
    while (in.next[STREAM_PLAIN] < STREAMED && in.wrong == NULL) {
        sill_message m = SILL_MESSAGE_INIT;
        support_ok(sill_server_receive(server, &m, SUPPORT_PATIENCE_MS));
        if (m.type == SILL_CONNECT)
            support_ok(sill_accept(server, &m, NULL, NULL, 0, NULL));
        else if (m.type == SILL_REQUEST)
            support_ok(answer(&m, false));
        else
            stream_take(&in, &m);
        sill_release(&m);
    }
    support_kill(other);
    support_finish(other);
    support_status(SILL_DIED, serve(server, &in));
    assert_null(in.wrong);
    sill_server_close(server);
}

/* ---- synchronisation objects, pools ---- */

enum { EVENT_AT = SILL_SYNC_SIZE, MUTEX_AT = 2 * SILL_SYNC_SIZE, POOL_AT = 4 * SILL_SYNC_SIZE };

struct objects {
    sill_region *region;
    sill_semaphore *semaphore;
    sill_event *event;
};

static int place(struct objects *o, const char *name)
{
    sill_region_options how = SILL_REGION_OPTIONS_INIT;
    how.open_existing = 1;
    int rc = sill_region_create(&o->region, name, SIZE, &how);
    if (rc == 0)
        rc = sill_semaphore_place(&o->semaphore, o->region, 0, NULL);
    if (rc == 0)
        rc = sill_event_place(&o->event, o->region, EVENT_AT, NULL);
    return rc;
}

static void let_go(struct objects *o)
{
    sill_event_close(o->event);
    sill_semaphore_close(o->semaphore);
    sill_region_close(o->region);
}

static int try_mutex(const struct objects *o)
{
    sill_mutex *mutex = NULL;
    int rc = sill_mutex_place(&mutex, o->region, MUTEX_AT, NULL);
    sill_mutex_close(mutex);
    return rc;
}

static int try_pool(const struct objects *o)
{
    sill_pool *pool = NULL;
    sill_pool_options how = SILL_POOL_OPTIONS_INIT;
    how.offset = POOL_AT;
    how.size = SILL_POOL_SIZE_MIN;
    int rc = sill_pool_place(&pool, o->region, &how);
    sill_pool_close(pool);
    return rc;
}

/* NAME: answers each event by a post, until the region is told to be left. */
static int role_poster(int argc, char **argv)
{
    struct objects o = {NULL, NULL, NULL};
    int rc = argc == 1 ? place(&o, argv[0]) : SILL_INVALID;
    support_say("%s", sill_status_name(rc));
    support_say("%s", sill_status_name(try_mutex(&o)));
    support_say("%s", sill_status_name(try_pool(&o)));
    while (rc == 0 && (rc = sill_event_wait(o.event, SUPPORT_PATIENCE_MS)) == 0)
        rc = sill_semaphore_post(o.semaphore, 3);
    let_go(&o);
    return 0;
}

/* Counters and events mean the same to both. Locks do not: the one who comes second is told. */
static void objects_are_shared(void **state)
{
    (void)state;
    need_other();
    for (int ours = 0; ours < 2; ours++) {
        char name[SUPPORT_NAME_SIZE];
        struct objects o = {NULL, NULL, NULL};
        support_name(name, "w");
        if (ours) {
            support_ok(place(&o, name));
            support_ok(try_mutex(&o));
            support_ok(try_pool(&o));
        }
        struct support_process *other = start_other("poster", name, NULL);
        support_expect(other, "SILL_OK");
        support_expect(other, ours ? "SILL_VERSION" : "SILL_OK");
        support_expect(other, ours ? "SILL_VERSION" : "SILL_OK");
        if (!ours) {
            support_ok(place(&o, name));
            support_status(SILL_VERSION, try_mutex(&o));
            support_status(SILL_VERSION, try_pool(&o));
        }
        for (int i = 0; i < 30; i++) {
            support_ok(sill_event_set(o.event));
            for (int k = 0; k < 3; k++)
                support_ok(sill_semaphore_wait(o.semaphore, SUPPORT_PATIENCE_MS));
        }
        support_kill(other);
        support_finish(other);
        support_status(SILL_DIED, sill_semaphore_wait(o.semaphore, SUPPORT_PATIENCE_MS));
        let_go(&o);
        support_ok(sill_region_remove(name, NULL));
        regions_nothing_left();
    }
}

/* NAME: holds the lock. */
static int role_holder(int argc, char **argv)
{
    sill_mutex *mutex = NULL;
    sill_sync_options how = SILL_SYNC_OPTIONS_INIT;
    how.family = SILL_SYNC_SYSV;
    int rc = argc == 1 ? sill_mutex_open(&mutex, argv[0], &how) : SILL_INVALID;
    if (rc == 0)
        rc = sill_mutex_lock(mutex, SUPPORT_PATIENCE_MS);
    support_say("%s", sill_status_name(rc));
    support_linger();
    sill_mutex_close(mutex);
    return 0;
}

/* The locks of the family sysv are the kernel's, and so of any word size. */
static void system_v_locks_are_shared(void **state)
{
    (void)state;
    need_other();
    char name[SUPPORT_NAME_SIZE];
    sill_mutex *mutex = NULL;
    sill_sync_options how = SILL_SYNC_OPTIONS_INIT;
    how.family = SILL_SYNC_SYSV;
    support_name(name, "w");
    support_ok(sill_mutex_create(&mutex, name, &how));
    struct support_process *other = start_other("holder", name, NULL);
    support_expect(other, "SILL_OK");
    support_status(SILL_AGAIN, sill_mutex_lock(mutex, 0));
    support_kill(other);
    support_finish(other);
    support_status(SILL_DIED, sill_mutex_lock(mutex, SUPPORT_PATIENCE_MS));
    support_ok(sill_mutex_repaired(mutex));
    support_ok(sill_mutex_unlock(mutex));
    sill_mutex_close(mutex);
    support_ok(sill_sync_remove(name, &how));
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(the_other_is_another), SUPPORT_TEST(regions_are_shared),
    SUPPORT_TEST(other_serves),         SUPPORT_TEST(other_calls),
    SUPPORT_TEST(server_is_killed),     SUPPORT_TEST(client_is_killed),
    SUPPORT_TEST(objects_are_shared),   SUPPORT_TEST(system_v_locks_are_shared),
};
static const struct support_role roles[] = {
    {"size", role_size},     {"opener", role_opener}, {"creator", role_creator},
    {"server", role_server}, {"client", role_client}, {"poster", role_poster},
    {"holder", role_holder},
};
SUPPORT_MAIN(tests, roles)
