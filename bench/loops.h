/* loops.h - the four loops of a baseline, made of its two functions:
 *     static int put(struct side *side, uint64_t word)   sends a message that begins with `word`
 *     static int get(struct side *side, uint64_t *word)  receives one
 * Included after them. A message that ends a measurement is answered, so that at no time more than
 * one is under way where only one can be.
 */
#include "baseline.h"

static inline int loops_put_echo(void *arg)
{
    return put((struct side *)arg, BASELINE_ECHO);
}

static inline int loops_get(void *arg)
{
    uint64_t word;

    return get((struct side *)arg, &word);
}

static inline int loops_stop(struct side *side)
{
    uint64_t word;
    int status = put(side, BASELINE_STOP);

    return status != 0 ? status : get(side, &word);
}

static int loops_latency(struct bench *bench, struct side *side)
{
    int status = bench_latency(bench, loops_put_echo, loops_get, side);

    return status != 0 ? status : loops_stop(side);
}

static int loops_answer(struct side *side)
{
    uint64_t word = 0;
    int status = 0;

    while (status == 0 && word != BASELINE_STOP)
        if ((status = get(side, &word)) == 0)
            status = put(side, word);
    return status;
}

#ifndef LOOPS_LATENCY_ONLY
static inline int loops_put_stream(void *arg)
{
    return put((struct side *)arg, BASELINE_STREAM);
}

static inline int loops_finish(void *arg)
{
    struct side *side = (struct side *)arg;
    int status = put(side, BASELINE_LAST);

    return status != 0 ? status : get(side, &side->ns);
}

static int loops_stream(struct bench *bench, struct side *side)
{
    int status =
        bench_throughput(bench, side->size, loops_put_stream, loops_finish, &side->ns, side);

    return status != 0 ? status : loops_stop(side);
}

static int loops_sink(struct side *side)
{
    uint64_t word = 0, first = 0;
    int status = 0;

    while (status == 0 && word != BASELINE_STOP) {
        if ((status = get(side, &word)) != 0)
            break;
        if (first == 0)
            first = os_now_ns();
        if (word == BASELINE_LAST) {
            status = put(side, os_now_ns() - first);
            first = 0;
        } else if (word == BASELINE_STOP) {
            status = put(side, word);
        }
    }
    return status;
}
#endif
