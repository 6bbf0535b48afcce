/* bench_frame.h - what all benchmarks have in common, `sill bench` and those in bench/ alike: the
 * clock, how a measurement goes on, percentiles, and how it is printed. Numbers that come from the
 * same frame can be compared.
 *
 * Latency. The side that measures sends a message, takes the time while it is on its way, receives
 * the answer, and sends the next at once. A sample is the time from one such moment to the next: a
 * whole round trip with everything that belongs to it. The samples of a repetition add up to its
 * duration, nothing is subtracted, and the cost of the clock hides in the time of waiting. One way
 * is half a round trip.
 *
 * Throughput. Messages are sent as fast as it goes; the receiver takes the time from the first to
 * the last and tells it back.
 *
 * The functions that a loop calls once per message are inlined into it where it is written: the
 * frame costs a raw baseline nothing.
 */
#ifndef SILL_TOOLS_BENCH_FRAME_H
#define SILL_TOOLS_BENCH_FRAME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "os.h"

enum { BENCH_REPETITIONS = 5, BENCH_SIZES_MAX = 64, BENCH_SIZE_MIN = 8 };

/* ---- the clock ---- */

/* Set by bench_begin. The time stamp counter of the processor where it runs evenly, since the
 * system's clock may be coarse (100 ns on Windows); else the system's. */
extern int bench_counter;
extern double bench_tick_ns; /* nanoseconds in a tick */

static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (bench_counter) {
        unsigned core;

        return __builtin_ia32_rdtscp(&core);
    }
#endif
    return os_now_ns();
}

/* ---- a benchmark ---- */

struct bench {
    double seconds;  /* for each measurement, without the warm-up */
    uint64_t *ticks; /* the samples of the measurement, one repetition after the other */
    size_t capacity; /* of them in one repetition */
    size_t count;    /* in all */
    unsigned done;   /* repetitions */
    double each[BENCH_REPETITIONS]; /* their results: a median in ns, or messages a second */
};

/* Measures the clock and makes room for samples. 0, or -1: out of memory. */
int bench_begin(struct bench *bench, double seconds);
void bench_end(struct bench *bench);

/* Numbers such as 0.05. Wrong text gives a sentence, else NULL. */
const char *bench_parse_seconds(const char *text, double *seconds);

struct bench_sizes {
    uint64_t list[BENCH_SIZES_MAX];
    unsigned count;
};
/* Sizes with commas between them, such as "8,4K,1M". Wrong text gives a sentence, else NULL. */
const char *bench_parse_sizes(const char *text, struct bench_sizes *sizes);

/* ---- measuring ---- */

/* Something done once per message: 0, or a failure that ends the measurement. */
typedef int bench_step(void *arg);

/* Takes the repetition that has just gone into the result. */
void bench_note_trips(struct bench *bench, size_t count);
void bench_note_rate(struct bench *bench, double per_second);

#define BENCH_INLINE static inline __attribute__((always_inline))

/* Round trips for `seconds`, and at least `least`; the samples go behind those that are there. */
BENCH_INLINE int bench_trips(struct bench *bench, double seconds, size_t least, size_t *count,
                             bench_step *send, bench_step *receive, void *arg)
{
    uint64_t *sample = bench->ticks + bench->count;
    uint64_t begin, before, now, until;
    size_t n = 0;
    int status;

    if ((status = send(arg)) != 0 || (status = receive(arg)) != 0 || (status = send(arg)) != 0)
        return status;
    begin = before = bench_ticks();
    until = begin + (uint64_t)(seconds * 1e9 / bench_tick_ns);
    do {
        if ((status = receive(arg)) != 0 || (status = send(arg)) != 0)
            return status;
        now = bench_ticks();
        sample[n++] = now - before;
        before = now;
    } while ((now < until || n < least) && n < bench->capacity);
    *count = n;
    return receive(arg);
}

/* A measurement of round trips: a warm-up, then repetitions. 0, or what a step failed with. */
BENCH_INLINE int bench_latency(struct bench *bench, bench_step *send, bench_step *receive,
                               void *arg)
{
    size_t count = 0;
    int status;
    int i;

    bench->count = 0;
    bench->done = 0;
    status = bench_trips(bench, bench->seconds / 5, 10, &count, send, receive, arg);
    for (i = 0; i < BENCH_REPETITIONS && status == 0; i++) {
        status =
            bench_trips(bench, bench->seconds / (double)BENCH_REPETITIONS, 4, &count, send, receive, arg);
        if (status == 0)
            bench_note_trips(bench, count);
    }
    return status;
}

/* Sends for `seconds`; *count: how many. */
BENCH_INLINE int bench_send_many(double seconds, uint64_t size, uint64_t *count, bench_step *send,
                                 void *arg)
{
    unsigned batch = size >= 1u << 20 ? 1 : size <= 4096 ? 256 : (unsigned)((1u << 20) / size);
    uint64_t until = bench_ticks() + (uint64_t)(seconds * 1e9 / bench_tick_ns);
    int status;
    unsigned i;

    *count = 0;
    do {
        for (i = 0; i < batch; i++)
            if ((status = send(arg)) != 0)
                return status;
        *count += batch;
    } while (bench_ticks() < until);
    return 0;
}

/* A measurement of throughput. `finish` sends one more message, the last, and sets *ns to the time
 * from the first to the last at the receiver. */
BENCH_INLINE int bench_throughput(struct bench *bench, uint64_t size, bench_step *send,
                                  bench_step *finish, uint64_t *ns, void *arg)
{
    uint64_t count;
    int status = 0;
    int i;

    bench->done = 0;
    for (i = -1; i < BENCH_REPETITIONS && status == 0; i++) {
        status = bench_send_many(bench->seconds / (double)BENCH_REPETITIONS, size, &count, send, arg);
        if (status == 0)
            status = finish(arg);
        if (status == 0 && i >= 0)
            bench_note_rate(bench, (double)count * 1e9 / (double)(*ns ? *ns : 1));
    }
    return status;
}

/* ---- printing ---- */

/* One measurement. */
struct bench_row {
    const char *name; /* of the program, or NULL */
    const char *path;
    const char *mode; /* "latency" or "throughput" */
    const char *wait; /* "spin", "block" or "policy" */
    uint64_t size;
    unsigned long clients;
    int loan;
    double p50, p99, p999; /* one way, ns; latency only */
    double per_second;     /* messages */
    double low, high;      /* of the repetitions' p50, or messages a second */
};

/* Fills in what was measured. `ways` is what a sample holds: 2 ways for a round trip. */
void bench_result_latency(struct bench *bench, double ways, struct bench_row *row);
void bench_result_throughput(struct bench *bench, struct bench_row *row);

/* "64 KiB", "8.10 us". */
void bench_size_text(uint64_t size, char text[24]);
void bench_time_text(double ns, char text[24]);

/* On standard output: a line of a table, or a line of JSON. The heading is for people alone. */
void bench_print_heading(int json, int throughput);
void bench_print(const struct bench_row *row, int json);
/* On standard error, if that is a terminal: what is going on; NULL takes it away. */
void bench_progress(const char *text);

#ifdef __cplusplus
}
#endif

#endif
