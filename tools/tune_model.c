/* tune_model.c - the cost model and what follows from it. See tune_model.h.
 *
 * Everything is pure arithmetic. Regret of a choice at a size in a round: its time divided by that
 * of the best there. Over the rounds the geometric mean counts, over the sizes the largest.
 */
#include "tune_model.h"

#include <math.h>
#include <string.h>

enum {
    FEW = 3,    /* points of a line, at least */
    NEEDED = 40 /* what all lanes need, in messages of the largest size: 2.1 GiB for 64 MiB */
};
static const double SAME = 1.03;   /* a smaller gain is none */
static const double WORTH = 1.25;  /* what leaving the default nontemporal_min must bring */
static const double SAFELY = 1.25; /* longer than a wake-up to wait */
static const double AGREE = 0.75;  /* of the rounds */
static const double PIECE = 0.02;  /* what another line must take off the error */

/* ---- the cost model ---- */

void tune_line(const double *x, const double *y, unsigned count, double *fixed, double *slope)
{
    double sw = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, below;

    for (unsigned i = 0; i < count; i++) {
        double w = 1 / (y[i] * y[i]); /* relative errors count, small times as much as large ones */

        sw += w;
        sx += w * x[i];
        sy += w * y[i];
        sxx += w * x[i] * x[i];
        sxy += w * x[i] * y[i];
    }
    below = sw * sxx - sx * sx;
    *slope = below > 0 ? (sw * sxy - sx * sy) / below : 0;
    if (*slope < 0)
        *slope = 0;
    *fixed = sw > 0 ? (sy - *slope * sx) / sw : 0;
    if (*fixed < 0) {
        *fixed = 0;
        *slope = sxx > 0 ? sxy / sxx : 0;
    }
}

/* The line through points[0..count) and the sum of its squared relative errors. */
static double fit_line(const struct tune_point *points, unsigned count, struct tune_piece *piece)
{
    double x[TUNE_SIZES_MAX] = {0}, y[TUNE_SIZES_MAX] = {0}, error = 0;

    for (unsigned i = 0; i < count; i++) {
        x[i] = (double)points[i].size / 1024;
        y[i] = points[i].ns;
    }
    piece->path = points[0].path;
    piece->from = points[0].size;
    piece->to = points[count - 1].size;
    tune_line(x, y, count, &piece->fixed_ns, &piece->ns_per_kib);
    for (unsigned i = 0; i < count; i++) {
        double off = (piece->fixed_ns + piece->ns_per_kib * x[i]) / y[i] - 1;

        error += off * off;
    }
    return error;
}

/* One path: the least error with 1, 2, ... lines over the first points, by dynamic programming. */
static unsigned fit_path(const struct tune_point *points, unsigned count, struct tune_piece *pieces)
{
    double error[TUNE_PIECES + 1][TUNE_SIZES_MAX + 1] = {{0}};
    unsigned begin[TUNE_PIECES + 1][TUNE_SIZES_MAX + 1] = {{0}};
    unsigned best = 1;

    for (unsigned k = 1; k <= TUNE_PIECES; k++)
        for (unsigned end = 1; end <= count; end++) {
            error[k][end] = INFINITY;
            for (unsigned at = 0; at < end; at++) {
                struct tune_piece line;
                double before = k == 1 ? (at == 0 ? 0 : INFINITY) : error[k - 1][at];

                if ((k > 1 && at == 0) || (end - at < FEW && count >= FEW) ||
                    before == (double)INFINITY)
                    continue;
                before += fit_line(points + at, end - at, &line);
                if (before < error[k][end]) {
                    error[k][end] = before;
                    begin[k][end] = at;
                }
            }
        }
    for (unsigned k = 2; k <= TUNE_PIECES; k++)
        if (error[k][count] + PIECE < error[best][count])
            best = k;
    for (unsigned k = best, end = count; k > 0; end = begin[k][end], k--)
        fit_line(points + begin[k][end], end - begin[k][end], &pieces[k - 1]);
    return best;
}

unsigned tune_fit(const struct tune_point *points, unsigned count,
                  struct tune_piece pieces[TUNE_PIECES_MAX])
{
    unsigned fitted = 0;

