/* test_unix_socket.c - what only Unix sockets have: files and their modes, links, umask, passed
 * descriptors and their limits, a full queue, children that inherit an end. */
#include "support.h"

#ifdef _WIN32

int main(void)
{
    puts("skipped: Unix sockets are POSIX's");
    return 0;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backends.h"
#include "clock.h"
#include "posix/wait_posix.h"

extern const struct sill__channel_ops sill__unix_ops;
static const struct sill__channel_ops *const ops = &sill__unix_ops;

static char place_name[SUPPORT_NAME_SIZE];
static char socket_path[SUPPORT_PATH_SIZE];

static struct sill__place place_make(void)
{
    struct sill__place place = {.name = place_name, .directory = support_directory()};
    char file[sizeof place.file + 8];
    support_name(place_name, "un");
    snprintf(place.file, sizeof place.file, "t.%s", place_name);
    snprintf(file, sizeof file, "%s~sock", place.file);
    support_path(socket_path, file);
    return place;
}

static int64_t patience(void)
{
    return sill__deadline(SUPPORT_PATIENCE_MS);
}

/* A listener, a client and the server's end of it. */
struct pair {
    sill__listen *listen;
    sill__conn *client, *server;
};

static struct pair pair_open(const struct sill__place *place)
{
    struct pair pair;
    support_ok(ops->listen(&pair.listen, place));
    support_ok(ops->connect(&pair.client, place, patience()));
    support_ok(ops->accept(pair.listen, &pair.server));
    return pair;
}

static void pair_close(struct pair *pair)
{
    ops->close(pair->client);
    ops->close(pair->server);
    ops->unlisten(pair->listen, true);
}

static int raw_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static struct sockaddr_un raw_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(socket_path) < sizeof address.sun_path);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    return address;
}

