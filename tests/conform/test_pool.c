/* test_pool.c - a pool: blocks against a model, offsets in two processes, roots, what is written
 * over the books. Over every kind of region. Deaths are in proc/test_pool_kill.c. */
#include "regions.h"

#include <sill/pool.h>
#include <sill/sync.h>

#define SIZE (256 * 1024)

static int kind_of(void **state)
{
    return *(int *)*state;
}

struct place {
    int kind;
    char name[SUPPORT_PATH_SIZE];
    sill_region *region;
    sill_pool *pool;
};

static void make(struct place *place, void **state, size_t size)
{
    place->kind = kind_of(state);
    sill_region_options options = regions_options(place->kind);
    regions_name(place->kind, place->name);
    support_ok(sill_region_create(&place->region, regions_name_or_null(place->kind, place->name),
                                  size, &options));
    support_ok(sill_pool_place(&place->pool, place->region, NULL));
}

static void drop(struct place *place)
{
    sill_region_options options = regions_options(place->kind);
    sill_pool_close(place->pool);
    sill_region_close(place->region);
    if (regions_can(place->kind, SILL_REGION_PERSISTS))
        support_ok(sill_region_remove(place->name, &options));
    regions_nothing_left();
}

static sill_pool_statistics statistics_of(sill_pool *pool)
{
    sill_pool_statistics statistics = SILL_POOL_STATISTICS_INIT;
    support_ok(sill_pool_statistics_get(pool, &statistics));
    return statistics;
}

