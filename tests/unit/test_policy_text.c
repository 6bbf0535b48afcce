/* test_policy_text.c - a policy as JSON text: what is taken, what is refused and where the sentence
 * points, the schema against the code's own table, and running out of memory.
 */
#include "support.h"

#include <jansson.h>
#include <sill/policy.h>

#include "json_scan.h"
#include "memory.h"
#include "policy_table.h"

#define INLINE_MAX "\"inline_max\" "
#define ANY_INLINE "an integer from 0 to 67108864."
#define ANY_RING   "a power of two from 4096 to 268435456."
#define ANY_PATH   "one of \"auto\", \"channel\", \"inline\", \"mapped\" and \"rounds\"."
#define ALL_KEYS                                                                                   \
    "inline_max, mapped_min, segment_size, segments_max, mapped_max, ring_size, spin_ns, "         \
    "nontemporal_min, path, family, tuned and $schema."

static int parse(sill_policy *policy, const char *text)
{
    return sill_policy_parse(policy, text, strlen(text), "p");
}

/* ---- what is refused ---- */

static const struct {
    const char *text;
    const char *sentence; /* name:line:column: ... */
} refused[] = {
    /* no JSON */
    {"", "p:1:1: The file is empty; the smallest policy is {}."},
    {" \t\r\n \n", "p:1:1: The file is empty; the smallest policy is {}."},
    {"{", "p:1:1: The file cannot be read as JSON: string or '}' expected near end of file."},
    {"{\"spin_ns\":1,}",
     "p:1:14: The file cannot be read as JSON: string or '}' expected near '}'."},
    {"{\"spin_ns\" 1}", "p:1:12: The file cannot be read as JSON: ':' expected near '1'."},
    {"{} x", "p:1:4: The file cannot be read as JSON: end of file expected near 'x'."},
    {"{}{}", "p:1:3: The file cannot be read as JSON: end of file expected near '{'."},
    {"{\n \"spin_ns\": 012}", "p:2:13: The file cannot be read as JSON: invalid token near '0'."},
    {"{\n\n  // why\n}",
     "p:3:3: The file cannot be read as JSON: string or '}' expected near '/'."},
    {"{\"path\":\"a\nb\"}",
     "p:1:10: The file cannot be read as JSON: unexpected newline near '\"a'."},
    {"{\"path\":\"\xff\"}",
     "p:1:10: The file cannot be read as JSON: unable to decode byte 0xff near '\"'."},
    {"{\"\xc3\xa4\xc3\xb6\xed\xa0\x80\":1}", "p:1:5: The file cannot be read as JSON: unable to "
                                             "decode byte 0xed near '\"\xc3\xa4\xc3\xb6'."},
    {"\xff{}", "p:1:1: The file cannot be read as JSON: unable to decode byte 0xff."},
    {"{\"path\":\"a\\u0000\"}", "p:1:17: A string has a zero character (\\u0000) in it."},
    {"\xef\xbb\xbf{}",
     "p:1:1: The file begins with a byte order mark; save it as UTF-8 without one."},
    {"\xff\xfe{", "p:1:1: The file is UTF-16; save it as UTF-8."},
    {"\xfe\xff", "p:1:1: The file is UTF-16; save it as UTF-8."},
    /* no object */
    {"\n  []", "p:2:3: A policy is an object: {\"key\": value, ...}."},
    {"5", "p:1:1: The file cannot be read as JSON: '[' or '{' expected near '5'."},
    /* keys */
    {"{\n  \"inlinemax\": 1\n}",
     "p:2:3: \"inlinemax\" is no key of a policy; allowed are " ALL_KEYS},
    {"{\"INLINE_MAX\": 1}", "p:1:2: \"INLINE_MAX\" is no key of a policy; allowed are " ALL_KEYS},
    {"{\"\": 1}", "p:1:2: \"\" is no key of a policy; allowed are " ALL_KEYS},
    {"{\"\\u0061\\n\": 1}", "p:1:2: \"\\u0061\\n\" is no key of a policy; allowed are " ALL_KEYS},
    {"{\"\xc3\xa4\": 1, \"x\": 2}",
     "p:1:2: \"\xc3\xa4\" is no key of a policy; allowed are " ALL_KEYS},
    {"{\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\": 1}",
     "p:1:2: \"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqr...\" is no key of a policy; allowed "
     "are " ALL_KEYS},
    {"{\"spin_ns\": 1,\r\n\t\"spin_ns\": 1}",
     "p:2:2: \"spin_ns\" stands here again; a key may stand once."},
    {"{\"spin_ns\": 1, \"path\": \"auto\",\n\"spin\\u005fns\": 1}",
     "p:2:1: \"spin\\u005fns\" stands here again; a key may stand once."},
    {"{\"$schema\": {\"a\":1,\n\"a\":2}}",
     "p:2:3: The file cannot be read as JSON: duplicate object key near '\"a\"'."},
    /* types */
    {"{\"inline_max\": \"4096\"}", "p:1:2: " INLINE_MAX "is a string, but must be " ANY_INLINE},
    {"{\"inline_max\": 4096.0}", "p:1:2: " INLINE_MAX "is a fraction, but must be " ANY_INLINE},
    {"{\"inline_max\": 1e3}", "p:1:2: " INLINE_MAX "is a fraction, but must be " ANY_INLINE},
    {"{\"inline_max\": true}", "p:1:2: " INLINE_MAX "is true, but must be " ANY_INLINE},
    {"{\"inline_max\": false}", "p:1:2: " INLINE_MAX "is false, but must be " ANY_INLINE},
    {"{\"inline_max\": null}", "p:1:2: " INLINE_MAX "is null, but must be " ANY_INLINE},
    {"{\"inline_max\": [1]}", "p:1:2: " INLINE_MAX "is an array, but must be " ANY_INLINE},
    {"{\"inline_max\": {}}", "p:1:2: " INLINE_MAX "is an object, but must be " ANY_INLINE},
    {"{\"path\": 3}", "p:1:2: \"path\" is a number, but must be " ANY_PATH},
    {"{\"$schema\": 3}", "p:1:2: \"$schema\" is a number, but must be a string."},
    /* ranges */
    {"{\"inline_max\": -1}", "p:1:2: " INLINE_MAX "is -1, but must be " ANY_INLINE},
    {"{\"inline_max\": 67108865}", "p:1:2: " INLINE_MAX "is 67108865, but must be " ANY_INLINE},
    {"{\"inline_max\": 9223372036854775807}",
     "p:1:2: " INLINE_MAX "is 9223372036854775807, but must be " ANY_INLINE},
    {"{\"inline_max\": 9223372036854775808}",
     "p:1:2: " INLINE_MAX "is far too large a number, but must be " ANY_INLINE},
    {"{\"path\": \"auto\",\n \"inline_max\": -99999999999999999999}",
     "p:2:2: " INLINE_MAX "is far too large a number, but must be " ANY_INLINE},
    {"{\"inline_max\": 1e999}",
     "p:1:2: " INLINE_MAX "is far too large a number, but must be " ANY_INLINE},
    {"{\"ring_size\": 5000}", "p:1:2: \"ring_size\" is 5000, but must be " ANY_RING},
    {"{\"ring_size\": 2048}", "p:1:2: \"ring_size\" is 2048, but must be " ANY_RING},
    {"{\"ring_size\": 0}", "p:1:2: \"ring_size\" is 0, but must be " ANY_RING},
    {"{\"path\": \"fast\"}", "p:1:2: \"path\" is \"fast\", but must be " ANY_PATH},
    {"{\"path\": \"\\u001b[2J\"}", "p:1:2: \"path\" is \"?[2J\", but must be " ANY_PATH},
    /* the first wrong one in the text is told */
    {"{\"spin_ns\": -1, \"inline_max\": -1}",
     "p:1:2: \"spin_ns\" is -1, but must be an integer from 0 to 1000000000."},
    /* contradictions: told at the later of the two keys */
    {"{\"inline_max\": 9000,\n \"mapped_min\": 8000}",
     "p:2:2: " INLINE_MAX "is 9000, but must be less than \"mapped_min\", which is 8000."},
    {"{\"mapped_min\": 8000,\n \"inline_max\": 9000}",
     "p:2:2: " INLINE_MAX "is 9000, but must be less than \"mapped_min\", which is 8000."},
    {"{\n\"mapped_min\": 8}",
     "p:2:1: " INLINE_MAX "is 4096 by default, but must be less than \"mapped_min\", which is 8."},
    {"{\"inline_max\": 20000, \"mapped_min\": 30000}",
     "p:1:2: " INLINE_MAX
     "is 20000, but must be at most a quarter of \"ring_size\", which is 16384 by default."},
    {"{\"segment_size\": 1073741824}",
     "p:1:2: \"segment_size\" is 1073741824, but must be at most \"mapped_max\", which is "
     "268435456 by default."},
    /* places: escapes, nesting, and keys that stand inside of strings */
    {"{\"$schema\": \"{\\\"path\\\": 1, \\\\\", \"path\": 1}",
     "p:1:33: \"path\" is a number, but must be " ANY_PATH},
    {"{\"$schema\": \"\\\\\\\"\", \"path\": 1}",
     "p:1:21: \"path\" is a number, but must be " ANY_PATH},
    {"{\"$schema\": \"\xe2\x82\xac\xf0\x9f\x98\x80\", \"path\": 1}",
     "p:1:19: \"path\" is a number, but must be " ANY_PATH},
    {"{\"spin_ns\": [{\"path\": \"}\"}, \"path\"], \"path\": 1}",
     "p:1:2: \"spin_ns\" is an array, but must be an integer from 0 to 1000000000."},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        sill_policy policy = SILL_POLICY_INIT, before = policy;
        int status = parse(&policy, refused[i].text);
        if (status != SILL_INVALID)
            fail_msg("%s: %s", refused[i].text, sill_status_name(status));
        assert_string_equal(sill_last_error()->message, refused[i].sentence);
        assert_memory_equal(&policy, &before, sizeof policy);
    }
}

