/* policy_json.c - a policy as JSON text: strict reading, and writing.
 *
 * jansson parses and decides what keys and values mean; json_scan.c says where they stand, so that
 * every complaint names file, line and column. The members are checked in the order of the text,
 * contradictions when all is read, and the caller's policy is only touched when all is well.
 * jansson's allocator is the process's own affair and is left alone, so its memory is always freed
 * through jansson.
 */
#include <sill/policy.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "memory.h"
#include "policy_table.h"
#include "policy_text.h"
#include "status.h"

/* What is no JSON text at all, before jansson looks. */
static int check_bytes(const struct sill__policy_text *text)
{
    if (text->size >= 3 && memcmp(text->data, "\xEF\xBB\xBF", 3) == 0)
        return sill__policy_complain(
            text, 0, "The file begins with a byte order mark; save it as UTF-8 without one.");
    if (text->size >= 2 &&
        (memcmp(text->data, "\xFF\xFE", 2) == 0 || memcmp(text->data, "\xFE\xFF", 2) == 0))
        return sill__policy_complain(text, 0, "The file is UTF-16; save it as UTF-8.");
    const char *zero = text->size > 0 ? memchr(text->data, '\0', text->size) : NULL;
    if (zero != NULL)
        return sill__policy_complain(text, (size_t)(zero - text->data),
                                     "The file has a zero byte, so it is no JSON text.");
    struct sill__json_scan scan;
    if (!sill__json_scan_begin(&scan, text->data, text->size, 0) && scan.at == text->size)
        return sill__policy_complain(text, 0, "The file is empty; the smallest policy is {}.");
    return SILL_OK;
}

/* The member that ends its key at `end`, or in whose value `end` lies. */
static bool member_at(const struct sill__policy_text *text, size_t end, bool key,
                      struct sill__json_member *out)
{
    struct sill__json_scan scan;
    struct sill__json_member member;
    bool found = false;
    if (!sill__json_scan_begin(&scan, text->data, text->size, 0) || scan.list)
        return false;
    while (sill__json_scan_next(&scan, &member) && (key ? member.key_end : member.value) <= end) {
        found = !key || member.key_end == end;
        *out = member;
    }
    return found;
}

static int complain_number(const struct sill__policy_text *text,
                           const struct sill__json_member *member);

/* jansson does not always say that memory ran out: it may give no reason, or refuse a string that
 * it has read to its closing quote where a string may stand, for which there is no other cause. */
static bool ran_out(const struct sill__policy_text *text, const json_error_t *error, size_t place)
{
    if (json_error_code(error) == json_error_out_of_memory || error->text[0] == '\0')
        return true;
    return json_error_code(error) == json_error_invalid_syntax && text->data[place] == '"' &&
           (strncmp(error->text, "invalid token", 13) == 0 ||
            strncmp(error->text, "string or '}' expected", 22) == 0);
}

/* jansson's error: its own words, our place. */
static int broken(const struct sill__policy_text *text, const json_error_t *error)
{
    struct sill__json_member member;
    char sentence[240], key[48];
    size_t end = error->position > 0 ? (size_t)error->position : 0; /* read so far */
    size_t place = end > 0 ? end - 1 : 0;
    if (ran_out(text, error, place))
        return sill__policy_no_memory();
    switch (json_error_code(error)) {
    case json_error_duplicate_key:
        if (!member_at(text, end, true, &member))
            break;
        sill__policy_quote_key(text, &member, key);
        snprintf(sentence, sizeof sentence, "\"%s\" stands here again; a key may stand once.", key);
        return sill__policy_complain(text, member.key, sentence);
    case json_error_numeric_overflow:
        if (!member_at(text, end, false, &member))
            break;
        if (strchr("{[", text->data[member.value]) != NULL)
            return sill__policy_complain(text, place, "A number is far too large.");
        return complain_number(text, &member);
    case json_error_null_character:
        return sill__policy_complain(text, place, "A string has a zero character (\\u0000) in it.");
    case json_error_invalid_utf8:
        place = end; /* the byte itself is not counted as read */
        break;
    default:
        break;
    }
    char words[sizeof error->text];
    sill__policy_quote(words, sizeof words, error->text, strlen(error->text), false);
    snprintf(sentence, sizeof sentence, "The file cannot be read as JSON: %s.", words);
    return sill__policy_complain(text, place, sentence);
}

