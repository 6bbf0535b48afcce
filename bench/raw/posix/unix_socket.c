/* unix_socket.c - a Unix stream socket, blocking. */
#include "baseline.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];
static int end_here;

static int prepare(struct side *side)
{
    (void)side;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return baseline_fail("socketpair", errno);
    return 0;
}

static int begin(struct side *side)
{
    end_here = ends[side->number];
    close(ends[1 - side->number]);
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    size_t done = 0;

    memcpy(side->out, &word, sizeof word);
    while (done < side->size) {
        ssize_t n = send(end_here, side->out + done, side->size - done, MSG_NOSIGNAL);

        if (n < 0)
            return baseline_fail("send", errno);
        done += (size_t)n;
    }
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    size_t done = 0;

    while (done < side->size) {
        ssize_t n = recv(end_here, side->in + done, side->size - done, 0);

        if (n <= 0)
            return baseline_fail("recv", n < 0 ? errno : 0);
        done += (size_t)n;
    }
    memcpy(word, side->in, sizeof *word);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "unix-socket",
    .about = "Sends and receives over a Unix stream socket.",
    .wait = "block",
    .prepare = prepare,
    .begin = begin,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
