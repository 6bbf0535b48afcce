/* test_region_posix.c - what only POSIX systems have to get right about regions: rights and owners
 * of objects, links and other things in the place of files, squatters, seals, forks, limits. */
#include "support.h"

#ifdef _WIN32
int main(void)
{
    puts("skipped: these objects are POSIX's");
    return 0;
}
#else

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.h"
#include "owner.h"
#include "region_ops.h"
#include "regions.h"

#define SIZE       10000
#define OTHER_USER 65533

static int kind_of(void **state)
{
    return *(int *)*state;
}

static sill_region *create(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    support_ok(sill_region_create(&region, regions_name_or_null(kind, name), SIZE, &options));
    return region;
}

static int try_open(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    int rc = sill_region_open(&region, name, &options);
    sill_region_close(region);
    return rc;
}

static int try_create(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    int rc = sill_region_create(&region, name, SIZE, &options);
    sill_region_close(region);
    return rc;
}

static int try_remove(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    return sill_region_remove(name, &options);
}

static const struct sill__region_ops *ops_of(int kind)
{
    return sill__region_ops_of(kind);
}

/* ---- rights ---- */

/* The file behind a region, or for System V the segment's id. */
static int id_of(int kind, const char *name, char path[SUPPORT_PATH_SIZE])
{
    snprintf(path, SUPPORT_PATH_SIZE, "%s", name);
    if (kind == SILL_REGION_FILE)
        return 0;
    struct sill__owner_info info;
    sill__owner *owner;
    support_ok(sill__owner_join(&owner, NULL, ops_of(kind)->owner, name, &info));
    sill__owner_release(owner, false);
    snprintf(path, SUPPORT_PATH_SIZE, "/dev/shm%s", info.object);
    return kind == SILL_REGION_SYSV ? shmget((key_t)strtoul(info.object, NULL, 16), 0, 0) : 0;
}

static void set_rights(int kind, const char *name, uid_t uid, unsigned mode)
{
    char path[SUPPORT_PATH_SIZE];
    int id = id_of(kind, name, path);
    if (kind == SILL_REGION_SYSV) {
        struct shmid_ds info;
        assert_int_equal(shmctl(id, IPC_STAT, &info), 0);
        info.shm_perm.uid = uid;
        info.shm_perm.mode = (unsigned short)mode;
        assert_int_equal(shmctl(id, IPC_SET, &info), 0);
        return;
    }
    assert_int_equal(chown(path, uid, (gid_t)-1), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static unsigned mode_of(int kind, const char *name)
{
    char path[SUPPORT_PATH_SIZE];
    int id = id_of(kind, name, path);
    struct shmid_ds info;
    struct stat st;
    if (kind == SILL_REGION_SYSV) {
        assert_int_equal(shmctl(id, IPC_STAT, &info), 0);
        return info.shm_perm.mode & 0777u;
    }
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777u;
}

static void objects_are_the_users_own(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    /* A record that its owner may not read is of use to the superuser only. */
    const mode_t masks[] = {0, 022, geteuid() == 0 ? 0777 : 077};
    for (int i = 0; i < 3; i++) {
        regions_name(kind, name);
        sill_region_options options = regions_options(kind);
        sill_region *region;
        mode_t before = umask(masks[i]);
        int rc = sill_region_create(&region, name, SIZE, &options);
        umask(before);
        support_ok(rc);
        assert_int_equal(mode_of(kind, name), 0600);
        sill_region_close(region);
        support_ok(try_remove(kind, name));
    }
    regions_nothing_left();
}

static void wide_rights_are_refused(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name);
    set_rights(kind, name, geteuid(), 0606);
    assert_int_equal(try_open(kind, name), SILL_DENIED);
    assert_int_equal(try_create(kind, name), SILL_EXISTS);
    set_rights(kind, name, geteuid(), 0600);
    assert_int_equal(try_open(kind, name), 0);
    sill_region_close(region);
    support_ok(try_remove(kind, name));
    regions_nothing_left();
}

static void objects_of_others_are_refused(void **state)
{
    int kind = kind_of(state);
    if (geteuid() != 0)
        support_skip("only the superuser can give objects away");
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name);
    set_rights(kind, name, OTHER_USER, 0600);
    assert_int_equal(try_open(kind, name), SILL_DENIED);
    assert_non_null(strstr(sill_last_error()->message, "another user"));
    assert_int_equal(try_create(kind, name), SILL_EXISTS);
    assert_int_equal(try_remove(kind, name), SILL_DENIED);
    set_rights(kind, name, 0, 0600);
    assert_int_equal(try_open(kind, name), 0);
    sill_region_close(region);
    support_ok(try_remove(kind, name));
    regions_nothing_left();
}

