/* test_region_states.c - what create, open and remove answer in each state that a name can be in,
 * for every kind with a name: arguments, damaged headers, lost halves, creators at work, races. */
#include "regions.h"

#include <stdatomic.h>

#include "backends.h"
#include "memory.h"
#include "owner.h"
#include "region_ops.h"

#define SIZE 200000

static int kind_of(void **state)
{
    return *(int *)*state;
}

static const struct sill__region_ops *ops_of(int kind)
{
    return sill__region_ops_of(kind);
}

static sill_region *create(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    sill_region *region = NULL;
    support_ok(sill_region_create(&region, name, SIZE, &options));
    return region;
}

static int try_open(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    options.timeout_ms = 50;
    sill_region *region = NULL;
    int rc = sill_region_open(&region, name, &options);
    assert_true((rc == 0) == (region != NULL));
    sill_region_close(region);
    return rc;
}

static int try_create(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    options.timeout_ms = 50;
    sill_region *region = NULL;
    int rc = sill_region_create(&region, name, SIZE, &options);
    assert_true((rc == 0) == (region != NULL));
    sill_region_close(region);
    return rc;
}

static int try_remove(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    return sill_region_remove(name, &options);
}

static bool persists(int kind)
{
    return regions_can(kind, SILL_REGION_PERSISTS);
}

static bool has_record(int kind)
{
    return ops_of(kind)->owner != 0;
}

/* What the record says about the object. */
static void object_of(int kind, const char *name, struct sill__owner_info *info)
{
    sill__owner *owner;
    support_ok(sill__owner_join(&owner, NULL, ops_of(kind)->owner, name, info));
    sill__owner_release(owner, false);
}

static void remove_record(int kind, const char *name)
{
    char file[100], path[SUPPORT_PATH_SIZE];
    sill__owner_file_name(ops_of(kind)->owner, name, file);
    support_path(path, file);
    assert_int_equal(remove(path), 0);
}

static void remove_object(int kind, const char *name, const char *object)
{
    support_ok(ops_of(kind)->remove(object, sill__region_name_hash(kind, name)));
}

/* ---- arguments ---- */

static void options_are_checked(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = NULL;
    sill_region_options options = regions_options(kind);
    options.struct_size = 0;
    support_status(SILL_INVALID, sill_region_create(&region, name, 1, &options));
    support_status(SILL_INVALID, sill_region_open(&region, name, &options));
    support_status(SILL_INVALID, sill_region_remove(name, &options));

    struct {
        sill_region_options known;
        char later[16];
    } longer = {regions_options(kind), {0}};
    longer.known.struct_size = sizeof longer;
    support_status(SILL_NOT_FOUND, sill_region_open(&region, name, &longer.known));
    longer.later[3] = 1;
    support_status(SILL_INVALID, sill_region_open(&region, name, &longer.known));

    options = regions_options(kind);
    options.read_only = 1;
    support_status(SILL_INVALID, sill_region_create(&region, name, 1, &options));
    options.read_only = 2;
    support_status(SILL_INVALID, sill_region_open(&region, name, &options));
    options = regions_options(kind);
    options.timeout_ms = -2;
    support_status(SILL_INVALID, sill_region_open(&region, name, &options));
    options = regions_options(kind);
    options.size = 2;
    support_status(SILL_INVALID, sill_region_create(&region, name, 1, &options));
    options = regions_options(kind);
    options.resizable = 1;
    if (!regions_can(kind, SILL_REGION_RESIZES))
        support_status(SILL_UNSUPPORTED, sill_region_create(&region, name, 1, &options));
    assert_null(region);
    regions_nothing_left();
}

static void names_are_checked(void **state)
{
    int kind = kind_of(state);
    sill_region *region = NULL;
    sill_region_options options = regions_options(kind);
    support_status(SILL_INVALID, sill_region_create(&region, NULL, 1, &options));
    support_status(SILL_INVALID, sill_region_create(NULL, "a", 1, &options));
    support_status(SILL_INVALID, sill_region_create(&region, "", 1, &options));
    support_status(SILL_INVALID, sill_region_open(&region, NULL, &options));
    support_status(SILL_INVALID, sill_region_open(&region, "", &options));
    support_status(SILL_INVALID, sill_region_remove(NULL, &options));
    if (has_record(kind)) {
        support_status(SILL_INVALID, sill_region_create(&region, "a/b", 1, &options));
        support_status(SILL_INVALID, sill_region_open(&region, "..", &options));
    }
    assert_null(region);
    regions_nothing_left();
}

