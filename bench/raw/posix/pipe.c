/* pipe.c - two pipes, one each way, blocking. */
#include "baseline.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int pipes[2][2]; /* [the side that writes][0: to read from, 1: to write to] */
static int from, to;

static int prepare(struct side *side)
{
    (void)side;
    if (pipe2(pipes[0], O_CLOEXEC) != 0 || pipe2(pipes[1], O_CLOEXEC) != 0)
        return baseline_fail("pipe", errno);
    return 0;
}

static int begin(struct side *side)
{
    to = pipes[side->number][1];
    from = pipes[1 - side->number][0];
    close(pipes[side->number][0]);
    close(pipes[1 - side->number][1]);
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    size_t done = 0;

    memcpy(side->out, &word, sizeof word);
    while (done < side->size) {
        ssize_t n = write(to, side->out + done, side->size - done);

        if (n < 0)
            return baseline_fail("write", errno);
        done += (size_t)n;
    }
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    size_t done = 0;

    while (done < side->size) {
        ssize_t n = read(from, side->in + done, side->size - done);

        if (n <= 0)
            return baseline_fail("read", n < 0 ? errno : 0);
        done += (size_t)n;
    }
    memcpy(word, side->in, sizeof *word);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "pipe",
    .about = "Writes and reads over two pipes.",
    .wait = "block",
    .prepare = prepare,
    .begin = begin,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
