/* test_policy_file.c - where the policy is looked for, and reading and replacing its file. */
#include "support.h"

#include <sill/policy.h>

#include "files.h"
#include "memory.h"
#include "system.h"

#ifndef _WIN32
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#ifdef __linux__
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#endif

/* Writes a file and the folders above it. */
static void write_text(const char *path, const char *text)
{
    support_ok(sill__file_make_folders(path));
    support_write_file(path, text, strlen(text));
}

/* The same for names that are not ASCII, which the C library of Windows cannot open. */
static void write_utf8(const char *path, const char *text)
{
    support_ok(sill__file_replace(path, text, strlen(text)));
}

/* Nobody's settings but this test's. */
static void use_empty_settings(void)
{
    char path[SUPPORT_PATH_SIZE];
    support_setenv("SILL_POLICY", NULL);
    support_setenv("XDG_CONFIG_HOME", NULL);
    support_path(path, "home");
    support_setenv("HOME", path);
    support_setenv("APPDATA", path);
    support_path(path, "machine");
    support_setenv("PROGRAMDATA", path);
}

/* The user's own file in these settings. */
static void user_path(char path[SUPPORT_PATH_SIZE])
{
#ifdef _WIN32
    support_path(path, "home\\sill\\policy.json");
#else
    support_path(path, "home/.config/sill/policy.json");
#endif
}

/* Loads, and asserts whose file it was by its spin_ns. */
static void assert_loads(const char *file, uint64_t spin_ns, const char *expected_source)
{
    sill_policy policy = SILL_POLICY_INIT;
    char source[SUPPORT_PATH_SIZE + 64] = "untouched";
    support_ok(sill_policy_load(&policy, file, source, sizeof source));
    assert_int_equal(policy.spin_ns, spin_ns);
    assert_int_equal(policy.mapped_min, 4097);
    if (expected_source != NULL)
        assert_string_equal(source, expected_source);
}

