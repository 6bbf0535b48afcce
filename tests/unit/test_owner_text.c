/* test_owner_text.c - names, the file names made of them, and the text of owner records. */
#include "owner.h"
#include "status.h"

#include "support.h"

static struct sill__owner_info sample(void)
{
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kind = SILL__OWNER_REGION_POSIX;
    strcpy(info.name, "store.v2_A-b");
    info.process.pid = 4711;
    info.process.start = 1234567890123;
    info.process.pid_space = UINT64_MAX;
    strcpy(info.process.boot, "0b1c2d3e-aaaa-bbbb-cccc-0123456789ab");
    info.size = UINT64_C(1) << 40;
    info.created = 1700000000;
    strcpy(info.object, "/sill.store");
    info.kept = true;
    return info;
}

static void same(const struct sill__owner_info *a, const struct sill__owner_info *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->process.pid, b->process.pid);
    assert_true(a->process.start == b->process.start);
    assert_true(a->process.pid_space == b->process.pid_space);
    assert_string_equal(a->process.boot, b->process.boot);
    assert_true(a->size == b->size);
    assert_true(a->created == b->created);
    assert_string_equal(a->object, b->object);
    assert_int_equal(a->kept, b->kept);
}

/* ---- names ---- */

static void good_names(void **state)
{
    (void)state;
    char longest[SILL__NAME_MAX + 1];
    memset(longest, 'n', SILL__NAME_MAX);
    longest[SILL__NAME_MAX] = '\0';
    const char *const names[] = {"a", "store", "A.b_c-9", "...", ".hidden", "-", "a.", longest};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        support_ok(sill__name_check(names[i]));
}

