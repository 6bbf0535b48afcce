/* files.c - reading what is sent and writing what comes.
 *
 * An output file is written under a temporary name in the same folder and renamed at the end, so
 * that a failure, a full disk or Ctrl-C leaves what stood there before. Until output_commit the
 * temporary file is this process's alone, and output_discard removes it.
 */
#include "files.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "os.h"

/* Pieces in which large outputs are written, with a look for Ctrl-C in between. */
enum { PIECE = 8 << 20 };

static int is_standard(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

/* ---- input ---- */

/* Makes room for at least one more byte. */
static int grow(struct input *input, size_t *capacity)
{
    size_t larger = *capacity < 65536 ? 65536 : *capacity + *capacity / 2;
    char *data = larger > *capacity ? realloc(input->data, larger) : NULL;

    if (!data) {
        errno = ENOMEM;
        return -1;
    }
    input->data = data;
    *capacity = larger;
    return 0;
}

/* A regular file is read into memory of its size and one byte, which finds its end. */
static int read_all(struct input *input, int file)
{
    int64_t size = os_size(file);
    size_t capacity = 0;

    if (size >= 0 && (uint64_t)size < SIZE_MAX / 2) {
        if (!(input->data = malloc((size_t)size + 1))) {
            errno = ENOMEM;
            return -1;
        }
        capacity = (size_t)size + 1;
    }
    for (;;) {
        long n;

        if (input->size == capacity && grow(input, &capacity) != 0)
            return -1;
        n = os_read(file, input->data + input->size, capacity - input->size);
        if (n < 0)
            return -1;
        if (n == 0)
            return 0;
        input->size += (size_t)n;
    }
}

int input_read(struct input *input, const char *path)
{
    const char *name = is_standard(path) ? "standard input" : path;
    int file = is_standard(path) ? 0 : os_open_read(path);
    int failed;

    *input = (struct input){NULL, 0};
    if (file < 0)
        return cli_fail("cannot open %s: %s", name, strerror(errno));
    failed = read_all(input, file) != 0 ? errno : 0;
    if (file != 0)
        os_close(file);
    if (!failed)
        return -1;
    input_free(input);
    return cli_fail("cannot read %s: %s", name, strerror(failed));
}

void input_free(struct input *input)
{
    free(input->data);
    *input = (struct input){NULL, 0};
}

/* ---- output ---- */

static int open_temporary(struct output *output, const char *path, enum os_kind kind, unsigned mode)
{
    size_t size;
    unsigned number;

    if (kind != OS_REGULAR || !(output->target = os_resolve(path))) {
        size = strlen(path) + 1;
        if (!(output->target = malloc(size)))
            return -1;
        memcpy(output->target, path, size);
    }
    size = strlen(output->target) + 48;
    if (!(output->temporary = malloc(size)))
        return -1;
    for (number = 0; number < 1000; number++) {
        snprintf(output->temporary, size, "%s.%u-%u.tmp", output->target, os_process_number(),
                 number);
        output->file = os_create_new(output->temporary, kind == OS_REGULAR ? mode : 0);
        if (output->file >= 0 || errno != EEXIST)
            break;
    }
    return output->file < 0 ? -1 : 0;
}

int output_open(struct output *output, const char *path)
{
    enum os_kind kind;
    unsigned mode = 0;
    int error;

    *output = (struct output){1, "standard output", NULL, NULL};
    if (is_standard(path))
        return -1;
    output->name = path;
    kind = os_kind_of(path, &mode);
    if (kind == OS_DIRECTORY)
        return cli_fail("cannot write %s: it is a directory", path);
    if (kind == OS_OTHER) {
        output->file = os_open_write(path);
        if (output->file >= 0)
            return -1;
    } else if (open_temporary(output, path, kind, mode) == 0) {
        return -1;
    }
    error = errno;
    free(output->target);
    free(output->temporary);
    return cli_fail("cannot create %s: %s", path, strerror(error));
}

int output_write(struct output *output, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        size_t piece = size > PIECE ? PIECE : size;

        if (os_write(output->file, p, piece) != 0) {
            if (os_interrupted())
                return CLI_INTERRUPTED;
            return cli_fail("cannot write to %s: %s", output->name, strerror(errno));
        }
        p += piece;
        size -= piece;
        if (os_interrupted())
            return CLI_INTERRUPTED;
    }
    return -1;
}

int output_commit(struct output *output)
{
    int file = output->file;
    int failed = 0;

    output->file = -1;
    if (file != 1 && os_close(file) != 0)
        failed = cli_fail("cannot write to %s: %s", output->name, strerror(errno));
    else if (output->temporary && os_rename(output->temporary, output->target) != 0)
        failed = cli_fail("cannot write %s: %s", output->target, strerror(errno));
    if (!failed) {
        free(output->temporary);
        output->temporary = NULL;
    }
    output_discard(output);
    return failed ? failed : -1;
}

void output_discard(struct output *output)
{
    if (output->file > 1)
        os_close(output->file);
    if (output->temporary)
        os_remove(output->temporary);
    free(output->temporary);
    free(output->target);
    *output = (struct output){-1, NULL, NULL, NULL};
}
