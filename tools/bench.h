/* bench.h - what the two processes of `sill bench` agree on. */
#ifndef SILL_TOOLS_BENCH_H
#define SILL_TOOLS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <sill.h>

#include "bench_frame.h"

/* How messages are sent, by both sides alike. */
struct bench_way {
    const char *policy;
    const char *policy_text; /* instead of a file: the policy itself */
    const char *directory;
    const char *wait;   /* "spin", "block" or "policy" */
    const char *region; /* NULL: the library's choice */
    int path;
    int family; /* enum sill_family */
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
    const char *seconds;
    int json;
    int compare;
    const char *peer; /* only for the second process */
    uint64_t core;
    uint64_t size_max;
};

struct bench_client;
/* These give -1 to go on, or an exit status after a message. */

/* Measures and prints: each size; what idle clients cost; each path beside the policy's choice. */
int bench_measure(struct bench_client *client);
int bench_measure_idle(struct bench_client *client);
int bench_compare(const struct bench_options *options, const struct bench_sizes *sizes,
                  double seconds);

/* ---- the second process ---- */

/* What it runs: a server of that name, which ends when its clients have gone. */
int bench_serve(const char *name, const struct bench_way *way, uint64_t size_max);

#endif