static void refuses_zero_bytes(void **state)
{
    (void)state;
    static const char text[] = "{\n\"spin_ns\": 1\0}";
    sill_policy policy = SILL_POLICY_INIT;
    support_status(SILL_INVALID, sill_policy_parse(&policy, text, sizeof text - 1, "p"));
    assert_string_equal(sill_last_error()->message,
                        "p:2:13: The file has a zero byte, so it is no JSON text.");
}

static void refuses_arguments(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    char *text = NULL;
    support_status(SILL_INVALID, sill_policy_parse(NULL, "{}", 2, "p"));
    support_status(SILL_INVALID, sill_policy_parse(&policy, NULL, 2, "p"));
    support_status(SILL_INVALID, sill_policy_parse(&policy, NULL, 0, NULL));
    assert_string_equal(sill_last_error()->message,
                        "policy:1:1: The file is empty; the smallest policy is {}.");
    support_status(SILL_TOO_BIG, sill_policy_parse(&policy, "{}", ((size_t)1 << 20) + 1, "p"));
    support_status(SILL_INVALID, sill_policy_format(&policy, &text)); /* all zero */
    support_status(SILL_INVALID, sill_policy_format(NULL, &text));
    assert_null(text);
    policy.struct_size = 0;
    support_status(SILL_INVALID, parse(&policy, "{}"));
    support_ok(sill_policy_defaults(&(sill_policy)SILL_POLICY_INIT));
    sill_policy_free_text(NULL);
}