static void kinds_are_checked(void **state)
{
    (void)state;
    sill_region *region = NULL;
    sill_region_options options = regions_options(77);
    support_status(SILL_INVALID, sill_region_open(&region, "a", &options));
    for (int kind = SILL_REGION_AUTO; kind <= SILL_REGION_WIN32; kind++) {
        assert_int_equal(sill_region_kind_parse(sill_region_kind_name(kind)), kind);
        options = regions_options(kind);
        if (sill_region_capabilities(kind) == 0)
            support_status(SILL_UNSUPPORTED, sill_region_open(&region, "a", &options));
        else if (!regions_can(kind, SILL_REGION_NAMED))
            support_status(SILL_INVALID, sill_region_create(&region, "a", 1, &options));
    }
    assert_int_equal(sill_region_kind_parse("no such kind"), -1);
    assert_int_equal(sill_region_kind_parse(NULL), -1);
    assert_string_equal(sill_region_kind_name(77), "?");
    assert_null(region);
}

static void long_names_work(void **state)
{
    int kind = kind_of(state);
    if (!has_record(kind))
        return;
    char name[201], other[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    memcpy(other, name, sizeof name);
    other[199] = 'm';
    sill_region *first = create(kind, name), *second = create(kind, other);
    assert_int_equal(try_open(kind, name), 0);
    *(char *)sill_region_data(first) = 1;
    assert_int_equal(*(char *)sill_region_data(second), 0);
    sill_region_close(first);
    sill_region_close(second);
    if (persists(kind)) {
        support_ok(try_remove(kind, name));
        support_ok(try_remove(kind, other));
    }
    regions_nothing_left();
}

/* ---- damaged headers ---- */

static void header_is_judged(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name);
    char *data = sill_region_data(region);
    struct sill__region_header *header = (void *)(data - sizeof *header), right = *header;
    assert_int_equal(try_open(kind, name), 0);

    header->layout++;
    assert_int_equal(try_open(kind, name), SILL_VERSION);
    assert_int_equal(try_create(kind, name), SILL_EXISTS);
    *header = right;
    header->kind++;
    assert_int_equal(try_open(kind, name), SILL_WRONG_KIND);
    *header = right;
    header->size += 65536;
    assert_int_equal(try_open(kind, name), SILL_WRONG_SIZE);
    header->size = UINT64_MAX;
    assert_int_equal(try_open(kind, name), SILL_WRONG_SIZE);
    header->size = 1;
    assert_int_equal(try_open(kind, name), SILL_WRONG_SIZE);
    *header = right;
    header->name_hash++;
    assert_int_equal(try_open(kind, name), SILL_FOREIGN);
    *header = right;
    header->magic++;
    assert_int_equal(try_open(kind, name), SILL_FOREIGN);
    assert_int_equal(try_create(kind, name), SILL_EXISTS);
    memset(header, 0, sizeof *header); /* half-made, but the record says otherwise */
    assert_int_equal(try_open(kind, name), SILL_FOREIGN);
    *header = right;
    assert_int_equal(try_open(kind, name), 0);
    sill_region_close(region);
    if (persists(kind))
        support_ok(try_remove(kind, name));
    regions_nothing_left();
}

static void foreign_object_is_left_alone(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    sill_region *region = create(kind, name);
    struct sill__region_header *header =
        (void *)((char *)sill_region_data(region) - sizeof *header);
    struct sill__owner_info info;
    if (has_record(kind))
        object_of(kind, name, &info);
    header->magic++;
    assert_int_equal(try_remove(kind, name), SILL_FOREIGN);
    if (has_record(kind)) {
        regions_nothing_left();
        sill_region *other = create(kind, name);
        assert_int_equal(try_open(kind, name), 0);
        sill_region_close(other);
        support_ok(try_remove(kind, name));
    }
    header->magic--;
    sill_region_close(region);
    if (has_record(kind))
        remove_object(kind, name, info.object); /* it is there still */
    else
        support_ok(try_remove(kind, name));
    regions_nothing_left();
}

