/* bench_compare.c - sill bench --compare: what the policy chooses beside every path there is.
 *
 * A lane for each forced path and one for the policy, all with the same policy otherwise, in turn.
 * Messages above the policy's inline_max take the ring in lanes of their own, with rings that hold
 * them: the policy could have said so. Every message is read whole. Regret is the time of what was
 * chosen divided by that of the best, in the same round; the median of the rounds counts. What was
 * chosen runs twice, by choice and forced: the better of the two counts, or the noise between two
 * runs of the same thing would pass for regret.
 */
#include "bench_rounds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { ROUNDS = 5, LANES = 6, LARGE_LANES = 8 };
/* The policy's own lanes; behind them those with larger rings. */
enum lane { CHOICE, CHANNEL, INLINE, MAPPED, PIECES, LARGE };

struct verdict {
    int chosen, best; /* paths */
    double chosen_ns, best_ns;
    double regret;
};

static int add_lanes(struct bench_rounds *rounds, const struct bench_way *way,
                     const sill_policy *policy)
{
    static const int paths[] = {SILL_PATH_CHANNEL, SILL_PATH_INLINE, SILL_PATH_MAPPED,
                                SILL_PATH_ROUNDS};
    const uint64_t most[] = {UINT64_MAX, policy->inline_max, policy->mapped_max, UINT64_MAX};
    sill_policy forced = *policy;
    uint64_t size = 1;
    int status = bench_rounds_add(rounds, way, policy, policy->path, 0, UINT64_MAX);

    rounds->lanes[CHOICE].path = SILL_PATH_AUTO; /* whatever was taken counts */
    forced.path = SILL_PATH_AUTO;
    for (unsigned i = 0; i < 4 && status < 0; i++)
        status = bench_rounds_add(rounds, way, &forced, paths[i], 0, most[i]);
    while (size <= policy->inline_max)
        size *= 2;
    if (size < BENCH_INLINE_MAX / (1 << (LARGE_LANES - 1)))
        size = BENCH_INLINE_MAX / (1 << (LARGE_LANES - 1));
    for (uint64_t from = policy->inline_max + 1; size <= BENCH_INLINE_MAX && status < 0;
         from = size + 1, size *= 2) {
        sill_policy large = bench_with_ring(policy, size);

        status = bench_rounds_add(rounds, way, &large, SILL_PATH_INLINE, from, size);
    }
    return status;
}

/* One round at one size: the time of what was chosen divided by the best. */
static double one_regret(const struct bench_rounds *rounds, unsigned size, unsigned round,
                         int chosen)
{
    double taken = rounds->ns[CHOICE][size][round], best = taken;
    unsigned i;

    for (i = CHANNEL; i < rounds->lane_count; i++) {
        double ns = rounds->ns[i][size][round];

        if (ns > 0 && rounds->took[i][size] == chosen && i < LARGE && ns < taken)
            taken = ns;
        if (ns > 0 && ns < best)
            best = ns;
    }
    return best > 0 ? taken / best : 1;
}

static struct verdict judge(const struct bench_rounds *rounds, unsigned size)
{
    struct verdict v = {.chosen = rounds->took[CHOICE][size]};
    double regrets[BENCH_ROUNDS_MAX];
    unsigned i;

    v.best = v.chosen;
    v.best_ns = v.chosen_ns = bench_rounds_quantile(rounds, CHOICE, size, 0.5);
    for (i = CHANNEL; i < rounds->lane_count; i++) {
        double ns = bench_rounds_quantile(rounds, i, size, 0.5);

        if (ns > 0 && rounds->took[i][size] == v.chosen && i < LARGE && ns < v.chosen_ns)
            v.chosen_ns = ns;
        if (ns > 0 && ns < v.best_ns) {
            v.best_ns = ns;
            v.best = rounds->took[i][size];
        }
    }
    for (i = 0; i < rounds->done; i++)
        regrets[i] = one_regret(rounds, size, i, v.chosen);
    v.regret = bench_quantile(regrets, rounds->done, 0.5);
    return v;
}