/* A long name keeps its end, which says most, and the sentence stays whole. */
static void cuts_long_names(void **state)
{
    (void)state;
    char name[600];
    memset(name, 'd', sizeof name);
    for (size_t i = 0; i + 1 < 300; i += 2)
        memcpy(name + i, "\xc3\xa4", 2);
    for (size_t length = 90; length < 110; length++) {
        sill_policy policy = SILL_POLICY_INIT;
        memcpy(name + length, "/p.json", sizeof "/p.json");
        support_status(SILL_INVALID, sill_policy_parse(&policy, "{\"path\": 1}", 11, name));
        const char *message = sill_last_error()->message;
        const char *end =
            strstr(message, "/p.json:1:2: \"path\" is a number, but must be " ANY_PATH);
        assert_non_null(end);
        assert_true(end - message < 100);
        const char *first = strncmp(message, "...", 3) == 0 ? message + 3 : message;
        assert_int_not_equal((unsigned char)*first & 0xC0, 0x80);
        memset(name + length, 'd', sizeof "/p.json");
    }
}

/* ---- what is taken ---- */

static void takes_every_key(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(parse(&policy, "{\"inline_max\": 1, \"mapped_min\": 2, \"segment_size\": 8192,\n"
                              " \"segments_max\": 4, \"mapped_max\": 9984, \"ring_size\": 4096,\r\n"
                              "\t\"spin_ns\": 0, \"nontemporal_min\": 7, \"path\": \"rounds\",\n"
                              " \"$schema\": \"s\"}\n"));
    assert_int_equal(policy.inline_max, 1);
    assert_int_equal(policy.mapped_min, 2);
    assert_int_equal(policy.segment_size, 8192);
    assert_int_equal(policy.segments_max, 4);
    assert_int_equal(policy.mapped_max, 9984);
    assert_int_equal(policy.ring_size, 4096);
    assert_int_equal(policy.spin_ns, 0);
    assert_int_equal(policy.nontemporal_min, 7);
    assert_int_equal(policy.path, SILL_PATH_ROUNDS);
}