    for (unsigned i = 0; i < count;) {
        unsigned same = 1;

        while (i + same < count && points[i + same].path == points[i].path)
            same++;
        fitted += fit_path(points + i, same, pieces + fitted);
        i += same;
    }
    return fitted;
}

double tune_predict(const struct tune_piece *pieces, unsigned count, int path, uint64_t size)
{
    const struct tune_piece *of = NULL;

    for (unsigned i = 0; i < count; i++)
        if (pieces[i].path == path && (!of || pieces[i].from <= size))
            of = &pieces[i];
    return of ? of->fixed_ns + of->ns_per_kib * (double)size / 1024 : -1;
}

uint64_t tune_payoff(double map_ns, double mapped_ns, double copied_ns)
{
    double saved = copied_ns - mapped_ns;

    return saved > 0 ? (uint64_t)ceil(map_ns / saved) + (map_ns <= 0) : 0;
}

/* ---- thresholds ---- */

static enum tune_kind kind_of(const struct tune_thresholds *t, uint64_t size)
{
    if (size <= t->inline_max)
        return TUNE_INLINE;
    if (size < t->mapped_min)
        return TUNE_CHANNEL;
    return size < t->nontemporal_min ? TUNE_MAPPED : TUNE_NONTEMPORAL;
}

/* The best of a round among the kinds that a policy with this nontemporal_min can choose. */
static double best_of(const struct tune_curves *c, const struct tune_thresholds *t, unsigned size,
                      unsigned round)
{
    const enum tune_kind kinds[] = {TUNE_CHANNEL, TUNE_INLINE,
                                    c->sizes[size] < t->nontemporal_min ? TUNE_MAPPED
                                                                        : TUNE_NONTEMPORAL};
    double best = INFINITY;

    for (unsigned i = 0; i < 3; i++)
        if (c->ns[kinds[i]][size][round] > 0)
            best = fmin(best, c->ns[kinds[i]][size][round]);
    return best;
}

/* 0 where the choice was not measured. */
static double regret_at(const struct tune_curves *c, const struct tune_thresholds *t, unsigned size,
                        unsigned round)
{
    double ns = c->ns[kind_of(t, c->sizes[size])][size][round];

    return ns > 0 ? ns / best_of(c, t, size, round) : 0;
}

double tune_regret(const struct tune_curves *c, const struct tune_thresholds *t)
{
    double most = 1;

    for (unsigned size = 0; size < c->size_count; size++) {
        unsigned count = 0;
        double sum = 0;

        for (unsigned round = 0; round < c->rounds; round++) {
            double regret = regret_at(c, t, size, round);

            sum += regret > 0 ? log(regret) : 0;
            count += regret > 0;
        }
        most = fmax(most, count ? exp(sum / count) : INFINITY); /* not known: not to be chosen */
    }
    return c->rounds ? most : 1;
}

/* The largest regret of one round. */
static double round_regret(const struct tune_curves *c, const struct tune_thresholds *t,
                           unsigned round)
{
    double most = 1;

    for (unsigned size = 0; size < c->size_count; size++)
        most = fmax(most, regret_at(c, t, size, round));
    return most;
}

/* How far apart two thresholds are, in doublings. */
static double distance(uint64_t a, uint64_t b)
{
    return fabs(log2((double)a + 1) - log2((double)b + 1));
}

static int agrees(unsigned better, unsigned rounds)
{
    return (double)better >= AGREE * rounds;
}

enum tune_outcome tune_paths(const struct tune_curves *c, const struct tune_thresholds *standard,
                             struct tune_thresholds *out)
{
    struct tune_thresholds best = *out;
    double usual, least;
    unsigned better = 0;

