/* bench.h - what the two processes of `sill bench` agree on. */
#ifndef SILL_TOOLS_BENCH_H
#define SILL_TOOLS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <sill.h>

#include "bench_frame.h"
#include "os.h"

/* How messages are sent, by both sides alike. */
struct bench_way {
    const char *policy;
    const char *directory;
    const char *wait;   /* "spin", "block" or "policy" */
    const char *region; /* NULL: the library's choice */
    int path;
    int loan;
    int read;
};

/* The first 8 bytes of a message say what it is. */
enum bench_word {
    BENCH_ECHO = 1, /* to be answered by a message of the same size; the answer, too */
    BENCH_STREAM,   /* one of many, not to be answered */
    BENCH_LAST      /* ends them: to be answered by a struct bench_told */
};

struct bench_told {
    uint64_t ns; /* from the first to the last */
    uint64_t count;
    uint64_t path;
};

/* The answer to a request, whatever it says: what the other process costs. */
struct bench_usage {
    uint64_t process;
    uint64_t cpu_ns;
    int64_t private_bytes; /* -1: not known */
};

/* Options for both ends; *policy must live as long. -1, or an exit status after a message. */
int bench_fill(sill_port_options *options, sill_policy *policy, const struct bench_way *way);
/* Sends a message of `size` bytes that begins with `word`: `data` (of that size), or a loan. A
 * status. */
int bench_send(sill_port *port, const struct bench_way *way, void *data, size_t size,
               enum bench_word word, unsigned flags);
/* The first 8 bytes of a message, and all of it if they are to be read. */
uint64_t bench_look(const sill_message *message, const struct bench_way *way);

/* ---- the first process ---- */

enum bench_mode { BENCH_LATENCY, BENCH_THROUGHPUT, BENCH_IDLE };

struct bench_options {
    struct bench_way way;
    uint64_t clients;
    const char *sizes;
    const char *mode;
    const char *family;
    const char *seconds;
    int json;
    const char *peer; /* only for the second process */
    uint64_t core;
    uint64_t size_max;
};

struct bench_client {
    const struct bench_options *options;
    enum bench_mode mode;
    struct bench_sizes sizes;
    struct bench bench;
    sill_port **idle;
    unsigned idle_count;
    sill_port *port;
    sill_message message;
    void *data;
    size_t size;
    struct bench_told told;
    char name[64];
};

/* These give -1 to go on, or an exit status after a message. */

int bench_fail(int status);
/* Connects the client that is measured. */
int bench_connect(struct bench_client *client);
/* Connects the others, which stay idle. */
int bench_connect_idle(struct bench_client *client);
/* For os_interrupt_begin: ends what the client waits for. */
void bench_cancel(void *arg);
/* Takes Ctrl-C back and closes all ports. */
void bench_close(struct bench_client *client);
/* Measures and prints: each size, or what idle clients cost. */
int bench_measure(struct bench_client *client);
int bench_measure_idle(struct bench_client *client);

/* ---- the second process ---- */

struct bench_server {
    os_process *process;
    int in, out, err;
};

/* Starts it with the same options, and waits until it listens. -1, or an exit status. */
int bench_start_server(struct bench_client *client, struct bench_server *server, int argc,
                       char **argv, const unsigned cores[2], unsigned core_count);
/* Waits for its end and frees it. Its exit status. */
int bench_end_server(struct bench_server *server);

/* What it runs: a server of that name, which ends when its clients have gone. */
int bench_serve(const char *name, const struct bench_way *way, uint64_t size_max);

#endif
