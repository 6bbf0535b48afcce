/* json_scan.h - where the members of a JSON object or list stand in its text.
 *
 * jansson says where it stops at broken syntax, but not where a key stood once the text is read.
 * This scanner only finds places; what a key or a value means is jansson's to say. It takes any
 * bytes: where the text is no JSON, it stops.
 */
#ifndef SILL__JSON_SCAN_H
#define SILL__JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct sill__json_scan {
    const char *text;
    size_t size;
    size_t at;
    bool list;
};

/* Offsets in the text. A list's elements have no key: all three are the same. */
struct sill__json_member {
    size_t key;     /* its opening quote */
    size_t key_end; /* one behind its closing quote */
    size_t value;   /* the first byte of its value */
};

/* Begins with the object or list that is the value at the offset `at`, at 0 the text's outermost;
 * false if there is none. */
bool sill__json_scan_begin(struct sill__json_scan *scan, const char *text, size_t size, size_t at);

/* The next member of that value itself, not of what is nested in it; false behind the last. */
bool sill__json_scan_next(struct sill__json_scan *scan, struct sill__json_member *out);

/* Line and column of an offset, both from 1; a column is a character of UTF-8. */
void sill__json_place(const char *text, size_t offset, unsigned *line, unsigned *column);

#endif
