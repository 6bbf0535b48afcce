/* baseline.h - what a baseline is: one way to hand messages from one process to another, as bare as
 * it can be, or as a well-known library does it. baseline.c measures it with the same frame as
 * `sill bench` (tools/bench_frame.h) and prints the same rows.
 *
 * A baseline has one symbol, `baseline`, and is a program of its own. It gives two functions, `put`
 * and `get`, and loops.h makes the four loops of them, in which they are inlined.
 */
#ifndef SILL_BENCH_BASELINE_H
#define SILL_BENCH_BASELINE_H

#include <stddef.h>
#include <stdint.h>

#include "bench_frame.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One of the two processes. */
struct side {
    int number;         /* 0 measures, 1 answers */
    size_t size;        /* of the messages now */
    size_t size_max;    /* of all that come */
    void *shared;       /* memory of both, zeroed: baseline.shared_size bytes */
    unsigned char *out; /* this side's own, size_max bytes */
    unsigned char *in;
    const char *token; /* text for names that both sides use and no one else */
    uint64_t ns;       /* loops.h */
};

/* What the first 8 bytes of a message say; an answer to BASELINE_LAST says how long it took. */
enum baseline_word { BASELINE_ECHO = 1, BASELINE_STREAM, BASELINE_LAST, BASELINE_STOP };

/* Functions that give an int give 0, or -1 after baseline_fail. */
struct baseline {
    const char *name;
    const char *about;
    const char *wait; /* how the receiver waits: "spin", "block" or "none" */
    size_t shared_size;
    /* Before the two sides part; on Windows, where they are separate programs, on each. May lower
     * side->size_max. May be NULL, as the two that follow. */
    int (*prepare)(struct side *side);
    int (*begin)(struct side *side);
    void (*end)(struct side *side);
    /* Instead of parting: tells which side this process is. */
    int (*part)(struct side *side, int *argc, char ***argv);
    /* The loops; stream is NULL where throughput makes no sense. */
    int (*latency)(struct bench *bench, struct side *side);
    int (*answer)(struct side *side);
    int (*stream)(struct bench *bench, struct side *side);
    int (*sink)(struct side *side);
    /* Instead of all loops: needs no second process. Sets *ways to what a sample holds. */
    int (*alone)(struct bench *bench, struct side *side, double *ways);
};

extern const struct baseline baseline;

/* "bench-pipe: WHAT: why" on standard error; -1. `error` is an errno, or 0: without a why. */
int baseline_fail(const char *what, int error);

/* ---- posix/pair.c and win32/pair.c ---- */

/* Memory that processes can share, zeroed, or NULL. */
void *pair_memory(size_t size);
/* Makes two sides of this process; `peer` is what --peer gave, or NULL. */
int pair_part(struct side *side, const char *peer, int argc, char **argv);
/* Side 0: waits for the other's end; 0 if that was good. Side 1 only returns. */
int pair_join(struct side *side);

#ifdef __cplusplus
}
#endif

#endif