/* ---- what is not ours ---- */

static void only_files_are_files(void **state)
{
    (void)state;
    int kind = SILL_REGION_FILE;
    char name[SUPPORT_PATH_SIZE], link_name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    assert_int_equal(mkdir(name, 0700), 0);
    assert_int_equal(try_open(kind, name), SILL_FOREIGN);
    assert_int_equal(try_create(kind, name), SILL_EXISTS);
    assert_int_equal(try_remove(kind, name), SILL_FOREIGN);
    assert_int_equal(rmdir(name), 0);

    assert_int_equal(mkfifo(name, 0600), 0);
    assert_int_equal(try_open(kind, name), SILL_FOREIGN);
    assert_int_equal(try_create(kind, name), SILL_EXISTS);
    assert_int_equal(try_remove(kind, name), SILL_FOREIGN);
    assert_int_equal(unlink(name), 0);

    regions_name(kind, link_name);
    assert_int_equal(symlink(name, link_name), 0); /* to nothing */
    assert_int_equal(try_create(kind, link_name), SILL_EXISTS);
    assert_false(support_exists(name));
    sill_region_close(create(kind, name));
    assert_int_equal(try_open(kind, link_name), SILL_FOREIGN);
    assert_int_equal(try_remove(kind, link_name), SILL_FOREIGN);
    assert_int_equal(unlink(link_name), 0);
    support_ok(try_remove(kind, name));

    static const char text[] =
        "This is somebody's file and long enough to hold a header of sill's, "
        "and some more.";
    for (size_t size = 0; size < sizeof text; size += 7) {
        support_write_file(name, text, size);
        assert_int_equal(try_open(kind, name), SILL_FOREIGN);
        assert_int_equal(try_create(kind, name), SILL_EXISTS);
        assert_int_equal(try_remove(kind, name), SILL_FOREIGN);
        assert_true(support_exists(name));
    }
    assert_int_equal(unlink(name), 0);
    static const char zeros[100];
    support_write_file(name, zeros, sizeof zeros);
    assert_int_equal(try_open(kind, name), SILL_FOREIGN);
    assert_int_equal(try_remove(kind, name), SILL_FOREIGN);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(try_create(kind, "/proc/sill/none"), SILL_NOT_FOUND);
    regions_nothing_left();
}

/* Somebody sits on the name that can be foreseen. */
static void squatters_are_passed_by(void **state)
{
    (void)state;
    int kind = SILL_REGION_POSIX;
    char name[SUPPORT_PATH_SIZE], file[100], path[SUPPORT_PATH_SIZE], object[64];
    regions_name(kind, name);
    sill__owner_file_name(ops_of(kind)->owner, name, file);
    support_path(path, file);
    support_ok(ops_of(kind)->object_name(object, path, name, 0));
    int fd = shm_open(object, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "xxxx", 4), 4);
    int given = geteuid() == 0 ? fchown(fd, OTHER_USER, (gid_t)-1) : 0;
    close(fd);
    int opened = try_open(kind, name), created = try_create(kind, name);
    int opened_then = try_open(kind, name), again = try_create(kind, name);
    int removed = try_remove(kind, name), left = shm_unlink(object); /* it was left alone */
    assert_int_equal(given, 0);
    assert_int_equal(opened, geteuid() == 0 ? SILL_DENIED : SILL_FOREIGN);
    assert_int_equal(created, 0);
    assert_int_equal(opened_then, 0);
    assert_int_equal(again, SILL_EXISTS);
    assert_int_equal(removed, 0);
    assert_int_equal(left, 0);
    regions_nothing_left();
}

/* Keys are short: something else may have the one that the record's file gives. It is told, the
 * next one differs, and what has it is left alone. */