static int raw_listen(int backlog)
{
    struct sockaddr_un address = raw_address();
    int fd = raw_socket();
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int raw_connect(void)
{
    struct sockaddr_un address = raw_address();
    int fd = raw_socket();
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* ---- files ---- */

static void mode_is_kept_from_the_umask(void **state)
{
    static const mode_t masks[] = {0, 022, 077, 0777};
    (void)state;
    struct sill__place place = place_make();
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        for (int access = SILL_ACCESS_USER; access <= SILL_ACCESS_ALL; access++) {
            struct stat info;
            sill__listen *listen;
            place.access = access;
            mode_t old = umask(masks[i]);
            int status = ops->listen(&listen, &place);
            umask(old);
            support_ok(status);
            assert_int_equal(lstat(socket_path, &info), 0);
            assert_true(S_ISSOCK(info.st_mode));
            assert_int_equal(info.st_mode & 07777, access == SILL_ACCESS_ALL ? 0666 : 0600);
            ops->unlisten(listen, true);
        }
    }
}

static void stale_socket_is_replaced(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    sill__conn *conn;
    close(raw_listen(1)); /* the file stays */
    assert_int_equal(access(socket_path, F_OK), 0);
    support_status(SILL_NOT_FOUND, ops->connect(&conn, &place, patience()));
    struct pair pair = pair_open(&place);
    pair_close(&pair);
    assert_int_not_equal(access(socket_path, F_OK), 0);

    close(raw_listen(1));
    support_ok(ops->remove_stale(&place));
    assert_int_not_equal(access(socket_path, F_OK), 0);
}

static void what_is_no_socket_stays(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    sill__listen *listen;
    sill__conn *conn;
    support_write_file(socket_path, "mine", 4);
    support_status(SILL_DENIED, ops->listen(&listen, &place));
    assert_non_null(strstr(sill_last_error()->message, "is not a socket"));
    support_status(SILL_DENIED, ops->connect(&conn, &place, patience()));
    support_status(SILL_DENIED, ops->remove_stale(&place));
    assert_true(support_exists(socket_path));
    unlink(socket_path);
}

/* A link to a true listener of ours, and one that leads nowhere: neither is followed or removed. */
static void links_are_not_followed(void **state)
{
    (void)state;
    struct sill__place target = place_make();
    char target_name[SUPPORT_NAME_SIZE], target_path[SUPPORT_PATH_SIZE];
    memcpy(target_name, place_name, sizeof target_name);
    memcpy(target_path, socket_path, sizeof target_path);
    target.name = target_name;
    struct pair pair = pair_open(&target);
    for (int dangling = 0; dangling < 2; dangling++) {
        struct sill__place place = place_make();
        sill__listen *listen;
        sill__conn *conn;
        assert_int_equal(symlink(dangling ? "nowhere" : target_path, socket_path), 0);
        support_status(SILL_DENIED, ops->listen(&listen, &place));
        assert_non_null(strstr(sill_last_error()->message, "symbolic link"));
        support_status(SILL_DENIED, ops->connect(&conn, &place, patience()));
        support_status(SILL_DENIED, ops->remove_stale(&place));
        unlink(socket_path);
    }
    assert_int_equal(access(target_path, F_OK), 0);
    pair_close(&pair);
}

static void others_sockets_stay(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    sill__listen *listen;
    if (geteuid() != 0)
        support_skip("only the superuser can make a file of another user's");
    close(raw_listen(1));
    assert_int_equal(lchown(socket_path, 65534, 65534), 0);
    support_status(SILL_DENIED, ops->listen(&listen, &place));
    assert_non_null(strstr(sill_last_error()->message, "another user"));
    assert_int_equal(access(socket_path, F_OK), 0);
    unlink(socket_path);
}

/* A socket that somebody put in place of ours meanwhile is not ours to remove. */
static void unlisten_removes_only_its_own(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    sill__listen *listen;
    support_ok(ops->listen(&listen, &place));
    assert_int_equal(unlink(socket_path), 0);
    int other = raw_listen(1);
    ops->unlisten(listen, true);
    assert_int_equal(access(socket_path, F_OK), 0);
    close(other);
    support_ok(ops->listen(&listen, &place));
    ops->unlisten(listen, false);
    assert_int_equal(access(socket_path, F_OK), 0);
    unlink(socket_path);
}

static void long_paths_work(void **state)
{
    (void)state;
    char directory[SUPPORT_PATH_SIZE + 220], text[201];
    struct sill__place place = place_make();
    memset(text, 'd', 200);
    text[200] = '\0';
    snprintf(directory, sizeof directory, "%s/%s", support_directory(), text);
    assert_int_equal(mkdir(directory, 0700), 0);
    place.directory = directory;
    struct pair pair = pair_open(&place);
    pair_close(&pair);

    char name[SILL__NAME_MAX + 1]; /* the longest file name that a server's record has */
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    sill__owner_file_name(SILL__OWNER_SERVER, name, place.file);
    pair = pair_open(&place);
    pair_close(&pair);
    assert_int_equal(rmdir(directory), 0);
}

static void names_of_every_length_work(void **state)
{
    (void)state;
    char name[SILL__NAME_MAX + 1];
    struct sill__place place = place_make();
    memset(name, 'n', sizeof name);
    for (size_t length = 1; length <= SILL__NAME_MAX; length += length < 190 ? 9 : 1) {
        char text[SILL__NAME_MAX + 1];
        memcpy(text, name, length);
        text[length] = '\0';
        place.name = text;
        sill__owner_file_name(SILL__OWNER_SERVER, text, place.file);
        struct pair pair = pair_open(&place);
        pair_close(&pair);
    }
}

/* ---- connecting ---- */

static int accept_later(void *arg)
{
    int fd = *(int *)arg;
    support_sleep_ms(50);
    int got = accept(fd, NULL, NULL);
    if (got >= 0)
        close(got);
    return got >= 0 ? 0 : 1;
}

/* With a full queue connect sleeps, without eating processor time, until there is room. */
static void full_queue_is_waited_for(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    sill__conn *conns[4], *last;
    int count = 0, status;
    int fd = raw_listen(0);
    while ((status = ops->connect(&conns[count], &place, 0)) == SILL_OK)
        assert_true(++count < 4);
    support_status(SILL_TIMEOUT, status);

    clock_t cpu = clock();
    int64_t start = sill__now_ns();
    support_status(SILL_TIMEOUT, ops->connect(&last, &place, sill__deadline(200)));
    assert_true(sill__now_ns() - start >= 200 * INT64_C(1000000));
    assert_true(clock() - cpu < CLOCKS_PER_SEC / 10);

    struct support_thread *thread = support_thread(accept_later, &fd);
    support_ok(ops->connect(&last, &place, patience()));
    assert_int_equal(support_join(thread), 0);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    ops->close(last);
    while (count > 0)
        ops->close(conns[--count]);
    close(fd);
    unlink(socket_path);
}

/* ---- descriptors ---- */

static void raw_pass(int fd, unsigned count)
{
    union {
        char bytes[CMSG_SPACE(64 * sizeof(int))];
        struct cmsghdr align;
    } control;
    int fds[64];
    struct iovec piece = {(void *)(uintptr_t) "x", 1};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    memset(&control, 0, sizeof control);
    for (unsigned i = 0; i < count; i++)
        fds[i] = fd;
    message.msg_control = control.bytes;
    message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), 1);
}

