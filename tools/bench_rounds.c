/* bench_rounds.c - pairs in turn. See bench_rounds.h. */
#include "bench_rounds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct bench_rounds *bench_rounds_new(const uint64_t *sizes, unsigned count, double slot)
{
    struct bench_rounds *rounds = calloc(1, sizeof *rounds);
    size_t most = (size_t)sizes[count - 1];

    if (!rounds)
        goto fail;
    rounds->data = malloc(most);
    if (!rounds->data || bench_begin(&rounds->bench, slot) != 0)
        goto fail;
    memset(rounds->data, 1, most);
    memcpy(rounds->sizes, sizes, count * sizeof *sizes);
    rounds->size_count = count;
    rounds->slot = slot;
    return rounds;
fail:
    if (rounds)
        free(rounds->data);
    free(rounds);
    cli_fail("out of memory");
    return NULL;
}

int bench_rounds_add(struct bench_rounds *rounds, const struct bench_way *way,
                     const sill_policy *policy, int path, uint64_t from, uint64_t to)
{
    struct bench_lane *lane = &rounds->lanes[rounds->lane_count];
    uint64_t most = rounds->sizes[rounds->size_count - 1];
    char *c;
    int status = sill_policy_format(policy, &lane->text);

    if (status != SILL_OK)
        return cli_fail_sill(status);
    for (c = lane->text; *c; c++)
        if (*c == '\n')
            *c = ' '; /* an argument of one line */
    lane->policy = *policy;
    lane->from = from;
    lane->to = to;
    lane->path = path;
    lane->pair = (struct bench_pair){.way = *way, .message = SILL_MESSAGE_INIT};
    lane->pair.way.policy_text = lane->text;
    lane->pair.way.policy = NULL;
    lane->pair.way.path = path;
    lane->pair.data = rounds->data;
    status = bench_pair_start(&lane->pair, most < to ? most : to);
    rounds->lane_count++;
    return status < 0 ? bench_pair_connect(&lane->pair) : status;
}

sill_policy bench_with_ring(const sill_policy *policy, uint64_t inline_max)
{
    sill_policy p = *policy;

    p.inline_max = inline_max;
    p.path = SILL_PATH_AUTO;
    while (p.ring_size < 4 * inline_max)
        p.ring_size *= 2;
    if (p.mapped_min <= inline_max)
        p.mapped_min = inline_max + 1;
    if (p.mapped_max < p.mapped_min)
        p.mapped_max = 2 * inline_max;
    return p;
}

int bench_rounds_trip(struct bench_rounds *rounds, unsigned index, uint64_t size, double seconds,
                      double *ns)
{
    struct bench_pair *pair = &rounds->lanes[index].pair;
    struct bench *bench = &rounds->bench;
    size_t count = 0;
    int status;

    bench->count = 0;
    bench->done = 0;
    pair->size = (size_t)size;
    status = bench_trips(bench, seconds, 1, &count, bench_pair_send, bench_pair_receive, pair);
    if (status != SILL_OK)
        return bench_fail(status);
    bench_note_trips(bench, count);
    *ns = bench->each[0] / 2;
    return -1;
}

int bench_rounds_rate(struct bench_rounds *rounds, unsigned index, uint64_t size, double seconds,
                      double *per_second)
{
    struct bench_pair *pair = &rounds->lanes[index].pair;
    uint64_t count;
    int status;

    pair->size = (size_t)size;
    status = bench_send_many(seconds, size, &count, bench_pair_stream, pair);
    if (status == SILL_OK)
        status = bench_pair_finish(pair);
    if (status != SILL_OK)
        return bench_fail(status);
    *per_second = (double)count * 1e9 / (double)(pair->told.ns ? pair->told.ns : 1);
    return -1;
}

/* The lanes at one size. `lost` counts for each lane the sizes in a row at which it was slow. */
static int run_size(struct bench_rounds *rounds, unsigned size, unsigned lost[BENCH_PAIRS_MAX])
{
    uint64_t bytes = rounds->sizes[size];
    int skips = rounds->skip_from && bytes >= rounds->skip_from;
    double best = 0;
    int best_path = SILL_PATH_AUTO;
    unsigned i;

    for (i = 0; i < rounds->lane_count; i++) {
        struct bench_lane *lane = &rounds->lanes[i];
        double *ns = &rounds->ns[i][size][rounds->done];
        int status;

        if (bytes < lane->from || bytes > lane->to || (skips && lost[i] >= 2))
            continue;
        status = bench_rounds_trip(rounds, i, bytes, rounds->slot, ns);
        if (status >= 0)
            return status;
        rounds->took[i][size] = (int)lane->pair.told.path;
        if (lane->path && lane->path != rounds->took[i][size])
            *ns = 0;
        else if (best <= 0 || *ns < best) {
            best = *ns;
            best_path = lane->path;
        }
    }
    for (i = 0; i < rounds->lane_count; i++)
        if (!skips || lost[i] < 2)
            lost[i] =
                rounds->ns[i][size][rounds->done] > 2 * best && rounds->lanes[i].path != best_path
                    ? lost[i] + 1
                    : 0;
    return -1;
}

int bench_rounds_run(struct bench_rounds *rounds)
{
    unsigned lost[BENCH_PAIRS_MAX] = {0};
    int status = -1;
    unsigned size;

    for (size = 0; size < rounds->size_count && status < 0; size++)
        status = run_size(rounds, size, lost);
    if (status < 0)
        rounds->done++;
    return status;
}

int bench_rounds_end(struct bench_rounds *rounds)
{
    int status = -1;
    unsigned i;

    for (i = 0; i < rounds->lane_count; i++) {
        if (bench_pair_stop(&rounds->lanes[i].pair) >= 0)
            status = CLI_FAILED;
        sill_policy_free_text(rounds->lanes[i].text);
    }
    bench_end(&rounds->bench);
    free(rounds->data);
    free(rounds);
    return status;
}

/* ---- numbers ---- */

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return a < b ? -1 : a > b;
}

double bench_quantile(double *values, unsigned count, double part)
{
    double place = part * (double)(count - 1);
    unsigned below = (unsigned)place;

    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare);
    if (below + 1 >= count)
        return values[count - 1];
    return values[below] + (values[below + 1] - values[below]) * (place - below);
}

double bench_rounds_quantile(const struct bench_rounds *rounds, unsigned lane, unsigned size,
                             double part)
{
    double values[BENCH_ROUNDS_MAX];
    unsigned count = 0, i;

    for (i = 0; i < rounds->done; i++)
        if (rounds->ns[lane][size][i] > 0)
            values[count++] = rounds->ns[lane][size][i];
    return bench_quantile(values, count, part);
}

unsigned bench_powers(uint64_t most, uint64_t sizes[BENCH_SIZES_MAX])
{
    unsigned count = 0;
    uint64_t size;

    for (size = BENCH_SIZE_MIN; size <= most; size *= 2)
        sizes[count++] = size;
    return count;
}