static void arguments_are_checked(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    sill_pool *pool = NULL;
    sill_pool_options options = SILL_POOL_OPTIONS_INIT;
    uint64_t offset = 0;
    size_t size;
    support_status(SILL_INVALID, sill_pool_place(NULL, place.region, NULL));
    support_status(SILL_INVALID, sill_pool_place(&pool, NULL, NULL));
    options.struct_size--;
    support_status(SILL_INVALID, sill_pool_place(&pool, place.region, &options));
    options = (sill_pool_options)SILL_POOL_OPTIONS_INIT;
    options.offset = 32;
    support_status(SILL_INVALID, sill_pool_place(&pool, place.region, &options));
    options.offset = SIZE;
    support_status(SILL_INVALID, sill_pool_place(&pool, place.region, &options));
    options.offset = 0;
    options.size = SIZE + 1;
    support_status(SILL_INVALID, sill_pool_place(&pool, place.region, &options));
    options.size = SIZE / 2;
    support_status(SILL_WRONG_SIZE, sill_pool_place(&pool, place.region, &options));
    options.size = 0;
    options.offset = SILL_SYNC_SIZE; /* in the middle of the books */
    support_status(SILL_FOREIGN, sill_pool_place(&pool, place.region, &options));
    assert_null(pool);
    support_status(SILL_INVALID, sill_pool_allocate(NULL, 1, &offset));
    support_status(SILL_INVALID, sill_pool_allocate(place.pool, 0, &offset));
    support_status(SILL_INVALID, sill_pool_allocate(place.pool, 1, NULL));
    support_status(SILL_INVALID, sill_pool_free(place.pool, 7));
    support_status(SILL_INVALID, sill_pool_free(place.pool, UINT64_MAX - 15));
    support_status(SILL_INVALID, sill_pool_block_size(place.pool, 64, &size));
    support_ok(sill_pool_free(place.pool, 0));
    support_status(SILL_NO_SPACE, sill_pool_allocate(place.pool, SIZE, &offset));
    support_status(SILL_NO_SPACE, sill_pool_allocate(place.pool, SIZE_MAX, &offset));
    assert_null(sill_pool_at(place.pool, 0));
    assert_null(sill_pool_at(place.pool, SIZE));
    assert_null(sill_pool_at(place.pool, UINT64_MAX));
    assert_int_equal(sill_pool_offset(place.pool, &place), 0);
    assert_int_equal(statistics_of(place.pool).failures, 2);
    sill_pool_close(NULL);
    drop(&place);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

struct held {
    uint64_t offset;
    size_t size;
    unsigned seed;
};

static bool is_whole(const struct place *place, const struct held *held)
{
    const void *at = sill_pool_at(place->pool, held->offset);
    return at != NULL && (uintptr_t)at % 16 == 0 && regions_filled(at, held->size, held->seed) &&
           sill_pool_offset(place->pool, at) == held->offset;
}

/* Blocks never overlap: each is filled, and found as it was when it is freed. */
static void blocks_are_their_owners(void **state)
{
    enum { MOST = 200, ROUNDS = 6000 };
    struct place place;
    make(&place, state, SIZE);
    static struct held held[MOST];
    size_t count = 0;
    uint32_t seed = 4711;
    uint64_t all = statistics_of(place.pool).largest;
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (count < MOST && next_random(&seed) % 5 < 3) {
            struct held *one = &held[count];
            one->size = 1 + next_random(&seed) % (next_random(&seed) % 10 == 0 ? 9000 : 300);
            one->seed = round;
            int rc = sill_pool_allocate(place.pool, one->size, &one->offset);
            if (rc == SILL_NO_SPACE)
                continue;
            support_ok(rc);
            regions_fill(sill_pool_at(place.pool, one->offset), one->size, one->seed);
            count++;
        } else if (count > 0) {
            size_t which = next_random(&seed) % count, size = 0;
            assert_true(is_whole(&place, &held[which]));
            support_ok(sill_pool_block_size(place.pool, held[which].offset, &size));
            assert_true(size >= held[which].size);
            support_ok(sill_pool_free(place.pool, held[which].offset));
            held[which] = held[--count];
        }
        if (round % 97 == 0)
            support_ok(sill_pool_check(place.pool));
    }
    assert_int_equal(statistics_of(place.pool).blocks, count);
    while (count-- > 0) {
        assert_true(is_whole(&place, &held[count]));
        support_ok(sill_pool_free(place.pool, held[count].offset));
        support_status(SILL_INVALID, sill_pool_free(place.pool, held[count].offset));
    }
    support_ok(sill_pool_check(place.pool));
    sill_pool_statistics end = statistics_of(place.pool);
    assert_int_equal(end.used, 0);
    assert_int_equal(end.blocks, 0);
    assert_int_equal(end.largest, all);
    assert_int_equal(end.allocations, end.frees);
    assert_int_equal(end.repairs, 0);
    drop(&place);
}

/* The whole of it is one block, exactly; nothing is lost by rounding. */
static void every_byte_can_be_had(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    uint64_t a, b, c, all = statistics_of(place.pool).largest;
    support_ok(sill_pool_allocate(place.pool, (size_t)all, &a));
    assert_int_equal(statistics_of(place.pool).largest, 0);
    support_status(SILL_NO_SPACE, sill_pool_allocate(place.pool, 1, &b));
    support_ok(sill_pool_free(place.pool, a));
    support_status(SILL_NO_SPACE, sill_pool_allocate(place.pool, (size_t)all + 1, &a));
    support_ok(sill_pool_allocate(place.pool, 1000, &a));
    support_ok(sill_pool_allocate(place.pool, 1000, &b));
    support_ok(sill_pool_allocate(place.pool, (size_t)statistics_of(place.pool).largest, &c));
    support_ok(sill_pool_free(place.pool, a));
    support_ok(sill_pool_free(place.pool, c));
    support_ok(sill_pool_free(place.pool, b)); /* merges with both sides */
    support_ok(sill_pool_check(place.pool));
    assert_int_equal(statistics_of(place.pool).largest, all);
    drop(&place);
}

