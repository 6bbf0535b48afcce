/* test_channel_posix.c - public channels where only POSIX can go wrong: links, foreign sockets and
 * directories, other users, fork, signals. */
#include "support.h"

#ifdef _WIN32

int main(void)
{
    puts("skipped: links, fork and signals are POSIX's");
    return 0;
}

#else

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sill/channel.h>

#include "owner.h"

#define NOBODY 65534

struct pair {
    char name[SUPPORT_NAME_SIZE];
    char socket_path[SUPPORT_PATH_SIZE];
    sill_listener *listener;
    sill_channel *client, *server;
};

static void name_make(struct pair *pair)
{
    char file[100], name[110];
    memset(pair, 0, sizeof *pair);
    support_name(pair->name, "chp");
    sill__owner_file_name(SILL__OWNER_SERVER, pair->name, file);
    snprintf(name, sizeof name, "%s~sock", file);
    support_path(pair->socket_path, name);
}

static void pair_open(struct pair *pair)
{
    name_make(pair);
    support_ok(sill_channel_listen(&pair->listener, pair->name, NULL));
    support_ok(sill_channel_connect(&pair->client, pair->name, NULL, SUPPORT_PATIENCE_MS));
    support_ok(sill_channel_accept(pair->listener, &pair->server, SUPPORT_PATIENCE_MS));
}

static void pair_close(struct pair *pair)
{
    sill_channel_close(pair->client);
    sill_channel_close(pair->server);
    sill_listener_close(pair->listener);
}

static void exchange(struct pair *pair)
{
    char buffer[8];
    size_t size;
    support_ok(sill_channel_send(pair->client, "works", 5, NULL, 0, SUPPORT_PATIENCE_MS));
    support_ok(sill_channel_receive(pair->server, buffer, sizeof buffer, &size, NULL, NULL,
                                    SUPPORT_PATIENCE_MS));
    assert_int_equal(size, 5);
}

static int receive_status(sill_channel *channel, int timeout_ms)
{
    char buffer[8];
    size_t size;
    return sill_channel_receive(channel, buffer, sizeof buffer, &size, NULL, NULL, timeout_ms);
}

