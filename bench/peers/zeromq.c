/* zeromq.c - ZeroMQ: a pair of sockets over ipc. Messages are copied when they are sent and read in
 * place. */
#include "baseline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <zmq.h>

static void *context, *socket_here;

static int fail(const char *what)
{
    return baseline_fail(zmq_strerror(errno), 0) + baseline_fail(what, 0) + 1;
}

static int begin(struct side *side)
{
    char address[96];
    int status;

    /* An abstract name: no file that could be left behind. */
    snprintf(address, sizeof address, "ipc://@%s", side->token);
    context = zmq_ctx_new();
    socket_here = context ? zmq_socket(context, ZMQ_PAIR) : NULL;
    if (!socket_here)
        return fail("zmq_socket");
    status = side->number == 0 ? zmq_bind(socket_here, address) : zmq_connect(socket_here, address);
    return status == 0 ? 0 : fail(address);
}

static void end(struct side *side)
{
    (void)side;
    if (socket_here)
        zmq_close(socket_here);
    if (context)
        zmq_ctx_term(context);
}

static inline int put(struct side *side, uint64_t word)
{
    memcpy(side->out, &word, sizeof word);
    return zmq_send(socket_here, side->out, side->size, 0) >= 0 ? 0 : fail("zmq_send");
}

static inline int get(struct side *side, uint64_t *word)
{
    zmq_msg_t message;

    (void)side;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, socket_here, 0) < 0)
        return fail("zmq_msg_recv");
    memcpy(word, zmq_msg_data(&message), sizeof *word);
    zmq_msg_close(&message);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "zeromq",
    .about = "Sends and receives over a pair of ZeroMQ sockets (ipc).",
    .wait = "block",
    .begin = begin,
    .end = end,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
