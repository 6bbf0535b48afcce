/* test_policy_tuned.c - the key "tuned" of a policy file: what is taken, what is refused and where
 * the sentence points, and the schema against the code's own tables.
 */
#include "support.h"

#include <jansson.h>
#include <sill/policy.h>

#include "policy_table.h"
#include "policy_tuned.h"

#define MACHINE                                                                                    \
    "\"machine\": {\"processor\": \"p\", \"cores\": 2, \"system\": \"s\", \"page_size\": 4096}"
#define VALUE "{\"value\": 20000, \"origin\": \"measured\", \"why\": \"\"}"
#define VALUES                                                                                     \
    "\"values\": {\"inline_max\": " VALUE ", \"mapped_min\": " VALUE ", \"segment_size\": " VALUE  \
    ", \"segments_max\": " VALUE ", \"mapped_max\": " VALUE ", \"ring_size\": " VALUE              \
    ", \"spin_ns\": " VALUE ", \"nontemporal_min\": " VALUE "}"
#define HEAD "\"format\": 1, \"sill\": \"0.1.0\", \"date\": \"d\", \"quick\": true"
#define LISTS                                                                                      \
    "\"measurements\": [{\"path\": \"inline\", \"size\": 8, \"ns\": 90.5, \"low\": 80, "           \
    "\"high\": 99}], \"fit\": [ ]"
#define WHOLE HEAD ", " MACHINE ", " VALUES ", " LISTS

static int parse(sill_policy *policy, const char *text)
{
    return sill_policy_parse(policy, text, strlen(text), "p");
}

static void takes_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"tuned\": {" WHOLE "}, \"spin_ns\": 7}",
        "{\"spin_ns\": 7,\"tuned\":{" LISTS "," MACHINE "," VALUES "," HEAD ","
        "\"check\": {\"tuned\": 1, \"default\": 1.5, \"winner\": \"tuned\"}}}",
        "{\"tuned\": {" WHOLE ", \"costs\": {\"wake_ns\": 1, \"map_ns\": 2, \"map_page_ns\": 3.5,"
        "\"mapped_again_ns\": 0, \"copy_cache_ns_per_kib\": 1, \"copy_memory_ns_per_kib\": 1}},"
        "\"spin_ns\": 7}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sill_policy policy = SILL_POLICY_INIT;
        support_ok(parse(&policy, texts[i]));
        assert_int_equal(policy.spin_ns, 7);
    }
}