static void print_json(const struct bench_rounds *rounds, unsigned size, const struct verdict *v)
{
    const char *comma = "";
    unsigned i;

    printf("{\"size\":%" PRIu64 ",\"chosen\":\"%s\",\"best\":\"%s\",\"regret\":%.3f,"
           "\"chosen_ns\":%.1f,\"best_ns\":%.1f,\"one_way_ns\":{",
           rounds->sizes[size], sill_path_name(v->chosen), sill_path_name(v->best), v->regret,
           v->chosen_ns, v->best_ns);
    for (i = CHANNEL; i < rounds->lane_count; i++) {
        double ns = bench_rounds_quantile(rounds, i, size, 0.5);

        if (ns > 0) {
            printf("%s\"%s\":%.1f", comma, sill_path_name(rounds->lanes[i].path), ns);
            comma = ",";
        }
    }
    printf("}}\n");
}

static void print_row(const struct bench_rounds *rounds, unsigned size, const struct verdict *v)
{
    char bytes[24], chosen[24], best[24];

    bench_size_text(rounds->sizes[size], bytes);
    bench_time_text(v->chosen_ns, chosen);
    bench_time_text(v->best_ns, best);
    printf("%10s  %-8s %10s  %-8s %10s %8.2f\n", bytes, sill_path_name(v->chosen), chosen,
           sill_path_name(v->best), best, v->regret);
}

static void report(const struct bench_rounds *rounds, int json)
{
    double most = 1;
    char text[24];
    uint64_t at = rounds->sizes[0];
    unsigned i;

    if (!json)
        printf("%10s  %-8s %10s  %-8s %10s %8s\n", "size", "chosen", "one way", "best", "one way",
               "regret");
    for (i = 0; i < rounds->size_count; i++) {
        struct verdict v = judge(rounds, i);

        if (json)
            print_json(rounds, i, &v);
        else
            print_row(rounds, i, &v);
        if (v.regret > most) {
            most = v.regret;
            at = rounds->sizes[i];
        }
    }
    bench_size_text(at, text);
    if (json)
        printf("{\"max_regret\":%.3f}\n", most);
    else
        printf("maximum regret %.2f%s%s\n", most, most > 1 ? ", at " : "", most > 1 ? text : "");
    fflush(stdout);
}

static int run_rounds(struct bench_rounds *rounds)
{
    char text[60];
    int status = -1;
    unsigned i;

    for (i = 0; i < ROUNDS && status < 0; i++) {
        snprintf(text, sizeof text, "comparing, round %u of %d ...", i + 1, ROUNDS);
        bench_progress(text);
        status = bench_rounds_run(rounds);
    }
    bench_progress(NULL);
    return status;
}

/* Growing, each once. */
static unsigned in_order(const struct bench_sizes *sizes, uint64_t list[BENCH_SIZES_MAX])
{
    unsigned count = 0, i, j;

    for (i = 0; i < sizes->count; i++) {
        uint64_t size = sizes->list[i];

        for (j = count; j > 0 && list[j - 1] > size; j--)
            continue;
        if (j > 0 && list[j - 1] == size)
            continue;
        memmove(list + j + 1, list + j, (count - j) * sizeof *list);
        list[j] = size;
        count++;
    }
    return count;
}

int bench_compare(const struct bench_options *options, const struct bench_sizes *sizes,
                  double seconds)
{
    struct bench_way way = options->way;
    sill_policy policy = SILL_POLICY_INIT;
    uint64_t list[BENCH_SIZES_MAX];
    unsigned count = in_order(sizes, list);
    struct bench_rounds *rounds;
    int status = sill_policy_load(&policy, way.policy, NULL, 0);

    if (status != SILL_OK)
        return cli_fail_sill(status);
    if (way.path)
        policy.path = way.path;
    way.read = 1;
    rounds = bench_rounds_new(list, count, seconds / (ROUNDS * LANES));
    if (!rounds)
        return CLI_FAILED;
    bench_pairs_begin();
    status = add_lanes(rounds, &way, &policy);
    if (status < 0)
        status = run_rounds(rounds);
    if (status < 0)
        report(rounds, options->json);
    bench_pairs_end();
    if (bench_rounds_end(rounds) >= 0 && status < 0)
        status = cli_fail("a second process has failed");
    return status < 0 ? CLI_FINE : status;
}
