/* test_region_limits.c - a full /dev/shm, a full file system, the limits of System V: an error at
 * once that names the limit and where to raise it. Each is tried by a helper in a namespace of its
 * own, so that nothing of the machine is changed; where that is not permitted, it is skipped. */
#include "regions.h"

#ifndef __linux__
int main(void)
{
    puts("skipped: private mounts and limits are Linux's");
    return 0;
}
#else

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* ---- helpers: each goes into a namespace, then tries what the test tells it ---- */

static bool write_limit(const char *name, const char *value)
{
    char path[100];
    snprintf(path, sizeof path, "/proc/sys/kernel/%s", name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return false;
    bool written = fputs(value, file) >= 0;
    return fclose(file) == 0 && written;
}

static bool enter_small_shm(const char *where)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", where, "tmpfs", 0, "size=1m") == 0;
}

static bool enter_small_sysv(void)
{
    return unshare(CLONE_NEWIPC) == 0 && write_limit("shmmni", "3") &&
           write_limit("shmmax", "4194304") && write_limit("shmall", "1536");
}

/* Creates and says what came of it: the status, and the sentence. */
static void try_create(int kind, const char *name, size_t size, sill_region **region)
{
    sill_region_options options = regions_options(kind);
    int rc = sill_region_create(region, regions_name_or_null(kind, name), size, &options);
    support_say("%s %s", sill_status_name(rc), rc != 0 ? sill_last_error()->message : "");
}

static void try_remove(int kind, const char *name, sill_region *region)
{
    sill_region_options options = regions_options(kind);
    sill_region_close(region);
    support_say("%s", sill_status_name(sill_region_remove(name, &options)));
}

/* A file system of 1 MiB on DIRECTORY; regions of KIND under NAME1 and NAME2. */
static int role_small_files(int argc, char **argv)
{
    if (argc != 4 || !enter_small_shm(argv[0])) {
        support_say("no %s", strerror(errno));
        return 0;
    }
    support_say("entered");
    int kind = sill_region_kind_parse(argv[1]);
    sill_region *first = NULL, *second = NULL;
    try_create(kind, argv[2], 2 * MIB, &first);
    try_create(kind, argv[2], MIB / 2, &first);
    try_create(kind, argv[3], MIB * 3 / 4, &second);
    if (first != NULL) /* each byte is really there */
        regions_fill(sill_region_data(first), sill_region_size(first), 1);
    try_remove(kind, argv[2], first);
    try_create(kind, argv[3], MIB * 3 / 4, &second);
    if (second != NULL)
        regions_fill(sill_region_data(second), sill_region_size(second), 1);
    try_remove(kind, argv[3], second);
    return 0;
}

/* The same, but resized until it does not fit. */
static int role_growing(int argc, char **argv)
{
    if (argc != 3 || !enter_small_shm(argv[0])) {
        support_say("no %s", strerror(errno));
        return 0;
    }
    support_say("entered");
    sill_region_options options = regions_options(sill_region_kind_parse(argv[1]));
    options.resizable = 1;
    sill_region *region;
    int rc = sill_region_create(&region, argv[2], MIB / 2, &options);
    support_say("%s", sill_status_name(rc));
    if (rc != 0)
        return 0;
    regions_fill(sill_region_data(region), MIB / 2, 1);
    support_say("%s", sill_status_name(sill_region_resize(region, 2 * MIB)));
    bool whole =
        sill_region_size(region) == MIB / 2 && regions_filled(sill_region_data(region), MIB / 2, 1);
    support_say("%s", whole ? "as it was" : "changed");
    support_say("%s", sill_status_name(sill_region_resize(region, MIB * 3 / 4)));
    regions_fill(sill_region_data(region), MIB * 3 / 4, 1);
    try_remove(options.kind, argv[2], region);
    return 0;
}

