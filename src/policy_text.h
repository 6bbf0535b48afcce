/* policy_text.h - what the readers of a policy's text share: the text, its places, and how they
 * complain. */
#ifndef SILL__POLICY_TEXT_H
#define SILL__POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "json_scan.h"

struct sill__policy_text {
    const char *data;
    size_t size;
    const char *name; /* of the file, as it stands in sentences */
};

/* Printable, and cut to `room` bytes without splitting a character; a path keeps its end. */
void sill__policy_quote(char *out, size_t room, const char *text, size_t size, bool keep_end);
/* What a member's key is, as it stands in the text, without quotes. */
void sill__policy_quote_key(const struct sill__policy_text *text,
                            const struct sill__json_member *member, char out[48]);

/* The one form of every complaint: FILE:LINE:COLUMN: sentence. INVALID. */
int sill__policy_complain(const struct sill__policy_text *text, size_t offset,
                          const char *sentence);
int sill__policy_no_memory(void);

/* The decoded key of a member, as a JSON string; NULL when out of memory. */
json_t *sill__policy_key_of(const struct sill__policy_text *text,
                            const struct sill__json_member *member);
/* "a string", "an object" and so on. */
const char *sill__policy_type(const json_t *value);

/* Checks the value of "tuned", which begins at `offset`: what `sill tune` keeps in the file beside
 * the policy. 0, or INVALID after a complaint, or NO_MEMORY. (policy_tuned.c) */
int sill__policy_check_tuned(const struct sill__policy_text *text, size_t offset, json_t *value);

#endif
