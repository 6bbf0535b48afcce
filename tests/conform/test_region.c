/* test_region.c - the life of a region, for every kind that this system has. */
#include "regions.h"

#define SIZE 10000

#ifdef _WIN32
#define NULL_DEVICE "NUL"
#else
#define NULL_DEVICE "/dev/null"
#endif

static int kind_of(void **state)
{
    return *(int *)*state;
}

static sill_region *create(int kind, const char *name, size_t size)
{
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    support_ok(sill_region_create(&region, regions_name_or_null(kind, name), size, &options));
    assert_non_null(region);
    return region;
}

static sill_region *open_region(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    support_ok(sill_region_open(&region, name, &options));
    assert_non_null(region);
    return region;
}

/* Closes, and removes what stays. */
static void drop(sill_region *region, const char *name)
{
    int kind = sill_region_kind_of(region);
    sill_region_options options = regions_options(kind);
    sill_region_close(region);
    if (regions_can(kind, SILL_REGION_PERSISTS))
        support_ok(sill_region_remove(name, &options));
    regions_nothing_left();
}

/* ---- helpers ---- */

/* KIND NAME: opens for reading only, tells what is there, then writes, which must end it. */
static int role_writer(int argc, char **argv)
{
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    options.read_only = 1;
    sill_region *region;
    int rc = argc == 2 ? sill_region_open(&region, argv[1], &options) : SILL_INVALID;
    if (rc != 0) {
        support_say("%s", sill_status_name(rc));
        return 0;
    }
    volatile unsigned char *data = sill_region_data(region);
    support_say("read %u", data[0]);
    fflush(NULL);
    if (freopen(NULL_DEVICE, "w", stderr) == NULL) /* a sanitizer would tell all about it */
        return 0;
    data[0] = 99;
    support_say("wrote");
    return 0;
}

/* KIND NAME SIZE: opens, checks what is there, changes it, stays until told to end. */
static int role_user(int argc, char **argv)
{
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    sill_region *region;
    int rc = argc == 3 ? sill_region_open(&region, argv[1], &options) : SILL_INVALID;
    if (rc != 0) {
        support_say("%s", sill_status_name(rc));
        return 0;
    }
    size_t size = sill_region_size(region);
    bool right =
        size == strtoul(argv[2], NULL, 10) && regions_filled(sill_region_data(region), size, 1);
    regions_fill(sill_region_data(region), size, 2);
    support_say("%s", right ? "right" : "wrong");
    support_linger();
    sill_region_close(region);
    return 0;
}

/* ---- tests ---- */

static void lives_and_goes(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name, SIZE);
    assert_int_equal(sill_region_kind_of(region), kind);
    assert_int_equal(sill_region_size(region), SIZE);
    unsigned char *data = sill_region_data(region);
    assert_non_null(data);
    assert_int_equal((uintptr_t)data % 64, 0);
    assert_true(regions_zero(data, SIZE));
    regions_fill(data, SIZE, 1);

    support_status(SILL_INVALID, sill_region_map(region));
    support_ok(sill_region_unmap(region));
    assert_null(sill_region_data(region));
    assert_int_equal(sill_region_size(region), SIZE);
    support_status(SILL_INVALID, sill_region_unmap(region));
    support_ok(sill_region_map(region));
    assert_true(regions_filled(sill_region_data(region), SIZE, 1));
    drop(region, name);
}

/* Again and again, so that whatever is not given back adds up. */
static void gives_everything_back(void **state)
{
    int kind = kind_of(state);
    unsigned before = 0;
    for (int round = 0; round < 4; round++) {
        if (round == 1)
            before = support_handles();
        char name[SUPPORT_PATH_SIZE];
        regions_name(kind, name);
        sill_region *region = create(kind, name, SIZE);
        support_ok(sill_region_unmap(region));
        drop(region, name);
        sill_region_options options = regions_options(kind);
        if (regions_can(kind, SILL_REGION_NAMED))
            support_status(SILL_NOT_FOUND, sill_region_open(&region, name, &options));
    }
    assert_int_equal(support_handles(), before);
    regions_nothing_left();
}