static void bad_names(void **state)
{
    (void)state;
    char long_name[SILL__NAME_MAX + 2];
    memset(long_name, 'n', SILL__NAME_MAX + 1);
    long_name[SILL__NAME_MAX + 1] = '\0';
    const char *const names[] = {"",    ".",    "..",       "a/b",  "../x", "a b",    "a\n",
                                 "a~b", "\x7f", "\xc3\xa4", "a\\b", "a:b",  long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        support_status(SILL_INVALID, sill__name_check(names[i]));
    support_status(SILL_INVALID, sill__name_check(NULL));
}

static void the_offending_byte_is_named(void **state)
{
    (void)state;
    support_status(SILL_INVALID, sill__name_check("ab/c"));
    assert_non_null(strstr(sill_last_error()->message, "byte 3 is '/'"));
    support_status(SILL_INVALID, sill__name_check("\x01"));
    assert_non_null(strstr(sill_last_error()->message, "byte 1 is 0x01"));
}

static void file_names(void **state)
{
    (void)state;
    char file[100];
    sill__owner_file_name(SILL__OWNER_SERVER, "store", file);
    assert_string_equal(file, "server.store");
    sill__owner_file_name(SILL__OWNER_REGION_SYSV, "store", file);
    assert_string_equal(file, "region-sysv.store");
    /* Windows drops the last dot: it must not meet "store". */
    sill__owner_file_name(SILL__OWNER_SERVER, "store.", file);
    assert_non_null(strchr(file, '~'));
    assert_int_not_equal(file[strlen(file) - 1], '.');
}

static void long_names_are_told_apart(void **state)
{
    (void)state;
    char a[SILL__NAME_MAX + 1], b[SILL__NAME_MAX + 1], file_a[100], file_b[100];
    for (size_t length = 1; length <= SILL__NAME_MAX; length++) {
        memset(a, 'x', length);
        a[length] = '\0';
        memcpy(b, a, length + 1);
        b[length - 1] = 'y';
        sill__owner_file_name(SILL__OWNER_REGION_POSIX, a, file_a);
        sill__owner_file_name(SILL__OWNER_REGION_POSIX, b, file_b);
        assert_true(strlen(file_a) <= 96);
        assert_string_not_equal(file_a, file_b);
        /* The cut name itself is another name. */
        if (length <= 64)
            assert_null(strchr(file_a, '~'));
        else
            assert_non_null(strchr(file_a, '~'));
    }
}

/* ---- records ---- */

static void records_come_back(void **state)
{
    (void)state;
    char text[SILL__OWNER_TEXT + 1];
    struct sill__owner_info before = sample(), after;
    for (int kind = SILL__OWNER_SERVER; kind <= SILL__OWNER_PIPE_PEER; kind++) {
        before.kind = (enum sill__owner_kind)kind;
        before.kept = kind % 2 == 0;
        assert_int_equal(sill__owner_format(&before, text, sizeof text), SILL__OWNER_TEXT);
        assert_int_equal(strlen(text), SILL__OWNER_TEXT);
        assert_int_equal(sill__owner_parse(text, SILL__OWNER_TEXT, &after), SILL_OK);
        same(&before, &after);
    }
}

static void the_largest_record_fits(void **state)
{
    (void)state;
    char text[SILL__OWNER_TEXT + 1];
    struct sill__owner_info before, after;
    memset(&before, 0, sizeof before);
    before.kind = SILL__OWNER_REGION_POSIX;
    memset(before.name, 'n', SILL__NAME_MAX);
    before.process.pid = UINT32_MAX;
    before.process.start = before.process.pid_space = before.size = UINT64_MAX;
    before.created = INT64_MAX;
    memset(before.process.boot, 'f', sizeof before.process.boot - 1);
    memset(before.object, 'o', sizeof before.object - 1);
    assert_int_equal(sill__owner_format(&before, text, sizeof text), SILL__OWNER_TEXT);
    assert_int_equal(sill__owner_parse(text, SILL__OWNER_TEXT, &after), SILL_OK);
    same(&before, &after);
}

static void empty_fields_come_back(void **state)
{
    (void)state;
    char text[SILL__OWNER_TEXT + 1];
    struct sill__owner_info before, after;
    memset(&before, 0, sizeof before);
    before.kind = SILL__OWNER_SERVER;
    strcpy(before.name, "a");
    before.process.pid = 1;
    assert_int_equal(sill__owner_format(&before, text, sizeof text), SILL__OWNER_TEXT);
    assert_int_equal(sill__owner_parse(text, SILL__OWNER_TEXT, &after), SILL_OK);
    same(&before, &after);
}

static void refuse(const struct sill__owner_info *info)
{
    char text[SILL__OWNER_TEXT + 1];
    assert_int_equal(sill__owner_format(info, text, sizeof text), 0);
}

static void what_could_not_be_read_is_not_written(void **state)
{
    (void)state;
    struct sill__owner_info info = sample();
    char text[SILL__OWNER_TEXT + 1];
    assert_int_equal(sill__owner_format(&info, text, SILL__OWNER_TEXT), 0);
    strcpy(info.object, "a\nkept=0");
    refuse(&info);
    strcpy(info.object, "../other");
    refuse(&info);
    memset(info.object, 'o', sizeof info.object); /* no end */
    refuse(&info);
    info = sample();
    strcpy(info.name, "a/b");
    refuse(&info);
    memset(info.name, 'n', sizeof info.name); /* no end */
    refuse(&info);
    info = sample();
    info.kind = (enum sill__owner_kind)0;
    refuse(&info);
    info.kind = (enum sill__owner_kind)99;
    refuse(&info);
    info = sample();
    info.process.pid = 0;
    refuse(&info);
    info = sample();
    info.created = -1;
    refuse(&info);
    info = sample();
    strcpy(info.process.boot, "UPPER");
    refuse(&info);
}

static int parse(const char *text, size_t size)
{
    struct sill__owner_info info, untouched;
    memset(&info, 0x33, sizeof info);
    memset(&untouched, 0x33, sizeof untouched);
    int status = sill__owner_parse(text, size, &info);
    if (status != SILL_OK)
        assert_memory_equal(&info, &untouched, sizeof info);
    return status;
}

static void every_cut_record_is_torn(void **state)
{
    (void)state;
    char text[SILL__OWNER_TEXT + 1];
    struct sill__owner_info info = sample();
    sill__owner_format(&info, text, sizeof text);
    for (size_t size = 0; size < SILL__OWNER_TEXT; size++)
        assert_int_equal(parse(text, size), SILL__TORN);
    /* A block of zeros at the end, as a file system may leave it. */
    memset(text + 100, 0, SILL__OWNER_TEXT - 100);
    assert_int_equal(parse(text, SILL__OWNER_TEXT), SILL__TORN);
    memset(text, 0, sizeof text);
    assert_int_equal(parse(text, SILL__OWNER_TEXT), SILL__TORN);
    assert_int_equal(parse(NULL, 0), SILL__TORN);
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    char text[SILL__OWNER_TEXT + 1];
    struct sill__owner_info info = sample();
    sill__owner_format(&info, text, sizeof text);
    for (size_t at = 0; at < SILL__OWNER_TEXT; at++) {
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)(text[at] ^ (1 << bit));
            assert_int_not_equal(parse(text, SILL__OWNER_TEXT), SILL_OK);
            text[at] = (char)(text[at] ^ (1 << bit));
        }
    }
    assert_int_equal(parse(text, SILL__OWNER_TEXT), SILL_OK);
}

static void longer_is_no_record(void **state)
{
    (void)state;
    char text[SILL__OWNER_TEXT + 2];
    struct sill__owner_info info = sample();
    sill__owner_format(&info, text, sizeof text);
    text[SILL__OWNER_TEXT] = '\n';
    assert_int_equal(parse(text, SILL__OWNER_TEXT + 1), SILL__TORN);
}

static void foreign_files(void **state)
{
    (void)state;
    static const char *const texts[] = {"hello",
                                        "\n",
                                        "sill",
                                        "sill-ownex 1\n",
                                        "\177ELF",
                                        " sill-owner 1\n"};
    static const int statuses[] = {SILL_FOREIGN, SILL_FOREIGN, SILL__TORN,
                                   SILL_FOREIGN, SILL_FOREIGN, SILL_FOREIGN};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(parse(texts[i], strlen(texts[i])), statuses[i]);
    char filled[SILL__OWNER_TEXT];
    memset(filled, 'x', sizeof filled);
    assert_int_equal(parse(filled, sizeof filled), SILL_FOREIGN);
}

