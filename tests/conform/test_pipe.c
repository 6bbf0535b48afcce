/* test_pipe.c - what only named pipes have: the file that tells their name, access lists, the queue
 * of instances, completion ports and their sharing.
 */
#ifndef _WIN32
#include "support.h"

int main(void)
{
    puts("skipped: named pipes are Windows'");
    return 0;
}

#else
#include "pipe_rig.h"

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
};
SUPPORT_MAIN_ALONE(tests)

#endif