static void takes_parts(void **state)
{
    (void)state;
    static const char *const texts[] = {"{}", " {\n}\n", "{\"path\":\"auto\"}",
                                        "{\"mapped\\u005fmin\": 4097}",
                                        "{\"nontemporal_min\": 16384}"};
    sill_policy standard = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&standard));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sill_policy policy = SILL_POLICY_INIT;
        support_ok(parse(&policy, texts[i]));
        assert_memory_equal(&policy, &standard, sizeof policy);
    }
}

static void formats_what_it_parses(void **state)
{
    (void)state;
    sill_policy policy = SILL_POLICY_INIT, again = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    for (int path = 0; path < SILL_PATH_COUNT; path++) {
        char *text = NULL;
        policy.path = path;
        policy.mapped_max = SILL__GIB * 1024;
        support_ok(sill_policy_format(&policy, &text));
        assert_int_equal(text[strlen(text) - 1], '\n');
        for (int key = 0; key < SILL__POLICY_KEYS; key++)
            assert_non_null(strstr(text, sill__policy_key_name((enum sill__policy_index)key)));
        support_ok(parse(&again, text));
        assert_memory_equal(&again, &policy, sizeof policy);
        sill_policy_free_text(text);
    }
}

/* ---- the scanner by itself, on bytes that are no JSON ---- */

static void scans_any_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "{\"",
        "{\"\\",
        "{\"a",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":\"",
        "{,}",
        "{\"a\" 1,",
        "{]]]}},\"a\":1",
        "{\"a\":]},\"b\":2",
        "{\"a\":[}\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sill__json_scan scan;
        struct sill__json_member member;
        size_t size = strlen(texts[i]), count = 0;
        char *copy = malloc(size + 1); /* of that size, so that a sanitizer sees a look past it */
        assert_non_null(copy);
        memcpy(copy, texts[i], size);
        if (sill__json_scan_begin(&scan, copy, size, 0))
            while (sill__json_scan_next(&scan, &member)) {
                assert_true(member.key < member.key_end && member.key_end <= member.value);
                assert_true(member.value <= size && ++count <= size);
            }
        free(copy);
    }
}

/* ---- the schema ---- */