static void assert_fails(int status, const char *file, const char *part)
{
    sill_policy policy = SILL_POLICY_INIT, before = policy;
    char source[32] = "untouched";
    support_status(status, sill_policy_load(&policy, file, source, sizeof source));
    assert_memory_equal(&policy, &before, sizeof policy);
    assert_string_equal(source, "untouched");
    assert_int_equal(sill_last_error()->status, status);
    if (strstr(sill_last_error()->message, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", sill_last_error()->message, part);
}

/* ---- the search ---- */

static void named_file(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    use_empty_settings();
    support_path(path, "p\xc3\xa4.json");
    assert_fails(SILL_NOT_FOUND, path, "p\xc3\xa4.json");
    write_utf8(path, "{\"spin_ns\": 11}");
    assert_loads(path, 11, path);
    write_utf8(path, "{\"spin_ns\":\n11, \"speed\": 3}");
    assert_fails(SILL_INVALID, path, "p\xc3\xa4.json:2:5: \"speed\" is no key of a policy");
    assert_fails(SILL_INVALID, "", "The name of the policy file is empty.");
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    support_status(SILL_INVALID, sill_policy_save(&policy, ""));
}

static void search_order(void **state)
{
    (void)state;
    char named[SUPPORT_PATH_SIZE], variable[SUPPORT_PATH_SIZE], user[SUPPORT_PATH_SIZE];
    use_empty_settings();
    user_path(user);
    support_path(variable, "variable.json");
    support_path(named, "named.json");
    write_text(user, "{\"spin_ns\": 3}");
    assert_loads(NULL, 3, user);
    support_setenv("SILL_POLICY", variable);
    assert_fails(SILL_NOT_FOUND, NULL, "SILL_POLICY");
    write_text(variable, "{\"spin_ns\": 2}");
    assert_loads(NULL, 2, variable);
    write_text(named, "{\"spin_ns\": 1}");
    assert_loads(named, 1, named);
    support_setenv("SILL_POLICY", "");
    assert_loads(NULL, 3, user);
    /* what is there but wrong is told, not passed over */
    write_text(user, "{\"spin_ns\": }");
    assert_fails(SILL_INVALID, NULL, "policy.json:1:13: ");
}

static void defaults_without_files(void **state)
{
    (void)state;
    use_empty_settings();
#ifndef _WIN32
    if (support_exists("/etc/sill/policy.json"))
        support_skip("this machine has a policy of its own, /etc/sill/policy.json");
#endif
    const uint64_t spin_ns = support_under_wine() ? 100000 : 20000;
    assert_loads(NULL, spin_ns, "");
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_load(&policy, NULL, NULL, 0));
    support_setenv("HOME", NULL);
    support_setenv("APPDATA", NULL);
    support_setenv("PROGRAMDATA", NULL);
    assert_loads(NULL, spin_ns, "");
    support_status(SILL_NOT_FOUND, sill_policy_save(&policy, NULL));
    char own[] = "old";
    support_status(SILL_NOT_FOUND, sill_policy_user_file(own, sizeof own));
    assert_string_equal(own, "");
}

/* It is told before it is there, and is where one without a name is saved to. */
static void own_file(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    char path[SUPPORT_PATH_SIZE], own[SUPPORT_PATH_SIZE];
    use_empty_settings();
    user_path(path);
    support_ok(sill_policy_user_file(own, sizeof own));
    assert_string_equal(own, path);
    assert_false(support_exists(own));
    support_ok(sill_policy_user_file(own, strlen(path) + 1));
    support_status(SILL_TOO_BIG, sill_policy_user_file(own, strlen(path)));
    assert_string_equal(own, "");
    support_status(SILL_INVALID, sill_policy_user_file(NULL, 10));
    support_status(SILL_INVALID, sill_policy_user_file(own, 0));
    support_ok(sill_policy_defaults(&policy));
    support_ok(sill_policy_save(&policy, NULL));
    assert_true(support_exists(path));
}

static void folders_of_settings(void **state)
{
    (void)state;
#ifdef _WIN32
    char system[SUPPORT_PATH_SIZE];
    use_empty_settings();
    support_path(system, "machine\\sill\\policy.json");
    write_text(system, "{\"spin_ns\": 4}");
    assert_loads(NULL, 4, system);
#else
    char path[SUPPORT_PATH_SIZE], user[SUPPORT_PATH_SIZE], folder[SUPPORT_PATH_SIZE];
    use_empty_settings();
    user_path(user);
    write_text(user, "{\"spin_ns\": 3}");
    support_path(path, "xdg/sill/policy.json");
    write_text(path, "{\"spin_ns\": 5}");
    support_path(folder, "xdg");
    support_setenv("XDG_CONFIG_HOME", folder);
    assert_loads(NULL, 5, path);
    support_setenv("XDG_CONFIG_HOME", "relative");
    assert_loads(NULL, 3, user);
    support_setenv("XDG_CONFIG_HOME", "");
    assert_loads(NULL, 3, user);
#endif
}

static void source_is_cut(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE], source[SUPPORT_PATH_SIZE];
    use_empty_settings();
    support_path(path, "\xc3\xa4\xc3\xa4");
    write_utf8(path, "{}");
    size_t folder = strlen(path) - 4;
    for (size_t room = 1; room <= strlen(path) + 1; room++) {
        sill_policy policy = SILL_POLICY_INIT;
        memset(source, 'x', sizeof source);
        support_ok(sill_policy_load(&policy, path, source, room));
        size_t length = room - 1;
        if (length > folder && length < folder + 4)
            length -= (length - folder) % 2; /* never half a character */
        assert_int_equal(strlen(source), length);
        assert_memory_equal(source, path, length);
        assert_int_equal(source[room], 'x');
    }
}

/* Longer than what Windows takes without being asked, and than what fits into a sentence. */
static void long_path(void **state)
{
    (void)state;
    char path[1024];
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    policy.spin_ns = 12;
    snprintf(path, sizeof path, "%s/%0150d/%0150d/p.json", support_directory(), 1, 2);
    assert_fails(SILL_NOT_FOUND, path, "cannot be read.");
    support_status(SILL_NOT_FOUND, sill_policy_save(&policy, path));
    support_ok(sill__file_make_folders(path));
    support_ok(sill_policy_save(&policy, path));
    assert_loads(path, 12, NULL);
    support_ok(sill__file_replace(path, "[", 1));
    assert_fails(SILL_INVALID, path, "/p.json:1:1: ");
}

/* ---- what can be read ---- */

static void size_limit(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    const size_t limit = (size_t)1 << 20;
    char *text = malloc(limit + 1);
    assert_non_null(text);
    memset(text, ' ', limit + 1);
    memcpy(text, "{\"spin_ns\": 8}", 14);
    support_path(path, "large.json");
    support_write_file(path, text, limit);
    assert_loads(path, 8, path);
    support_write_file(path, text, limit + 1);
    free(text);
    assert_fails(SILL_TOO_BIG, path, "is larger than 1048576 bytes.");
    support_write_file(path, "", 0);
    assert_fails(SILL_INVALID, path, "large.json:1:1: The file is empty");
}

