/* test_pipe.c - what only named pipes have: the file that tells their name, access lists, the queue
 * of instances, completion ports and their sharing, operations that belong to threads, handles
 * that travel as values. */
#include "support.h"

#ifndef _WIN32

int main(void)
{
    puts("skipped: named pipes are Windows'");
    return 0;
}

#else

#include <windows.h>

#include <aclapi.h>
#include <sddl.h>

#include "backends.h"
#include "clock.h"
#include "wait.h"

extern const struct sill__channel_ops sill__pipe_ops;
static const struct sill__channel_ops *const ops = &sill__pipe_ops;

enum { TOKEN = 32, QUEUE = 16, BLOCK = 65536 };

static char place_name[SUPPORT_NAME_SIZE];
static char file_path[SUPPORT_PATH_SIZE];

static struct sill__place place_make(void)
{
    struct sill__place place = {.name = place_name, .directory = support_directory()};
    char file[sizeof place.file + 8];
    support_name(place_name, "Pipe");
    snprintf(place.file, sizeof place.file, "t.%s", place_name);
    snprintf(file, sizeof file, "%s.pipe", place.file);
    support_path(file_path, file);
    return place;
}

/* The same place, in a helper. */
static struct sill__place place_of(const char *name)
{
    struct sill__place place = {.name = name, .directory = getenv("SILL_RUNTIME_DIR")};
    snprintf(place.file, sizeof place.file, "t.%s", name);
    return place;
}

static int64_t patience(void)
{
    return sill__deadline(SUPPORT_PATIENCE_MS);
}

/* Waits until `key` is reported in `wait`. False when the time is over. */
static bool reported(sill__wait *wait, const void *key)
{
    int64_t deadline = patience();
    struct sill__event event;
    size_t count;
    while (sill__wait_for(wait, deadline, &event, 1, &count) == SILL_OK)
        if (count == 1 && event.key == key)
            return true;
    return false;
}

static int accept_one(sill__listen *listen, sill__wait *wait, sill__conn **out)
{
    int status;
    while ((status = ops->accept(listen, out)) == SILL_AGAIN)
        if (!reported(wait, listen))
            return SILL_TIMEOUT;
    return status;
}

/* A listener and its wait set, a client and the server's end of it, each end in a wait of its own.
 */
struct pair {
    sill__wait *listen_wait, *client_wait, *server_wait;
    sill__listen *listen;
    sill__conn *client, *server;
};

static void listen_open(struct pair *pair, const struct sill__place *place)
{
    memset(pair, 0, sizeof *pair);
    support_ok(sill__wait_create(&pair->listen_wait));
    support_ok(ops->listen(&pair->listen, place));
    support_ok(ops->watch_listen(pair->listen, pair->listen_wait, pair->listen));
}

static void accept_client(struct pair *pair)
{
    support_ok(sill__wait_create(&pair->server_wait));
    support_ok(accept_one(pair->listen, pair->listen_wait, &pair->server));
    support_ok(ops->watch(pair->server, pair->server_wait, pair->server));
}

static void pair_open(struct pair *pair, const struct sill__place *place)
{
    listen_open(pair, place);
    support_ok(ops->connect(&pair->client, place, patience()));
    support_ok(sill__wait_create(&pair->client_wait));
    support_ok(ops->watch(pair->client, pair->client_wait, pair->client));
    accept_client(pair);
}

static void pair_close(struct pair *pair)
{
    if (pair->client != NULL)
        ops->close(pair->client);
    if (pair->server != NULL)
        ops->close(pair->server);
    if (pair->listen != NULL)
        ops->unlisten(pair->listen, true);
    sill__wait *waits[] = {pair->client_wait, pair->server_wait, pair->listen_wait};
    for (int i = 0; i < 3; i++)
        if (waits[i] != NULL)
            sill__wait_destroy(waits[i]);
}

static int send_some(sill__conn *conn, const void *data, size_t size, size_t *sent)
{
    struct sill__bytes part = {data, size};
    return ops->send(conn, &part, 1, NULL, 0, sent);
}

