/* json_scan.c - finds the members of an object or list. See json_scan.h.
 *
 * Invariant: `at` never passes `size`, and every step moves it on, so that any bytes end it.
 * Strings are skipped as strings, so that braces, commas and keys in them are not seen.
 */
#include "json_scan.h"

static void skip_space(struct sill__json_scan *scan)
{
    while (scan->at < scan->size) {
        char c = scan->text[scan->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            return;
        scan->at++;
    }
}

static bool here(const struct sill__json_scan *scan, char c)
{
    return scan->at < scan->size && scan->text[scan->at] == c;
}

/* From an opening quote to behind the closing one. */
static bool skip_string(struct sill__json_scan *scan)
{
    for (scan->at++; scan->at < scan->size; scan->at++) {
        if (scan->text[scan->at] == '"') {
            scan->at++;
            return true;
        }
        if (scan->text[scan->at] == '\\' && scan->at + 1 < scan->size)
            scan->at++;
    }
    return false;
}

/* To the comma, brace or bracket that ends the present member. */
static void skip_value(struct sill__json_scan *scan)
{
    size_t depth = 0;
    while (scan->at < scan->size) {
        char c = scan->text[scan->at];
        if (c == '"') {
            if (!skip_string(scan))
                return;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}' || c == ']'))
            return;
        if (c == '{' || c == '[')
            depth++;
        if (c == '}' || c == ']')
            depth--;
        scan->at++;
    }
}

bool sill__json_scan_begin(struct sill__json_scan *scan, const char *text, size_t size, size_t at)
{
    *scan = (struct sill__json_scan){text, size, at, false};
    skip_space(scan);
    scan->list = here(scan, '[');
    return scan->list || here(scan, '{');
}

/* An element of a list: false where the list is empty. */
static bool next_element(struct sill__json_scan *scan, struct sill__json_member *out)
{
    if (here(scan, ']') || scan->at >= scan->size)
        return false;
    out->key = out->key_end = out->value = scan->at;
    skip_value(scan);
    return true;
}

bool sill__json_scan_next(struct sill__json_scan *scan, struct sill__json_member *out)
{
    skip_space(scan);
    if (!here(scan, scan->list ? '[' : '{') && !here(scan, ','))
        return false;
    scan->at++;
    skip_space(scan);
    if (scan->list)
        return next_element(scan, out);
    if (!here(scan, '"'))
        return false;
    out->key = scan->at;
    if (!skip_string(scan))
        return false;
    out->key_end = scan->at;
    skip_space(scan);
    if (here(scan, ':'))
        scan->at++;
    skip_space(scan);
    out->value = scan->at;
    skip_value(scan);
    return true;
}

void sill__json_place(const char *text, size_t offset, unsigned *line, unsigned *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xC0) != 0x80) {
            ++*column; /* not a byte that goes on with a character */
        }
    }
}
