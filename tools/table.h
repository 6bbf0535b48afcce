/* table.h - rows for people and scripts: tabs between the columns, aligned under a heading where
 * standard output is a terminal, or JSON. */
#ifndef SILL_TOOLS_TABLE_H
#define SILL_TOOLS_TABLE_H

#include <jansson.h>

/* Each row is a JSON object; its members, in their order, are the columns. */
struct table {
    json_t *rows;
    int failed; /* out of memory */
};

void table_begin(struct table *table);
/* Takes over `row`; NULL stands for out of memory. */
void table_add(struct table *table, json_t *row);
/* Prints all of it, as a JSON array if `json`, and frees it. An exit status. */
int table_end(struct table *table, int json);
/* Frees it unprinted. */
void table_drop(struct table *table);

/* A JSON string of bytes that may be no UTF-8: each byte that does not belong becomes '?'. */
json_t *table_text(const char *text);
/* Prints `value` as one line of JSON to standard output (1) or standard error (2) and frees it.
 * -1: out of memory. */
int table_print_json(json_t *value, int file);

#endif