/* Sends until the channel is full; how many bytes went. The bytes count up. */
static size_t fill(sill__conn *conn)
{
    static unsigned char block[BLOCK];
    size_t all = 0, sent = 0;
    int status;
    do {
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = (unsigned char)((all + i) % 251);
        status = send_some(conn, block, BLOCK, &sent);
        all += status == SILL_OK ? sent : 0;
    } while (status == SILL_OK);
    return status == SILL_AGAIN ? all : 0;
}

/* Receives until something else than bytes comes, or `most` of them have; checks that they count
 * up. */
static size_t drain(sill__conn *conn, sill__wait *wait, size_t most, int *status)
{
    static unsigned char block[BLOCK];
    size_t all = 0, got = 0;
    *status = SILL_OK;
    while (all < most) {
        *status = ops->recv(conn, block, most - all < BLOCK ? most - all : BLOCK, &got);
        if (*status == SILL_AGAIN && reported(wait, conn))
            continue;
        if (*status != SILL_OK)
            return all;
        for (size_t i = 0; i < got; i++, all++)
            if (block[i] != (unsigned char)(all % 251))
                fail_msg("byte %zu is wrong", all);
    }
    return all;
}

static void one_byte_goes(sill__conn *from, sill__conn *to, sill__wait *wait)
{
    size_t count = 0;
    char byte = 0;
    int status;
    support_ok(send_some(from, "b", 1, &count));
    assert_int_equal(count, 1);
    while ((status = ops->recv(to, &byte, 1, &count)) == SILL_AGAIN)
        assert_true(reported(wait, to));
    support_ok(status);
    assert_int_equal(byte, 'b');
}

/* ---- the name ---- */

static void pipe_path(const struct sill__place *place, char out[MAX_PATH])
{
    char token[TOKEN + 2] = {0};
    DWORD size = 0;
    HANDLE file =
        CreateFileA(file_path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, 0, NULL);
    assert_true(file != INVALID_HANDLE_VALUE);
    assert_true(ReadFile(file, token, TOKEN + 1, &size, NULL));
    assert_int_equal(size, TOKEN);
    CloseHandle(file);
    snprintf(out, MAX_PATH, "\\\\.\\pipe\\sill.%s.%s", place->file, token);
}

static void file_goes_with_the_listener(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    char first[MAX_PATH], second[MAX_PATH];
    pair_open(&pair, &place);
    pipe_path(&place, first);
    ops->unlisten(pair.listen, true);
    assert_false(support_exists(file_path));
    support_ok(ops->listen(&pair.listen, &place));
    pipe_path(&place, second);
    assert_string_not_equal(first, second);
    pair_close(&pair);
    assert_false(support_exists(file_path));
}

/* Connections outlive their listener, and are not in the way of the next one. */
static void listens_again_while_connections_live(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair old, new;
    sill__conn *nobody = NULL;
    pair_open(&old, &place);
    ops->unlisten(old.listen, true);
    old.listen = NULL;
    support_status(SILL_NOT_FOUND, ops->connect(&nobody, &place, patience()));
    pair_open(&new, &place);
    one_byte_goes(old.client, old.server, old.server_wait);
    one_byte_goes(new.server, new.client, new.client_wait);
    pair_close(&old);
    one_byte_goes(new.client, new.server, new.server_wait);
    pair_close(&new);
}

static void what_lies_there_is_judged(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    sill__conn *nobody = NULL;
    const char *const contents[] = {"", "no token", "0123456789abcdef0123456789abcdef",
                                    "0123456789abcdef0123456789abcdef0",
                                    "../../0123456789abcdef0123"};
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        support_write_file(file_path, contents[i], strlen(contents[i]));
        support_status(SILL_NOT_FOUND, ops->connect(&nobody, &place, patience()));
    }
    support_ok(ops->remove_stale(&place));
    assert_false(support_exists(file_path));
    support_ok(ops->remove_stale(&place));

    support_write_file(file_path, "stale", 5);
    pair_open(&pair, &place);
    pair_close(&pair);

    sill__listen *listen = NULL;
    assert_true(CreateDirectoryA(file_path, NULL));
    support_status(SILL_DENIED, ops->listen(&listen, &place));
    assert_null(listen);
    assert_true(RemoveDirectoryA(file_path));
}

