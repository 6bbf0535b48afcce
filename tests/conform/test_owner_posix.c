/* test_owner_posix.c - what only POSIX has around owner records: forked children, symbolic links,
 * modes and other users, descriptors that run out, files that cannot grow.
 */
#ifdef _WIN32
#include "support.h"

int main(void)
{
    puts("skipped: forks, links and modes are POSIX's");
    return 0;
}

#else
#include "owner_posix_rig.h"

/* ---- forked children ---- */

/* Claims, forks a child that lives until the test closes its input, and says the child's pid. */
static int role_forker(int argc, char **argv)
{
    sill__owner *owner;
    if (argc < 1 || claim(&owner, argv[0]) != SILL_OK)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(STDOUT_FILENO);
        _exit(read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1);
    }
    support_say("%ld", (long)child);
    for (;;)
        pause();
}

/* The child of a dead owner holds the lock that it inherited; the name is free all the same. */
static void an_inherited_lock_keeps_no_name(void **state)
{
    (void)state;
    char line[40];
    const char *const arguments[] = {"forker", NULL};
    struct support_process *process = support_start("forker", arguments, NULL);
    assert_true(support_hear(process, line, sizeof line, SUPPORT_PATIENCE_MS));
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    support_kill(process);
    assert_int_equal(kill((pid_t)atol(line), 0), 0);
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "server.forker");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_not_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* so it is really held */
    close(fd);
    assert_int_equal(only_state(), SILL__OWNER_STALE);
    sill__owner *owner, *other;
    support_ok(claim(&owner, "forker"));
    support_status(SILL_EXISTS, claim(&other, "forker"));
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
    assert_int_equal(only_state(), -1);
    support_finish(process);
}

static int misuse(void *arg)
{
    sill__owner *owner = arg;
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kept = true;
    if (sill__owner_update(owner, &info) != SILL_INVALID)
        return 1;
    sill__owner_release(owner, true);
    return 0;
}

static void a_childs_release_is_not_the_parents(void **state)
{
    (void)state;
    sill__owner *owner, *other;
    support_ok(claim(&owner, "parent"));
    assert_int_equal(in_child(misuse, owner), 0);
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    support_status(SILL_EXISTS, claim(&other, "parent"));
    sill__owner_release(owner, true);
    assert_int_equal(only_state(), -1);
}

/* A server that is released while a child holds its lock is released. */
static void a_release_does_not_wait_for_children(void **state)
{
    (void)state;
    int ends[2];
    sill__owner *owner;
    assert_int_equal(pipe(ends), 0);
    support_ok(claim(&owner, "released"));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(wait_for_end(ends));
    sill__owner_release(owner, false);
    assert_int_equal(only_state(), SILL__OWNER_STALE);
    support_ok(claim(&owner, "released"));
    sill__owner_release(owner, true);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static int own_generation(void *arg)
{
    return sill__fork_generation() != *(uint32_t *)arg ? 0 : 1;
}

static void generations_differ_in_children(void **state)
{
    (void)state;
    uint32_t here = sill__fork_generation();
    assert_int_equal(in_child(own_generation, &here), 0);
    assert_int_equal(sill__fork_generation(), here);
}

static int claim_until_told(void *arg)
{
    volatile int *stop = arg;
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        sill__owner *owner;
        int status = claim(&owner, "busy");
        if (status != SILL_OK)
            return status;
        sill__owner_release(owner, true);
    }
    return 0;
}

static int claim_once(void *arg)
{
    sill__owner *owner;
    int status = claim(&owner, arg);
    if (status == SILL_OK)
        sill__owner_release(owner, true);
    return -status;
}

/* Forks in one thread while another works with records: no child may hold the directory's lock or
 * find its mutex taken. */
static void forks_never_fall_into_a_locked_section(void **state)
{
    (void)state;
    static char name[] = "child";
    int stop = 0;
    if (!support_locks_come_back()) /* qemu-user: a child hangs in the emulator, not in here */
        support_skip("this emulator forks while a thread holds a lock of its own");
    struct support_thread *thread = support_thread(claim_until_told, &stop);
    int failures = 0;
    for (int i = 0; i < 60; i++)
        failures += in_child(claim_once, name) != 0;
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    assert_int_equal(support_join(thread), 0);
    assert_int_equal(failures, 0);
    assert_int_equal(support_entries(".lock"), 0);
}

