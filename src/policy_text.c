/* policy_text.c - places in a policy's text, and complaints about them. */
#include "policy_text.h"

#include <stdio.h>
#include <string.h>

#include "status.h"

void sill__policy_quote(char *out, size_t room, const char *text, size_t size, bool keep_end)
{
    size_t skip = 0;
    bool cut = size >= room;
    if (cut && keep_end)
        skip = size - (room - 4);
    if (cut)
        size = room - 4;
    while (cut && keep_end && size > 0 && ((unsigned char)text[skip] & 0xC0) == 0x80) {
        skip++;
        size--;
    }
    while (cut && !keep_end && size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80)
        size--;
    char *to = out;
    if (cut && keep_end)
        to += snprintf(to, 4, "...");
    for (size_t i = 0; i < size; i++) {
        char c = text[skip + i];
        *to++ = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
    }
    snprintf(to, 4, "%s", cut && !keep_end ? "..." : "");
}

int sill__policy_complain(const struct sill__policy_text *text, size_t offset, const char *sentence)
{
    char name[104];
    unsigned line, column;
    sill__policy_quote(name, sizeof name, text->name, strlen(text->name), true);
    sill__json_place(text->data, offset, &line, &column);
    return sill__fail(SILL_INVALID, "%s:%u:%u: %s", name, line, column, sentence);
}

int sill__policy_no_memory(void)
{
    return sill__fail(SILL_NO_MEMORY, "There is not enough memory to read the policy.");
}

void sill__policy_quote_key(const struct sill__policy_text *text,
                            const struct sill__json_member *member, char out[48])
{
    sill__policy_quote(out, 48, text->data + member->key + 1, member->key_end - member->key - 2,
                       false);
}

json_t *sill__policy_key_of(const struct sill__policy_text *text,
                            const struct sill__json_member *member)
{
    return json_loadb(text->data + member->key, member->key_end - member->key, JSON_DECODE_ANY,
                      NULL);
}

const char *sill__policy_type(const json_t *value)
{
    static const char *const types[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return types[json_typeof(value)];
}