static char *dacl_of(const char *path)
{
    HANDLE pipe =
        CreateFileA(path, GENERIC_READ | FILE_WRITE_DATA, 0, NULL, OPEN_EXISTING, 0, NULL);
    PSECURITY_DESCRIPTOR descriptor;
    char *text;
    assert_true(pipe != INVALID_HANDLE_VALUE);
    assert_int_equal(GetSecurityInfo(pipe, SE_KERNEL_OBJECT, DACL_SECURITY_INFORMATION, NULL, NULL,
                                     NULL, NULL, &descriptor),
                     ERROR_SUCCESS);
    assert_true(ConvertSecurityDescriptorToStringSecurityDescriptorA(
        descriptor, SDDL_REVISION_1, DACL_SECURITY_INFORMATION, &text, NULL));
    LocalFree(descriptor);
    CloseHandle(pipe);
    return text;
}

static unsigned entries_of(const char *dacl)
{
    unsigned count = 0;
    for (const char *c = dacl; (c = strchr(c, '(')) != NULL; c++)
        count++;
    return count;
}

static void access_is_as_asked(void **state)
{
    (void)state;
    struct pair pair;
    char path[MAX_PATH];
    struct sill__place place = place_make();
    pair_open(&pair, &place);
    pipe_path(&place, path);
    char *dacl = dacl_of(path);
    assert_memory_equal(dacl, "D:P(A;;", 7);
    assert_int_equal(entries_of(dacl), 1);
    assert_non_null(strstr(dacl, ops->peer(pair.client)->sid));
    LocalFree(dacl);
    pair_close(&pair);

    place = place_make();
    place.access = SILL_ACCESS_ALL;
    pair_open(&pair, &place);
    pipe_path(&place, path);
    dacl = dacl_of(path);
    assert_int_equal(entries_of(dacl), 2);
    /* Everybody: no FILE_CREATE_PIPE_INSTANCE (4), no WRITE_DAC, WRITE_OWNER, DELETE. */
    assert_non_null(strstr(dacl, "(A;;0x12018b;;;WD)"));
    LocalFree(dacl);
    pair_close(&pair);
}

static void pipe_cannot_be_made_twice(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    char path[MAX_PATH];
    if (support_under_wine())
        support_skip("Wine lets a second first instance in; the name is random all the same");
    listen_open(&pair, &place);
    pipe_path(&place, path);
    HANDLE second = CreateNamedPipeA(path, PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE,
                                     PIPE_TYPE_BYTE, 255, 0, 0, 0, NULL);
    assert_true(second == INVALID_HANDLE_VALUE);
    pair_close(&pair);
}

/* ---- the queue ---- */

static void full_queue_is_waited_for(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    sill__conn *clients[QUEUE + 1], *server;
    listen_open(&pair, &place);
    for (int i = 0; i < QUEUE; i++)
        support_ok(ops->connect(&clients[i], &place, patience()));
    int64_t start = sill__now_ns();
    support_status(SILL_TIMEOUT, ops->connect(&clients[QUEUE], &place, sill__deadline(60)));
    assert_true(sill__now_ns() - start >= 60 * 1000000);
    support_status(SILL_TIMEOUT, ops->connect(&clients[QUEUE], &place, sill__deadline(0)));
    support_ok(accept_one(pair.listen, pair.listen_wait, &server));
    ops->close(server);
    support_ok(ops->connect(&clients[QUEUE], &place, patience()));
    for (int i = 0; i <= QUEUE; i++)
        ops->close(clients[i]);
    pair_close(&pair);
}

/* What a client sent that closed before it was accepted is still to be had. */
static void early_client_is_heard(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    size_t count = 0;
    char byte = 0;
    listen_open(&pair, &place);
    support_ok(ops->connect(&pair.client, &place, patience()));
    support_ok(send_some(pair.client, "e", 1, &count));
    ops->close(pair.client);
    pair.client = NULL;
    accept_client(&pair);
    int status;
    while ((status = ops->recv(pair.server, &byte, 1, &count)) == SILL_AGAIN)
        assert_true(reported(pair.server_wait, pair.server));
    support_ok(status);
    assert_int_equal(byte, 'e');
    while ((status = ops->recv(pair.server, &byte, 1, &count)) == SILL_AGAIN)
        assert_true(reported(pair.server_wait, pair.server));
    support_status(SILL_DIED, status);
    pair_close(&pair);
}

