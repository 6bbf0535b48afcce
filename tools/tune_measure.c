/* tune_measure.c - what `sill tune` measures, in what order, and what becomes of it.
 *
 * One lane (bench_rounds.h) for each thing that is compared, each with a second process of its own.
 * First what a wake-up takes, since two sides that wait for too short a time sleep at each message,
 * and then that is all that can be measured. Then the paths: the channel; the ring, larger ones for
 * the messages that need them; blocks written with plain stores and past the caches; rounds. Then
 * streams through the rings, and segments made anew. Rounds
 * go on until the time for them is spent, so a slow machine gets fewer, never less than MIN_ROUNDS.
 * Where the rounds do not agree about a value they go on for as long again; then the default is
 * kept and the reason told.
 *
 * At last the tuned policy runs beside the default one, each choosing for itself. If it is slower
 * anywhere by more than the default is, the default wins, whatever was measured before: a machine
 * that was busy meanwhile cannot make things worse.
 */
#include "tune.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_os.h"
#include "cli.h"

/* Lanes: receivers that sleep at once and that hardly do; those of enum tune_kind; larger rings;
 * one for segments that are made anew; larger segments; and at last the two policies. */
enum {
    BLOCK,
    LOOKING,
    KINDS,
    RING = KINDS + TUNE_KINDS,
    MAKING = RING + 3,
    SEGMENT,
    TUNED = SEGMENT + 3,
    STANDARD
};

enum {
    RINGS = MAKING - RING, /* larger ones than the default's */
    MIN_ROUNDS = 3,
    CHECK_ROUNDS = 3,
    MAKINGS = 5, /* of each size */
    WAKES = 9,
    MADE = 4,                   /* sizes of segments that are made anew */
    SEGMENTS = TUNED - SEGMENT, /* the default's, of twice and of four times the size */
    STREAM_SIZE = 64
};

#define KIB   UINT64_C(1024)
#define MIB   (KIB * KIB)
#define NEVER (UINT64_C(1) << 40)

struct tuning {
    struct tune_result *result;
    struct bench_rounds *rounds;
    struct tune_curves *curves;
    sill_policy standard;
    sill_policy base; /* the same with the wait that was measured: what all paths run with */
    struct bench_way way;
    uint64_t begin_ns;
    uint64_t largest; /* message */
    int quick;
};

static void progress(const struct tuning *t, const char *what)
{
    char text[60];

    snprintf(text, sizeof text, "%s ... %.0f s", what, (double)(os_now_ns() - t->begin_ns) / 1e9);
    bench_progress(text);
}

static double since(const struct tuning *t)
{
    return (double)(os_now_ns() - t->begin_ns) / 1e9;
}

static void say(struct tuning *t, enum policy_key key, int measured, const char *why, ...)
    CLI_PRINTF(4, 5);

static void say(struct tuning *t, enum policy_key key, int measured, const char *why, ...)
{
    struct tune_value *value = &t->result->values[key];
    va_list arguments;

    value->measured = measured;
    va_start(arguments, why);
    vsnprintf(value->why, sizeof value->why, why, arguments);
    va_end(arguments);
}

/* ---- lanes ---- */

static int add(struct tuning *t, const sill_policy *policy, int path, uint64_t from, uint64_t to)
{
    return bench_rounds_add(t->rounds, &t->way, policy, path, from, to);
}

/* ---- waking ---- */

static void say_spin(struct tuning *t, double low, double high)
{
    struct tune_result *r = t->result;

    if (r->machine.cores < 2) {
        r->values[POLICY_SPIN_NS].value = 0;
        say(t, POLICY_SPIN_NS, 1, "with one processor there is nobody to wait for while looking");
    } else if (low <= 0 || high > 4 * low) {
        say(t, POLICY_SPIN_NS, 0, "noisy: to wake a receiver took %.1f to %.1f us", low / 1000,
            high / 1000);
    } else {
        r->values[POLICY_SPIN_NS].value =
            tune_spin_ns(r->costs.wake_ns, r->machine.cores, t->standard.spin_ns);
        say(t, POLICY_SPIN_NS, 1, "to wake a receiver takes %.1f us more than to find it looking",
            r->costs.wake_ns / 1000);
    }
}