/* ---- directories that cannot be trusted ---- */

static void a_linked_directory_is_refused(void **state)
{
    (void)state;
    char real[SUPPORT_PATH_SIZE], link[SUPPORT_PATH_SIZE], found[SUPPORT_PATH_SIZE],
        slash[SUPPORT_PATH_SIZE + 2];
    support_path(real, "real");
    support_path(link, "link");
    assert_int_equal(mkdir(real, 0700), 0);
    assert_int_equal(symlink(real, link), 0);
    snprintf(slash, sizeof slash, "%s//", link);
    support_status(SILL_DENIED, sill__runtime_directory(link, found, sizeof found));
    support_status(SILL_DENIED, sill__runtime_directory(slash, found, sizeof found));
    support_setenv("SILL_RUNTIME_DIR", link);
    support_status(SILL_DENIED, sill__runtime_directory(NULL, found, sizeof found));
    support_setenv("SILL_RUNTIME_DIR", support_directory());
    snprintf(slash, sizeof slash, "%s/", real);
    support_ok(sill__runtime_directory(slash, found, sizeof found));
    assert_string_equal(found, real);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(real), 0);
}

static void an_open_directory_is_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        int status;
    } cases[] = {{0700, SILL_OK},
                 {0750, SILL_OK},
                 {0755, SILL_OK},
                 {0777, SILL_DENIED},
                 {0702, SILL_DENIED}};
    char path[SUPPORT_PATH_SIZE], found[SUPPORT_PATH_SIZE];
    support_path(path, "open");
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(chmod(path, cases[i].mode), 0);
        support_status(cases[i].status, sill__runtime_directory(path, found, sizeof found));
    }
    assert_non_null(strstr(sill_last_error()->message, "chmod 700"));
    assert_int_equal(rmdir(path), 0);
}

static void a_foreign_directory_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        support_skip("only the superuser can make directories for others");
    char path[SUPPORT_PATH_SIZE], found[SUPPORT_PATH_SIZE];
    support_path(path, "foreign");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chown(path, NOBODY, NOBODY), 0);
    support_status(SILL_DENIED, sill__runtime_directory(path, found, sizeof found));
    support_setenv("SILL_RUNTIME_DIR", path);
    sill__owner *owner;
    support_status(SILL_DENIED, claim(&owner, "anything"));
    support_setenv("SILL_RUNTIME_DIR", support_directory());
    assert_int_equal(rmdir(path), 0);
}

/* As another user in root's sticky directory: own names work, root's are not touched. */
static int as_nobody(void *arg)
{
    const char *path = arg;
    struct sill__owner_info info;
    sill__owner *owner;
    memset(&info, 0, sizeof info);
    info.kind = SILL__OWNER_SERVER;
    strcpy(info.name, "mine");
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        return 1;
    if (sill__owner_claim(&owner, path, &info, NULL) != SILL_OK)
        return 2;
    state_found = -1;
    if (sill__owner_list(path, note_state, NULL) != SILL_OK || state_found != SILL__OWNER_LIVING)
        return 3;
    sill__owner_release(owner, true);
    strcpy(info.name, "roots");
    if (sill__owner_claim(&owner, path, &info, NULL) != SILL_DENIED)
        return 4;
    info.kind = SILL__OWNER_REGION_POSIX;
    strcpy(info.name, "stays");
    return sill__owner_claim(&owner, path, &info, NULL) == SILL_OK ? 0 : 5;
}

static void users_share_roots_sticky_directory(void **state)
{
    (void)state;
    if (geteuid() != 0)
        support_skip("only the superuser can become another user");
    char path[] = "/tmp/sill-test-shared-XXXXXX", file[200];
    struct sill__owner_info info;
    sill__owner *owner;
    memset(&info, 0, sizeof info);
    info.kind = SILL__OWNER_SERVER;
    strcpy(info.name, "roots");
    assert_non_null(mkdtemp(path));
    assert_int_equal(chmod(path, 01777), 0);
    support_ok(sill__owner_claim(&owner, path, &info, NULL));
    assert_int_equal(in_child(as_nobody, path), 0);
    /* The other user's record is neither listed nor taken, although its owner is dead. */
    sill__owner *other;
    state_found = -1;
    support_ok(sill__owner_list(path, note_state, NULL));
    assert_int_equal(state_found, SILL__OWNER_LIVING);
    info.kind = SILL__OWNER_REGION_POSIX;
    strcpy(info.name, "stays");
    support_status(SILL_DENIED, sill__owner_claim(&other, path, &info, NULL));
    support_status(SILL_DENIED,
                   sill__owner_join(&other, path, SILL__OWNER_REGION_POSIX, "stays", &info));
    sill__owner_release(owner, true);
    static const char *const left[] = {"region-posix.stays", ".lock", ".lock.65534"};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        snprintf(file, sizeof file, "%s/%s", path, left[i]);
        assert_int_equal(unlink(file), 0);
    }
    assert_int_equal(rmdir(path), 0);
}