/* The index of a key's name; SILL__POLICY_KEYS for none. */
static enum sill__policy_index find_key(const char *name)
{
    int i = 0;
    while (i < SILL__POLICY_KEYS &&
           strcmp(name, sill__policy_key_name((enum sill__policy_index)i)) != 0)
        i++;
    return (enum sill__policy_index)i;
}

/* A number that not even jansson can hold. */
static int complain_number(const struct sill__policy_text *text,
                           const struct sill__json_member *member)
{
    char name[48], allowed[120], sentence[240];
    sill__policy_quote_key(text, member, name);
    enum sill__policy_index key = find_key(name);
    if (key < SILL__POLICY_KEYS) {
        sill__policy_allowed(key, allowed);
        snprintf(sentence, sizeof sentence, "\"%s\" is far too large a number, but must be %s.",
                 name, allowed);
    } else {
        snprintf(sentence, sizeof sentence, "\"%s\" is far too large a number.", name);
    }
    return sill__policy_complain(text, member->key, sentence);
}

static int complain_unknown(const struct sill__policy_text *text,
                            const struct sill__json_member *member)
{
    char name[48], keys[160], sentence[280];
    int used = 0;
    for (int i = 0; i < SILL__POLICY_KEYS; i++)
        used += snprintf(keys + used, sizeof keys - (size_t)used, "%s%s", i > 0 ? ", " : "",
                         sill__policy_key_name((enum sill__policy_index)i));
    sill__policy_quote_key(text, member, name);
    snprintf(sentence, sizeof sentence,
             "\"%s\" is no key of a policy; allowed are %s, tuned and $schema.", name, keys);
    return sill__policy_complain(text, member->key, sentence);
}

static int complain_type(const struct sill__policy_text *text,
                         const struct sill__json_member *member, const char *name, json_t *value,
                         const char *allowed)
{
    char sentence[240];
    snprintf(sentence, sizeof sentence, "\"%s\" is %s, but must be %s.", name,
             sill__policy_type(value), allowed);
    return sill__policy_complain(text, member->key, sentence);
}

static int take_word(const struct sill__policy_text *text, const struct sill__json_member *member,
                     enum sill__policy_index key, json_t *value, sill_policy *policy)
{
    char allowed[120], sentence[240], word[48];
    const char *name = sill__policy_key_name(key);
    sill__policy_allowed(key, allowed);
    if (!json_is_string(value))
        return complain_type(text, member, name, value, allowed);
    int number = sill__policy_word(key)->parse(json_string_value(value));
    if (number >= 0) {
        sill__policy_word_set(policy, key, number);
        return SILL_OK;
    }
    sill__policy_quote(word, sizeof word, json_string_value(value), json_string_length(value),
                       false);
    snprintf(sentence, sizeof sentence, "\"%s\" is \"%s\", but must be %s.", name, word, allowed);
    return sill__policy_complain(text, member->key, sentence);
}

/* Takes one value into the policy. */
static int take(const struct sill__policy_text *text, const struct sill__json_member *member,
                enum sill__policy_index key, json_t *value, sill_policy *policy)
{
    char allowed[120], sentence[240];
    const char *name = sill__policy_key_name(key);
    if (sill__policy_is_word(key))
        return take_word(text, member, key, value, policy);
    sill__policy_allowed(key, allowed);
    if (!json_is_integer(value))
        return complain_type(text, member, name, value, allowed);
    json_int_t number = json_integer_value(value);
    if (number < 0) { /* the policy's fields cannot hold it */
        snprintf(sentence, sizeof sentence, "\"%s\" is %" PRId64 ", but must be %s.", name,
                 (int64_t)number, allowed);
        return sill__policy_complain(text, member->key, sentence);
    }
    struct sill__policy_fault fault;
    sill__policy_set(policy, key, (uint64_t)number);
    if (!sill__policy_check_key(policy, key, &fault))
        return sill__policy_complain(text, member->key, fault.text);
    return SILL_OK;
}

static int read_member(const struct sill__policy_text *text, const struct sill__json_member *member,
                       json_t *root, sill_policy *policy, size_t places[SILL__POLICY_KEYS])
{
    json_t *name = sill__policy_key_of(text, member);
    if (name == NULL)
        return sill__policy_no_memory();
    json_t *value = json_object_get(root, json_string_value(name));
    enum sill__policy_index key = find_key(json_string_value(name));
    int status = SILL_OK;
    if (value == NULL)
        status = sill__policy_no_memory(); /* the text's own key is always there */
    else if (key < SILL__POLICY_KEYS) {
        places[key] = member->key;
        status = take(text, member, key, value, policy);
    } else if (strcmp(json_string_value(name), "tuned") == 0)
        status = sill__policy_check_tuned(text, member->value, value);
    else if (strcmp(json_string_value(name), "$schema") != 0)
        status = complain_unknown(text, member);
    else if (!json_is_string(value))
        status = complain_type(text, member, "$schema", value, "a string");
    json_decref(name);
    return status;
}