static int find_spin(struct tuning *t)
{
    sill_policy p = t->standard;
    double wakes[WAKES];
    int status;

    p.spin_ns = 0;
    if ((status = add(t, &p, SILL_PATH_INLINE, UINT64_MAX, BENCH_SIZE_MIN)) >= 0)
        return status;
    p.spin_ns = 1000000; /* longer than a wake-up, and soon over when another lane has its turn */
    status = add(t, &p, SILL_PATH_INLINE, UINT64_MAX, BENCH_SIZE_MIN);
    for (unsigned i = 0; i < WAKES && status < 0; i++) {
        double asleep = 0, looking = 0;

        progress(t, "measuring wake-ups");
        status =
            bench_rounds_trip(t->rounds, BLOCK, BENCH_SIZE_MIN, t->quick ? 0.01 : 0.05, &asleep);
        if (status < 0)
            status = bench_rounds_trip(t->rounds, LOOKING, BENCH_SIZE_MIN, 0.005, &looking);
        wakes[i] = asleep - looking;
    }
    if (status >= 0)
        return status;
    t->result->costs.wake_ns = fmax(0, bench_quantile(wakes, WAKES, 0.5));
    say_spin(t, bench_quantile(wakes, WAKES, 0.25), bench_quantile(wakes, WAKES, 0.75));
    t->base = t->standard;
    t->base.spin_ns = t->result->values[POLICY_SPIN_NS].value;
    return -1;
}

/* ---- the paths' lanes ---- */

/* The lanes of the paths, in the order of enum tune_kind. */
static int add_paths(struct tuning *t)
{
    sill_policy p = t->base;
    int status;

    if ((status = add(t, &p, SILL_PATH_CHANNEL, 0, t->largest)) >= 0 ||
        (status = add(t, &p, SILL_PATH_INLINE, 0, p.inline_max)) >= 0)
        return status;
    p.nontemporal_min = NEVER;
    if ((status = add(t, &p, SILL_PATH_MAPPED, 0, t->largest)) >= 0)
        return status;
    p.nontemporal_min = 0;
    if ((status = add(t, &p, SILL_PATH_MAPPED, 1024, t->largest)) >= 0)
        return status;
    return add(t, &t->base, SILL_PATH_ROUNDS, 64 * KIB, t->largest);
}

static int add_others(struct tuning *t)
{
    sill_policy p;
    int status = -1;

    for (int i = 0; i < RINGS && status < 0; i++) {
        uint64_t below = t->base.inline_max << i;

        p = bench_with_ring(&t->base, 2 * below);
        status = add(t, &p, SILL_PATH_INLINE, below + 1, 2 * below);
    }
    if (status >= 0)
        return status;
    p = t->base;
    p.segment_size = 4 * KIB; /* so that each message makes a segment of its own size */
    status = add(t, &p, SILL_PATH_MAPPED, UINT64_MAX, 16 * MIB);
    for (int i = 0; i < SEGMENTS && status < 0; i++) {
        p = t->base;
        p.segment_size <<= i;
        status = add(t, &p, SILL_PATH_MAPPED, UINT64_MAX, 512 * KIB);
    }
    return status;
}

/* ---- the curves ---- */

static int run_rounds(struct tuning *t, double until, unsigned least)
{
    int status = -1;

    while (status < 0 && t->rounds->done < BENCH_ROUNDS_MAX &&
           (t->rounds->done < least || since(t) < until)) {
        progress(t, "measuring the paths");
        t->rounds->skip_from = t->quick ? 256 * KIB : t->rounds->done > 0 ? 4 * MIB : 0;
        status = bench_rounds_run(t->rounds);
    }
    return status;
}

/* The lane that stands for a kind at a size: large messages need a larger ring. */
static unsigned kind_lane(const struct tuning *t, unsigned kind, unsigned size)
{
    uint64_t bytes = t->rounds->sizes[size];

    for (unsigned ring = RING; kind == TUNE_INLINE && ring < RING + RINGS; ring++)
        if (bytes >= t->rounds->lanes[ring].from && bytes <= t->rounds->lanes[ring].to)
            return ring;
    return KINDS + kind;
}

