/* named_pipe.c - a named pipe for bytes, blocking. */
#include "baseline.h"

#include <stdio.h>
#include <string.h>
#include <windows.h>

enum { BUFFER = 65536 };

static HANDLE end_here;

static int prepare(struct side *side)
{
    char name[96];

    snprintf(name, sizeof name, "\\\\.\\pipe\\%s", side->token);
    if (side->number == 0)
        end_here = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE | PIPE_WAIT, 1, BUFFER,
                                    BUFFER, 0, NULL);
    else
        end_here = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    return end_here != INVALID_HANDLE_VALUE ? 0 : baseline_fail("the pipe cannot be made", 0);
}

static int begin(struct side *side)
{
    if (side->number == 0 && !ConnectNamedPipe(end_here, NULL) &&
        GetLastError() != ERROR_PIPE_CONNECTED)
        return baseline_fail("ConnectNamedPipe", 0);
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    size_t done = 0;
    DWORD n;

    memcpy(side->out, &word, sizeof word);
    for (; done < side->size; done += n)
        if (!WriteFile(end_here, side->out + done, (DWORD)(side->size - done), &n, NULL))
            return baseline_fail("WriteFile", 0);
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    size_t done = 0;
    DWORD n;

    for (; done < side->size; done += n)
        if (!ReadFile(end_here, side->in + done, (DWORD)(side->size - done), &n, NULL))
            return baseline_fail("ReadFile", 0);
    memcpy(word, side->in, sizeof *word);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "named-pipe",
    .about = "Writes and reads over a named pipe.",
    .wait = "block",
    .prepare = prepare,
    .begin = begin,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