static void later_versions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"sill-owner 2\nanything", SILL_VERSION},
        {"sill-owner 10\n", SILL_VERSION},
        {"sill-owner 999999999\n", SILL_VERSION},
        {"sill-owner 1\nkind=", SILL__TORN},
        {"sill-owner 2", SILL__TORN},
        {"sill-owner 02\n", SILL__TORN},
        {"sill-owner 0\n", SILL__TORN},
        {"sill-owner x\n", SILL__TORN},
        {"sill-owner 9999999999\n", SILL__TORN},
        {"sill-owner \n", SILL__TORN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text)), cases[i].status);
}

/* The checksum is no secret, so damage that carries a good one must be refused by the fields. */
static int parse_signed(const char *fields)
{
    char text[SILL__OWNER_TEXT];
    uint64_t hash = UINT64_C(14695981039346656037);
    size_t length = strlen(fields);
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)fields[i]) * UINT64_C(1099511628211);
    memset(text, '\n', sizeof text);
    memcpy(text, fields, length);
    char check[32];
    int used = snprintf(check, sizeof check, "check=%08x%08x", (unsigned)(hash >> 32),
                        (unsigned)(hash & 0xffffffff));
    memcpy(text + length, check, (size_t)used);
    return parse(text, sizeof text);
}

#define FIELDS(kind, name, pid, start, created, object, kept)                                      \
    "sill-owner 1\nkind=" kind "\nname=" name "\npid=" pid "\nstart=" start                        \
    "\nspace=0\nboot=\nsize=0\ncreated=" created "\nobject=" object "\nkept=" kept "\n"

static void fields_are_strict(void **state)
{
    (void)state;
    assert_int_equal(parse_signed(FIELDS("server", "a", "1", "0", "0", "", "0")), SILL_OK);
    static const char *const bad[] = {
        FIELDS("Server", "a", "1", "0", "0", "", "0"),
        FIELDS("", "a", "1", "0", "0", "", "0"),
        FIELDS("?", "a", "1", "0", "0", "", "0"),
        FIELDS("region-posixxxxxxxxxxxxxxxxx", "a", "1", "0", "0", "", "0"),
        FIELDS("server", "", "1", "0", "0", "", "0"),
        FIELDS("server", "..", "1", "0", "0", "", "0"),
        FIELDS("server", "a/b", "1", "0", "0", "", "0"),
        FIELDS("server", "a", "0", "0", "0", "", "0"),
        FIELDS("server", "a", "01", "0", "0", "", "0"),
        FIELDS("server", "a", "+1", "0", "0", "", "0"),
        FIELDS("server", "a", " 1", "0", "0", "", "0"),
        FIELDS("server", "a", "", "0", "0", "", "0"),
        FIELDS("server", "a", "4294967296", "0", "0", "", "0"),
        FIELDS("server", "a", "1", "18446744073709551616", "0", "", "0"),
        FIELDS("server", "a", "1", "99999999999999999999999999", "0", "", "0"),
        FIELDS("server", "a", "1", "-1", "0", "", "0"),
        FIELDS("server", "a", "1", "0", "9223372036854775808", "", "0"),
        FIELDS("server", "a", "1", "0", "0", "a b", "0"),
        FIELDS("server", "a", "1", "0", "0", "../x", "0"),
        FIELDS("server", "a", "1", "0", "0", "", "2"),
        FIELDS("server", "a", "1", "0", "0", "", "true"),
        "sill-owner 1\nname=a\nkind=server\npid=1\nstart=0\nspace=0\nboot=\nsize=0\ncreated=0\n"
        "object=\nkept=0\n",
        "sill-owner 1\nkind=server\nname=a\npid=1\nstart=0\nspace=0\nboot=\nsize=0\ncreated=0\n"
        "object=\n",
        "sill-owner 1\nkind=server\nname=a\npid=1\nstart=0\nspace=0\nboot=\nsize=0\ncreated=0\n"
        "object=\nkept=0\nmore=1\n",
        "sill-owner 1\nkind=server\nkind=server\nname=a\npid=1\nstart=0\nspace=0\nboot=\nsize=0\n"
        "created=0\nobject=\nkept=0\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse_signed(bad[i]) != SILL__TORN)
            fail_msg("not refused: %s", bad[i]);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(good_names),
    SUPPORT_TEST(bad_names),
    SUPPORT_TEST(the_offending_byte_is_named),
    SUPPORT_TEST(file_names),
    SUPPORT_TEST(long_names_are_told_apart),
    SUPPORT_TEST(records_come_back),
    SUPPORT_TEST(the_largest_record_fits),
    SUPPORT_TEST(empty_fields_come_back),
    SUPPORT_TEST(what_could_not_be_read_is_not_written),
    SUPPORT_TEST(every_cut_record_is_torn),
    SUPPORT_TEST(every_changed_byte_is_noticed),
    SUPPORT_TEST(longer_is_no_record),
    SUPPORT_TEST(foreign_files),
    SUPPORT_TEST(later_versions),
    SUPPORT_TEST(fields_are_strict),
};
SUPPORT_MAIN_ALONE(tests)