/* Whether the system says that descriptors were dropped for want of room. */
static bool drops_are_told(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    raw_pass(ends[0], 4);
    assert_int_equal(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC), 1);
    struct cmsghdr *first = CMSG_FIRSTHDR(&message); /* there is room for one */
    if (first != NULL) {
        int fd;
        memcpy(&fd, CMSG_DATA(first), sizeof fd);
        close(fd);
    }
    close(ends[0]);
    close(ends[1]);
    return (message.msg_flags & MSG_CTRUNC) != 0;
}

/* Sixteen unclaimed descriptors are kept; more, at once or one by one, are a breach. */
static void too_many_descriptors_are_a_breach(void **state)
{
    (void)state;
    if (!drops_are_told())
        support_skip("this system does not tell that descriptors were dropped");
    struct sill__place place = place_make();
    unsigned before = support_handles();
    static const unsigned counts[][2] = {{17, 0}, {40, 0}, {16, 1}, {9, 8}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct pair pair;
        char byte;
        size_t got;
        support_ok(ops->listen(&pair.listen, &place));
        int raw = raw_connect();
        support_ok(ops->accept(pair.listen, &pair.server));
        raw_pass(raw, counts[i][0]);
        if (counts[i][1] > 0) {
            support_ok(ops->recv(pair.server, &byte, 1, &got));
            raw_pass(raw, counts[i][1]);
        }
        support_status(SILL_PROTOCOL, ops->recv(pair.server, &byte, 1, &got));
        ops->close(pair.server);
        ops->unlisten(pair.listen, true);
        close(raw);
    }
    assert_int_equal(support_handles(), before);
}

static void descriptors_are_close_on_exec(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair = pair_open(&place);
    struct sill__bytes part = {"x", 1};
    sill_handle handle = fileno(stdin), got_handle;
    char byte;
    size_t sent, got;
    support_ok(ops->send(pair.client, &part, 1, &handle, 1, &sent));
    support_ok(ops->recv(pair.server, &byte, 1, &got));
    support_ok(ops->import_handle(pair.server, 0, &got_handle));
    for (int fd = 3; fd < 64; fd++) {
        struct stat info;
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0 && fstat(fd, &info) == 0 && (S_ISSOCK(info.st_mode) || fd == got_handle))
            assert_true((flags & FD_CLOEXEC) != 0);
    }
    close((int)got_handle);
    handle = 100000;
    support_status(SILL_INVALID, ops->send(pair.client, &part, 1, &handle, 1, &sent));
    pair_close(&pair);
}

/* Lets this process open no further descriptor; the old limit comes back. */
static struct rlimit forbid_descriptors(void)
{
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = fcntl(0, F_DUPFD, 0);
    assert_true(next >= 0);
    close(next);
    none = old;
    none.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return old;
}

