/* test_region_file.c - regions in files: what is kept, flushed, grown by others than the creator,
 * and seen by readers while writers are killed. */
#include "regions.h"

#define SIZE 10000

#ifdef SILL_STEPS
#define STEPS 1
#else
#define STEPS 0
#endif

static sill_region_options options_of(void)
{
    sill_region_options options = regions_options(SILL_REGION_FILE);
    options.resizable = 1;
    return options;
}

static sill_region *make(char name[SUPPORT_PATH_SIZE])
{
    sill_region_options options = options_of();
    sill_region *region = NULL;
    regions_name(SILL_REGION_FILE, name);
    support_ok(sill_region_create(&region, name, SIZE, &options));
    return region;
}

static void drop(const char *name)
{
    sill_region_options options = options_of();
    support_ok(sill_region_remove(name, &options));
    regions_nothing_left();
}

static void flush_is_for_files(void **state)
{
    (void)state;
    for (int kind = SILL_REGION_AUTO + 1; kind <= SILL_REGION_WIN32; kind++) {
        if (!regions_can(kind, SILL_REGION_AVAILABLE) || kind == SILL_REGION_FILE)
            continue;
        char name[SUPPORT_PATH_SIZE];
        regions_name(kind, name);
        sill_region_options options = regions_options(kind);
        sill_region *region;
        support_ok(sill_region_create(&region, regions_name_or_null(kind, name), SIZE, &options));
        assert_false(regions_can(kind, SILL_REGION_FLUSHES));
        support_status(SILL_UNSUPPORTED, sill_region_flush(region, 0, 0, 1));
        sill_region_close(region);
        if (regions_can(kind, SILL_REGION_PERSISTS))
            support_ok(sill_region_remove(name, &options));
    }
    char name[SUPPORT_PATH_SIZE];
    sill_region *region = make(name), *reader;
    regions_fill(sill_region_data(region), SIZE, 1);
    support_ok(sill_region_flush(region, 0, 0, 1));
    support_ok(sill_region_flush(region, 0, 0, 0));
    support_ok(sill_region_flush(region, 5000, 100, 1));
    support_ok(sill_region_flush(region, 5000, 100, 0));
    support_ok(sill_region_flush(region, SIZE, 0, 1));
    support_status(SILL_INVALID, sill_region_flush(NULL, 0, 0, 1));
    support_status(SILL_INVALID, sill_region_flush(region, 0, 0, 2));
    support_status(SILL_INVALID, sill_region_flush(region, SIZE + 1, 0, 1));
    support_status(SILL_INVALID, sill_region_flush(region, 1, SIZE, 1));
    support_status(SILL_INVALID, sill_region_flush(region, 1, SIZE_MAX, 1));
    sill_region_options options = options_of();
    options.read_only = 1;
    support_ok(sill_region_open(&reader, name, &options));
    support_status(SILL_INVALID, sill_region_flush(reader, 0, 0, 1));
    sill_region_close(reader);
    support_ok(sill_region_unmap(region));
    support_status(SILL_INVALID, sill_region_flush(region, 0, 0, 1));
    sill_region_close(region);
    size_t size = 0;
    unsigned char *bytes = support_read_file(name, &size); /* as every program sees it */
    assert_true(size >= SIZE + 64 && regions_filled(bytes + 64, SIZE, 1));
    free(bytes);
    drop(name);
}

/* A file outlives its creator, so others may change its size. */
static void others_resize_it(void **state)
{
    (void)state;
    char name[SUPPORT_PATH_SIZE];
    sill_region *region = make(name);
    regions_fill(sill_region_data(region), SIZE, 1);
    sill_region_close(region);
    sill_region_options options = options_of();
    support_ok(sill_region_open(&region, name, &options));
    support_ok(sill_region_resize(region, 30 * SIZE));
    unsigned char *data = sill_region_data(region);
    assert_true(regions_filled(data, SIZE, 1));
    assert_true(regions_zero(data + SIZE, 29 * SIZE));
    support_ok(sill_region_unmap(region));
    sill_region *other;
    support_ok(sill_region_open(&other, name, &options));
    assert_int_equal(sill_region_size(other), 30 * SIZE);
    support_ok(sill_region_resize(other, 2 * SIZE));
    support_ok(sill_region_unmap(other));
    support_ok(sill_region_resize(region, 50 * SIZE)); /* from the size that it has by now */
    support_ok(sill_region_map(region));
    data = sill_region_data(region);
    assert_true(regions_filled(data, SIZE, 1));
    assert_true(regions_zero(data + SIZE, 49 * SIZE));
    sill_region_close(other);
    options.read_only = 1;
    support_ok(sill_region_open(&other, name, &options));
    support_status(SILL_INVALID, sill_region_resize(other, SIZE));
    sill_region_close(other);
    sill_region_close(region);
    drop(name);
}