/* ---- completion ports ---- */

/* Several waits that share the port of one listener, a thread in each. */
struct sleeper {
    sill__wait *wait;
    sill__conn *conn;
};

static int answer_bytes(void *arg)
{
    struct sleeper *sleeper = arg;
    for (int answered = 0;;) {
        char byte;
        size_t count;
        int status = ops->recv(sleeper->conn, &byte, 1, &count);
        if (status == SILL_DIED)
            return answered;
        if (status == SILL_AGAIN && !reported(sleeper->wait, sleeper->conn))
            return -1;
        if (status == SILL_OK && send_some(sleeper->conn, &byte, 1, &count) == SILL_OK)
            answered++;
    }
}

static void waits_share_a_port(void **state)
{
    (void)state;
    enum { SLEEPERS = 4, ROUNDS = 50 };
    struct sill__place place = place_make();
    struct pair pair;
    struct sleeper sleepers[SLEEPERS], clients[SLEEPERS];
    struct support_thread *threads[SLEEPERS];
    listen_open(&pair, &place);
    for (int i = 0; i < SLEEPERS; i++) {
        support_ok(ops->connect(&clients[i].conn, &place, patience()));
        support_ok(sill__wait_create(&clients[i].wait));
        support_ok(ops->watch(clients[i].conn, clients[i].wait, clients[i].conn));
        support_ok(accept_one(pair.listen, pair.listen_wait, &sleepers[i].conn));
        support_ok(sill__wait_create(&sleepers[i].wait));
        support_ok(ops->watch(sleepers[i].conn, sleepers[i].wait, sleepers[i].conn));
        threads[i] = support_thread(answer_bytes, &sleepers[i]);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < SLEEPERS; i++) {
            size_t count = 0;
            char byte = 0;
            int status;
            support_ok(send_some(clients[i].conn, "q", 1, &count));
            while ((status = ops->recv(clients[i].conn, &byte, 1, &count)) == SILL_AGAIN)
                assert_true(reported(clients[i].wait, clients[i].conn));
            support_ok(status);
        }
    for (int i = 0; i < SLEEPERS; i++) {
        ops->close(clients[i].conn);
        sill__wait_destroy(clients[i].wait);
        assert_int_equal(support_join(threads[i]), ROUNDS);
        ops->close(sleepers[i].conn);
        sill__wait_destroy(sleepers[i].wait);
    }
    pair_close(&pair);
}

static void bound_for_life(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair, other;
    pair_open(&pair, &place);
    struct sill__place second = place_make();
    pair_open(&other, &second);
    ops->unwatch(pair.server);
    support_status(SILL_INVALID, ops->watch(pair.server, other.server_wait, pair.server));
    support_ok(ops->watch(pair.server, pair.listen_wait, pair.server)); /* the same port */
    one_byte_goes(pair.client, pair.server, pair.listen_wait);
    ops->unwatch(other.server); /* nothing is watched there now */
    ops->unwatch(pair.server);
    support_ok(ops->watch(pair.server, other.server_wait, pair.server));
    one_byte_goes(pair.client, pair.server, other.server_wait);
    pair_close(&pair);
    pair_close(&other);
}

/* ---- the pollable ---- */

struct sender {
    sill__conn *conns[2];
    int rounds;
};

static int send_in_turn(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < sender->rounds; i++) {
        size_t sent;
        int status;
        while ((status = send_some(sender->conns[i % 2], "p", 1, &sent)) == SILL_AGAIN)
            support_sleep_ms(1);
        if (status != SILL_OK)
            return 1;
    }
    return 0;
}

/* One pollable over two connections: a read that is issued on one must not hide what came on the
 * other. `collect`: the wait set is asked too, as a library would. */