static void out_of_descriptors_the_client_waits(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct sill__event event;
    struct pair pair;
    sill__wait *wait;
    size_t count;
    support_ok(sill__wait_create(&wait));
    support_ok(ops->listen(&pair.listen, &place));
    support_ok(ops->watch_listen(pair.listen, wait, &pair));
    support_ok(ops->connect(&pair.client, &place, patience()));
    support_ok(sill__wait_for(wait, patience(), &event, 1, &count));

    struct rlimit old = forbid_descriptors();
    int first = ops->accept(pair.listen, &pair.server);
    int spin = sill__wait_for(wait, sill__deadline(20), &event, 1, &count);
    setrlimit(RLIMIT_NOFILE, &old);
    support_status(SILL_LIMIT, first);
    support_status(SILL_TIMEOUT, spin); /* the wait set does not report it over and over */
    support_ok(ops->accept(pair.listen, &pair.server));
    pair_close(&pair);
    sill__wait_destroy(wait);
}

static void out_of_descriptors_handles_are_lost(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair = pair_open(&place);
    struct sill__bytes part = {"x", 1};
    sill_handle handles[] = {0, 1, 2};
    char byte;
    size_t sent, got;
    unsigned before = support_handles();
    support_ok(ops->send(pair.client, &part, 1, handles, 3, &sent));
    struct rlimit old = forbid_descriptors();
    int status = ops->recv(pair.server, &byte, 1, &got);
    setrlimit(RLIMIT_NOFILE, &old);
    support_status(SILL_LIMIT, status);
    assert_int_equal(support_handles(), before);
    pair_close(&pair);
}

static void out_of_descriptors_nothing_is_left(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    sill__listen *listen;
    sill__conn *conn;
    sill__wait *wait;
    struct rlimit old = forbid_descriptors();
    int listened = ops->listen(&listen, &place);
    int connected = ops->connect(&conn, &place, 0);
    int waited = sill__wait_create(&wait);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(listened, SILL_LIMIT);
    assert_int_equal(connected, SILL_LIMIT);
    assert_int_equal(waited, SILL_LIMIT);
    assert_int_equal(support_entries(NULL), 0);
}

/* ---- forked children ---- */

/* A client that forks: the child keeps the socket open and says its pid. */
static int run_forker(int argc, char **argv)
{
    struct sill__place place = {.name = argv[0], .directory = getenv("SILL_RUNTIME_DIR")};
    sill__conn *conn;
    (void)argc;
    snprintf(place.file, sizeof place.file, "t.%s", argv[0]);
    if (ops->connect(&conn, &place, patience()) != SILL_OK)
        return 1;
    int ends[2];
    if (pipe(ends) != 0)
        return 2;
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        char byte;
        while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR)
            ;
        _exit(0); /* the test has closed the input, or the program is over */
    }
    support_say("forked");
    support_linger();
    ops->close(conn);
    close(ends[0]);
    close(ends[1]);
    return child < 0;
}

/* kill -9 of the client while its child holds the socket: the bytes do not end, the process does.
 */
static void death_shows_past_a_child(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    const char *arguments[] = {place_name, NULL};
    struct sill__event event = {0};
    sill__wait *wait;
    struct pair pair;
    char byte;
    size_t count, got;
    support_ok(sill__wait_create(&wait));
    support_ok(ops->listen(&pair.listen, &place));
    struct support_process *client = support_start("forker", arguments, NULL);
    support_expect(client, "forked");
    support_ok(ops->accept(pair.listen, &pair.server));
    bool watched = ops->peer_alive(pair.server) == 1;
    support_ok(ops->watch(pair.server, wait, &pair));
    support_kill(client);
    while (watched && (event.events & SILL__PEER_DEAD) == 0) {
        support_ok(sill__wait_for(wait, patience(), &event, 1, &count));
        if (count == 0)
            event.events = 0;
    }
    if (watched) {
        assert_int_equal(ops->peer_alive(pair.server), 0);
        support_status(SILL_AGAIN, ops->recv(pair.server, &byte, 1, &got));
    }
    support_finish(client);
    ops->close(pair.server);
    ops->unlisten(pair.listen, true);
    sill__wait_destroy(wait);
    if (!watched)
        support_skip("this kernel gives no handle of the peer's process (SO_PEERPIDFD)");
}