/* The default is not `path`; what was made for the look alone goes again. */
static void expect_default_beyond(const char *path)
{
    char fallback[40], found[SUPPORT_PATH_SIZE];
    struct stat st;
    snprintf(fallback, sizeof fallback, "/tmp/sill-%u", (unsigned)geteuid());
    bool made = lstat(fallback, &st) != 0;
    support_ok(sill__runtime_directory(NULL, found, sizeof found));
    assert_string_not_equal(found, path);
    assert_int_equal(found[0], '/');
    if (made && strcmp(found, fallback) == 0)
        rmdir(found);
}

static void the_default_directory_is_made(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE], run[SUPPORT_PATH_SIZE], found[SUPPORT_PATH_SIZE];
    struct stat st;
    support_path(run, "run");
    support_path(path, "run/sill");
    assert_int_equal(mkdir(run, 0700), 0);
    support_setenv("SILL_RUNTIME_DIR", NULL);
    support_setenv("XDG_RUNTIME_DIR", run);
    support_ok(sill__runtime_directory(NULL, found, sizeof found));
    assert_string_equal(found, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    /* A runtime directory that others can change is not the user's own: passed over. */
    assert_int_equal(chmod(run, 0777), 0);
    expect_default_beyond(path);
    support_setenv("XDG_RUNTIME_DIR", "relative");
    expect_default_beyond(path);
    support_setenv("XDG_RUNTIME_DIR", NULL);
    support_setenv("SILL_RUNTIME_DIR", path);
    assert_int_equal(rmdir(path), 0);
    support_ok(sill__runtime_directory(NULL, found, sizeof found)); /* made again */
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(run), 0);
    support_setenv("SILL_RUNTIME_DIR", support_directory());
}

static void relative_paths_survive_a_chdir(void **state)
{
    (void)state;
    char before[SUPPORT_PATH_SIZE];
    sill__owner *owner;
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kind = SILL__OWNER_SERVER;
    strcpy(info.name, "relative");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(support_directory()), 0);
    support_ok(sill__owner_claim(&owner, ".", &info, NULL));
    assert_int_equal(chdir(before), 0);
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
    assert_int_equal(support_entries(".lock"), 0);
}

/* ---- files that are not what they should be ---- */

static void links_and_pipes_are_no_records(void **state)
{
    (void)state;
    static const char *const files[] = {"server.link", "server.pipe", "server.folder"};
    char target[SUPPORT_PATH_SIZE], path[SUPPORT_PATH_SIZE];
    sill__owner *owner;
    support_path(target, "target");
    support_write_file(target, "", 0);
    support_path(path, files[0]);
    assert_int_equal(symlink(target, path), 0);
    support_path(path, files[1]);
    assert_int_equal(mkfifo(path, 0600), 0);
    support_path(path, files[2]);
    assert_int_equal(mkdir(path, 0700), 0);
    support_status(SILL_DENIED, claim(&owner, "link"));
    support_status(SILL_DENIED, claim(&owner, "pipe"));
    support_status(SILL_DENIED, claim(&owner, "folder"));
    assert_int_equal(only_state(), -1);
    size_t size;
    free(support_read_file(target, &size));
    assert_int_equal(size, 0);
    for (int i = 0; i < 3; i++) {
        support_path(path, files[i]);
        assert_int_equal(remove(path), 0);
    }
}

