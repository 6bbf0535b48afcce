/* bench_frame.c - the parts of a measurement that are not in its loop: the clock, percentiles,
 * tables and JSON.
 *
 * Percentiles are those of all samples of all repetitions together; what differs between the
 * repetitions shows in `low` and `high`.
 */
#include "bench_frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

enum { SAMPLES = 1 << 19 }; /* of one repetition */

int bench_counter;
double bench_tick_ns = 1;

/* ---- the clock ---- */

/* Does the processor have a counter that runs evenly, whatever else it does? */
static int has_counter(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    unsigned a, b, c, d;

    if (!__get_cpuid(0x80000001u, &a, &b, &c, &d) || !(d >> 27 & 1))
        return 0;
    return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d >> 8 & 1);
#else
    return 0;
#endif
}

static void measure_clock(void)
{
    const uint64_t duration = 50000000;
    uint64_t begin_ns, begin, now_ns;

    if (!has_counter())
        return;
    bench_counter = 1;
    begin_ns = os_now_ns();
    begin = bench_ticks();
    do
        now_ns = os_now_ns();
    while (now_ns - begin_ns < duration);
    bench_tick_ns = (double)(now_ns - begin_ns) / (double)(bench_ticks() - begin);
}

int bench_begin(struct bench *bench, double seconds)
{
    size_t size = (size_t)SAMPLES * BENCH_REPETITIONS * sizeof *bench->ticks;

    *bench = (struct bench){.seconds = seconds, .capacity = SAMPLES};
    bench->ticks = malloc(size);
    if (!bench->ticks)
        return -1;
    memset(bench->ticks, 1, size); /* so that no page is new while the time runs */
    measure_clock();
    return 0;
}

void bench_end(struct bench *bench)
{
    free(bench->ticks);
    bench->ticks = NULL;
}

/* ---- options ---- */

const char *bench_parse_seconds(const char *text, double *seconds)
{
    static const char why[] = "it must be a number of seconds, from 0.001 to 3600";
    char *end;

    if (*text < '0' || *text > '9' || strspn(text, "0123456789.") != strlen(text))
        return why;
    *seconds = strtod(text, &end);
    return *end || *seconds < 0.001 || *seconds > 3600 ? why : NULL;
}

const char *bench_parse_sizes(const char *text, struct bench_sizes *sizes)
{
    const char *why;
    uint64_t size;

    sizes->count = 0;
    for (;;) {
        if (numbers_size(&text, &size, &why) != 0)
            return why;
        if (size < BENCH_SIZE_MIN || size > SIZE_MAX / 4)
            return "a size must be at least 8 bytes, and a message must fit into memory";
        if (sizes->count == BENCH_SIZES_MAX)
            return "there are more than 64 sizes";
        sizes->list[sizes->count++] = size;
        if (!*text)
            return NULL;
        if (*text++ != ',')
            return "between two sizes there must be a comma";
    }
}

/* ---- percentiles ---- */