static void roots_are_found(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    uint64_t a, b, found;
    char name[SILL_POOL_ROOT_NAME + 1];
    support_ok(sill_pool_allocate(place.pool, 10, &a));
    support_ok(sill_pool_allocate(place.pool, 10, &b));
    support_status(SILL_NOT_FOUND, sill_pool_get_root(place.pool, "head", &found));
    support_ok(sill_pool_set_root(place.pool, "head", a));
    support_ok(sill_pool_get_root(place.pool, "head", &found));
    assert_int_equal(found, a);
    support_ok(sill_pool_set_root(place.pool, "head", b));
    found = a;
    support_status(SILL_EXISTS, sill_pool_add_root(place.pool, "head", &found));
    assert_int_equal(found, b);
    support_ok(sill_pool_set_root(place.pool, "head", 0));
    support_ok(sill_pool_set_root(place.pool, "head", 0));
    support_status(SILL_NOT_FOUND, sill_pool_get_root(place.pool, "head", &found));
    found = a;
    support_ok(sill_pool_add_root(place.pool, "head", &found));
    support_status(SILL_INVALID, sill_pool_set_root(place.pool, "a b", a));
    support_status(SILL_INVALID, sill_pool_set_root(place.pool, "x", SIZE));
    memset(name, 'n', sizeof name);
    name[SILL_POOL_ROOT_NAME] = '\0';
    support_status(SILL_INVALID, sill_pool_set_root(place.pool, name, a));
    for (int i = 1; i < SILL_POOL_ROOTS; i++) {
        snprintf(name, sizeof name, "root-%d", i);
        support_ok(sill_pool_set_root(place.pool, name, a));
    }
    support_status(SILL_LIMIT, sill_pool_set_root(place.pool, "more", a));
    drop(&place);
}

static int add_up(void *arg, const sill_pool_block *block)
{
    uint64_t *sum = arg;
    *sum += block->size;
    return block->alive == 1 && block->pid != 0 ? 0 : 5;
}

static int call_back(void *arg, const sill_pool_block *block)
{
    return sill_pool_free(arg, block->offset);
}

static void blocks_are_listed(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    uint64_t offset, sum = 0;
    for (size_t i = 1; i <= 10; i++)
        support_ok(sill_pool_allocate(place.pool, i * 16, &offset));
    support_ok(sill_pool_each(place.pool, add_up, &sum));
    assert_int_equal(sum, 55 * 16);
    support_status(SILL_INVALID, sill_pool_each(place.pool, call_back, place.pool));
    support_status(SILL_INVALID, sill_pool_each(place.pool, NULL, NULL));
    drop(&place);
}

/* Several pools may share a region. */
static void pools_lie_side_by_side(void **state)
{
    struct place place;
    place.kind = kind_of(state);
    sill_region_options how = regions_options(place.kind);
    regions_name(place.kind, place.name);
    support_ok(sill_region_create(&place.region, regions_name_or_null(place.kind, place.name), SIZE,
                                  &how));
    sill_pool_options options = SILL_POOL_OPTIONS_INIT;
    options.size = SIZE / 2;
    sill_pool *second;
    uint64_t a, b;
    support_ok(sill_pool_place(&place.pool, place.region, &options));
    options.offset = SIZE / 2;
    support_ok(sill_pool_place(&second, place.region, &options));
    support_ok(sill_pool_allocate(place.pool, 100000, &a));
    support_ok(sill_pool_allocate(second, 100000, &b));
    assert_true(a < SIZE / 2 && b > SIZE / 2);
    memset(sill_pool_at(place.pool, a), 1, 100000);
    memset(sill_pool_at(second, b), 2, 100000);
    support_ok(sill_pool_check(place.pool));
    support_ok(sill_pool_check(second));
    support_status(SILL_INVALID, sill_pool_free(place.pool, b));
    sill_pool_close(second);
    drop(&place);
}

/* ---- what is written over the books ---- */

static int churn(sill_pool *pool, uint32_t *seed)
{
    int rc = 0;
    uint64_t offsets[8] = {0};
    for (int i = 0; i < 8; i++)
        rc = sill_pool_allocate(pool, 1 + next_random(seed) % 2000, &offsets[i]) != 0 ? 1 : rc;
    for (int i = 0; i < 8; i++)
        sill_pool_free(pool, offsets[i]);
    return rc;
}