static int raw_listen(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* ---- what others may have put there ---- */

/* A socket without a record behind it is nobody's, whether a process listens on it or not. */
static void sockets_without_a_record_are_replaced(void **state)
{
    (void)state;
    for (int listens = 0; listens < 2; listens++) {
        struct pair pair;
        name_make(&pair);
        int fd = raw_listen(pair.socket_path);
        if (!listens)
            close(fd);
        support_ok(sill_channel_listen(&pair.listener, pair.name, NULL));
        support_ok(sill_channel_connect(&pair.client, pair.name, NULL, SUPPORT_PATIENCE_MS));
        support_ok(sill_channel_accept(pair.listener, &pair.server, SUPPORT_PATIENCE_MS));
        exchange(&pair);
        pair_close(&pair);
        if (listens)
            close(fd);
    }
}

static void links_and_files_stand_in_the_way(void **state)
{
    (void)state;
    for (int link = 0; link < 2; link++) {
        struct pair pair, other;
        name_make(&pair);
        pair_open(&other);
        if (link)
            assert_int_equal(symlink(other.socket_path, pair.socket_path), 0);
        else
            support_write_file(pair.socket_path, "x", 1);
        unsigned entries = support_entries(NULL);
        support_status(SILL_DENIED, sill_channel_listen(&pair.listener, pair.name, NULL));
        support_status(SILL_DENIED, sill_channel_connect(&pair.client, pair.name, NULL, 1000));
        assert_int_equal(support_entries(NULL), entries);
        unlink(pair.socket_path);
        exchange(&other);
        pair_close(&other);
    }
}

static void foreign_directories_are_refused(void **state)
{
    (void)state;
    sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
    sill_listener *listener = NULL;
    sill_channel *channel = NULL;
    char open_to_all[SUPPORT_PATH_SIZE], link[SUPPORT_PATH_SIZE];
    support_path(open_to_all, "open");
    support_path(link, "link");
    assert_int_equal(mkdir(open_to_all, 0700), 0);
    assert_int_equal(symlink(open_to_all, link), 0);
    options.directory = link;
    support_status(SILL_DENIED, sill_channel_listen(&listener, "x", &options));
    assert_int_equal(chmod(open_to_all, 0777), 0);
    options.directory = open_to_all;
    support_status(SILL_DENIED, sill_channel_listen(&listener, "x", &options));
    support_status(SILL_DENIED, sill_channel_connect(&channel, "x", &options, 1000));
    if (geteuid() == 0) {
        assert_int_equal(chown(open_to_all, NOBODY, NOBODY), 0);
        assert_int_equal(chmod(open_to_all, 0700), 0);
        support_status(SILL_DENIED, sill_channel_listen(&listener, "x", &options));
        support_status(SILL_DENIED, sill_channel_connect(&channel, "x", &options, 1000));
    }
    assert_null(listener);
    assert_null(channel);
    unlink(link);
    rmdir(open_to_all);
}

/* ---- another user ---- */

static int become_nobody(void)
{
    return setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0;
}

/* Listens as nobody (argv: directory, name) and says the status. */
static int run_nobody_server(int argc, char **argv)
{
    sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
    sill_listener *listener = NULL;
    (void)argc;
    options.directory = argv[0];
    options.access = SILL_ACCESS_ALL;
    if (become_nobody())
        return 1;
    support_say("%s", sill_status_name(sill_channel_listen(&listener, argv[1], &options)));
    support_linger();
    sill_listener_close(listener);
    return 0;
}

/* Connects as nobody and says the status. */
static int run_nobody_client(int argc, char **argv)
{
    sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
    sill_channel *channel = NULL;
    (void)argc;
    options.directory = argv[0];
    if (become_nobody())
        return 1;
    int status = sill_channel_connect(&channel, argv[1], &options, SUPPORT_PATIENCE_MS);
    support_say("%s", sill_status_name(status));
    sill_channel_close(channel);
    return 0;
}

/* Whether every directory above `path` lets every user pass. */
static bool others_pass(const char *path)
{
    char above[SUPPORT_PATH_SIZE];
    snprintf(above, sizeof above, "%s", path);
    for (char *slash; (slash = strrchr(above, '/')) != NULL && slash != above;) {
        struct stat status;
        *slash = '\0';
        if (stat(above, &status) != 0 || (status.st_mode & S_IXOTH) == 0)
            return false;
    }
    return true;
}

/* A directory in which two users can meet, as /tmp is. */
static void common_directory(char path[SUPPORT_PATH_SIZE])
{
    if (geteuid() != 0)
        support_skip("only the superuser can become another user");
    if (!others_pass(support_directory()))
        support_skip("other users cannot reach %s", support_directory());
    support_path(path, "common");
    assert_int_equal(chmod(support_directory(), 0711), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 01777), 0);
}

static void empty_directory(const char *path)
{
    const char *const arguments[] = {"/bin/rm", "-rf", path, NULL};
    struct support_result result;
    support_run(&result, arguments, NULL, NULL, 0);
    assert_int_equal(result.status, 0);
    support_result_free(&result);
}

static void another_users_server_must_be_asked_for(void **state)
{
    (void)state;
    sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
    char directory[SUPPORT_PATH_SIZE], name[SUPPORT_NAME_SIZE];
    sill_channel *channel = NULL;
    sill_peer peer;
    common_directory(directory);
    support_name(name, "chp");
    const char *arguments[] = {directory, name, NULL};
    struct support_process *server = support_start("nobody-server", arguments, NULL);
    support_expect(server, "SILL_OK");
    options.directory = directory;
    support_status(SILL_DENIED, sill_channel_connect(&channel, name, &options, 1000));
    options.any_server = 1;
    support_ok(sill_channel_connect(&channel, name, &options, SUPPORT_PATIENCE_MS));
    support_ok(sill_channel_peer(channel, &peer));
    assert_int_equal(peer.uid, NOBODY);
    sill_channel_close(channel);
    options.any_server = 0;
    options.server_uid_set = 1;
    options.server_uid = NOBODY;
    support_ok(sill_channel_connect(&channel, name, &options, SUPPORT_PATIENCE_MS));
    sill_channel_close(channel);
    options.server_uid = 0;
    support_status(SILL_DENIED, sill_channel_connect(&channel, name, &options, 1000));
    assert_int_equal(support_finish(server), 0);
    empty_directory(directory);
}