static void take_curves(struct tuning *t)
{
    const struct bench_rounds *r = t->rounds;
    struct tune_curves *c = t->curves;

    c->size_count = r->size_count;
    c->rounds = r->done;
    memcpy(c->sizes, r->sizes, r->size_count * sizeof r->sizes[0]);
    for (unsigned kind = 0; kind < TUNE_KINDS; kind++)
        for (unsigned size = 0; size < r->size_count; size++)
            memcpy(c->ns[kind][size], r->ns[kind_lane(t, kind, size)][size],
                   r->done * sizeof(double));
}

static struct tune_thresholds thresholds_of(const sill_policy *p)
{
    return (struct tune_thresholds){p->inline_max, p->mapped_min, p->nontemporal_min};
}

struct found {
    struct tune_thresholds thresholds;
    enum tune_outcome nontemporal, paths;
};

static struct found derive(struct tuning *t)
{
    struct tune_thresholds standard = thresholds_of(&t->standard);
    struct found f = {.thresholds = standard};

    take_curves(t);
    f.nontemporal = tune_nontemporal(t->curves, &standard, &f.thresholds);
    f.paths = tune_paths(t->curves, &standard, &f.thresholds);
    return f;
}

static void say_outcome(struct tuning *t, enum policy_key key, enum tune_outcome outcome,
                        const char *measure, double before, double after)
{
    if (outcome == TUNE_NOISY)
        say(t, key, 0, "noisy: the rounds do not agree that another value is better");
    else if (outcome == TUNE_BETTER)
        say(t, key, 1, "%s %.2f instead of %.2f with the default", measure, after, before);
    else
        say(t, key, 1, "no other value is better by more than the noise: %s %.2f", measure, before);
}

static int find_thresholds(struct tuning *t, double time)
{
    int status = run_rounds(t, time, MIN_ROUNDS);
    struct tune_thresholds before;
    struct found f;

    if (status >= 0)
        return status;
    f = derive(t);
    if (f.nontemporal == TUNE_NOISY || f.paths == TUNE_NOISY) {
        if ((status = run_rounds(t, t->quick ? time + 2 : time * 1.5, t->rounds->done + 1)) >= 0)
            return status;
        f = derive(t);
    }
    before = thresholds_of(&t->standard);
    before.nontemporal_min = f.thresholds.nontemporal_min;
    t->result->values[POLICY_INLINE_MAX].value = f.thresholds.inline_max;
    t->result->values[POLICY_MAPPED_MIN].value = f.thresholds.mapped_min;
    t->result->values[POLICY_NONTEMPORAL_MIN].value = f.thresholds.nontemporal_min;
    for (int i = 0; i < 2; i++)
        say_outcome(t, i ? POLICY_MAPPED_MIN : POLICY_INLINE_MAX, f.paths, "largest regret",
                    tune_regret(t->curves, &before), tune_regret(t->curves, &f.thresholds));
    if (f.nontemporal == TUNE_NOISY)
        say(t, POLICY_NONTEMPORAL_MIN, 0, "noisy: the rounds do not agree");
    else
        say(t, POLICY_NONTEMPORAL_MIN, 1, "%s",
            f.nontemporal == TUNE_BETTER ? "on average over the sizes a quarter sooner or more"
                                         : "no other value is a quarter better");
    return -1;
}

/* The points of the paths: the mapped one as it is written from nontemporal_min on. */
static void take_points(struct tuning *t)
{
    static const int paths[] = {SILL_PATH_CHANNEL, SILL_PATH_INLINE, SILL_PATH_MAPPED,
                                SILL_PATH_ROUNDS};
    static const unsigned kinds[] = {TUNE_CHANNEL, TUNE_INLINE, TUNE_MAPPED, TUNE_ROUNDS};
    struct tune_result *r = t->result;

    for (unsigned i = 0; i < sizeof paths / sizeof paths[0]; i++)
        for (unsigned size = 0; size < t->rounds->size_count; size++) {
            uint64_t bytes = t->rounds->sizes[size];
            int past = kinds[i] == TUNE_MAPPED && bytes >= r->values[POLICY_NONTEMPORAL_MIN].value;
            unsigned lane = kind_lane(t, past ? (unsigned)TUNE_NONTEMPORAL : kinds[i], size);
            struct tune_point point = {paths[i], bytes,
                                       bench_rounds_quantile(t->rounds, lane, size, 0.5),
                                       bench_rounds_quantile(t->rounds, lane, size, 0.25),
                                       bench_rounds_quantile(t->rounds, lane, size, 0.75)};

            if (point.ns > 0)
                r->points[r->point_count++] = point;
        }
    r->piece_count = tune_fit(r->points, r->point_count, r->pieces);
}