static const struct {
    const char *text;
    const char *sentence;
} refused[] = {
    {"{\"tuned\": 1}", "p:1:11: \"tuned\" is a number, but must be an object."},
    {"{\"tuned\": []}", "p:1:11: \"tuned\" is an array, but must be an object."},
    {"{\"tuned\": {}}", "p:1:11: \"tuned\" has no \"format\"."},
    {"{\"tuned\": {\"format\": 2, \"more\": 1}}",
     "p:1:11: \"tuned\" has the format 2 of a later version of sill; this one knows 1: run sill "
     "tune again, or take \"tuned\" out."},
    {"{\"tuned\": {\"format\": 0}}",
     "p:1:22: \"tuned.format\" is 0, but must be an integer from 1 to 1."},
    {"{\"tuned\":\n {\"other\": 1}}", "p:2:3: \"other\" is no key of \"tuned\"."},
    {"{\"tuned\": {" HEAD ", " MACHINE "}}", "p:1:11: \"tuned\" has no \"values\"."},
    {"{\"tuned\": {\"quick\": 1}}",
     "p:1:21: \"tuned.quick\" is a number, but must be true or false."},
    {"{\"tuned\": {\"sill\": \"a\\tb\"}}", "p:1:20: \"tuned.sill\" is a string with a control "
                                           "character, but must be one without."},
    {"{\"tuned\": {\"machine\": {\"cores\": 0}}}",
     "p:1:33: \"tuned.machine.cores\" is 0, but must be an integer from 1 to 65536."},
    {"{\"tuned\": {\"machine\": {\"cores\": 1.5}}}",
     "p:1:33: \"tuned.machine.cores\" is a fraction, but must be an integer from 1 to 65536."},
    {"{\"tuned\": {\"values\": {\"path\": 1}}}", "p:1:23: \"path\" is no key of \"tuned.values\"."},
    {"{\"tuned\": {\"values\": {\"spin_ns\": {\"value\": 1,\n\"origin\": \"guessed\"}}}}",
     "p:2:11: \"tuned.values.spin_ns.origin\" is \"guessed\", but must be one of \"measured\", "
     "\"default\"."},
    {"{\"tuned\": {\"fit\": [{\"path\": \"inline\", \"from\": 1, \"to\": 2, \"fixed_ns\": 1,\n"
     "\"ns_per_kib\": 1},\n {\"path\": 3}]}}",
     "p:3:11: \"tuned.fit[1].path\" is a number, but must be one of \"channel\", \"inline\", "
     "\"mapped\", \"rounds\"."},
    {"{\"tuned\": {\"fit\": [1]}}", "p:1:20: \"tuned.fit[0]\" is a number, but must be an object."},
    {"{\"tuned\": {\"fit\": {}}}", "p:1:19: \"tuned.fit\" is an object, but must be a list."},
    {"{\"tuned\": {\"measurements\": [{\"ns\": -1}]}}",
     "p:1:36: \"tuned.measurements[0].ns\" is -1, but must be a number from 0 to 1000000000000."},
    {"{\"tuned\": {\"measurements\": [{\"ns\": 1e999}]}}", "p:1:40: A number is far too large."},
    {"{\"tuned\": {\"check\": {\"tuned\": 0.5}}}",
     "p:1:31: \"tuned.check.tuned\" is 0.5, but must be a number from 1 to 1000000."},
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

/* A list and a text that are too long. */
static void refuses_too_much(void **state)
{
    (void)state;
    char text[40000] = "{\"tuned\": {\"fit\": [1";
    sill_policy policy = SILL_POLICY_INIT;
    for (int i = 0; i < SILL__TUNED_LIST_MAX; i++)
        strcat(text, ",1");
    strcat(text, "]}}");
    support_status(SILL_INVALID, parse(&policy, text));
    assert_string_equal(sill_last_error()->message,
                        "p:1:19: \"tuned.fit\" is too long, but must be a list of at most 2048.");
    strcpy(text, "{\"tuned\": {\"date\": \"");
    for (int i = 0; i <= SILL__TUNED_TEXT_MAX; i++)
        strcat(text, "x");
    strcat(text, "\"}}");
    support_status(SILL_INVALID, parse(&policy, text));
    assert_non_null(strstr(sill_last_error()->message, "at most 256 bytes"));
}

/* Cut anywhere, or with any one byte changed, it is refused or is still a policy; nothing else. */
static void any_damage(void **state)
{
    (void)state;
    static const char whole[] = "{\"tuned\": {" WHOLE "}}";
    static const char bytes[] = "\"{}[],:0x\\-e";
    for (size_t cut = 0; cut + 1 < sizeof whole; cut++) {
        sill_policy policy = SILL_POLICY_INIT;
        support_status(SILL_INVALID, sill_policy_parse(&policy, whole, cut, "p"));
        for (size_t b = 0; b + 1 < sizeof bytes; b++) {
            char text[sizeof whole];
            memcpy(text, whole, sizeof whole);
            text[cut] = bytes[b];
            int status = parse(&policy, text);
            assert_true(status == SILL_OK || status == SILL_INVALID);
            if (status == SILL_INVALID)
                assert_memory_equal(sill_last_error()->message, "p:1:", 4);
        }
    }
}

/* What sill_policy_save_text writes is checked before the file is touched. */
static void saves_text(void **state)
{
    (void)state;
    static const char whole[] = "{\"tuned\": {" WHOLE "}, \"spin_ns\": 9}\n";
    sill_policy policy = SILL_POLICY_INIT;
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "tuned.json");
    support_ok(sill_policy_save_text(whole, strlen(whole), path));
    support_status(SILL_INVALID, sill_policy_save_text("{\"tuned\": {}}", 13, path));
    assert_non_null(strstr(sill_last_error()->message, "tuned.json:1:11: "));
    support_status(SILL_INVALID, sill_policy_save_text(NULL, 5, path));
    support_status(SILL_INVALID, sill_policy_save_text(whole, strlen(whole), ""));
    support_ok(sill_policy_load(&policy, path, NULL, 0));
    assert_int_equal(policy.spin_ns, 9);
    support_path(path, "none/tuned.json");
    support_status(SILL_NOT_FOUND, sill_policy_save_text(whole, strlen(whole), path));
}

