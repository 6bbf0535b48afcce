/* nng.c - nng: a pair of sockets over ipc. Messages are copied when they are sent and read in
 * place. */
#include "baseline.h"

#include <stdio.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

static nng_socket socket_here = NNG_SOCKET_INITIALIZER;

static int begin(struct side *side)
{
    char address[96];
    int status;

    /* An abstract name: no file that could be left behind. */
    snprintf(address, sizeof address, "abstract://%s", side->token);
    status = nng_pair0_open(&socket_here);
    if (status == 0 && side->number == 0)
        status = nng_listen(socket_here, address, NULL, 0);
    else if (status == 0)
        status = nng_dial(socket_here, address, NULL, NNG_FLAG_NONBLOCK);
    return status == 0 ? 0 : baseline_fail(nng_strerror(status), 0);
}

static void end(struct side *side)
{
    /* A close drops what has not gone out yet, and nobody tells when it has: the last answer. */
    if (side->number == 1)
        os_sleep_ms(300);
    nng_close(socket_here);
}

static inline int put(struct side *side, uint64_t word)
{
    int status;

    memcpy(side->out, &word, sizeof word);
    status = nng_send(socket_here, side->out, side->size, 0);
    return status == 0 ? 0 : baseline_fail(nng_strerror(status), 0);
}

static inline int get(struct side *side, uint64_t *word)
{
    nng_msg *message;
    int status = nng_recvmsg(socket_here, &message, 0);

    (void)side;
    if (status != 0)
        return baseline_fail(nng_strerror(status), 0);
    memcpy(word, nng_msg_body(message), sizeof *word);
    nng_msg_free(message);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "nng",
    .about = "Sends and receives over a pair of nng sockets (ipc).",
    .wait = "block",
    .begin = begin,
    .end = end,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