static void no_regular_file(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    assert_fails(SILL_INVALID, support_directory(), "is a folder, not a regular file.");
    support_status(SILL_INVALID, sill_policy_save(&policy, support_directory()));
#ifdef _WIN32
    assert_fails(SILL_INVALID, "NUL", "is a device");
#else
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_fails(SILL_INVALID, path, "is a pipe or a device, not a regular file.");
    support_status(SILL_INVALID, sill_policy_save(&policy, path));
    assert_fails(SILL_INVALID, "/dev/zero", "is a pipe or a device, not a regular file.");
#endif
}

/* As a user who may not read it. */
static int load_denied(int argc, char **argv)
{
    sill_policy policy = SILL_POLICY_INIT;
#ifndef _WIN32
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return 2;
#endif
    return argc == 1 && sill_policy_load(&policy, argv[0], NULL, 0) == SILL_DENIED ? 0 : 1;
}

static void unreadable_file(void **state)
{
    (void)state;
#ifdef _WIN32
    support_skip("who may read a file is set by mode bits here; Windows has none");
#else
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "secret.json");
    write_text(path, "{}");
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(support_directory(), 0711), 0);
    const char *arguments[] = {path, NULL};
    assert_int_equal(support_finish(support_start("load-denied", arguments, NULL)), 0);
#endif
}

/* ---- saving ---- */

static void save_and_load(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    sill_policy policy = SILL_POLICY_INIT, loaded = SILL_POLICY_INIT;
    use_empty_settings();
    support_ok(sill_policy_defaults(&policy));
    support_path(path, "saved.json");
    for (uint64_t spin = 0; spin < 3; spin++) {
        policy.spin_ns = spin;
        policy.path = (int)spin;
        support_ok(sill_policy_save(&policy, path));
        support_ok(sill_policy_load(&loaded, path, NULL, 0));
        assert_memory_equal(&loaded, &policy, sizeof policy);
    }
    assert_int_equal(support_entries(NULL), 1); /* nothing beside it */
    /* the user's own, whose folders are made */
    support_ok(sill_policy_save(&policy, NULL));
    user_path(path);
    assert_loads(NULL, 2, path);
    support_ok(sill_policy_save(&policy, NULL));
}

static void failed_save_leaves_all(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    support_path(path, "missing/policy.json");
    support_status(SILL_NOT_FOUND, sill_policy_save(&policy, path));
    support_path(path, "kept.json");
    write_text(path, "{\"spin_ns\": 7}");
    policy.segments_max = 0;
    support_status(SILL_INVALID, sill_policy_save(&policy, path));
    assert_loads(path, 7, path);
    assert_int_equal(support_entries(NULL), 1);
}

static void save_keeps_link_and_mode(void **state)
{
    (void)state;
#ifdef _WIN32
    support_skip("a file is replaced by its name here");
#else
    char path[SUPPORT_PATH_SIZE], link[SUPPORT_PATH_SIZE];
    struct stat st;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    policy.spin_ns = 9;
    support_path(path, "real.json");
    support_path(link, "link.json");
    write_text(path, "{}");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink("real.json", link), 0);
    support_ok(sill_policy_save(&policy, link));
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_loads(path, 9, path);
    assert_int_equal(support_entries(NULL), 2);
#endif
}

/* ---- a full disk, and the machine's own file: in a mount namespace of a helper's own ---- */

enum { CANNOT = 77 };

#ifdef __linux__
static bool write_map(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    return close(fd) == 0 && done;
}