/* ---- one half is missing ---- */

static void object_is_lost(void **state)
{
    int kind = kind_of(state);
    if (!has_record(kind))
        return;
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    struct sill__owner_info info;
    for (int in_use = 0; in_use <= 1; in_use++) {
        sill_region *first = create(kind, name);
        object_of(kind, name, &info);
        assert_int_equal(info.size, SIZE);
        if (!in_use)
            sill_region_close(first);
        remove_object(kind, name, info.object);
        assert_int_equal(try_open(kind, name), SILL_NOT_FOUND);
        regions_nothing_left();
        if (in_use)
            sill_region_close(first);

        first = create(kind, name);
        object_of(kind, name, &info);
        if (!in_use)
            sill_region_close(first);
        remove_object(kind, name, info.object);
        sill_region *second = create(kind, name);
        if (in_use)
            sill_region_close(first);
        assert_int_equal(try_open(kind, name), 0);
        object_of(kind, name, &info);
        sill_region_close(second);
        remove_object(kind, name, info.object);
        assert_int_equal(try_remove(kind, name), SILL_NOT_FOUND);
        regions_nothing_left();
    }
}

static void record_is_lost(void **state)
{
    int kind = kind_of(state);
    if (!has_record(kind))
        return;
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    struct sill__owner_info info;
    sill_region *region = create(kind, name);
    regions_fill(sill_region_data(region), SIZE, 1);
    object_of(kind, name, &info);
    sill_region_close(region);
    remove_record(kind, name);

    sill_region_options options = regions_options(kind);
    int rc = sill_region_open(&region, name, &options);
    if (rc == SILL_NOT_FOUND) { /* where the record alone leads to the object */
        region = create(kind, name);
        assert_true(regions_zero(sill_region_data(region), SIZE));
        sill_region_close(region);
        support_ok(try_remove(kind, name));
        remove_object(kind, name, info.object);
        regions_nothing_left();
        return;
    }
    support_ok(rc);
    assert_true(regions_filled(sill_region_data(region), SIZE, 1));
    assert_int_equal(try_open(kind, name), 0);
    sill_region_close(region);
    remove_record(kind, name);
    assert_int_equal(try_create(kind, name), SILL_EXISTS);
    assert_int_equal(try_open(kind, name), 0);
    remove_record(kind, name);
    support_ok(try_remove(kind, name));
    assert_int_equal(try_remove(kind, name), SILL_NOT_FOUND);
    regions_nothing_left();
}

/* An object that a creator left half-made, and no record. */
static void remains_are_in_nobodys_way(void **state)
{
    int kind = kind_of(state);
    const struct sill__region_ops *ops = ops_of(kind);
    if (!has_record(kind))
        return;
    for (int how = 0; how < 3; how++) {
        char name[SUPPORT_PATH_SIZE], file[100], path[SUPPORT_PATH_SIZE], object[64];
        regions_name(kind, name);
        sill__owner_file_name(ops->owner, name, file);
        support_path(path, file);
        if (ops->object_name(object, path, name, 0) != 0)
            return;
        sill__memory *memory;
        support_ok(ops->create(&memory, object, 4096, false));
        ops->close(memory);
        if (how == 0)
            assert_int_equal(try_open(kind, name), SILL_NOT_FOUND);
        else if (how == 1)
            assert_int_equal(try_create(kind, name), 0);
        if (how != 0)
            support_ok(try_remove(kind, name));
        assert_int_equal(ops->open(&memory, object, true), SILL_NOT_FOUND);
        regions_nothing_left();
    }
}

/* ---- a creator at work ---- */

