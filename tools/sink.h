/* sink.h - where sill recv puts what comes: standard output, or a file for each. */
#ifndef SILL_TOOLS_SINK_H
#define SILL_TOOLS_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "files.h"

struct sink {
    const char *folder; /* NULL: standard output */
    int line;           /* a newline behind each */
    int null;           /* a zero byte behind each */
    uint64_t number;    /* of those that were begun */
    struct output output;
    char *path;
};

/* Of each -1, or an exit status after a message. */
int sink_begin(struct sink *sink);
int sink_write(struct sink *sink, const void *data, size_t size);
/* It is complete. Without this, sink_drop takes it back where it can be. */
int sink_end(struct sink *sink);
void sink_drop(struct sink *sink);
/* All of it at once. */
int sink_put(struct sink *sink, const void *data, size_t size);

#endif