/* Whatever is written over blocks and books: no crash, no hang, and nothing outside is touched. */
static void scribbles_do_no_harm(void **state)
{
    enum { GUARD = 4096, POOL = 64 * 1024, FIRST = SILL_SYNC_SIZE };
    struct place place;
    place.kind = kind_of(state);
    sill_region_options how = regions_options(place.kind);
    regions_name(place.kind, place.name);
    uint32_t seed = 99;
    support_ok(sill_region_create(&place.region, regions_name_or_null(place.kind, place.name),
                                  POOL + 2 * GUARD, &how));
    unsigned char *data = sill_region_data(place.region);
    sill_pool_options options = SILL_POOL_OPTIONS_INIT;
    options.offset = GUARD;
    options.size = POOL;
    for (int round = 0; round < 300; round++) {
        memset(data, 0, POOL + 2 * GUARD);
        regions_fill(data, GUARD, 1);
        regions_fill(data + GUARD + POOL, GUARD, 2);
        support_ok(sill_pool_place(&place.pool, place.region, &options));
        churn(place.pool, &seed);
        for (int i = 0; i < 1 + round % 20; i++) {
            size_t at = FIRST + next_random(&seed) % (round % 2 == 0 ? 3000 : POOL - FIRST - 4);
            uint32_t value = next_random(&seed) % 3 == 0 ? next_random(&seed) : UINT32_MAX;
            memcpy(data + GUARD + at, &value, sizeof value);
        }
        churn(place.pool, &seed);
        sill_pool_check(place.pool);
        sill_pool_repair(place.pool);
        sill_pool_statistics statistics = SILL_POOL_STATISTICS_INIT;
        sill_pool_statistics_get(place.pool, &statistics);
        churn(place.pool, &seed);
        sill_pool_close(place.pool);
        assert_true(regions_filled(data, GUARD, 1));
        assert_true(regions_filled(data + GUARD + POOL, GUARD, 2));
    }
    place.pool = NULL;
    drop(&place);
}

/* Torn lists are mended from the headers; a header that is gone is told. */
static void damage_is_mended_or_told(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    uint64_t a, b, c;
    support_ok(sill_pool_allocate(place.pool, 100, &a));
    support_ok(sill_pool_allocate(place.pool, 100, &b));
    support_ok(sill_pool_allocate(place.pool, 100, &c));
    support_ok(sill_pool_free(place.pool, b));
    memset(sill_pool_at(place.pool, b), 0xee, 16); /* written after the free: the links */
    support_status(SILL_PROTOCOL, sill_pool_check(place.pool));
    support_ok(sill_pool_allocate(place.pool, 100, &b));
    support_ok(sill_pool_check(place.pool));
    memset((char *)sill_pool_at(place.pool, b) - 16, 0xee, 16); /* the header itself */
    support_status(SILL_PROTOCOL, sill_pool_check(place.pool));
    support_status(SILL_PROTOCOL, sill_pool_repair(place.pool));
    support_status(SILL_INVALID, sill_pool_free(place.pool, b));
    assert_int_not_equal(sill_last_error()->message[0], '\0');
    drop(&place);
}

/* ---- two processes ---- */

/* KIND NAME: finds the root, checks and frees what it names, leaves something under another one. */
static int role_partner(int argc, char **argv)
{
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    sill_region *region;
    sill_pool *pool;
    uint64_t offset = 0;
    if (argc != 2 || sill_region_open(&region, argv[1], &options) != 0)
        return 2;
    int rc = sill_pool_place(&pool, region, NULL);
    if (rc == 0)
        rc = sill_pool_get_root(pool, "given", &offset);
    if (rc == 0 && !regions_filled(sill_pool_at(pool, offset), 1000, 3))
        rc = SILL_PROTOCOL;
    if (rc == 0)
        rc = sill_pool_free(pool, offset);
    if (rc == 0)
        rc = sill_pool_allocate(pool, 2000, &offset);
    if (rc == 0) {
        regions_fill(sill_pool_at(pool, offset), 2000, 4);
        rc = sill_pool_set_root(pool, "taken", offset);
    }
    support_say("%s", sill_status_name(rc));
    sill_pool_close(pool);
    sill_region_close(region);
    return 0;
}