static void living_creator_is_waited_for(void **state)
{
    int kind = kind_of(state);
    if (!has_record(kind))
        return;
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kind = ops_of(kind)->owner;
    snprintf(info.name, sizeof info.name, "%.200s", name);
    sill__owner *owner;
    support_ok(sill__owner_claim(&owner, NULL, &info, NULL));

    int64_t start = support_now_ms();
    assert_int_equal(try_open(kind, name), SILL_TIMEOUT);
    assert_true(support_now_ms() - start >= 50);
    start = support_now_ms();
    assert_int_equal(try_create(kind, name), SILL_TIMEOUT);
    assert_true(support_now_ms() - start >= 50);
    if (persists(kind))
        assert_int_equal(try_remove(kind, name), SILL_NOT_FOUND);

    sill__owner_release(owner, false); /* as if it had died */
    assert_int_equal(try_open(kind, name), SILL_NOT_FOUND);
    regions_nothing_left();
    assert_int_equal(try_create(kind, name), 0);
    if (persists(kind))
        support_ok(try_remove(kind, name));
    regions_nothing_left();
}

/* ---- races ---- */

struct race {
    int kind;
    const char *name;
    atomic_int holders; /* of the name: those who created it and have not removed it */
    atomic_int wins;
};

static sill_region_options race_options(const struct race *race)
{
    sill_region_options options = regions_options(race->kind);
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    return options;
}

/* Removes what nobody has open for long. */
static int remove_soon(const char *name, const sill_region_options *options)
{
    int rc = sill_region_remove(name, options);
    for (int64_t end = support_now_ms() + SUPPORT_PATIENCE_MS;
         rc == SILL_DENIED && regions_may_be_stuck(options->kind) && support_now_ms() < end;
         rc = sill_region_remove(name, options))
        support_sleep_ms(1);
    return rc;
}

