/* files.h - what is sent is read whole; what comes is written whole or not at all. */
#ifndef SILL_TOOLS_FILES_H
#define SILL_TOOLS_FILES_H

#include <stddef.h>

struct input {
    char *data;
    size_t size;
};

/* Reads all of `path` (NULL or "-": standard input). -1, or the exit status after a message. */
int input_read(struct input *input, const char *path);
void input_free(struct input *input);

/* A file that gets its name only when it is complete. */
struct output {
    int file;
    const char *name; /* as the user wrote it, for messages */
    char *target;     /* NULL: written to directly, there is nothing to rename */
    char *temporary;
};

/* Opens `path` for writing (NULL or "-": standard output). What is not a regular file, such as
 * /dev/null, is written to directly. -1, or the exit status after a message. */
int output_open(struct output *output, const char *path);
/* -1, or the exit status after a message; CLI_INTERRUPTED if Ctrl-C came meanwhile. */
int output_write(struct output *output, const void *data, size_t size);
/* Closes and gives the file its name. -1, or the exit status after a message. */
int output_commit(struct output *output);
/* Closes; what was not committed is removed. */
void output_discard(struct output *output);

#endif
