/* test_region_header.c - what the first 64 bytes of an object say about it. */
#include "support.h"

#include "region_ops.h"

#define KIND SILL_REGION_POSIX
#define HASH UINT64_C(77)

static struct sill__region_header whole(void)
{
    return (struct sill__region_header){.magic = SILL__REGION_MAGIC,
                                        .layout = SILL__REGION_LAYOUT,
                                        .kind = KIND,
                                        .size = 1000,
                                        .creator = 4711,
                                        .name_hash = HASH};
}

static int check(const struct sill__region_header *header)
{
    return sill__region_header_check(header, 1064, KIND, HASH);
}

static void whole_header(void **state)
{
    (void)state;
    struct sill__region_header header = whole();
    assert_int_equal(check(&header), SILL_OK);
    assert_int_equal(sill__region_header_check(&header, 1064 + 65535, KIND, HASH), SILL_OK);
    header.flags = SILL__REGION_RESIZABLE;
    assert_int_equal(sill__region_header_check(&header, 1 << 20, KIND, HASH), SILL_OK);
}

/* However far a creator came, and in whatever order a compiler made it store the fields. */
static void half_made(void **state)
{
    (void)state;
    const struct sill__region_header full = whole();
    for (unsigned stored = 0; stored < 1U << 6; stored++) {
        struct sill__region_header header = {0};
        header.layout = stored & 1 ? full.layout : 0;
        header.kind = stored & 2 ? full.kind : 0;
        header.size = stored & 4 ? full.size : 0;
        header.creator = stored & 8 ? full.creator : 0;
        header.flags = stored & 16 ? SILL__REGION_RESIZABLE : 0;
        header.name_hash = stored & 32 ? full.name_hash : 0;
        assert_int_equal(check(&header), SILL_AGAIN);
    }
    struct sill__region_header header = whole();
    assert_int_equal(sill__region_header_check(&header, 0, KIND, HASH), SILL_AGAIN);
}

/* No magic, but something that sill never writes. */
static void not_half_made(void **state)
{
    (void)state;
    struct sill__region_header header = {0};
    header.layout = SILL__REGION_LAYOUT + 1;
    assert_int_equal(check(&header), SILL_FOREIGN);
    header = (struct sill__region_header){.kind = 1000};
    assert_int_equal(check(&header), SILL_FOREIGN);
    header = (struct sill__region_header){.creator = UINT64_MAX};
    assert_int_equal(check(&header), SILL_FOREIGN);
    header = (struct sill__region_header){.flags = 2};
    assert_int_equal(check(&header), SILL_FOREIGN);
    header = (struct sill__region_header){.reserved = {0, 1}};
    assert_int_equal(check(&header), SILL_FOREIGN);
}

static void what_does_not_fit(void **state)
{
    (void)state;
    struct sill__region_header header = whole();
    header.magic++;
    assert_int_equal(check(&header), SILL_FOREIGN);
    header = whole();
    header.layout = SILL__REGION_LAYOUT + 1;
    assert_int_equal(check(&header), SILL_VERSION);
    header = whole();
    header.kind = SILL_REGION_FILE;
    assert_int_equal(check(&header), SILL_WRONG_KIND);
    header = whole();
    header.name_hash++;
    assert_int_equal(check(&header), SILL_FOREIGN);
    static const uint64_t sizes[] = {0, 1001, UINT64_MAX, UINT64_MAX - 63};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        header = whole();
        header.size = sizes[i];
        assert_int_equal(check(&header), SILL_WRONG_SIZE);
    }
    header = whole();
    static const uint64_t objects[] = {1, 63, 64, 1063, 1064 + 65536, UINT64_MAX};
    for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
        assert_int_equal(sill__region_header_check(&header, objects[i], KIND, HASH),
                         SILL_WRONG_SIZE);
}

static void name_hashes(void **state)
{
    (void)state;
    assert_int_equal(sill__region_name_hash(KIND, NULL), 0);
    assert_int_not_equal(sill__region_name_hash(KIND, ""), 0);
    assert_true(sill__region_name_hash(KIND, "a") != sill__region_name_hash(KIND, "b"));
    assert_true(sill__region_name_hash(KIND, "a") != sill__region_name_hash(SILL_REGION_SYSV, "a"));
    /* the value is shared with other processes: it never changes */
    assert_true(sill__region_name_hash(0, "") == UINT64_C(0xcbf29ce484222325));
    assert_true(sill__region_name_hash(0, "a") == UINT64_C(0xaf63dc4c8601ec8c));
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(whole_header),      SUPPORT_TEST(half_made),   SUPPORT_TEST(not_half_made),
    SUPPORT_TEST(what_does_not_fit), SUPPORT_TEST(name_hashes),
};
SUPPORT_MAIN_ALONE(tests)