static void a_linked_lock_is_refused(void **state)
{
    (void)state;
    char target[SUPPORT_PATH_SIZE], path[SUPPORT_PATH_SIZE];
    sill__owner *owner;
    support_path(target, "target");
    support_write_file(target, "", 0);
    support_path(path, ".lock");
    assert_int_equal(symlink(target, path), 0);
    support_status(SILL_DENIED, claim(&owner, "anything"));
    assert_int_equal(unlink(path), 0);
    support_ok(claim(&owner, "anything"));
    /* Who removes the lock file under us harms nobody: the next one makes another. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
}

static void remains_of_a_killed_writer_go(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE], other[SUPPORT_PATH_SIZE];
    sill__owner *owner;
    support_path(path, ".new");
    support_write_file(path, "sill-owner", 10);
    support_ok(claim(&owner, "next"));
    assert_false(support_exists(path));
    /* Killed between giving the name and removing the temporary one. */
    support_path(other, "server.next");
    assert_int_equal(link(other, path), 0);
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    assert_false(support_exists(path));
    sill__owner_release(owner, true);
    assert_int_equal(support_entries(".lock"), 0);
}

/* A stopped process may hold the directory's lock: nobody waits for it for ever. */
static void waiting_for_the_lock_ends(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    sill__owner *owner;
    support_ok(claim(&owner, "held"));
    support_path(path, ".lock");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    int64_t begin = support_now_ms();
    sill__owner *other;
    support_status(SILL_TIMEOUT, claim(&other, "other"));
    assert_in_range((uintmax_t)(support_now_ms() - begin), 4000, 20000);
    close(fd);
    sill__owner_release(owner, true);
    assert_int_equal(support_entries(".lock"), 0);
}

/* ---- what runs out ---- */

static int without_descriptors(void *arg)
{
    struct rlimit limit;
    int outcome = 1;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    for (rlim_t most = 3; most < 40; most++) {
        limit.rlim_cur = most;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            return 3;
        sill__owner *owner;
        int status = claim(&owner, arg);
        if (status != SILL_OK && status != SILL_LIMIT)
            return 4;
        if (status == SILL_OK) {
            /* With no more descriptors at all a record still goes. */
            while (dup(0) >= 0)
                ;
            sill__owner_release(owner, true);
            outcome = 0;
            break;
        }
    }
    return outcome;
}

static void running_out_of_descriptors_harms_nothing(void **state)
{
    (void)state;
    static char name[] = "few";
    assert_int_equal(in_child(without_descriptors, name), 0);
    assert_int_equal(support_entries(".lock"), 0);
}

static int without_space(void *arg)
{
    struct rlimit limit = {100, 100}; /* a file may not have more bytes: like a full disk */
    sill__owner *owner;
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    return claim(&owner, arg) == SILL_OK ? 2 : 0;
}

static void running_out_of_space_harms_nothing(void **state)
{
    (void)state;
    static char name[] = "full";
    assert_int_equal(in_child(without_space, name), 0);
    assert_int_equal(only_state(), -1);
    assert_int_equal(support_entries(".lock"), 0);
    sill__owner *owner;
    support_ok(claim(&owner, name));
    sill__owner_release(owner, true);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(an_inherited_lock_keeps_no_name),
    SUPPORT_TEST(a_childs_release_is_not_the_parents),
    SUPPORT_TEST(a_release_does_not_wait_for_children),
    SUPPORT_TEST(generations_differ_in_children),
    SUPPORT_TEST(forks_never_fall_into_a_locked_section),
    SUPPORT_TEST(a_linked_directory_is_refused),
    SUPPORT_TEST(an_open_directory_is_refused),
    SUPPORT_TEST(a_foreign_directory_is_refused),
    SUPPORT_TEST(users_share_roots_sticky_directory),
    SUPPORT_TEST(the_default_directory_is_made),
    SUPPORT_TEST(relative_paths_survive_a_chdir),
    SUPPORT_TEST(links_and_pipes_are_no_records),
    SUPPORT_TEST(a_linked_lock_is_refused),
    SUPPORT_TEST(remains_of_a_killed_writer_go),
    SUPPORT_TEST(waiting_for_the_lock_ends),
    SUPPORT_TEST(running_out_of_descriptors_harms_nothing),
    SUPPORT_TEST(running_out_of_space_harms_nothing),
};
static const struct support_role roles[] = {
    {"forker", role_forker},
};
SUPPORT_MAIN(tests, roles)

#endif