static int read_members(const struct sill__policy_text *text, json_t *root, sill_policy *policy)
{
    size_t places[SILL__POLICY_KEYS] = {0}; /* 0: not in the text, where the brace stands before */
    struct sill__json_scan scan;
    struct sill__json_member member;
    if (!sill__json_scan_begin(&scan, text->data, text->size, 0) || scan.list)
        return sill__policy_complain(text, scan.at,
                                     "A policy is an object: {\"key\": value, ...}.");
    while (sill__json_scan_next(&scan, &member)) {
        int status = read_member(text, &member, root, policy, places);
        if (status != SILL_OK)
            return status;
    }
    unsigned named = 0;
    for (int i = 0; i < SILL__POLICY_KEYS; i++)
        if (places[i] != 0)
            named |= 1U << i;
    struct sill__policy_fault fault;
    if (sill__policy_check(policy, named, &fault))
        return SILL_OK;
    size_t place = places[fault.key];
    if (places[fault.other] > place)
        place = places[fault.other];
    return sill__policy_complain(text, place, fault.text);
}

int sill_policy_parse(sill_policy *policy, const char *text, size_t size, const char *name)
{
    sill_policy result = SILL_POLICY_INIT;
    struct sill__policy_text source = {text != NULL ? text : "", size,
                                       name != NULL ? name : "policy"};
    if (policy == NULL || policy->struct_size != sizeof *policy)
        return sill__fail(SILL_INVALID, "The policy is not set to SILL_POLICY_INIT.");
    if (text == NULL && size > 0)
        return sill__fail(SILL_INVALID, "The policy's text is NULL.");
    if (size > SILL__POLICY_FILE_MAX)
        return sill__fail(SILL_TOO_BIG, "A policy's text has at most 1 MiB, not %zu bytes.", size);
    int status = check_bytes(&source);
    if (status != SILL_OK)
        return status;
    json_error_t error = {0}; /* jansson leaves the code as it is where it says nothing */
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        return broken(&source, &error);
    sill_policy_defaults(&result);
    status = read_members(&source, root, &result);
    json_decref(root);
    if (status == SILL_OK)
        *policy = result;
    return status;
}

static json_t *to_json(const sill_policy *policy)
{
    json_t *root = json_object();
    if (root == NULL)
        return NULL;
    int failed = 0;
    for (int i = 0; i < SILL__POLICY_NUMBERS; i++) {
        enum sill__policy_index key = (enum sill__policy_index)i;
        json_int_t number = (json_int_t)sill__policy_get(policy, key);
        failed |= json_object_set_new(root, sill__policy_key_name(key), json_integer(number));
    }
    for (int i = SILL__POLICY_NUMBERS; i < SILL__POLICY_KEYS; i++) {
        enum sill__policy_index key = (enum sill__policy_index)i;
        const char *word = sill__policy_word(key)->text(sill__policy_word_get(policy, key));
        failed |= json_object_set_new(root, sill__policy_key_name(key), json_string(word));
    }
    if (failed == 0)
        return root;
    json_decref(root);
    return NULL;
}

int sill_policy_format(const sill_policy *policy, char **text)
{
    if (text == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the policy's text.");
    int status = sill_policy_validate(policy);
    if (status != SILL_OK)
        return status;
    json_t *root = to_json(policy);
    if (root == NULL)
        goto fail;
    size_t size = json_dumpb(root, NULL, 0, JSON_INDENT(2));
    char *out = sill__alloc(size + 2);
    if (out == NULL || size == 0 || json_dumpb(root, out, size, JSON_INDENT(2)) != size) {
        sill__free(out);
        goto fail;
    }
    memcpy(out + size, "\n", 2);
    json_decref(root);
    *text = out;
    return SILL_OK;
fail:
    json_decref(root);
    return sill__fail(SILL_NO_MEMORY, "There is not enough memory to write the policy.");
}

void sill_policy_free_text(char *text)
{
    sill__free(text);
}
