/* baseline.c - the program around a baseline: its options, its two sides, and what is printed. */
#include "baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_os.h"

struct options {
    struct bench_sizes sizes;
    double seconds;
    int throughput;
    int json;
    const char *peer;
};

int baseline_fail(const char *what, int error)
{
    if (error)
        fprintf(stderr, "bench-%s: %s: %s\n", baseline.name, what, strerror(error));
    else
        fprintf(stderr, "bench-%s: %s\n", baseline.name, what);
    return -1;
}

static int help(void)
{
    printf("Usage: bench-%s [--sizes LIST] [--mode latency|throughput] [--seconds S] [--json]\n\n"
           "%s\nMeasured and printed as by 'sill bench'.\n",
           baseline.name, baseline.about);
    return 0;
}

static int wrong(const char *option, const char *value, const char *why)
{
    fprintf(stderr, "bench-%s: %s '%s': %s\n", baseline.name, option, value ? value : "", why);
    return 2;
}

/* -1, or an exit status. */
static int set(struct options *options, const char *option, const char *value)
{
    const char *why = NULL;

    if (strcmp(option, "--sizes") == 0)
        why = bench_parse_sizes(value, &options->sizes);
    else if (strcmp(option, "--seconds") == 0)
        why = bench_parse_seconds(value, &options->seconds);
    else if (strcmp(option, "--peer") == 0)
        options->peer = value;
    else if (strcmp(option, "--mode") != 0)
        why = "there is no such option";
    else if (strcmp(value, "throughput") == 0)
        options->throughput = 1;
    else if (strcmp(value, "latency") != 0)
        why = "it must be latency or throughput";
    return why ? wrong(option, value, why) : -1;
}

static int parse(struct options *options, int argc, char **argv)
{
    int status = -1;
    int i;

    bench_parse_sizes("8,64,512,4K,64K,1M,16M", &options->sizes);
    for (i = 1; i < argc && status < 0; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return help();
        if (strcmp(argv[i], "--json") == 0) {
            options->json = 1;
        } else if (i + 1 == argc) {
            return wrong(argv[i], NULL, "there is no such option, or its value is missing");
        } else {
            status = set(options, argv[i], argv[i + 1]);
            i++;
        }
    }
    if (status < 0 && options->throughput && !baseline.stream)
        return wrong("--mode", "throughput", "not measured here");
    return status;
}

/* ---- measuring ---- */

static int measure(struct bench *bench, struct side *side, const struct options *options)
{
    struct bench_row row = {.name = baseline.name,
                            .path = "raw",
                            .wait = baseline.wait,
                            .size = side->size,
                            .clients = 1};
    double ways = 2;
    int status;

    if (side->number == 1)
        return options->throughput ? baseline.sink(side) : baseline.answer(side);
    if (baseline.alone)
        status = baseline.alone(bench, side, &ways);
    else if (options->throughput)
        status = baseline.stream(bench, side);
    else
        status = baseline.latency(bench, side);
    if (status != 0)
        return status;
    if (options->throughput)
        bench_result_throughput(bench, &row);
    else
        bench_result_latency(bench, ways, &row);
    bench_print(&row, options->json);
    return 0;
}

static void too_large(const struct side *side)
{
    static int said;

    if (side->number == 0 && !said)
        fprintf(stderr, "bench-%s: at most %zu bytes: no larger sizes\n", baseline.name,
                side->size_max);
    said = 1;
}

static int measure_all(struct bench *bench, struct side *side, const struct options *options)
{
    int status = 0;
    unsigned i;

    if (side->number == 0)
        bench_print_heading(options->json, options->throughput);
    for (i = 0; i < options->sizes.count && status == 0; i++) {
        if (options->sizes.list[i] > side->size_max) {
            too_large(side);
            continue;
        }
        side->size = (size_t)options->sizes.list[i];
        status = measure(bench, side, options);
    }
    return status;
}

static int make_buffers(struct side *side)
{
    side->out = malloc(side->size_max);
    side->in = malloc(side->size_max);
    if (!side->out || !side->in)
        return baseline_fail("out of memory", 0);
    memset(side->out, 1, side->size_max);
    memset(side->in, 1, side->size_max);
    return 0;
}

/* The thread that measures; threads of a library that were started before may run anywhere. */
static void pin(const struct side *side)
{
    unsigned cores[2];

    if (bench_os_cores(cores) == 2)
        (void)bench_os_pin(cores[side->number]);
}

static int run_side(struct side *side, const struct options *options)
{
    struct bench bench = {0};
    int status = make_buffers(side);

    if (status == 0 && bench_begin(&bench, options->seconds) != 0)
        status = baseline_fail("out of memory", 0);
    if (status == 0 && baseline.begin)
        status = baseline.begin(side);
    pin(side);
    if (status == 0)
        status = measure_all(&bench, side, options);
    if (status == 0)
        status = pair_join(side);
    if (baseline.end)
        baseline.end(side);
    bench_end(&bench);
    free(side->out);
    free(side->in);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {.seconds = 1};
    struct side side = {0};
    unsigned i;
    int status;

    if (baseline.part && baseline.part(&side, &argc, &argv) != 0)
        return 1;
    status = parse(&options, argc, argv);
    if (status >= 0)
        return status;
    for (i = 0; i < options.sizes.count; i++)
        if (options.sizes.list[i] > side.size_max)
            side.size_max = (size_t)options.sizes.list[i];
    if (!baseline.part && pair_part(&side, options.peer, argc, argv) != 0)
        return 1;
    return run_side(&side, &options) == 0 && fflush(stdout) == 0 ? 0 : 1;
}