static void offsets_mean_the_same_elsewhere(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    uint64_t offset;
    support_ok(sill_pool_allocate(place.pool, 1000, &offset));
    regions_fill(sill_pool_at(place.pool, offset), 1000, 3);
    support_ok(sill_pool_set_root(place.pool, "given", offset));
    const char *const arguments[] = {REGIONS_WORDS(place.kind, place.name), NULL};
    struct support_process *partner = support_start("partner", arguments, NULL);
    support_expect(partner, "SILL_OK");
    assert_int_equal(support_finish(partner), 0);
    support_ok(sill_pool_get_root(place.pool, "taken", &offset));
    assert_true(regions_filled(sill_pool_at(place.pool, offset), 2000, 4));
    support_ok(sill_pool_free(place.pool, offset));
    assert_int_equal(statistics_of(place.pool).blocks, 0);
    drop(&place);
}

/* Where the region stays, so does what is in it. */
static void pools_stay(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    uint64_t offset;
    support_ok(sill_pool_allocate(place.pool, 1000, &offset));
    regions_fill(sill_pool_at(place.pool, offset), 1000, 3);
    support_ok(sill_pool_set_root(place.pool, "kept", offset));
    sill_pool_close(place.pool);
    sill_region_close(place.region);
    sill_region_options options = regions_options(place.kind);
    support_ok(sill_region_open(&place.region, place.name, &options));
    support_ok(sill_pool_place(&place.pool, place.region, NULL));
    support_ok(sill_pool_check(place.pool));
    support_ok(sill_pool_get_root(place.pool, "kept", &offset));
    assert_true(regions_filled(sill_pool_at(place.pool, offset), 1000, 3));
    support_ok(sill_pool_free(place.pool, offset));
    drop(&place);
}

static int churn_in_thread(void *arg)
{
    uint32_t seed = (uint32_t)(uintptr_t)&seed;
    for (int i = 0; i < 300; i++)
        if (churn(arg, &seed) != 0)
            return 1;
    return 0;
}

static void threads_share_a_handle(void **state)
{
    struct place place;
    make(&place, state, SIZE);
    struct support_thread *a = support_thread(churn_in_thread, place.pool);
    struct support_thread *b = support_thread(churn_in_thread, place.pool);
    assert_int_equal(support_join(a), 0);
    assert_int_equal(support_join(b), 0);
    support_ok(sill_pool_check(place.pool));
    assert_int_equal(statistics_of(place.pool).allocations, 2 * 300 * 8);
    assert_int_equal(statistics_of(place.pool).used, 0);
    drop(&place);
}

static const struct regions_test tests[] = {
    REGIONS_TEST(arguments_are_checked, 0),
    REGIONS_TEST(blocks_are_their_owners, 0),
    REGIONS_TEST(every_byte_can_be_had, 0),
    REGIONS_TEST(roots_are_found, 0),
    REGIONS_TEST(blocks_are_listed, 0),
    REGIONS_TEST(pools_lie_side_by_side, 0),
    REGIONS_TEST(scribbles_do_no_harm, 0),
    REGIONS_TEST(damage_is_mended_or_told, 0),
    REGIONS_TEST(offsets_mean_the_same_elsewhere, SILL_REGION_NAMED),
    REGIONS_TEST(pools_stay, SILL_REGION_NAMED | SILL_REGION_PERSISTS),
    REGIONS_TEST(threads_share_a_handle, 0),
};
static const struct support_role roles[] = {{"partner", role_partner}};
REGIONS_MAIN(tests, roles)
