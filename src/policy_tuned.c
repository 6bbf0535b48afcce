/* policy_tuned.c - the key "tuned" of a policy file, as strictly as the rest.
 *
 * `sill tune` keeps there what it measured, what it made of it, and on which machine. The library
 * uses none of it; but a file that is half understood is no policy, so every member is checked:
 * its name, its type, its range, and that none is missing. The tables below are the one list of
 * what may stand there; docs/policy.schema.json says the same, and a test compares the two.
 *
 * Invariant: the walk goes only where a table leads, so its depth is that of the tables, whatever
 * the text says.
 */
#include "policy_text.h"

#include <stdio.h>
#include <string.h>

#include "policy_table.h"
#include "policy_tuned.h"
#include "status.h"

#define FINE(member, is)                                                                           \
    {                                                                                              \
        member, SILL__TUNED_##is, false, 0, 0, NULL, NULL                                          \
    }
#define NS(member)                                                                                 \
    {                                                                                              \
        member, SILL__TUNED_NUMBER, false, 0, 1e12, NULL, NULL                                     \
    }
#define COUNT(member, low, high)                                                                   \
    {                                                                                              \
        member, SILL__TUNED_INTEGER, false, (low), (high), NULL, NULL                              \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, SILL__TUNED_TEXT, false, 0, 0, NULL, NULL                                            \
    }

#define SIZE_TOP 1099511627776.0

static const char *const origins[] = {"measured", "default", NULL};
static const char *const paths[] = {"channel", "inline", "mapped", "rounds", NULL};
static const char *const winners[] = {"tuned", "default", NULL};

static const struct sill__tuned_field machine[] = {
    FINE("processor", TEXT),
    COUNT("cores", 1, 65536),
    FINE("system", TEXT),
    COUNT("page_size", 1, 1073741824),
    END,
};

static const struct sill__tuned_field value[] = {
    COUNT("value", 0, SIZE_TOP),
    {"origin", SILL__TUNED_WORD, false, 0, 0, origins, NULL},
    FINE("why", TEXT),
    END,
};