/* Creates, exclusively, removes. Nobody else may create in between. */
static int run_creator(void *arg)
{
    struct race *race = arg;
    sill_region_options options = race_options(race);
    for (int round = 0; round < 100; round++) {
        sill_region *region;
        int rc = sill_region_create(&region, race->name, SIZE, &options);
        if (rc == SILL_EXISTS)
            continue;
        if (rc != 0)
            return rc;
        if (atomic_fetch_add(&race->holders, 1) != 0)
            return 1;
        atomic_fetch_add(&race->wins, 1);
        if (!regions_zero(sill_region_data(region), SIZE))
            return 2;
        memset(sill_region_data(region), 1, SIZE);
        atomic_fetch_sub(&race->holders, 1);
        if (persists(race->kind) && !regions_may_be_stuck(race->kind))
            rc = sill_region_remove(race->name, &options);
        sill_region_close(region);
        if (regions_may_be_stuck(race->kind))
            rc = remove_soon(race->name, &options);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Opens. What it gets must be whole. */
static int run_opener(void *arg)
{
    struct race *race = arg;
    sill_region_options options = race_options(race);
    for (int round = 0; round < 200; round++) {
        sill_region *region;
        int rc = sill_region_open(&region, race->name, &options);
        if (rc == SILL_NOT_FOUND)
            continue;
        if (rc != 0)
            return rc;
        size_t size = sill_region_size(region);
        sill_region_close(region);
        if (size != SIZE)
            return 3;
    }
    return 0;
}

static void creators_and_openers_race(void **state)
{
    char name[SUPPORT_PATH_SIZE];
    struct race race = {.kind = kind_of(state), .name = name};
    regions_name(race.kind, name);
    struct support_thread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = support_thread(i < 2 ? run_creator : run_opener, &race);
    int results[4];
    for (int i = 0; i < 4; i++)
        results[i] = support_join(threads[i]);
    for (int i = 0; i < 4; i++)
        if (results[i] != 0)
            fail_msg("thread %d returned %d %s", i, results[i], sill_status_name(results[i]));
    assert_true(atomic_load(&race.wins) > 0);
    if (persists(race.kind))
        assert_int_equal(try_remove(race.kind, name), SILL_NOT_FOUND);
    regions_nothing_left();
}

static int run_create_or_open(void *arg)
{
    struct race *race = arg;
    sill_region_options options = race_options(race);
    options.open_existing = 1;
    sill_region *region;
    int rc = sill_region_create(&region, race->name, SIZE, &options);
    if (rc != 0)
        return rc;
    atomic_fetch_add((atomic_int *)sill_region_data(region), 1);
    atomic_fetch_add(&race->holders, 1);
    while (atomic_load(&race->holders) < 4)
        support_sleep_ms(1); /* so that nobody's close takes it away */
    int count = atomic_load((atomic_int *)sill_region_data(region));
    sill_region_close(region);
    return count == 4 ? 0 : count;
}

static void all_get_the_same(void **state)
{
    int kind = kind_of(state);
    for (int round = 0; round < 20; round++) {
        char name[SUPPORT_PATH_SIZE];
        struct race race = {.kind = kind, .name = name};
        regions_name(kind, name);
        struct support_thread *threads[4];
        int results[4];
        for (int i = 0; i < 4; i++)
            threads[i] = support_thread(run_create_or_open, &race);
        for (int i = 0; i < 4; i++)
            results[i] = support_join(threads[i]);
        for (int i = 0; i < 4; i++)
            if (results[i] != 0)
                fail_msg("thread %d returned %d %s", i, results[i], sill_status_name(results[i]));
        if (persists(kind))
            support_ok(try_remove(kind, name));
    }
    regions_nothing_left();
}

/* ---- out of memory ---- */

#ifdef SILL_FAULTS
static int whole_life(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    options.directory = has_record(kind) ? support_directory() : NULL;
    sill_region *region, *other;
    int rc = sill_region_create(&region, name, SIZE, &options);
    if (rc != 0)
        return rc;
    rc = sill_region_open(&other, name, &options);
    if (rc == 0)
        sill_region_close(other);
    sill_region_close(region);
    int removed = persists(kind) ? sill_region_remove(name, &options) : 0;
    return rc != 0 ? rc : removed;
}
#endif

static void memory_runs_out(void **state)
{
#ifdef SILL_FAULTS
    int kind = kind_of(state);
    int happened = 1;
    char first[SUPPORT_PATH_SIZE];
    regions_name(kind, first);
    support_ok(whole_life(kind, first));
    unsigned before = support_handles();
    for (long nth = 1; happened; nth++) {
        char name[SUPPORT_PATH_SIZE];
        regions_name(kind, name);
        sill__fault_allocation(nth);
        int rc = whole_life(kind, name);
        happened = sill__fault_happened();
        sill__fault_allocation(0);
        if (rc != 0 && rc != SILL_NO_MEMORY)
            fail_msg("allocation %ld failed: %s", nth, sill_status_name(rc));
        if (!happened)
            support_ok(rc);
        if (rc != 0 && persists(kind)) /* the removal itself may have been what failed */
            try_remove(kind, name);
        regions_nothing_left();
    }
    assert_int_equal(support_handles(), before);
#else
    (void)state;
    support_skip("this build cannot make allocations fail (SILL_FAULTS)");
#endif
}

#define NAMED_PERSISTS (SILL_REGION_NAMED | SILL_REGION_PERSISTS)

static const struct regions_test tests[] = {
    REGIONS_TEST(options_are_checked, SILL_REGION_NAMED),
    REGIONS_TEST(names_are_checked, SILL_REGION_NAMED),
    REGIONS_TEST(kinds_are_checked, 0),
    REGIONS_TEST(long_names_work, SILL_REGION_NAMED),
    REGIONS_TEST(header_is_judged, SILL_REGION_NAMED),
    REGIONS_TEST(foreign_object_is_left_alone, NAMED_PERSISTS),
    REGIONS_TEST(object_is_lost, NAMED_PERSISTS),
    REGIONS_TEST(record_is_lost, NAMED_PERSISTS),
    REGIONS_TEST(remains_are_in_nobodys_way, NAMED_PERSISTS),
    REGIONS_TEST(living_creator_is_waited_for, SILL_REGION_NAMED),
    REGIONS_TEST(creators_and_openers_race, SILL_REGION_NAMED),
    REGIONS_TEST(all_get_the_same, SILL_REGION_NAMED),
    REGIONS_TEST(memory_runs_out, SILL_REGION_NAMED),
};
REGIONS_MAIN_ALONE(tests)