    best.inline_max = standard->inline_max;
    best.mapped_min = standard->mapped_min;
    *out = best;
    usual = least = tune_regret(c, &best);
    for (unsigned i = 0; i < c->size_count; i++)
        for (unsigned j = i; j <= c->size_count; j++) {
            struct tune_thresholds t = *out;
            double regret;

            t.inline_max = c->sizes[i];
            t.mapped_min = j == i              ? c->sizes[i] + 1
                           : j < c->size_count ? c->sizes[j]
                                               : 2 * c->sizes[j - 1]; /* none of them is mapped */
            if (j == i + 1)
                continue; /* the same for the sizes that were measured */
            regret = tune_regret(c, &t);
            if (regret * SAME < least ||
                (regret < least * SAME && least < usual &&
                 distance(t.inline_max, standard->inline_max) +
                         distance(t.mapped_min, standard->mapped_min) <
                     distance(best.inline_max, standard->inline_max) +
                         distance(best.mapped_min, standard->mapped_min))) {
                best = t;
                least = fmin(least, regret);
            }
        }
    if (least * SAME >= usual)
        return TUNE_SAME;
    for (unsigned round = 0; round < c->rounds; round++)
        better += round_regret(c, &best, round) < round_regret(c, out, round);
    if (!agrees(better, c->rounds))
        return TUNE_NOISY;
    *out = best;
    return TUNE_BETTER;
}

/* The mean over sizes of log time with this nontemporal_min, in one round. */
static double mapped_cost(const struct tune_curves *c, uint64_t from, unsigned round)
{
    double sum = 0;
    unsigned count = 0;

    for (unsigned size = 0; size < c->size_count; size++) {
        enum tune_kind kind = c->sizes[size] < from ? TUNE_MAPPED : TUNE_NONTEMPORAL;

        if (c->ns[TUNE_MAPPED][size][round] <= 0 || c->ns[TUNE_NONTEMPORAL][size][round] <= 0 ||
            c->sizes[size] < 4096)
            continue; /* small ones are never mapped */
        sum += log(c->ns[kind][size][round]);
        count++;
    }
    return count ? sum / count : 0;
}

static double mean_mapped_cost(const struct tune_curves *c, uint64_t from)
{
    double sum = 0;

    for (unsigned round = 0; round < c->rounds; round++)
        sum += mapped_cost(c, from, round);
    return c->rounds ? sum / c->rounds : 0;
}

enum tune_outcome tune_nontemporal(const struct tune_curves *c,
                                   const struct tune_thresholds *standard,
                                   struct tune_thresholds *out)
{
    uint64_t best = standard->nontemporal_min;
    double usual = mean_mapped_cost(c, best), least = usual;
    unsigned better = 0;

    out->nontemporal_min = best;
    for (unsigned size = 0; size <= c->size_count; size++) {
        uint64_t from = size < c->size_count ? c->sizes[size] : UINT64_C(1) << 40;
        double cost = mean_mapped_cost(c, from);

        if (from >= 4096 && cost < least) {
            least = cost;
            best = from;
        }
    }
    if (usual - least < log(WORTH))
        return TUNE_SAME;
    for (unsigned round = 0; round < c->rounds; round++)
        better += mapped_cost(c, best, round) < mapped_cost(c, out->nontemporal_min, round);
    if (!agrees(better, c->rounds))
        return TUNE_NOISY;
    out->nontemporal_min = best;
    return TUNE_BETTER;
}

/* ---- the rest ---- */

uint64_t tune_spin_ns(double wake_ns, unsigned cores, uint64_t standard)
{
    double wanted = SAFELY * wake_ns;
    uint64_t us = 1;

    if (cores < 2 || wake_ns <= 0)
        return 0;
    if ((double)standard >= wanted / 1.1 && (double)standard <= 3 * wanted)
        return standard;
    while (us < 1000 && wanted / 1000 > (double)us)
        us *= 2;
    return us * 1000;
}

uint64_t tune_larger(uint64_t size, const double *rates, unsigned count)
{
    unsigned i = 0;

    while (i + 1 < count && rates[i + 1] > rates[i] * 1.15)
        i++;
    return size << i;
}

uint64_t tune_largest(uint64_t free_memory)
{
    uint64_t size = TUNE_LARGEST;

    while (free_memory > 0 && size > UINT64_C(1) << 20 && free_memory / NEEDED < size)
        size /= 2;
    return size;
}

int tune_wins(double tuned, double standard)
{
    return tuned <= 1.05 || (tuned <= standard && tuned <= 1.25);
}