static const struct sill__tuned_field values[] = {
#define VALUE(field, low, high, unit, standard)                                                    \
    {#field, SILL__TUNED_OBJECT, false, 0, 0, NULL, value},
    SILL__POLICY_TABLE(VALUE)
#undef VALUE
        END,
};

static const struct sill__tuned_field costs[] = {
    NS("wake_ns"),
    NS("map_ns"),
    NS("map_page_ns"),
    NS("mapped_again_ns"),
    NS("copy_cache_ns_per_kib"),
    NS("copy_memory_ns_per_kib"),
    END,
};

static const struct sill__tuned_field check[] = {
    {"tuned", SILL__TUNED_NUMBER, false, 1, 1e6, NULL, NULL},
    {"default", SILL__TUNED_NUMBER, false, 1, 1e6, NULL, NULL},
    {"winner", SILL__TUNED_WORD, false, 0, 0, winners, NULL},
    END,
};

static const struct sill__tuned_field measurement[] = {
    {"path", SILL__TUNED_WORD, false, 0, 0, paths, NULL},
    COUNT("size", 0, SIZE_TOP),
    NS("ns"),
    NS("low"),
    NS("high"),
    END,
};

static const struct sill__tuned_field piece[] = {
    {"path", SILL__TUNED_WORD, false, 0, 0, paths, NULL},
    COUNT("from", 0, SIZE_TOP),
    COUNT("to", 0, SIZE_TOP),
    NS("fixed_ns"),
    NS("ns_per_kib"),
    END,
};

const struct sill__tuned_field sill__tuned_fields[] = {
    COUNT("format", SILL__TUNED_FORMAT, SILL__TUNED_FORMAT),
    FINE("sill", TEXT),
    FINE("date", TEXT),
    FINE("quick", FLAG),
    {"machine", SILL__TUNED_OBJECT, false, 0, 0, NULL, machine},
    {"values", SILL__TUNED_OBJECT, false, 0, 0, NULL, values},
    {"costs", SILL__TUNED_OBJECT, true, 0, 0, NULL, costs},
    {"check", SILL__TUNED_OBJECT, true, 0, 0, NULL, check},
    {"measurements", SILL__TUNED_LIST, false, 0, 0, NULL, measurement},
    {"fit", SILL__TUNED_LIST, false, 0, 0, NULL, piece},
    END,
};

/* One value that is looked at: where it stands, and what it is called in sentences. */
struct place {
    const struct sill__policy_text *text;
    size_t offset;
    char name[120]; /* "tuned.fit[3].from" */
};

static int complain(const struct place *at, const char *is, const char *allowed)
{
    char sentence[320];
    snprintf(sentence, sizeof sentence, "\"%s\" is %s, but must be %s.", at->name, is, allowed);
    return sill__policy_complain(at->text, at->offset, sentence);
}

static int check_text(const struct place *at, json_t *it)
{
    if (!json_is_string(it))
        return complain(at, sill__policy_type(it), "a string");
    if (json_string_length(it) > SILL__TUNED_TEXT_MAX)
        return complain(at, "too long", "a string of at most 256 bytes");
    for (const char *c = json_string_value(it); *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return complain(at, "a string with a control character", "one without");
    return SILL_OK;
}

static int check_word(const struct place *at, const struct sill__tuned_field *field, json_t *it)
{
    char allowed[120] = "one of", word[48], quoted[52];
    size_t used = strlen(allowed);
    for (int i = 0; field->words[i] != NULL; i++) {
        if (json_is_string(it) && strcmp(json_string_value(it), field->words[i]) == 0)
            return SILL_OK;
        used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s \"%s\"",
                                 i > 0 ? "," : "", field->words[i]);
    }
    if (!json_is_string(it))
        return complain(at, sill__policy_type(it), allowed);
    sill__policy_quote(word, sizeof word, json_string_value(it), json_string_length(it), false);
    snprintf(quoted, sizeof quoted, "\"%s\"", word);
    return complain(at, quoted, allowed);
}

static int check_number(const struct place *at, const struct sill__tuned_field *field, json_t *it)
{
    char is[48], allowed[80];
    bool whole = field->kind == SILL__TUNED_INTEGER;
    snprintf(allowed, sizeof allowed, "%s from %.0f to %.0f", whole ? "an integer" : "a number",
             field->low, field->high);
    if (whole ? !json_is_integer(it) : !json_is_number(it))
        return complain(at, sill__policy_type(it), allowed);
    double number = json_number_value(it);
    if (number >= field->low && number <= field->high)
        return SILL_OK;
    snprintf(is, sizeof is, "%.6g", number);
    return complain(at, is, allowed);
}

static int check_value(const struct place *at, const struct sill__tuned_field *field, json_t *it);

static const struct sill__tuned_field *find_field(const struct sill__tuned_field *fields,
                                                  const char *name)
{
    while (fields->name != NULL && strcmp(fields->name, name) != 0)
        fields++;
    return fields->name != NULL ? fields : NULL;
}

static int check_member(const struct place *at, const struct sill__tuned_field *fields,
                        const struct sill__json_member *member, json_t *object)
{
    char key[48], sentence[240];
    json_t *name = sill__policy_key_of(at->text, member);
    if (name == NULL)
        return sill__policy_no_memory();
    const struct sill__tuned_field *field = find_field(fields, json_string_value(name));
    json_t *it = json_object_get(object, json_string_value(name));
    json_decref(name);
    if (field == NULL) {
        sill__policy_quote_key(at->text, member, key);
        snprintf(sentence, sizeof sentence, "\"%s\" is no key of \"%s\".", key, at->name);
        return sill__policy_complain(at->text, member->key, sentence);
    }
    if (it == NULL)
        return sill__policy_no_memory(); /* the text's own key is always there */
    struct place below = {at->text, member->value, ""};
    snprintf(below.name, sizeof below.name, "%.80s.%.30s", at->name, field->name);
    return check_value(&below, field, it);
}

static int check_object(const struct place *at, const struct sill__tuned_field *fields,
                        json_t *object)
{
    char sentence[240];
    struct sill__json_scan scan;
    struct sill__json_member member;
    int status = SILL_OK;
    if (!json_is_object(object) ||
        !sill__json_scan_begin(&scan, at->text->data, at->text->size, at->offset))
        return complain(at, sill__policy_type(object), "an object");
    while (status == SILL_OK && sill__json_scan_next(&scan, &member))
        status = check_member(at, fields, &member, object);
    for (; status == SILL_OK && fields->name != NULL; fields++)
        if (!fields->optional && json_object_get(object, fields->name) == NULL) {
            snprintf(sentence, sizeof sentence, "\"%s\" has no \"%s\".", at->name, fields->name);
            status = sill__policy_complain(at->text, at->offset, sentence);
        }
    return status;
}

static int check_list(const struct place *at, const struct sill__tuned_field *field, json_t *list)
{
    struct sill__json_scan scan;
    struct sill__json_member element;
    int status = SILL_OK;
    if (!json_is_array(list) ||
        !sill__json_scan_begin(&scan, at->text->data, at->text->size, at->offset))
        return complain(at, sill__policy_type(list), "a list");
    if (json_array_size(list) > SILL__TUNED_LIST_MAX)
        return complain(at, "too long", "a list of at most 2048");
    for (size_t i = 0; status == SILL_OK && sill__json_scan_next(&scan, &element); i++) {
        json_t *it = json_array_get(list, i);
        struct place below = {at->text, element.value, ""};
        snprintf(below.name, sizeof below.name, "%.80s[%zu]", at->name, i);
        status = it != NULL ? check_object(&below, field->fields, it) : sill__policy_no_memory();
    }
    return status;
}

static int check_value(const struct place *at, const struct sill__tuned_field *field, json_t *it)
{
    switch (field->kind) {
    case SILL__TUNED_TEXT:
        return check_text(at, it);
    case SILL__TUNED_WORD:
        return check_word(at, field, it);
    case SILL__TUNED_FLAG:
        return json_is_boolean(it) ? SILL_OK : complain(at, sill__policy_type(it), "true or false");
    case SILL__TUNED_OBJECT:
        return check_object(at, field->fields, it);
    case SILL__TUNED_LIST:
        return check_list(at, field, it);
    default:
        return check_number(at, field, it);
    }
}

/* A later version may have other members, so its number is looked at first. */
static int check_format(const struct place *at, json_t *it)
{
    char sentence[200];
    json_t *format = json_object_get(it, "format");
    if (!json_is_integer(format) || json_integer_value(format) <= SILL__TUNED_FORMAT)
        return SILL_OK;
    snprintf(
        sentence, sizeof sentence,
        "\"tuned\" has the format %lld of a later version of sill; this one knows %d: run sill "
        "tune again, or take \"tuned\" out.",
        (long long)json_integer_value(format), SILL__TUNED_FORMAT);
    return sill__policy_complain(at->text, at->offset, sentence);
}

int sill__policy_check_tuned(const struct sill__policy_text *text, size_t offset, json_t *value_of)
{
    struct place at = {text, offset, "tuned"};
    int status = check_format(&at, value_of);
    return status == SILL_OK ? check_object(&at, sill__tuned_fields, value_of) : status;
}