static void another_process_sees_it(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name, SIZE);
    regions_fill(sill_region_data(region), SIZE, 1);
    const char *const arguments[] = {REGIONS_WORDS(kind, name), "10000", NULL};
    struct support_process *user = support_start("user", arguments, NULL);
    support_expect(user, "right");
    assert_true(regions_filled(sill_region_data(region), SIZE, 2));
    assert_int_equal(support_finish(user), 0);
    drop(region, name);
}

static void outlives_its_creator(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name, SIZE);
    regions_fill(sill_region_data(region), SIZE, 1);
    const char *const arguments[] = {REGIONS_WORDS(kind, name), "10000", NULL};
    struct support_process *user = support_start("user", arguments, NULL);
    support_expect(user, "right");
    sill_region_close(region);

    region = open_region(kind, name);
    assert_true(regions_filled(sill_region_data(region), SIZE, 2));
    sill_region_close(region);
    assert_int_equal(support_finish(user), 0);

    sill_region_options options = regions_options(kind);
    if (!regions_can(kind, SILL_REGION_PERSISTS)) {
        support_status(SILL_NOT_FOUND, sill_region_open(&region, name, &options));
        regions_nothing_left();
        return;
    }
    region = open_region(kind, name);
    assert_true(regions_filled(sill_region_data(region), SIZE, 2));
    support_status(SILL_EXISTS, sill_region_create(&region, name, SIZE, &options));
    drop(region, name);
}

static void creation_is_exclusive(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name, SIZE), *other = region;
    regions_fill(sill_region_data(region), SIZE, 1);
    sill_region_options options = regions_options(kind);
    support_status(SILL_EXISTS, sill_region_create(&other, name, SIZE, &options));
    assert_ptr_equal(other, region);

    options.open_existing = 1;
    support_status(SILL_WRONG_SIZE, sill_region_create(&other, name, SIZE + 1, &options));
    assert_ptr_equal(other, region);
    support_ok(sill_region_create(&other, name, SIZE, &options));
    assert_true(regions_filled(sill_region_data(other), SIZE, 1));
    sill_region_close(other);
    drop(region, name);

    support_ok(sill_region_create(&region, name, SIZE, &options));
    assert_true(regions_zero(sill_region_data(region), SIZE));
    drop(region, name);
}

static void read_only_is_read_only(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name, SIZE);
    *(unsigned char *)sill_region_data(region) = 7;
    const char *const arguments[] = {REGIONS_WORDS(kind, name), NULL};
    struct support_process *writer = support_start("writer", arguments, NULL);
    support_expect(writer, "read 7");
    char line[64];
    assert_false(support_hear(writer, line, sizeof line, SUPPORT_PATIENCE_MS));
    assert_int_not_equal(support_finish(writer), 0);
    assert_int_equal(*(unsigned char *)sill_region_data(region), 7);

    sill_region_options options = regions_options(kind);
    options.read_only = 1;
    sill_region *reader;
    support_ok(sill_region_open(&reader, name, &options));
    support_ok(sill_region_unmap(reader));
    support_ok(sill_region_map(reader));
    assert_int_equal(*(unsigned char *)sill_region_data(reader), 7);
    support_status(regions_can(kind, SILL_REGION_RESIZES) ? SILL_INVALID : SILL_UNSUPPORTED,
                   sill_region_resize(reader, 2 * SIZE));
    sill_region_close(reader);
    drop(region, name);
}

static void size_changes(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region_options options = regions_options(kind);
    options.resizable = 1;
    sill_region *region;
    support_ok(sill_region_create(&region, regions_name_or_null(kind, name), SIZE, &options));
    regions_fill(sill_region_data(region), SIZE, 1);

    support_ok(sill_region_resize(region, 20 * SIZE));
    assert_int_equal(sill_region_size(region), 20 * SIZE);
    unsigned char *data = sill_region_data(region);
    assert_true(regions_filled(data, SIZE, 1));
    assert_true(regions_zero(data + SIZE, 19 * SIZE));
    memset(data, 1, 20 * SIZE);

    support_ok(sill_region_resize(region, 100));
    assert_int_equal(sill_region_size(region), 100);
    data = sill_region_data(region);
    memset(data, 2, 1000); /* still in the page, but behind the end */
    support_ok(sill_region_unmap(region));
    support_ok(sill_region_resize(region, SIZE));
    assert_null(sill_region_data(region));
    support_ok(sill_region_map(region));
    data = sill_region_data(region);
    assert_int_equal(data[99], 2);
    assert_true(regions_zero(data + 100, SIZE - 100));
    support_status(SILL_INVALID, sill_region_resize(region, 0));
    support_status(SILL_TOO_BIG, sill_region_resize(region, SIZE_MAX));
    assert_int_equal(sill_region_size(region), SIZE);
    drop(region, name);

    region = create(kind, name, SIZE);
    support_status(SILL_INVALID, sill_region_resize(region, 2 * SIZE));
    drop(region, name);
}