static void pollable_never_sleeps_over(bool collect)
{
    struct sill__place place = place_make();
    struct pair pair;
    struct sender sender = {.rounds = 400};
    sill__conn *servers[2];
    sill_handle handle;
    struct sill__event events[4];
    size_t count;
    char buffer[64];
    listen_open(&pair, &place);
    for (int i = 0; i < 2; i++) {
        support_ok(ops->connect(&sender.conns[i], &place, patience()));
        support_ok(accept_one(pair.listen, pair.listen_wait, &servers[i]));
    }
    support_ok(sill__wait_create(&pair.server_wait));
    support_ok(ops->watch(servers[0], pair.server_wait, servers[0]));
    support_ok(sill__wait_pollable(pair.server_wait, &handle));
    support_ok(ops->watch(servers[1], pair.server_wait, servers[1]));
    struct support_thread *thread = support_thread(send_in_turn, &sender);
    for (int received = 0; received < sender.rounds;) {
        assert_int_equal(WaitForSingleObject((HANDLE)handle, SUPPORT_PATIENCE_MS), WAIT_OBJECT_0);
        if (collect)
            (void)sill__wait_for(pair.server_wait, 0, events, 4, &count);
        for (int i = 0; i < 2; i++) {
            int status;
            while ((status = ops->recv(servers[i], buffer, sizeof buffer, &count)) == SILL_OK)
                received += (int)count;
            support_status(SILL_AGAIN, status);
        }
    }
    assert_int_equal(support_join(thread), 0);
    while (sill__wait_for(pair.server_wait, 0, events, 4, &count) == SILL_OK)
        ;
    assert_int_equal(WaitForSingleObject((HANDLE)handle, 0), WAIT_TIMEOUT);
    ops->close(sender.conns[0]); /* its end is told too */
    assert_int_equal(WaitForSingleObject((HANDLE)handle, SUPPORT_PATIENCE_MS), WAIT_OBJECT_0);
    ops->close(sender.conns[1]);
    for (int i = 0; i < 2; i++)
        ops->close(servers[i]);
    pair_close(&pair);
}

static void pollable_with_the_wait_set(void **state)
{
    (void)state;
    pollable_never_sleeps_over(true);
}

static void pollable_by_itself(void **state)
{
    (void)state;
    pollable_never_sleeps_over(false);
}

/* ---- operations and threads ---- */

static int receive_nothing(void *arg)
{
    char byte;
    size_t got;
    return ops->recv(arg, &byte, 1, &got);
}

static int fill_and_end(void *arg)
{
    return (int)fill(arg);
}

static void end_of_a_thread_loses_nothing(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    int status;
    pair_open(&pair, &place);
    struct support_thread *thread = support_thread(receive_nothing, pair.server);
    assert_int_equal(support_join(thread), SILL_AGAIN);
    thread = support_thread(fill_and_end, pair.client); /* its last write is under way */
    size_t filled = (size_t)support_join(thread);
    assert_true(filled >= BLOCK);
    assert_int_equal(drain(pair.server, pair.server_wait, filled, &status), filled);
    one_byte_goes(pair.client, pair.server, pair.server_wait);
    pair_close(&pair);
}

static int close_it(void *arg)
{
    ops->close(arg);
    return 0;
}

static void close_waits_for_the_reader(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    int status;
    pair_open(&pair, &place);
    size_t filled = fill(pair.client);
    assert_true(filled >= BLOCK);
    struct support_thread *thread = support_thread(close_it, pair.client);
    pair.client = NULL;
    assert_int_equal(drain(pair.server, pair.server_wait, SIZE_MAX, &status), filled);
    support_status(SILL_DIED, status);
    support_join(thread);
    pair_close(&pair);
}

static void close_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    int status;
    pair_open(&pair, &place);
    size_t filled = fill(pair.client);
    int64_t start = sill__now_ns();
    ops->close(pair.client);
    pair.client = NULL;
    assert_true(sill__now_ns() - start < INT64_C(10000000000));
    assert_true(drain(pair.server, pair.server_wait, SIZE_MAX, &status) <= filled);
    support_status(SILL_DIED, status);
    pair_close(&pair);
}

/* ---- handles ---- */

static void what_is_no_handle_is_a_breach(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    const uint64_t values[] = {
        0, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 5,    0xffffffff, 0xfffffffe,
        5, 0x7ffffffc, 0x80000004,     (uint64_t)1 << 40, 0x100000004};
    pair_open(&pair, &place);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        sill_handle handle = SILL_NO_HANDLE;
        support_status(SILL_PROTOCOL, ops->import_handle(pair.server, values[i], &handle));
        support_status(SILL_PROTOCOL, ops->import_handle(pair.client, values[i], &handle));
        assert_int_equal(handle, SILL_NO_HANDLE);
    }
    support_status(SILL_PROTOCOL, ops->taken(pair.client, 1));
    pair_close(&pair);
}

