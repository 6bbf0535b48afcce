/* table.c - rows for people and scripts.
 *
 * One representation for all three forms: JSON objects. Scripts get tabs between the columns and
 * no heading; a terminal gets columns filled up with blanks under a heading of the members' names;
 * control characters never reach either.
 */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "os.h"

enum { COLUMNS_MAX = 16, CELL_MAX = 2048 };

void table_begin(struct table *table)
{
    table->rows = json_array();
    table->failed = !table->rows;
}

void table_add(struct table *table, json_t *row)
{
    if (!row || !table->rows || json_array_append_new(table->rows, row) != 0)
        table->failed = 1;
}

json_t *table_text(const char *text)
{
    json_t *value = json_string(text);
    char copy[CELL_MAX];
    size_t i;

    if (value)
        return value;
    snprintf(copy, sizeof copy, "%s", text);
    for (i = 0; copy[i]; i++)
        if ((unsigned char)copy[i] >= 0x80)
            copy[i] = '?';
    return json_string(copy);
}

int table_print_json(json_t *value, int file)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

    json_decref(value);
    if (!text)
        return -1;
    if (file == 2) {
        fprintf(stderr, "%s\n", text);
        fflush(stderr);
    } else {
        cli_print("%s\n", text);
    }
    free(text);
    return 0;
}

/* ---- as text ---- */

static void cell_text(const json_t *value, char cell[CELL_MAX])
{
    size_t i;

    if (json_is_integer(value))
        snprintf(cell, CELL_MAX, "%" PRId64, (int64_t)json_integer_value(value));
    else
        snprintf(cell, CELL_MAX, "%s", json_is_string(value) ? json_string_value(value) : "");
    for (i = 0; cell[i]; i++)
        if ((unsigned char)cell[i] < 0x20 || cell[i] == 0x7f)
            cell[i] = '?';
}

/* Characters, not bytes. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void print_cell(const char *cell, int width, int last)
{
    if (last)
        cli_print("%s\n", cell);
    else
        cli_print("%s%*s", cell, width - width_of(cell) + 2, "");
}

static void measure(json_t *rows, int widths[COLUMNS_MAX])
{
    char cell[CELL_MAX];
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        unsigned column = 0;
        const char *key;
        json_t *value;

        json_object_foreach(row, key, value)
        {
            int width;

            cell_text(value, cell);
            width = width_of(cell) > width_of(key) ? width_of(cell) : width_of(key);
            if (column < COLUMNS_MAX && width > widths[column])
                widths[column] = width;
            column++;
        }
    }
}

static void print_heading(json_t *row, const int widths[COLUMNS_MAX])
{
    unsigned left = (unsigned)json_object_size(row);
    unsigned column = 0;
    const char *key;
    json_t *value;

    json_object_foreach(row, key, value)
    {
        char heading[32];
        size_t i;

        snprintf(heading, sizeof heading, "%s", key);
        for (i = 0; heading[i]; i++)
            if (heading[i] >= 'a' && heading[i] <= 'z')
                heading[i] = (char)(heading[i] - 'a' + 'A');
        print_cell(heading, widths[column++], --left == 0);
    }
}

static void print_row(json_t *row, const int widths[COLUMNS_MAX], int aligned)
{
    unsigned left = (unsigned)json_object_size(row);
    unsigned column = 0;
    char cell[CELL_MAX];
    const char *key;
    json_t *value;

    json_object_foreach(row, key, value)
    {
        cell_text(value, cell);
        left--;
        if (aligned)
            print_cell(cell, widths[column++], left == 0);
        else
            cli_print("%s%c", cell, left == 0 ? '\n' : '\t');
    }
}

static void print_text(json_t *rows)
{
    int widths[COLUMNS_MAX] = {0};
    int aligned = os_terminal(1);
    size_t i;
    json_t *row;

    if (json_array_size(rows) == 0)
        return;
    if (aligned) {
        measure(rows, widths);
        print_heading(json_array_get(rows, 0), widths);
    }
    json_array_foreach(rows, i, row) print_row(row, widths, aligned);
}

/* ---- as JSON ---- */

/* An array with a row on each line. */
static int print_array(json_t *rows)
{
    size_t count = json_array_size(rows);
    size_t i;

    cli_print("[");
    for (i = 0; i < count; i++) {
        char *text = json_dumps(json_array_get(rows, i), JSON_COMPACT | JSON_PRESERVE_ORDER);

        if (!text)
            return -1;
        cli_print("%s\n%s", i ? "," : "", text);
        free(text);
    }
    cli_print(count ? "\n]\n" : "]\n");
    return 0;
}

int table_end(struct table *table, int json)
{
    int failed = table->failed;

    if (!failed) {
        if (json)
            failed = print_array(table->rows) != 0;
        else
            print_text(table->rows);
    }
    table_drop(table);
    return failed ? cli_fail("out of memory") : CLI_FINE;
}

void table_drop(struct table *table)
{
    json_decref(table->rows);
    table->rows = NULL;
}