static void access_keeps_others_out(void **state)
{
    (void)state;
    char directory[SUPPORT_PATH_SIZE];
    common_directory(directory);
    for (int access = SILL_ACCESS_USER; access <= SILL_ACCESS_ALL; access++) {
        sill_channel_options options = SILL_CHANNEL_OPTIONS_INIT;
        struct pair pair;
        name_make(&pair);
        options.directory = directory;
        options.access = access;
        support_ok(sill_channel_listen(&pair.listener, pair.name, &options));
        const char *arguments[] = {directory, pair.name, NULL};
        struct support_process *client = support_start("nobody-client", arguments, NULL);
        support_expect(client, access == SILL_ACCESS_ALL ? "SILL_OK" : "SILL_DENIED");
        assert_int_equal(support_finish(client), 0);
        int status = sill_channel_accept(pair.listener, &pair.server, 0);
        support_status(access == SILL_ACCESS_ALL ? SILL_OK : SILL_AGAIN, status);
        pair_close(&pair);
    }
    empty_directory(directory);
}

/* ---- fork ---- */

static int use_in_child(struct pair *pair)
{
    sill_channel *channel = NULL;
    sill_handle handle;
    sill_peer peer;
    int bad = 0;
    bad |= sill_channel_send(pair->client, "x", 1, NULL, 0, 0) != SILL_INVALID;
    bad |= receive_status(pair->server, 0) != SILL_INVALID;
    bad |= sill_channel_accept(pair->listener, &channel, 0) != SILL_INVALID;
    bad |= sill_channel_peer(pair->client, &peer) != SILL_INVALID;
    bad |= sill_channel_pollable(pair->client, &handle) != SILL_INVALID;
    sill_channel_cancel(pair->client);
    sill_listener_cancel(pair->listener);
    pair_close(pair);
    return bad;
}

static void children_cannot_use_or_harm(void **state)
{
    (void)state;
    struct pair pair;
    sill_handle handle;
    int ended = -1;
    pair_open(&pair);
    exchange(&pair);
    (void)sill_channel_pollable(pair.server, &handle);
    pid_t child = fork();
    if (child == 0)
        _exit(use_in_child(&pair));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);
    exchange(&pair);
    support_status(SILL_AGAIN, receive_status(pair.client, 0));
    sill_listener *second;
    support_status(SILL_EXISTS, sill_channel_listen(&second, pair.name, NULL));
    sill_channel_close(pair.client);
    support_status(SILL_CLOSED, receive_status(pair.server, SUPPORT_PATIENCE_MS));
    support_ok(sill_channel_connect(&pair.client, pair.name, NULL, SUPPORT_PATIENCE_MS));
    pair_close(&pair);
}

/* A client whose child keeps its descriptors open. */
static int run_forker(int argc, char **argv)
{
    sill_channel *channel;
    (void)argc;
    if (sill_channel_connect(&channel, argv[0], NULL, SUPPORT_PATIENCE_MS) != SILL_OK ||
        sill_channel_send(channel, "last", 4, NULL, 0, SUPPORT_PATIENCE_MS) != SILL_OK)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        char byte;
        while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
            ;
        _exit(0);
    }
    support_say("forked");
    support_linger();
    sill_channel_close(channel);
    return child < 0;
}

static void death_shows_past_a_child(void **state)
{
    static char block[1 << 20];
    (void)state;
    for (int sends = 0; sends < 2; sends++) {
        struct pair pair;
        sill_peer peer;
        int status;
        name_make(&pair);
        support_ok(sill_channel_listen(&pair.listener, pair.name, NULL));
        const char *arguments[] = {pair.name, NULL};
        struct support_process *client = support_start("forker", arguments, NULL);
        support_expect(client, "forked");
        support_ok(sill_channel_accept(pair.listener, &pair.server, SUPPORT_PATIENCE_MS));
        support_ok(sill_channel_peer(pair.server, &peer));
        support_kill(client);
        if (!peer.exact) {
            support_finish(client);
            pair_close(&pair);
            support_skip("this kernel gives no handle of the peer's process");
        }
        if (sends) {
            while ((status = sill_channel_send(pair.server, block, sizeof block, NULL, 0,
                                               SUPPORT_PATIENCE_MS)) == SILL_OK)
                ;
            support_status(SILL_DIED, status);
        }
        support_ok(receive_status(pair.server, SUPPORT_PATIENCE_MS)); /* what it sent before */
        support_status(SILL_DIED, receive_status(pair.server, SUPPORT_PATIENCE_MS));
        support_finish(client);
        pair_close(&pair);
    }
}