static void taken_keys_are_passed_by(void **state)
{
    (void)state;
    int kind = SILL_REGION_SYSV;
    char name[SUPPORT_PATH_SIZE], path[SUPPORT_PATH_SIZE], first[64], second[64];
    regions_name(kind, name);
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kind = ops_of(kind)->owner;
    snprintf(info.name, sizeof info.name, "%.200s", name);
    char file[100];
    sill__owner_file_name(info.kind, name, file);
    support_path(path, file);
    sill__owner *owner;
    support_ok(sill__owner_claim(&owner, NULL, &info, NULL));
    support_ok(ops_of(kind)->object_name(first, path, name, 0));
    support_ok(ops_of(kind)->object_name(second, path, name, 1));
    assert_string_not_equal(first, second);
    /* Taken in any case: by us, or by some other segment already. */
    int id = shmget((key_t)strtoul(first, NULL, 16), 100, IPC_CREAT | IPC_EXCL | 0600);
    void *at = id >= 0 ? shmat(id, NULL, 0) : NULL;
    if (at != NULL && at != (void *)-1) {
        memset(at, 'x', 100);
        shmdt(at);
    }
    sill__memory *memory = NULL;
    int on_first = ops_of(kind)->create(&memory, first, 100, false);
    int removed = ops_of(kind)->remove(first, sill__region_name_hash(kind, name));
    bool gone = id >= 0 && shmctl(id, IPC_RMID, NULL) != 0;
    sill__owner_release(owner, true);
    assert_int_equal(on_first, SILL_FOREIGN);
    assert_null(memory);
    assert_int_equal(removed, SILL_FOREIGN);
    assert_false(gone);
    regions_nothing_left();
}

/* ---- passed memory ---- */

static int open_passed(int fd)
{
    sill_region_options options = regions_options(SILL_REGION_POSIX_ANONYMOUS);
    options.read_only = 1;
    sill_region *region = NULL;
    int rc = sill_region_open_handle(&region, fd, &options);
    sill_region_close(region);
    return rc;
}

static void sealed_memory_stays_as_it_is(void **state)
{
    (void)state;
    sill_region *region = create(SILL_REGION_POSIX_ANONYMOUS, NULL), *view = NULL;
    sill_handle handle;
    support_ok(sill_region_handle(region, &handle));
    int fd = (int)handle;
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), -1);
    assert_true(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    sill_region_options options = regions_options(SILL_REGION_POSIX_ANONYMOUS);
    support_status(SILL_DENIED, sill_region_open_handle(&view, fd, &options));
    assert_null(view);
    regions_fill(sill_region_data(region), SIZE, 1);
    support_ok(sill_region_unmap(region));
    support_ok(sill_region_map(region));
    regions_fill(sill_region_data(region), SIZE, 2); /* ours can be written still */
    assert_int_equal(open_passed(fd), 0);
    sill_region_close(region);
}

static void unsealed_memory_is_refused(void **state)
{
    (void)state;
    sill_region_options options = regions_options(SILL_REGION_POSIX_ANONYMOUS);
    options.resizable = 1;
    sill_region *region;
    support_ok(sill_region_create(&region, NULL, SIZE, &options));
    sill_handle handle;
    support_ok(sill_region_handle(region, &handle));
    assert_int_equal(open_passed((int)handle), SILL_PROTOCOL);
    sill_region_close(region);

    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING), pair[2];
    assert_true(fd >= 0);
    assert_int_equal(open_passed(fd), SILL_PROTOCOL);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(open_passed(fd), SILL_PROTOCOL); /* empty */
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(open_passed(fd), SILL_PROTOCOL); /* nothing but a hole */
    assert_int_equal(posix_fallocate(fd, 0, 1 << 20), 0);
    assert_int_equal(open_passed(fd), SILL_FOREIGN); /* no header */
    assert_int_equal(write(fd, "something else that is no header of sill's", 42), 42);
    assert_int_equal(open_passed(fd), SILL_FOREIGN);
    close(fd);

    fd = open(support_self(), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(open_passed(fd), SILL_PROTOCOL);
    close(fd);
    assert_int_equal(open_passed(fd), SILL_INVALID);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(open_passed(pair[0]), SILL_PROTOCOL);
    close(pair[0]);
    close(pair[1]);
}

/* ---- fork ---- */

