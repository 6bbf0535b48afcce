/* sink.c - where sill recv puts what comes. See sink.h. */
#include "sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int sink_begin(struct sink *sink)
{
    int status;

    sink->number++;
    sink->path = NULL;
    if (sink->folder) {
        size_t size = strlen(sink->folder) + 32;

        if (!(sink->path = malloc(size)))
            return cli_fail("out of memory");
        snprintf(sink->path, size, "%s/%06" PRIu64, sink->folder, sink->number);
    }
    status = output_open(&sink->output, sink->path);
    if (status >= 0)
        free(sink->path);
    return status;
}

int sink_write(struct sink *sink, const void *data, size_t size)
{
    return output_write(&sink->output, data, size);
}

int sink_end(struct sink *sink)
{
    int status = -1;

    if (sink->line)
        status = output_write(&sink->output, "\n", 1);
    if (status < 0 && sink->null)
        status = output_write(&sink->output, "", 1);
    if (status < 0)
        status = output_commit(&sink->output);
    sink_drop(sink);
    return status;
}

void sink_drop(struct sink *sink)
{
    output_discard(&sink->output);
    free(sink->path);
    sink->path = NULL;
}

int sink_put(struct sink *sink, const void *data, size_t size)
{
    int status = sink_begin(sink);

    if (status >= 0)
        return status;
    status = sink_write(sink, data, size);
    if (status < 0)
        return sink_end(sink);
    sink_drop(sink);
    return status;
}