/* ---- signals and limits ---- */

static atomic_int alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static int send_blocks(void *arg)
{
    static char block[300000];
    for (int i = 0; i < 50; i++)
        if (sill_channel_send(arg, block, sizeof block, NULL, 0, SUPPORT_PATIENCE_MS) != SILL_OK)
            return 1;
    return 0;
}

static void storm_start(struct sigaction *old)
{
    struct sigaction action = {.sa_handler = on_alarm}; /* no SA_RESTART */
    const struct itimerval often = {{0, 300}, {0, 300}};
    assert_int_equal(sigaction(SIGALRM, &action, old), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
}

static void storm_stop(const struct sigaction *old)
{
    const struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, old, NULL);
}

/* A signal every 300 microseconds: nothing fails, no wait becomes longer or shorter. */
static void signals_change_nothing(void **state)
{
    static char buffer[300000];
    (void)state;
    struct sigaction old;
    struct pair pair;
    size_t size;
    alarms = 0;
    storm_start(&old);
    pair_open(&pair);
    struct support_thread *sender = support_thread(send_blocks, pair.client);
    int status = SILL_OK, received = 0;
    for (; received < 50 && status == SILL_OK; received++)
        status = sill_channel_receive(pair.server, buffer, sizeof buffer, &size, NULL, NULL,
                                      SUPPORT_PATIENCE_MS);
    int sent = support_join(sender);
    int64_t start = support_now_ms();
    int waited = receive_status(pair.server, 100);
    int64_t took = support_now_ms() - start;
    sill_channel *none;
    int accepted = sill_channel_accept(pair.listener, &none, 50);
    storm_stop(&old);
    support_ok(status);
    assert_int_equal(received, 50);
    assert_int_equal(sent, 0);
    support_status(SILL_TIMEOUT, waited);
    support_status(SILL_TIMEOUT, accepted);
    assert_true(took >= 99 && took < 5000);
    assert_true(alarms > 10);
    pair_close(&pair);
}

static void sigpipe_is_not_raised(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair);
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    sill_channel_close(pair.server);
    pair.server = NULL;
    support_status(SILL_CLOSED, sill_channel_send(pair.client, "x", 1, NULL, 0, 1000));
    pair_close(&pair);
}

/* Out of descriptors, accept says so and the client waits until there are some. */
static void out_of_descriptors_the_client_waits(void **state)
{
    (void)state;
    struct rlimit old, few;
    struct pair pair;
    name_make(&pair);
    support_ok(sill_channel_listen(&pair.listener, pair.name, NULL));
    support_ok(sill_channel_connect(&pair.client, pair.name, NULL, SUPPORT_PATIENCE_MS));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    unsigned before = support_handles();
    for (int more = 0; more < 4; more++) { /* what an accept needs: at which of them it fails */
        few = old;
        few.rlim_cur = (rlim_t)next + (rlim_t)more;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        int status = sill_channel_accept(pair.listener, &pair.server, 0);
        setrlimit(RLIMIT_NOFILE, &old);
        if (status == SILL_OK)
            break;
        support_status(SILL_LIMIT, status);
        assert_int_equal(support_handles(), before);
    }
    if (pair.server == NULL)
        support_ok(sill_channel_accept(pair.listener, &pair.server, SUPPORT_PATIENCE_MS));
    exchange(&pair);
    pair_close(&pair);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(sockets_without_a_record_are_replaced),
    SUPPORT_TEST(links_and_files_stand_in_the_way),
    SUPPORT_TEST(foreign_directories_are_refused),
    SUPPORT_TEST(another_users_server_must_be_asked_for),
    SUPPORT_TEST(access_keeps_others_out),
    SUPPORT_TEST(children_cannot_use_or_harm),
    SUPPORT_TEST(death_shows_past_a_child),
    SUPPORT_TEST(signals_change_nothing),
    SUPPORT_TEST(sigpipe_is_not_raised),
    SUPPORT_TEST(out_of_descriptors_the_client_waits),
};
static const struct support_role roles[] = {{"nobody-server", run_nobody_server},
                                            {"nobody-client", run_nobody_client},
                                            {"forker", run_forker}};
SUPPORT_MAIN(tests, roles)

#endif