static void others_see_the_new_size(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region_options options = regions_options(kind);
    options.resizable = 1;
    sill_region *region;
    support_ok(sill_region_create(&region, name, SIZE, &options));
    sill_region *other = open_region(kind, name);
    if (kind == SILL_REGION_FILE && support_under_wine())
        support_ok(sill_region_unmap(other)); /* a file that is mapped cannot be resized there */
    support_ok(sill_region_resize(region, 3 * SIZE));
    regions_fill(sill_region_data(region), 3 * SIZE, 1);
    assert_int_equal(sill_region_size(other), SIZE);
    if (sill_region_data(other) != NULL)
        support_ok(sill_region_unmap(other));
    support_ok(sill_region_map(other));
    assert_int_equal(sill_region_size(other), 3 * SIZE);
    assert_true(regions_filled(sill_region_data(other), 3 * SIZE, 1));
    if (!regions_can(kind, SILL_REGION_FLUSHES)) /* files: test_region_file.c */
        support_status(SILL_INVALID, sill_region_resize(other, SIZE));
    sill_region_close(other);

    options.size = SIZE;
    support_status(SILL_WRONG_SIZE, sill_region_open(&other, name, &options));
    options.size = 3 * SIZE;
    support_ok(sill_region_open(&other, name, &options));
    sill_region_close(other);
    drop(region, name);
}

static void name_goes_before_the_memory(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name, SIZE), *other;
    regions_fill(sill_region_data(region), SIZE, 1);
    sill_region_options options = regions_options(kind);
    int rc = sill_region_remove(name, &options);
    if (rc == SILL_DENIED && regions_may_be_stuck(kind)) {
        drop(region, name);
        support_skip("this system does not remove a file that is mapped");
    }
    support_ok(rc);
    support_status(SILL_NOT_FOUND, sill_region_remove(name, &options));
    support_status(SILL_NOT_FOUND, sill_region_open(&other, name, &options));
    assert_true(regions_filled(sill_region_data(region), SIZE, 1));

    other = create(kind, name, 2 * SIZE);
    assert_true(regions_zero(sill_region_data(other), 2 * SIZE));
    assert_true(regions_filled(sill_region_data(region), SIZE, 1));
    sill_region_close(region);
    region = open_region(kind, name);
    assert_int_equal(sill_region_size(region), 2 * SIZE);
    sill_region_close(region);
    drop(other, name);
}

static void handle_is_passed(void **state)
{
    int kind = kind_of(state);
    sill_region *region = create(kind, NULL, SIZE), *view;
    regions_fill(sill_region_data(region), SIZE, 1);
    sill_handle handle = SILL_NO_HANDLE;
    support_ok(sill_region_handle(region, &handle));
    sill_region_options options = regions_options(kind);
    options.read_only = 1;
    options.size = SIZE + 1;
    support_status(SILL_WRONG_SIZE, sill_region_open_handle(&view, handle, &options));
    options.size = SIZE;
    support_ok(sill_region_open_handle(&view, handle, &options));
    assert_int_equal(sill_region_size(view), SIZE);
    assert_ptr_not_equal(sill_region_data(view), sill_region_data(region));
    assert_true(regions_filled(sill_region_data(view), SIZE, 1));
    regions_fill(sill_region_data(region), SIZE, 2);
    assert_true(regions_filled(sill_region_data(view), SIZE, 2));
    sill_region_close(region);
    assert_true(regions_filled(sill_region_data(view), SIZE, 2));
    sill_region_close(view);

    support_status(SILL_INVALID, sill_region_open_handle(&view, SILL_NO_HANDLE, &options));
    /* a number that is no descriptor, or an id that no segment has */
    support_status(kind == SILL_REGION_SYSV_PRIVATE ? SILL_NOT_FOUND : SILL_INVALID,
                   sill_region_open_handle(&view, 0x7ffffff0, &options));
}