/* A child that closes what it inherited does its parent no harm. */
static int in_child(struct pair *pair, sill__wait *wait)
{
    ops->unwatch(pair->server);
    ops->close(pair->server);
    ops->close(pair->client);
    ops->unlisten(pair->listen, false);
    sill__wait_destroy(wait);
    return 0;
}

static void child_closes_without_harm(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair = pair_open(&place);
    struct sill__bytes part = {"x", 1};
    struct sill__event event;
    sill__wait *wait;
    char byte;
    size_t count, sent, got;
    int ended = -1;
    support_ok(sill__wait_create(&wait));
    support_ok(ops->watch(pair.server, wait, &pair));
    support_status(SILL_AGAIN, ops->recv(pair.server, &byte, 1, &got));
    while (sill__wait_for(wait, 0, &event, 1, &count) == SILL_OK)
        ;
    pid_t child = fork();
    if (child == 0)
        _exit(in_child(&pair, wait));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(ended, 0);

    support_ok(ops->send(pair.client, &part, 1, NULL, 0, &sent));
    support_ok(sill__wait_for(wait, patience(), &event, 1, &count));
    assert_int_equal(count, 1);
    support_ok(ops->recv(pair.server, &byte, 1, &got));
    assert_int_equal(access(socket_path, F_OK), 0);
    pair_close(&pair);
    sill__wait_destroy(wait);
}

/* Whoever sleeps until the peer answers is not woken by the peer's reading. */
static void reading_wakes_nobody(void **state)
{
    (void)state;
    struct sill__place place = place_make();
    struct pair pair = pair_open(&place);
    struct sill__bytes part = {"question", 8};
    struct sill__event event;
    sill__wait *wait;
    char buffer[16];
    size_t count;
    if (!SILL__WAIT_EPOLL)
        support_skip("poll knows no edges");
    support_ok(sill__wait_create(&wait));
    support_ok(ops->watch(pair.client, wait, &pair));
    for (int i = 0; i < 3; i++) {
        while (sill__wait_for(wait, 0, &event, 1, &count) == SILL_OK)
            continue; /* that there is room is told once at the beginning */
        support_ok(ops->send(pair.client, &part, 1, NULL, 0, &count));
        support_ok(ops->recv(pair.server, buffer, sizeof buffer, &count));
        support_status(SILL_TIMEOUT, sill__wait_for(wait, 0, &event, 1, &count));
    }
    ops->unwatch(pair.client);
    sill__wait_destroy(wait);
    pair_close(&pair);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(mode_is_kept_from_the_umask),
    SUPPORT_TEST(stale_socket_is_replaced),
    SUPPORT_TEST(what_is_no_socket_stays),
    SUPPORT_TEST(links_are_not_followed),
    SUPPORT_TEST(others_sockets_stay),
    SUPPORT_TEST(unlisten_removes_only_its_own),
    SUPPORT_TEST(long_paths_work),
    SUPPORT_TEST(names_of_every_length_work),
    SUPPORT_TEST(full_queue_is_waited_for),
    SUPPORT_TEST(too_many_descriptors_are_a_breach),
    SUPPORT_TEST(descriptors_are_close_on_exec),
    SUPPORT_TEST(out_of_descriptors_the_client_waits),
    SUPPORT_TEST(out_of_descriptors_handles_are_lost),
    SUPPORT_TEST(out_of_descriptors_nothing_is_left),
    SUPPORT_TEST(death_shows_past_a_child),
    SUPPORT_TEST(child_closes_without_harm),
    SUPPORT_TEST(reading_wakes_nobody),
};
static const struct support_role roles[] = {{"forker", run_forker}};
SUPPORT_MAIN(tests, roles)

#endif