/* ---- rings ---- */

static int find_ring(struct tuning *t)
{
    double rates[RINGS + 1][MAKINGS], best[RINGS + 1];
    double slot = t->quick ? 0.02 : 0.1;
    uint64_t least = t->result->values[POLICY_INLINE_MAX].value * 4, size;
    int status = -1;

    for (unsigned i = 0; i < MAKINGS && status < 0; i++)
        for (unsigned ring = 0; ring <= RINGS && status < 0; ring++) {
            progress(t, "measuring rings");
            status = bench_rounds_rate(t->rounds, ring == 0 ? KINDS + TUNE_INLINE : RING + ring - 1,
                                       STREAM_SIZE, slot, &rates[ring][i]);
        }
    if (status >= 0)
        return status;
    for (unsigned ring = 0; ring <= RINGS; ring++)
        best[ring] = bench_quantile(rates[ring], MAKINGS, 0.5);
    size = tune_larger(t->standard.ring_size, best, RINGS + 1);
    t->result->values[POLICY_RING_SIZE].value = size < least ? least : size;
    if (size < least)
        say(t, POLICY_RING_SIZE, 1, "four times inline_max");
    else
        say(t, POLICY_RING_SIZE, 1,
            "rings of 1, 2, 4, 8 times the default pass %.1f, %.1f, %.1f, %.1f million messages of "
            "%d bytes a second",
            best[0] / 1e6, best[1] / 1e6, best[2] / 1e6, best[3] / 1e6, STREAM_SIZE);
    return -1;
}

/* ---- segments ---- */

/* One echo by a port of its own, in ns one way; a port that Ctrl-C does not know. */
static int echo_once(struct bench_pair *pair, double *ns)
{
    uint64_t begin = bench_ticks();
    int status = bench_pair_send(pair);

    if (status == SILL_OK)
        status = bench_pair_receive(pair);
    *ns = (double)(bench_ticks() - begin) * bench_tick_ns / 2;
    return status == SILL_OK ? -1 : bench_fail(status);
}

/* What the first message of a size takes more than the second: a segment made and mapped. */
static int make_once(const struct tuning *t, uint64_t size, double *ns)
{
    struct bench_pair pair = t->rounds->lanes[MAKING].pair;
    double first = 0, second = 0;
    int status;

    pair.port = NULL;
    pair.message = (sill_message)SILL_MESSAGE_INIT;
    pair.size = (size_t)size;
    if ((status = bench_pair_open(&pair, &pair.port)) >= 0)
        return status;
    if ((status = echo_once(&pair, &first)) < 0)
        status = echo_once(&pair, &second);
    sill_release(&pair.message);
    sill_port_close(pair.port);
    *ns = first - second;
    return status;
}

static int find_map_costs(struct tuning *t)
{
    double made[MADE][MAKINGS], pages[MADE], best[MADE];
    struct tune_result *r = t->result;
    int status = -1;
    int fine = 1;

    for (unsigned i = 0; i < MAKINGS && status < 0; i++)
        for (unsigned k = 0; k < MADE && status < 0; k++) {
            progress(t, "measuring segments");
            status = make_once(t, (256 * KIB) << (2 * k), &made[k][i]);
        }
    if (status >= 0)
        return status;
    for (unsigned k = 0; k < MADE; k++) {
        pages[k] = (double)((256 * KIB) << (2 * k)) / (double)r->machine.page_size;
        best[k] = bench_quantile(made[k], MAKINGS, 0.5);
        fine = fine && best[k] > 0;
    }
    if (fine) /* or making could not be told from using it */
        tune_line(pages, best, MADE, &r->costs.map_ns, &r->costs.map_page_ns);
    return -1;
}