/* Moves the smallest `k` of the list to its front, and the next to list[k], which is given. */
static uint64_t select_tick(uint64_t *list, size_t count, size_t k)
{
    size_t low = 0, high = count - 1;

    while (low < high) {
        uint64_t pivot = list[low + (high - low) / 2];
        size_t i = low, j = high;

        for (;;) {
            while (list[i] < pivot)
                i++;
            while (list[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint64_t swapped = list[i];
            list[i++] = list[j];
            list[j--] = swapped;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return list[k];
}

/* The counter of some processors goes in steps of 10 ns, so that many samples are equal. Those are
 * taken as spread evenly over the step that they stand for: from half way to the next smaller value
 * to half way to the next larger one. */
static double percentile(uint64_t *list, size_t count, double part)
{
    double target = part * (double)count;
    size_t k = (size_t)target;
    uint64_t value = select_tick(list, count, k < count ? k : count - 1);
    uint64_t below = 0, above = UINT64_MAX;
    size_t less = 0, equal = 0, i;
    double low, high;

    for (i = 0; i < count; i++) {
        if (list[i] < value) {
            less++;
            below = list[i] > below ? list[i] : below;
        } else if (list[i] > value) {
            above = list[i] < above ? list[i] : above;
        } else {
            equal++;
        }
    }
    low = less > 0 ? (double)(value + below) / 2 : (double)value;
    high = above < UINT64_MAX ? (double)value / 2 + (double)above / 2 : (double)value;
    return (low + (high - low) * (target - (double)less) / (double)equal) * bench_tick_ns;
}

void bench_note_trips(struct bench *bench, size_t count)
{
    bench->each[bench->done++] = percentile(bench->ticks + bench->count, count, 0.5);
    bench->count += count;
}

void bench_note_rate(struct bench *bench, double per_second)
{
    bench->each[bench->done++] = per_second;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return a < b ? -1 : a > b;
}

void bench_result_latency(struct bench *bench, double ways, struct bench_row *row)
{
    qsort(bench->each, bench->done, sizeof *bench->each, compare);
    row->mode = "latency";
    row->low = bench->each[0] / ways;
    row->high = bench->each[bench->done - 1] / ways;
    row->p50 = percentile(bench->ticks, bench->count, 0.5) / ways;
    row->p99 = percentile(bench->ticks, bench->count, 0.99) / ways;
    row->p999 = percentile(bench->ticks, bench->count, 0.999) / ways;
    row->per_second = 1e9 / row->p50;
}

void bench_result_throughput(struct bench *bench, struct bench_row *row)
{
    qsort(bench->each, bench->done, sizeof *bench->each, compare);
    row->mode = "throughput";
    row->low = bench->each[0];
    row->high = bench->each[bench->done - 1];
    row->per_second = bench->each[bench->done / 2];
    row->p50 = row->p99 = row->p999 = 0;
}

/* ---- printing ---- */

struct text {
    char text[24];
};

/* A number with three digits that count, and a unit of a row of units, each `step` of the last. */
static struct text scaled(double number, double step, const char *const *units)
{
    struct text text;

    while (number >= 999.5 && units[1]) {
        number /= step;
        units++;
    }
    snprintf(text.text, sizeof text.text, "%.*f %s", number < 9.995 ? 2 : number < 99.95, number,
             *units);
    return text;
}

static struct text time_text(double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s", NULL};

    return scaled(ns, 1000, units);
}

static struct text size_text(uint64_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    struct text text;
    unsigned i = 0;

    while (size >= 1024 && size % 1024 == 0 && i < 4) {
        size /= 1024;
        i++;
    }
    snprintf(text.text, sizeof text.text, "%" PRIu64 " %s", size, units[i]);
    return text;
}

void bench_size_text(uint64_t size, char text[24])
{
    memcpy(text, size_text(size).text, 24);
}

void bench_time_text(double ns, char text[24])
{
    memcpy(text, time_text(ns).text, 24);
}

static struct text rate_text(double per_second)
{
    static const char *const units[] = {"/s", "k/s", "M/s", "G/s", NULL};

    return scaled(per_second, 1000, units);
}

static struct text bytes_text(double per_second)
{
    static const char *const units[] = {"B/s", "KiB/s", "MiB/s", "GiB/s", "TiB/s", NULL};

    return scaled(per_second, 1024, units);
}

void bench_print_heading(int json, int throughput)
{
    if (json)
        return;
    if (throughput)
        printf("%10s  %-8s %12s %25s %12s\n", "size", "path", "messages", "low .. high", "bytes");
    else
        printf("%10s  %-8s %10s %10s %10s %23s %12s\n", "size", "path", "p50", "p99", "p99.9",
               "p50 low .. high", "bytes");
    fflush(stdout);
}

static void print_table(const struct bench_row *row)
{
    double bytes = row->per_second * (double)row->size;

    printf("%10s  %-8s ", size_text(row->size).text, row->path);
    if (row->p50 > 0)
        printf("%10s %10s %10s %10s .. %9s", time_text(row->p50).text, time_text(row->p99).text,
               time_text(row->p999).text, time_text(row->low).text, time_text(row->high).text);
    else
        printf("%12s %10s .. %11s", rate_text(row->per_second).text, rate_text(row->low).text,
               rate_text(row->high).text);
    printf(" %12s\n", bytes_text(bytes).text);
}

static void print_json(const struct bench_row *row)
{
    printf("{");
    if (row->name)
        printf("\"name\":\"%s\",", row->name);
    printf("\"size\":%" PRIu64 ",\"path\":\"%s\",\"mode\":\"%s\",\"wait\":\"%s\",\"loan\":%s,"
           "\"clients\":%lu,",
           row->size, row->path, row->mode, row->wait, row->loan ? "true" : "false", row->clients);
    if (row->p50 > 0)
        printf("\"one_way_ns\":{\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f},", row->p50, row->p99,
               row->p999);
    else
        printf("\"one_way_ns\":null,");
    printf("\"messages_per_s\":%.1f,\"bytes_per_s\":%.1f,\"repetitions\":%d,\"low\":%.2f,"
           "\"high\":%.2f}\n",
           row->per_second, row->per_second * (double)row->size, BENCH_REPETITIONS, row->low,
           row->high);
}

void bench_print(const struct bench_row *row, int json)
{
    if (json)
        print_json(row);
    else
        print_table(row);
    fflush(stdout);
}

void bench_progress(const char *text)
{
    static int drawn;

    if (!os_terminal(2) || (!text && !drawn))
        return;
    fprintf(stderr, "\r%-60s\r%s", "", text ? text : "");
    fflush(stderr);
    drawn = text != NULL;
}