/* A small tmpfs over `path` that nobody else sees. */
static bool mount_small(const char *path)
{
    char map[40];
    if (unshare(CLONE_NEWNS) != 0) {
        snprintf(map, sizeof map, "0 %lu 1", (unsigned long)geteuid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !write_map("/proc/self/uid_map", map))
            return false;
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", path, "tmpfs", 0, "size=4k,mode=0700") == 0;
}
#endif

static int save_to_full_disk(int argc, char **argv)
{
#ifdef __linux__
    sill_policy policy = SILL_POLICY_INIT;
    char path[SUPPORT_PATH_SIZE];
    if (argc != 1 || !mount_small(argv[0]))
        return CANNOT;
    snprintf(path, sizeof path, "%s/policy.json", argv[0]);
    if (sill_policy_defaults(&policy) != SILL_OK)
        return 1;
    policy.spin_ns = 1;
    if (sill_policy_save(&policy, path) != SILL_OK) /* takes the only page */
        return 2;
    policy.spin_ns = 2;
    int status = sill_policy_save(&policy, path);
    if (status != SILL_NO_SPACE) {
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
        return 3;
    }
    if (sill_policy_load(&policy, path, NULL, 0) != SILL_OK || policy.spin_ns != 1)
        return 4;
    return support__count_entries(argv[0], NULL) == 1 ? 0 : 5;
#else
    (void)argc;
    (void)argv;
    return CANNOT;
#endif
}

static int load_of_machine(int argc, char **argv)
{
#ifdef __linux__
    (void)argv;
    sill_policy policy = SILL_POLICY_INIT;
    char source[100];
    if (argc != 0 || !mount_small("/etc"))
        return CANNOT;
    if (mkdir("/etc/sill", 0755) != 0)
        return 1;
    support_write_file("/etc/sill/policy.json", "{\"spin_ns\": 6}", 14);
    if (sill_policy_load(&policy, NULL, source, sizeof source) != SILL_OK)
        return 2;
    return policy.spin_ns == 6 && strcmp(source, "/etc/sill/policy.json") == 0 ? 0 : 3;
#else
    (void)argc;
    (void)argv;
    return CANNOT;
#endif
}

static void full_disk(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE], file[SUPPORT_PATH_SIZE];
    support_path(path, "disk");
    support_path(file, "disk/x");
    support_ok(sill__file_make_folders(file));
    const char *arguments[] = {path, NULL};
    int status = support_finish(support_start("save-to-full-disk", arguments, NULL));
    if (status == CANNOT)
        support_skip("no small file system can be mounted here");
    assert_int_equal(status, 0);
}

static void file_of_the_machine(void **state)
{
    (void)state;
    use_empty_settings();
    int status = support_finish(support_start("load-of-machine", NULL, NULL));
    if (status == CANNOT)
        support_skip("no file system can be mounted here (Windows: see folders_of_settings)");
    assert_int_equal(status, 0);
}

/* ---- out of memory ---- */

static void out_of_memory(void **state)
{
    (void)state;
#ifdef SILL_FAULTS
    sill_policy policy = SILL_POLICY_INIT;
    use_empty_settings();
    support_ok(sill_policy_defaults(&policy));
    support_ok(sill_policy_save(&policy, NULL));
    unsigned handles = support_handles();
    int happened = 1;
    for (long n = 1; happened; n++) {
        sill__fault_allocation(n);
        int status = sill_policy_load(&policy, NULL, NULL, 0);
        happened = sill__fault_happened();
        support_status(happened ? SILL_NO_MEMORY : SILL_OK, status);
    }
    happened = 1;
    for (long n = 1; happened; n++) {
        sill__fault_allocation(n);
        int status = sill_policy_save(&policy, NULL);
        happened = sill__fault_happened();
        support_status(happened ? SILL_NO_MEMORY : SILL_OK, status);
    }
    sill__fault_allocation(0);
    assert_int_equal(support_handles(), handles);
    assert_int_equal(support_entries(NULL), 1);
#else
    support_skip("this build cannot order failures (SILL_FAULTS)");
#endif
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(named_file),
    SUPPORT_TEST(search_order),
    SUPPORT_TEST(defaults_without_files),
    SUPPORT_TEST(own_file),
    SUPPORT_TEST(folders_of_settings),
    SUPPORT_TEST(source_is_cut),
    SUPPORT_TEST(long_path),
    SUPPORT_TEST(size_limit),
    SUPPORT_TEST(no_regular_file),
    SUPPORT_TEST(unreadable_file),
    SUPPORT_TEST(save_and_load),
    SUPPORT_TEST(failed_save_leaves_all),
    SUPPORT_TEST(save_keeps_link_and_mode),
    SUPPORT_TEST(full_disk),
    SUPPORT_TEST(file_of_the_machine),
    SUPPORT_TEST(out_of_memory),
};
static const struct support_role roles[] = {
    {"load-denied", load_denied},
    {"save-to-full-disk", save_to_full_disk},
    {"load-of-machine", load_of_machine},
};
SUPPORT_MAIN(tests, roles)