/* How long the sizes take that go round in a segment, on the (geometric) mean. */
static int go_round(struct tuning *t, unsigned lane, double *ns)
{
    double sum = 0, slot = t->quick ? 0.005 : 0.02;
    unsigned count = 0;
    int status = -1;

    for (uint64_t size = 32 * KIB; size <= 512 * KIB && status < 0; size *= 2, count++) {
        double one = 0;

        progress(t, "measuring segments");
        status = bench_rounds_trip(t->rounds, lane, size, slot, &one);
        sum += log(one);
    }
    *ns = exp(sum / count);
    return status;
}

static int find_segment(struct tuning *t)
{
    double rates[SEGMENTS][MAKINGS], best[SEGMENTS];
    uint64_t size, least = 4 * t->result->values[POLICY_MAPPED_MIN].value;
    int status = -1;

    for (unsigned i = 0; i < MAKINGS && status < 0; i++)
        for (unsigned k = 0; k < SEGMENTS && status < 0; k++) {
            double ns = 1;

            status = go_round(t, SEGMENT + k, &ns);
            rates[k][i] = 1e9 / ns;
        }
    if (status >= 0)
        return status;
    for (unsigned k = 0; k < SEGMENTS; k++)
        best[k] = bench_quantile(rates[k], MAKINGS, 0.5);
    size = tune_larger(t->standard.segment_size, best, SEGMENTS);
    while (size < least && size < 4 * MIB)
        size *= 2;
    t->result->values[POLICY_SEGMENT_SIZE].value = size;
    say(t, POLICY_SEGMENT_SIZE, 1,
        "with segments of 1, 2, 4 times the default a block of 32 to 512 KiB takes %.1f, %.1f, "
        "%.1f us",
        1e6 / best[0], 1e6 / best[1], 1e6 / best[2]);
    return -1;
}

/* ---- the whole ---- */

/* Per KiB, between two sizes of the mapped path. */
static double slope(const struct tune_result *r, uint64_t from, uint64_t to)
{
    double low = 0, high = 0;

    for (unsigned i = 0; i < r->point_count; i++) {
        if (r->points[i].path == SILL_PATH_MAPPED && r->points[i].size == from)
            low = r->points[i].ns;
        if (r->points[i].path == SILL_PATH_MAPPED && r->points[i].size == to)
            high = r->points[i].ns;
    }
    return low > 0 && high > low ? (high - low) / ((double)(to - from) / 1024) : 0;
}

static void find_costs(struct tune_result *r, uint64_t largest)
{
    r->costs.mapped_again_ns =
        fmax(0, tune_predict(r->pieces, r->piece_count, SILL_PATH_MAPPED, 0));
    r->costs.cache_ns_per_kib = slope(r, 16 * KIB, 256 * KIB);
    r->costs.memory_ns_per_kib = slope(r, largest / 4, largest);
}

static void to_policy(const struct tune_result *r, sill_policy *policy)
{
    for (int key = 0; key < POLICY_KEYS; key++)
        policy_key_set(policy, (enum policy_key)key, r->values[key].value);
}

static void to_default(struct tuning *t, const char *why)
{
    for (int key = 0; key < POLICY_KEYS; key++) {
        t->result->values[key].value = policy_key_get(&t->standard, (enum policy_key)key);
        say(t, (enum policy_key)key, 0, "%s", why);
    }
}

/* The default after all; what was measured is told. */
static void give_up(struct tuning *t)
{
    for (int key = 0; key < POLICY_KEYS; key++) {
        struct tune_value *value = &t->result->values[key];
        uint64_t standard = policy_key_get(&t->standard, (enum policy_key)key);

        if (value->value != standard)
            say(t, (enum policy_key)key, 0,
                "%" PRIu64 " was measured, but the check found the tuned policy slower",
                value->value);
        value->measured = 0;
        value->value = standard;
    }
}