static void kinds_without_handles_say_so(void **state)
{
    int kind = kind_of(state);
    if (regions_can(kind, SILL_REGION_PASSES))
        return;
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name, SIZE), *other;
    sill_handle handle;
    support_status(SILL_UNSUPPORTED, sill_region_handle(region, &handle));
    sill_region_options options = regions_options(kind);
    int rc = sill_region_open_handle(&other, 0, &options);
    assert_true(rc == SILL_UNSUPPORTED || rc == SILL_INVALID);
    drop(region, name);
}

static void sizes_are_checked(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    const char *given = regions_name_or_null(kind, name);
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    support_status(SILL_INVALID, sill_region_create(&region, given, 0, &options));
    support_status(SILL_TOO_BIG, sill_region_create(&region, given, SIZE_MAX, &options));
    support_status(SILL_TOO_BIG, sill_region_create(&region, given, SIZE_MAX / 2, &options));
    assert_null(region);
    regions_nothing_left();
    sill_region *smallest = create(kind, name, 1);
    assert_int_equal(sill_region_size(smallest), 1);
    drop(smallest, name);
}

/* More than any machine has: told at once, and nothing stays behind. */
static void too_much_is_refused(void **state)
{
    int kind = kind_of(state);
    if (kind != SILL_REGION_FILE && support_under_wine())
        support_skip("Wine gives memory that is not there");
    if (SIZE_MAX <= UINT32_MAX)
        support_skip("a machine may have what 32 bits can count");
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    int rc = sill_region_create(&region, regions_name_or_null(kind, name), SIZE_MAX / 1024 / 16,
                                &options);
    if (rc != SILL_NO_SPACE && rc != SILL_LIMIT && rc != SILL_TOO_BIG)
        fail_msg("creating a huge region is %s", sill_status_name(rc));
    assert_int_equal(sill_last_error()->status, rc);
    assert_true(strlen(sill_last_error()->message) > 20);
    assert_null(region);
    regions_nothing_left();
    drop(create(kind, name, SIZE), name);
}

static void close_takes_null(void **state)
{
    (void)state;
    sill_region_close(NULL);
    assert_null(sill_region_data(NULL));
    assert_int_equal(sill_region_size(NULL), 0);
    support_status(SILL_INVALID, sill_region_map(NULL));
    support_status(SILL_INVALID, sill_region_unmap(NULL));
    support_status(SILL_INVALID, sill_region_resize(NULL, 1));
}

static const struct regions_test tests[] = {
    REGIONS_TEST(lives_and_goes, 0),
    REGIONS_TEST(gives_everything_back, 0),
    REGIONS_TEST(another_process_sees_it, SILL_REGION_NAMED),
    REGIONS_TEST(outlives_its_creator, SILL_REGION_NAMED),
    REGIONS_TEST(creation_is_exclusive, SILL_REGION_NAMED),
    REGIONS_TEST(read_only_is_read_only, SILL_REGION_NAMED | SILL_REGION_READ_ONLY),
    REGIONS_TEST(size_changes, SILL_REGION_RESIZES),
    REGIONS_TEST(others_see_the_new_size, SILL_REGION_RESIZES | SILL_REGION_NAMED),
    REGIONS_TEST(name_goes_before_the_memory, SILL_REGION_NAMED | SILL_REGION_PERSISTS),
    REGIONS_TEST(handle_is_passed, SILL_REGION_PASSES),
    REGIONS_TEST(kinds_without_handles_say_so, 0),
    REGIONS_TEST(sizes_are_checked, 0),
    REGIONS_TEST(too_much_is_refused, 0),
    REGIONS_TEST(close_takes_null, 0),
};
static const struct support_role roles[] = {{"writer", role_writer}, {"user", role_user}};
REGIONS_MAIN(tests, roles)