static void taken_handles_are_let_go(void **state)
{
    (void)state;
    enum { MANY = 2 * SILL_HANDLES_MAX };
    struct sill__place place = place_make();
    struct pair pair;
    uint64_t value = 0;
    sill_handle got;
    pair_open(&pair, &place);
    sill_handle event = (sill_handle)CreateEventW(NULL, TRUE, FALSE, NULL);
    for (int round = 0; round < 50; round++) { /* more than can be kept, in all */
        unsigned before = support_handles();
        for (int i = 0; i < MANY; i++) {
            support_ok(ops->export_handle(pair.client, event, &value));
            support_ok(ops->import_handle(pair.server, value, &got));
            assert_int_not_equal(got, value);
            sill__handle_close(got);
        }
        assert_int_equal(support_handles(), before + MANY);
        support_ok(ops->taken(pair.client, MANY));
        assert_int_equal(support_handles(), before);
    }
    sill__handle_close(event);
    pair_close(&pair);
}

/* A section handle that may only be read stays so at the other end. */
static void rights_travel_with_handles(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    HANDLE section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 4096, NULL);
    HANDLE reader = NULL;
    assert_non_null(section);
    assert_true(DuplicateHandle(GetCurrentProcess(), section, GetCurrentProcess(), &reader,
                                FILE_MAP_READ, FALSE, 0));
    pair_open(&pair, &place);
    for (int to_client = 0; to_client < 2; to_client++) {
        uint64_t value = 0;
        sill_handle got = SILL_NO_HANDLE;
        support_ok(
            ops->export_handle(to_client ? pair.server : pair.client, (sill_handle)reader, &value));
        support_ok(ops->import_handle(to_client ? pair.client : pair.server, value, &got));
        assert_null(MapViewOfFile((HANDLE)got, FILE_MAP_WRITE, 0, 0, 0));
        void *view = MapViewOfFile((HANDLE)got, FILE_MAP_READ, 0, 0, 0);
        assert_non_null(view);
        UnmapViewOfFile(view);
        sill__handle_close(got);
    }
    pair_close(&pair);
    CloseHandle(reader);
    CloseHandle(section);
}

/* ---- two processes ---- */

/* Connects and sends back what comes, both at once, until the other end is closed. */
static int run_echo(int argc, char **argv)
{
    static unsigned char block[BLOCK];
    struct sill__place place = place_of(argv[0]);
    sill__conn *conn;
    sill__wait *wait;
    size_t have = 0, sent = 0, count;
    (void)argc;
    if (ops->connect(&conn, &place, patience()) != SILL_OK || sill__wait_create(&wait) != SILL_OK ||
        ops->watch(conn, wait, conn) != SILL_OK)
        return 2;
    support_say("connected");
    for (;;) {
        int status = sent < have ? send_some(conn, block + sent, have - sent, &count)
                                 : ops->recv(conn, block, BLOCK, &count);
        if (status == SILL_DIED)
            break;
        if (status == SILL_AGAIN && !reported(wait, conn))
            return 3;
        if (status == SILL_OK && sent < have)
            sent += count;
        else if (status == SILL_OK)
            have = count, sent = 0;
    }
    ops->close(conn);
    sill__wait_destroy(wait);
    return 0;
}

static struct support_process *echo_start(struct pair *pair, const struct sill__place *place)
{
    const char *arguments[] = {place->name, NULL};
    listen_open(pair, place);
    struct support_process *echo = support_start("echo", arguments, NULL);
    accept_client(pair);
    support_expect(echo, "connected");
    return echo;
}