/* Both policies at every size: the largest ratio of each to the better of the two. */
static void judge(struct tuning *t)
{
    const struct bench_rounds *r = t->rounds;

    t->result->check_tuned = t->result->check_default = 1;
    for (unsigned size = 0; size < r->size_count; size++) {
        double ratios[BENCH_ROUNDS_MAX], ratio;

        for (unsigned i = 0; i < r->done; i++)
            ratios[i] = r->ns[TUNED][size][i] / r->ns[STANDARD][size][i];
        ratio = bench_quantile(ratios, r->done, 0.5);
        t->result->check_tuned = fmax(t->result->check_tuned, ratio);
        t->result->check_default = fmax(t->result->check_default, 1 / ratio);
    }
}

static int check(struct tuning *t, sill_policy *policy)
{
    struct bench_rounds *r = t->rounds;
    int status;

    for (unsigned i = 0; i < r->lane_count; i++)
        r->lanes[i].from = UINT64_MAX;
    if ((status = add(t, policy, SILL_PATH_AUTO, 0, t->largest)) >= 0 ||
        (status = add(t, &t->standard, SILL_PATH_AUTO, 0, t->largest)) >= 0)
        return status;
    r->done = 0;
    r->skip_from = 0;
    for (unsigned i = 0; i < 2 * CHECK_ROUNDS && status < 0; i++) {
        progress(t, "checking against the default");
        status = bench_rounds_run(r);
        judge(t);
        if (i + 1 >= CHECK_ROUNDS && tune_wins(t->result->check_tuned, t->result->check_default))
            break;
    }
    if (status >= 0)
        return status;
    t->result->tuned_won = tune_wins(t->result->check_tuned, t->result->check_default);
    if (!t->result->tuned_won) {
        give_up(t);
        to_policy(t->result, policy);
    }
    return -1;
}

static int run(struct tuning *t, sill_policy *policy)
{
    int status;

    if ((status = find_spin(t)) >= 0 || (status = add_paths(t)) >= 0 ||
        (status = add_others(t)) >= 0 || (status = find_thresholds(t, t->quick ? 5 : 30)) >= 0)
        return status;
    take_points(t);
    find_costs(t->result, t->largest);
    if ((status = find_ring(t)) >= 0 || (status = find_map_costs(t)) >= 0 ||
        (status = find_segment(t)) >= 0)
        return status;
    to_policy(t->result, policy);
    if (sill_policy_validate(policy) != SILL_OK) { /* defaults and measured ones do not fit */
        to_default(t, "the measured values contradict each other");
        to_policy(t->result, policy);
    }
    return check(t, policy);
}

static void begin_result(struct tuning *t)
{
    struct tune_result *r = t->result;
    time_t now = time(NULL);
    struct tm *utc = gmtime(&now);

    *r = (struct tune_result){.quick = t->quick};
    snprintf(r->version, sizeof r->version, "%s", sill_version());
    if (!utc || strftime(r->date, sizeof r->date, "%Y-%m-%dT%H:%M:%SZ", utc) == 0)
        r->date[0] = 0;
    machine_read(&r->machine);
    to_default(t, "a limit on memory, which is not measured");
}

int tune_measure(struct tune_result *result, sill_policy *policy, const char *directory, int quick)
{
    struct tuning t = {.result = result, .begin_ns = os_now_ns(), .quick = quick};
    uint64_t sizes[BENCH_SIZES_MAX];
    unsigned count;
    int status;

    t.largest = tune_largest(bench_os_free_memory());
    count = bench_powers(t.largest, sizes);
    if (t.largest < TUNE_LARGEST)
        cli_note("memory is short: messages are measured up to %" PRIu64 " MiB", t.largest / MIB);
    t.standard = (sill_policy)SILL_POLICY_INIT;
    sill_policy_defaults(&t.standard);
    *policy = t.standard;
    t.way = (struct bench_way){.wait = "policy", .read = 1, .directory = directory};
    begin_result(&t);
    t.curves = calloc(1, sizeof *t.curves);
    t.rounds = t.curves ? bench_rounds_new(sizes, count, quick ? 0.003 : 0.008) : NULL;
    if (!t.rounds) {
        free(t.curves);
        return t.curves ? CLI_FAILED : cli_fail("out of memory");
    }
    bench_pairs_begin();
    status = run(&t, policy);
    bench_progress(NULL);
    bench_pairs_end();
    if (bench_rounds_end(t.rounds) >= 0 && status < 0)
        status = cli_fail("a second process has failed");
    free(t.curves);
    return status;
}