/* PATH SIZE...: sets these sizes in turn; the bytes behind SIZE are made 0xff each time. With "on"
 * instead of sizes: grows, writes and shrinks without end. */
static int role_resizer(int argc, char **argv)
{
    sill_region_options options = options_of();
    sill_region *region;
    support_ok(sill_region_open(&region, argv[0], &options));
    support_say("ready");
    bool on = argc > 1 && strcmp(argv[1], "on") == 0;
    for (int i = 1; on || i < argc; i++) {
        size_t size = on ? (size_t)(1 + i % 37) * 7000 + SIZE : strtoul(argv[i], NULL, 10);
        int rc = sill_region_resize(region, size);
        if (rc == SILL_DENIED && on) /* Windows: we are being read */
            continue;
        support_ok(rc);
        memset((char *)sill_region_data(region) + SIZE, 0xff, size - SIZE);
    }
    support_say("done");
    sill_region_close(region);
    return 0;
}

static void resizer_dies_at_each_step(void **state)
{
    (void)state;
    static const struct {
        const char *step, *first, *second;
        size_t size; /* that the file has then */
    } rows[] = {
        {"region_resizing", "400000", NULL, SIZE},
        {"region_resized", "400000", NULL, SIZE},
        {"region_resizing:2", "400000", "20000", 20000},
        {"region_resized:2", "400000", "20000", 20000},
        {"region_resizing:2", "20000", "500000", 20000},
        {"region_resized:2", "20000", "500000", 20000},
    };
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[SUPPORT_PATH_SIZE];
        sill_region *region = make(name);
        regions_fill(sill_region_data(region), SIZE, 1);
        sill_region_close(region);
        const char *const arguments[] = {name, rows[i].first, rows[i].second, NULL};
        support_kill_at("resizer", arguments, rows[i].step);
        sill_region_options options = options_of();
        support_ok(sill_region_open(&region, name, &options));
        assert_int_equal(sill_region_size(region), rows[i].size);
        support_ok(sill_region_resize(region, 600000));
        const unsigned char *data = sill_region_data(region);
        assert_true(regions_filled(data, SIZE, 1));
        /* What the dead had behind the end is gone. */
        assert_true(regions_zero(data + rows[i].size, 600000 - rows[i].size));
        sill_region_close(region);
        drop(name);
    }
}

/* Whoever opens the file meanwhile sees a whole header and one of the sizes. */
static void readers_see_a_whole_header(void **state)
{
    (void)state;
    enum { KILLS = 15, LOOKS = 60 };
    char name[SUPPORT_PATH_SIZE];
    sill_region *region = make(name);
    regions_fill(sill_region_data(region), SIZE, 1);
    sill_region_close(region);
    sill_region_options options = options_of(), reading = options_of();
    reading.read_only = 1;
    const char *const arguments[] = {name, "on", NULL};
    for (int i = 0; i < KILLS; i++) {
        struct support_process *resizer = support_start("resizer", arguments, NULL);
        support_expect(resizer, "ready");
        for (int look = 0; look < LOOKS + i; look++) {
            support_ok(sill_region_open(&region, name, &reading));
            size_t size = sill_region_size(region);
            assert_true(size == SIZE || (size > SIZE && (size - SIZE) % 7000 == 0));
            sill_region_close(region);
        }
        support_kill(resizer);
        support_finish(resizer);
        support_ok(sill_region_open(&region, name, &options));
        assert_true(regions_filled(sill_region_data(region), SIZE, 1));
        support_ok(sill_region_resize(region, SIZE));
        sill_region_close(region);
    }
    drop(name);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(flush_is_for_files),
    SUPPORT_TEST(others_resize_it),
    SUPPORT_TEST(resizer_dies_at_each_step),
    SUPPORT_TEST(readers_see_a_whole_header),
};
static const struct support_role roles[] = {{"resizer", role_resizer}};
SUPPORT_MAIN(tests, roles)