static void megabytes_go_both_ways(void **state)
{
    (void)state;
    enum { ALL = 8 << 20 };
    static unsigned char block[BLOCK], back[BLOCK];
    struct sill__place place = place_make();
    struct pair pair;
    struct support_process *echo = echo_start(&pair, &place);
    size_t sent = 0, received = 0, count = 0;
    while (received < ALL) {
        bool stuck = true;
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = (unsigned char)((sent + i) % 251);
        size_t left = ALL - sent < BLOCK ? ALL - sent : BLOCK;
        int status = left > 0 ? send_some(pair.server, block, left, &count) : SILL_AGAIN;
        if (status == SILL_OK)
            sent += count, stuck = false;
        else
            support_status(SILL_AGAIN, status);
        status = ops->recv(pair.server, back, BLOCK, &count);
        if (status == SILL_OK) {
            for (size_t i = 0; i < count; i++, received++)
                if (back[i] != (unsigned char)(received % 251))
                    fail_msg("byte %zu is wrong", received);
            stuck = false;
        } else {
            support_status(SILL_AGAIN, status);
        }
        if (stuck)
            assert_true(reported(pair.server_wait, pair.server));
    }
    pair_close(&pair);
    assert_int_equal(support_finish(echo), 0);
}

static void killed_in_the_middle(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair;
    struct support_process *echo = echo_start(&pair, &place);
    int status = SILL_OK;
    size_t count = 0;
    assert_true(fill(pair.server) > 0); /* the echo may be sending, receiving or neither */
    support_kill(echo);
    drain(pair.server, pair.server_wait, SIZE_MAX, &status);
    support_status(SILL_DIED, status);
    while ((status = send_some(pair.server, "x", 1, &count)) == SILL_AGAIN)
        assert_true(reported(pair.server_wait, pair.server));
    support_status(SILL_DIED, status);
    assert_int_equal(ops->peer_alive(pair.server), 0);
    pair_close(&pair);
    support_finish(echo);
}

static int run_server(int argc, char **argv)
{
    struct sill__place place = place_of(argv[0]);
    sill__listen *listen;
    (void)argc;
    if (ops->listen(&listen, &place) != SILL_OK)
        return 2;
    support_say("listening");
    support_linger();
    ops->unlisten(listen, true);
    return 0;
}

static void killed_server_leaves_nothing(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    const char *arguments[] = {place.name, NULL};
    sill__conn *client = NULL, *nobody = NULL;
    sill__wait *wait;
    int status;
    struct support_process *server = support_start("server", arguments, NULL);
    support_expect(server, "listening");
    support_ok(ops->connect(&client, &place, patience()));
    assert_int_equal(ops->peer(client)->pid, support_pid(server));
    assert_int_equal(ops->peer(client)->exact, 1);
    support_ok(sill__wait_create(&wait));
    support_ok(ops->watch(client, wait, client));
    support_kill(server);
    assert_int_equal(drain(client, wait, SIZE_MAX, &status), 0);
    support_status(SILL_DIED, status);
    support_status(SILL_NOT_FOUND, ops->connect(&nobody, &place, patience()));
    assert_false(support_exists(file_path));
    ops->close(client);
    sill__wait_destroy(wait);
    struct pair pair; /* the name is free at once */
    pair_open(&pair, &place);
    pair_close(&pair);
    support_finish(server);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(file_goes_with_the_listener),
    SUPPORT_TEST(listens_again_while_connections_live),
    SUPPORT_TEST(what_lies_there_is_judged),
    SUPPORT_TEST(access_is_as_asked),
    SUPPORT_TEST(pipe_cannot_be_made_twice),
    SUPPORT_TEST(full_queue_is_waited_for),
    SUPPORT_TEST(early_client_is_heard),
    SUPPORT_TEST(waits_share_a_port),
    SUPPORT_TEST(bound_for_life),
    SUPPORT_TEST(pollable_with_the_wait_set),
    SUPPORT_TEST(pollable_by_itself),
    SUPPORT_TEST(end_of_a_thread_loses_nothing),
    SUPPORT_TEST(close_waits_for_the_reader),
    SUPPORT_TEST(close_does_not_wait_for_ever),
    SUPPORT_TEST(what_is_no_handle_is_a_breach),
    SUPPORT_TEST(taken_handles_are_let_go),
    SUPPORT_TEST(rights_travel_with_handles),
    SUPPORT_TEST(megabytes_go_both_ways),
    SUPPORT_TEST(killed_in_the_middle),
    SUPPORT_TEST(killed_server_leaves_nothing),
};
static const struct support_role roles[] = {{"echo", run_echo}, {"server", run_server}};
SUPPORT_MAIN(tests, roles)

#endif
