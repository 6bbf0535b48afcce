/* bench_pair.h - two processes that exchange messages: this one, and a second one that it starts.
 *
 * `sill bench`, its comparison of policies and `sill tune` all measure with these. Several pairs
 * may stand side by side, to be measured in turn: the second processes of those that are not
 * measured sleep. All run on the same two processors.
 */
#ifndef SILL_TOOLS_BENCH_PAIR_H
#define SILL_TOOLS_BENCH_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include <sill.h>

#include "bench.h"
#include "os.h"

enum { BENCH_PAIRS_MAX = 16 };

struct bench_pair {
    struct bench_way way;
    sill_port *port;
    sill_message message;
    void *data; /* what is sent; the caller's, of at least the largest size */
    size_t size;
    unsigned put_off; /* messages of a stream that are to be sent together */
    struct bench_told told; /* by the second process, of a stream; the path, of the last message */
    os_process *process;    /* the second one; NULL: not started */
    int in, out, err;       /* its standard streams */
    char name[64];          /* of its server */
};

/* This process goes to the first of two cores, where there are two, and Ctrl-C ends the calls of
 * all pairs' ports from now on. */
void bench_pairs_begin(void);
/* Not any more: the ports may be closed. */
void bench_pairs_end(void);

/* These give -1 to go on, or an exit status after a message. */

/* What a status means: CLI_INTERRUPTED, or CLI_FAILED after its sentence. */
int bench_fail(int status);
/* Starts the second process, on the second of two cores, and waits until it listens. Messages have
 * at most `size_max` bytes. */
int bench_pair_start(struct bench_pair *pair, uint64_t size_max);
/* One more port to the pair's server. */
int bench_pair_open(const struct bench_pair *pair, sill_port **port);
/* The port that is measured. Ctrl-C ends its calls. */
int bench_pair_connect(struct bench_pair *pair);
/* Closes the port (bench_pairs_end has been called) and waits for the second process's end. */
int bench_pair_stop(struct bench_pair *pair);

/* Steps of a measurement (bench_frame.h); `arg` is the pair. */
int bench_pair_send(void *arg);    /* a message that is echoed */
int bench_pair_receive(void *arg); /* its echo */
int bench_pair_stream(void *arg);  /* one of many; small ones are sent some at once */
int bench_pair_finish(void *arg);  /* the last of many, and what the second process tells */

#endif
