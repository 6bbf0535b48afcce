/* sysv_queue.c - a System V message queue, blocking; the message's type says for whom it is. The
 * queue has no name and is removed at the end, also after Ctrl-C. */
#include "baseline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

struct letter {
    long type;
    unsigned char text[];
};

static int queue = -1;
static struct letter *out, *in;

static size_t size_limit(void)
{
    size_t limit = 8192;
    FILE *file = fopen("/proc/sys/kernel/msgmax", "re");

    if (file && fscanf(file, "%zu", &limit) != 1)
        limit = 8192;
    if (file)
        fclose(file);
    return limit;
}

static int prepare(struct side *side)
{
    if (side->size_max > size_limit())
        side->size_max = size_limit();
    queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    return queue < 0 ? baseline_fail("msgget", errno) : 0;
}

static int begin(struct side *side)
{
    out = calloc(1, sizeof *out + side->size_max);
    in = calloc(1, sizeof *in + side->size_max);
    if (!out || !in)
        return baseline_fail("out of memory", 0);
    out->type = 2 - side->number;
    return 0;
}

static void end(struct side *side)
{
    if (side->number == 0)
        msgctl(queue, IPC_RMID, NULL);
}

static inline int put(struct side *side, uint64_t word)
{
    memcpy(out->text, &word, sizeof word);
    if (msgsnd(queue, out, side->size, 0) != 0)
        return baseline_fail("msgsnd", errno);
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    if (msgrcv(queue, in, side->size_max, 1 + side->number, 0) < 0)
        return baseline_fail("msgrcv", errno);
    memcpy(word, in->text, sizeof *word);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "sysv-queue",
    .about = "Sends and receives over a System V message queue.",
    .wait = "block",
    .prepare = prepare,
    .begin = begin,
    .end = end,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