static int use_in_child(sill_region *region)
{
    sill_handle handle;
    if (sill_region_unmap(region) != SILL_INVALID || sill_region_map(region) != SILL_INVALID)
        return 1;
    if (sill_region_resize(region, 1) != SILL_INVALID)
        return 2;
    if (sill_region_handle(region, &handle) != SILL_INVALID)
        return 3;
    if (!regions_filled(sill_region_data(region), SIZE, 1))
        return 4;
    regions_fill(sill_region_data(region), SIZE, 2);
    sill_region_close(region);
    return 0;
}

static void child_may_only_close(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name);
    regions_fill(sill_region_data(region), SIZE, 1);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(use_in_child(region));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(regions_filled(sill_region_data(region), SIZE, 2));
    support_ok(sill_region_unmap(region));
    support_ok(sill_region_map(region));
    if (regions_can(kind, SILL_REGION_NAMED))
        assert_int_equal(try_create(kind, name), SILL_EXISTS);
    sill_region_close(region);
    if (regions_can(kind, SILL_REGION_PERSISTS))
        support_ok(try_remove(kind, name));
    regions_nothing_left();
}

/* ---- limits and signals ---- */

static void file_limit_is_told(void **state)
{
    int kind = kind_of(state);
    if (ops_of(kind)->resize == NULL)
        return; /* no file */
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = before;
    low.rlim_cur = 5000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    int rc = sill_region_create(&region, regions_name_or_null(kind, name), SIZE, &options);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, SILL_LIMIT);
    assert_non_null(strstr(sill_last_error()->message, "RLIMIT_FSIZE"));
    assert_null(region);
    regions_nothing_left();
}

static void descriptors_run_out(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    unsigned handles = support_handles();
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (unsigned more = 0; more < 12; more++) {
        sill_region_options options = regions_options(kind);
        sill_region *region = NULL;
        int rc;
        low = before;
        low.rlim_cur = handles + more;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        rc = sill_region_create(&region, regions_name_or_null(kind, name), SIZE, &options);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (rc != 0 && rc != SILL_LIMIT)
            fail_msg("with %u descriptors: %s, %s", more, sill_status_name(rc),
                     sill_last_error()->message);
        sill_region_close(region);
        if (rc == 0 && regions_can(kind, SILL_REGION_PERSISTS))
            support_ok(try_remove(kind, name));
        assert_int_equal(support_handles(), handles);
    }
    if (regions_can(kind, SILL_REGION_NAMED))
        try_remove(kind, name);
    regions_nothing_left();
}

static void on_alarm(int number)
{
    (void)number;
}

static void signals_interrupt_nothing(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    struct sigaction action = {.sa_handler = on_alarm}, before;
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    struct itimerval storm = {{0, 300}, {0, 300}}, calm = {{0, 0}, {0, 0}};
    assert_int_equal(setitimer(ITIMER_REAL, &storm, NULL), 0);
    sill_region_options options = regions_options(kind);
    sill_region *region;
    int rc = 0;
    for (int i = 0; i < 5 && rc == 0; i++) {
        rc = sill_region_create(&region, regions_name_or_null(kind, name), (size_t)32 << 20,
                                &options);
        if (rc == 0)
            sill_region_close(region);
        if (rc == 0 && regions_can(kind, SILL_REGION_PERSISTS))
            rc = sill_region_remove(name, &options);
    }
    assert_int_equal(setitimer(ITIMER_REAL, &calm, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    support_ok(rc);
    regions_nothing_left();
}

static const struct regions_test tests[] = {
    REGIONS_TEST(objects_are_the_users_own, SILL_REGION_NAMED),
    REGIONS_TEST(wide_rights_are_refused, SILL_REGION_NAMED),
    REGIONS_TEST(objects_of_others_are_refused, SILL_REGION_NAMED),
    REGIONS_TEST(only_files_are_files, SILL_REGION_SEALED),
    REGIONS_TEST(squatters_are_passed_by, SILL_REGION_SEALED),
    REGIONS_TEST(taken_keys_are_passed_by, SILL_REGION_SEALED),
    REGIONS_TEST(sealed_memory_stays_as_it_is, SILL_REGION_SEALED),
    REGIONS_TEST(unsealed_memory_is_refused, SILL_REGION_SEALED),
    REGIONS_TEST(child_may_only_close, 0),
    REGIONS_TEST(file_limit_is_told, 0),
    REGIONS_TEST(descriptors_run_out, 0),
    REGIONS_TEST(signals_interrupt_nothing, 0),
};
REGIONS_MAIN_ALONE(tests)
#endif