static json_int_t number_of(json_t *property, const char *key)
{
    json_t *value = json_object_get(property, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void check_powers(json_t *values, uint64_t low, uint64_t high)
{
    size_t index = 0;
    for (uint64_t power = low; power <= high; power *= 2, index++)
        assert_int_equal(json_integer_value(json_array_get(values, index)), power);
    assert_int_equal(json_array_size(values), index);
}

static void schema_is_the_table(void **state)
{
    (void)state;
    json_error_t error;
    json_t *schema =
        json_load_file(SILL_SOURCE_DIR "/docs/policy.schema.json", JSON_REJECT_DUPLICATES, &error);
    if (schema == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    json_t *properties = json_object_get(schema, "properties");
    assert_string_equal(json_string_value(json_object_get(schema, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    assert_int_equal(json_object_size(properties), SILL__POLICY_KEYS + 2);
    for (int i = 0; i < SILL__POLICY_NUMBERS; i++) {
        const struct sill__policy_key *key = &sill__policy_keys[i];
        json_t *property = json_object_get(properties, key->name);
        assert_string_equal(json_string_value(json_object_get(property, "type")), "integer");
        assert_int_equal(number_of(property, "minimum"), key->low);
        assert_int_equal(number_of(property, "maximum"), key->high);
        assert_int_equal(number_of(property, "default"), key->standard);
        assert_int_equal(json_object_get(property, "enum") != NULL,
                         key->unit == SILL__POLICY_POWER);
        assert_int_equal(json_object_get(property, "multipleOf") != NULL, key->unit > 1);
        if (key->unit > 1)
            assert_int_equal(number_of(property, "multipleOf"), key->unit);
        if (key->unit == SILL__POLICY_POWER)
            check_powers(json_object_get(property, "enum"), key->low, key->high);
    }
    for (int i = SILL__POLICY_NUMBERS; i < SILL__POLICY_KEYS; i++) {
        const struct sill__policy_word *word = sill__policy_word((enum sill__policy_index)i);
        json_t *property = json_object_get(properties, word->name);
        json_t *names = json_object_get(property, "enum");
        assert_int_equal(json_array_size(names), word->count);
        for (int k = 0; k < word->count; k++)
            assert_string_equal(json_string_value(json_array_get(names, (size_t)k)), word->text(k));
        assert_string_equal(json_string_value(json_object_get(property, "default")), "auto");
    }
    json_t *own = json_object_get(properties, "$schema");
    assert_string_equal(json_string_value(json_object_get(own, "type")), "string");
    json_decref(schema);
}

/* ---- out of memory ---- */

static size_t live, countdown; /* jansson's blocks; 0: no failure ordered */
static bool happened;

static void *counted_alloc(size_t size)
{
    if (countdown > 0 && --countdown == 0) {
        happened = true;
        return NULL;
    }
    void *block = malloc(size);
    live += block != NULL;
    return block;
}

static void counted_free(void *block)
{
    live -= block != NULL;
    free(block);
}

/* jansson fails at its nth allocation, for every n until none fails. */
static void jansson_out_of_memory(void **state)
{
    (void)state;
    json_decref(json_object()); /* what it makes once */
    json_malloc_t alloc;
    json_free_t release;
    json_get_alloc_funcs(&alloc, &release);
    json_set_alloc_funcs(counted_alloc, counted_free);
    sill_policy standard = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&standard));
    happened = true;
    for (size_t n = 1; happened; n++) {
        sill_policy policy = SILL_POLICY_INIT, before = policy;
        happened = false;
        countdown = n;
        int status = parse(&policy, "{\"spin_ns\": 20000, \"path\": \"auto\"}");
        if (happened) {
            support_status(SILL_NO_MEMORY, status);
            assert_memory_equal(&policy, &before, sizeof policy);
        } else {
            assert_int_equal(status, SILL_OK);
        }
        assert_int_equal(live, 0);
    }
    happened = true;
    for (size_t n = 1; happened; n++) {
        char *text = NULL;
        happened = false;
        countdown = n;
        int status = sill_policy_format(&standard, &text);
        assert_int_equal(status, happened ? SILL_NO_MEMORY : SILL_OK);
        assert_int_equal(text != NULL, status == SILL_OK);
        sill_policy_free_text(text);
        assert_int_equal(live, 0);
    }
    countdown = 0;
    json_set_alloc_funcs(alloc, release);
}

static void own_out_of_memory(void **state)
{
    (void)state;
#ifdef SILL_FAULTS
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_defaults(&policy));
    char *text = NULL;
    sill__fault_allocation(1);
    support_status(SILL_NO_MEMORY, sill_policy_format(&policy, &text));
    assert_true(sill__fault_happened());
    assert_null(text);
    sill__fault_allocation(0);
#else
    support_skip("this build cannot order failures (SILL_FAULTS)");
#endif
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(refuses),
    SUPPORT_TEST(refuses_zero_bytes),
    SUPPORT_TEST(refuses_arguments),
    SUPPORT_TEST(cuts_long_names),
    SUPPORT_TEST(takes_every_key),
    SUPPORT_TEST(takes_parts),
    SUPPORT_TEST(formats_what_it_parses),
    SUPPORT_TEST(scans_any_bytes),
    SUPPORT_TEST(schema_is_the_table),
    SUPPORT_TEST(jansson_out_of_memory),
    SUPPORT_TEST(own_out_of_memory),
};
SUPPORT_MAIN_ALONE(tests)