/* ---- the schema ---- */

static void compare(const struct sill__tuned_field *fields, json_t *schema);

static void compare_one(const struct sill__tuned_field *field, json_t *property)
{
    static const char *const types[] = {
        [SILL__TUNED_TEXT] = "string",   [SILL__TUNED_WORD] = "string",
        [SILL__TUNED_FLAG] = "boolean",  [SILL__TUNED_INTEGER] = "integer",
        [SILL__TUNED_NUMBER] = "number", [SILL__TUNED_OBJECT] = "object",
        [SILL__TUNED_LIST] = "array",
    };
    assert_non_null(property);
    assert_string_equal(json_string_value(json_object_get(property, "type")), types[field->kind]);
    if (field->kind == SILL__TUNED_INTEGER || field->kind == SILL__TUNED_NUMBER) {
        assert_true(json_number_value(json_object_get(property, "minimum")) == field->low);
        assert_true(json_number_value(json_object_get(property, "maximum")) == field->high);
    } else if (field->kind == SILL__TUNED_TEXT) {
        assert_int_equal(json_integer_value(json_object_get(property, "maxLength")),
                         SILL__TUNED_TEXT_MAX);
    } else if (field->kind == SILL__TUNED_WORD) {
        json_t *words = json_object_get(property, "enum");
        size_t count = 0;
        for (; field->words[count] != NULL; count++)
            assert_string_equal(json_string_value(json_array_get(words, count)),
                                field->words[count]);
        assert_int_equal(json_array_size(words), count);
    } else if (field->kind == SILL__TUNED_OBJECT) {
        compare(field->fields, property);
    } else if (field->kind == SILL__TUNED_LIST) {
        assert_int_equal(json_integer_value(json_object_get(property, "maxItems")),
                         SILL__TUNED_LIST_MAX);
        compare(field->fields, json_object_get(property, "items"));
    }
}

static bool is_required(json_t *schema, const char *name)
{
    size_t index;
    json_t *word;
    json_array_foreach(json_object_get(schema, "required"), index,
                       word) if (strcmp(json_string_value(word), name) == 0) return true;
    return false;
}

static void compare(const struct sill__tuned_field *fields, json_t *schema)
{
    json_t *properties = json_object_get(schema, "properties");
    size_t count = 0;
    assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
    for (; fields[count].name != NULL; count++) {
        compare_one(&fields[count], json_object_get(properties, fields[count].name));
        assert_int_equal(is_required(schema, fields[count].name), !fields[count].optional);
    }
    assert_int_equal(json_object_size(properties), count);
}

static void schema_is_the_tables(void **state)
{
    (void)state;
    json_error_t error;
    json_t *schema =
        json_load_file(SILL_SOURCE_DIR "/docs/policy.schema.json", JSON_REJECT_DUPLICATES, &error);
    if (schema == NULL)
        fail_msg("line %d: %s", error.line, error.text);
    json_t *tuned = json_object_get(json_object_get(schema, "properties"), "tuned");
    assert_string_equal(json_string_value(json_object_get(tuned, "type")), "object");
    compare(sill__tuned_fields, tuned);
    json_decref(schema);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(takes_whole), SUPPORT_TEST(refuses),    SUPPORT_TEST(refuses_too_much),
    SUPPORT_TEST(any_damage),  SUPPORT_TEST(saves_text), SUPPORT_TEST(schema_is_the_tables),
};
SUPPORT_MAIN_ALONE(tests)