/* At most 3 segments, each at most 4 MiB, 6 MiB together. */
static int role_small_sysv(int argc, char **argv)
{
    if (argc != 1 || !enter_small_sysv()) {
        support_say("no %s", strerror(errno));
        return 0;
    }
    support_say("entered");
    int kind = SILL_REGION_SYSV_PRIVATE;
    sill_region *regions[4] = {NULL};
    try_create(SILL_REGION_SYSV, argv[0], 5 * MIB, &regions[0]);
    try_create(kind, NULL, 5 * MIB, &regions[0]);
    try_create(kind, NULL, 3 * MIB, &regions[0]);
    try_create(SILL_REGION_SYSV, argv[0], 4 * MIB - 64, &regions[1]);
    try_create(kind, NULL, MIB, &regions[1]);
    try_create(kind, NULL, MIB, &regions[2]);
    try_create(kind, NULL, 1, &regions[3]);
    for (int i = 0; i < 4; i++)
        sill_region_close(regions[i]);
    return 0;
}

/* ---- tests ---- */

/* The next answer begins with `status`, and its sentence has `part` in it. */
static void expect(struct support_process *process, const char *status, const char *part)
{
    char line[1024];
    assert_true(support_hear(process, line, sizeof line, SUPPORT_PATIENCE_MS));
    if (strncmp(line, status, strlen(status)) != 0 || strstr(line, part) == NULL)
        fail_msg("the helper said \"%s\", and not \"%s ...%s...\"", line, status, part);
}

/* Skips if the helper could not enter. */
static void expect_entered(struct support_process *process)
{
    char line[200];
    assert_true(support_hear(process, line, sizeof line, SUPPORT_PATIENCE_MS));
    if (strcmp(line, "entered") == 0)
        return;
    support_finish(process);
    support_skip("a namespace of its own is not permitted here (%s)", line);
}

static void a_full_file_system_is_told(int kind, const char *where, const char *sentence)
{
    char first[SUPPORT_PATH_SIZE], second[SUPPORT_PATH_SIZE];
    regions_name(kind, first);
    regions_name(kind, second);
    if (kind == SILL_REGION_FILE) {
        snprintf(first, sizeof first, "%s/a", where);
        snprintf(second, sizeof second, "%s/b", where);
    }
    const char *const arguments[] = {where, sill_region_kind_name(kind), first, second, NULL};
    struct support_process *process = support_start("small_files", arguments, NULL);
    expect_entered(process);
    expect(process, "SILL_NO_SPACE", sentence);
    expect(process, "SILL_OK", "");
    expect(process, "SILL_NO_SPACE", sentence);
    expect(process, "SILL_OK", ""); /* removed */
    expect(process, "SILL_OK", "");
    expect(process, "SILL_OK", "");
    assert_int_equal(support_finish(process), 0);

    const char *const growing[] = {where, sill_region_kind_name(kind), first, NULL};
    process = support_start("growing", growing, NULL);
    expect_entered(process);
    expect(process, "SILL_OK", "");
    expect(process, "SILL_NO_SPACE", "");
    expect(process, "as it was", "");
    expect(process, "SILL_OK", "");
    expect(process, "SILL_OK", "");
    assert_int_equal(support_finish(process), 0);
    regions_nothing_left();
}

static void full_shm(void **state)
{
    (void)state;
    a_full_file_system_is_told(SILL_REGION_POSIX, "/dev/shm", "mount -o remount,size=");
}

static void full_file_system(void **state)
{
    (void)state;
    a_full_file_system_is_told(SILL_REGION_FILE, support_directory(), "no room");
}

static void sysv_limits(void **state)
{
    (void)state;
    char name[SUPPORT_PATH_SIZE];
    regions_name(SILL_REGION_SYSV, name);
    const char *const arguments[] = {name, NULL};
    struct support_process *process = support_start("small_sysv", arguments, NULL);
    expect_entered(process);
    expect(process, "SILL_LIMIT", "kernel.shmmax");
    expect(process, "SILL_LIMIT", "kernel.shmmax");
    expect(process, "SILL_OK", "");
    expect(process, "SILL_LIMIT", "kernel.shmall");
    expect(process, "SILL_OK", "");
    expect(process, "SILL_OK", "");
    expect(process, "SILL_LIMIT", "kernel.shmmni");
    assert_int_equal(support_finish(process), 0);
    regions_nothing_left();
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(full_shm),
    SUPPORT_TEST(full_file_system),
    SUPPORT_TEST(sysv_limits),
};
static const struct support_role roles[] = {
    {"small_files", role_small_files}, {"growing", role_growing}, {"small_sysv", role_small_sysv}};
SUPPORT_MAIN(tests, roles)
#endif
