/* posix_queue.c - two POSIX message queues, one each way, blocking. Their names are gone before the
 * second process starts. The system's limit is that of a message. */
#include "baseline.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>

static mqd_t queues[2]; /* by the side that sends */

static size_t size_limit(void)
{
    size_t limit = 8192;
    FILE *file = fopen("/proc/sys/fs/mqueue/msgsize_max", "re");

    if (file && fscanf(file, "%zu", &limit) != 1)
        limit = 8192;
    if (file)
        fclose(file);
    return limit;
}

static int prepare(struct side *side)
{
    struct mq_attr attributes = {.mq_maxmsg = 10};
    char name[64];
    int i;

    if (side->size_max > size_limit())
        side->size_max = size_limit();
    attributes.mq_msgsize = (long)side->size_max;
    for (i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "/%s-%d", side->token, i);
        queues[i] = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
        if (queues[i] == (mqd_t)-1)
            return baseline_fail("mq_open", errno);
        mq_unlink(name);
    }
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    memcpy(side->out, &word, sizeof word);
    if (mq_send(queues[side->number], (const char *)side->out, side->size, 0) != 0)
        return baseline_fail("mq_send", errno);
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    if (mq_receive(queues[1 - side->number], (char *)side->in, side->size_max, NULL) < 0)
        return baseline_fail("mq_receive", errno);
    memcpy(word, side->in, sizeof *word);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "posix-queue",
    .about = "Sends and receives over two POSIX message queues.",
    .wait = "block",
    .prepare = prepare,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
