/* bench_client.h - the first process of `sill bench`: the pair that is measured, and the clients
 * that are connected beside it. */
#ifndef SILL_TOOLS_BENCH_CLIENT_H
#define SILL_TOOLS_BENCH_CLIENT_H

#include "bench.h"
#include "bench_pair.h"

struct bench_client {
    const struct bench_options *options;
    enum bench_mode mode;
    struct bench_sizes sizes;
    struct bench bench;
    struct bench_pair pair;
    sill_port **idle;
    unsigned idle_count;
};

/* Connects the client that is measured. -1 to go on, or an exit status after a message. */
int bench_connect(struct bench_client *client);
/* Connects the others, which stay idle. Likewise. */
int bench_connect_idle(struct bench_client *client);
/* Closes those. */
void bench_close_idle(struct bench_client *client);

#endif
