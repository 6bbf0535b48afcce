/* progress.c - a line on standard error that tells how far a long transfer is.
 *
 * It appears when a transfer has gone on for LATE, is drawn anew at most every STEP, and is gone
 * before anything else is printed. The callback is called from within calls on the one port that a
 * client has, in its only thread.
 */
#include "progress.h"

#include <stdio.h>

#include "os.h"

enum { WIDTH = 78, BAR = 24 };
static const uint64_t LATE = 300000000, STEP = 100000000;

static struct {
    uint64_t begin;
    uint64_t drawn_at;
    uint64_t done;
    int receiving;
    int drawn;
} line;

static double scaled(double bytes, const char **unit)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned i = 0;

    while (bytes >= 1024 && i < 4) {
        bytes /= 1024;
        i++;
    }
    *unit = units[i];
    return bytes;
}

static void draw(const sill_progress *progress, uint64_t now)
{
    const char *done_unit, *total_unit, *rate_unit;
    double part = (double)progress->done / (double)progress->total;
    double done = scaled((double)progress->done, &done_unit);
    double total = scaled((double)progress->total, &total_unit);
    double seconds = (double)(now - line.begin) / 1e9;
    double rate = scaled((double)progress->done / seconds, &rate_unit);
    char bar[BAR + 1];
    char text[WIDTH + 1];
    int i;

    for (i = 0; i < BAR; i++)
        bar[i] = (double)i < part * BAR ? '#' : '.';
    bar[BAR] = 0;
    snprintf(text, sizeof text, "%s %3d%% [%s] %.1f %s of %.1f %s, %.1f %s/s",
             progress->receiving ? "reply  " : "request", (int)(part * 100), bar, done, done_unit,
             total, total_unit, rate, rate_unit);
    fprintf(stderr, "\r%-*s", WIDTH, text);
    fflush(stderr);
    line.drawn = 1;
    line.drawn_at = now;
}

static void on_progress(void *arg, const sill_progress *progress)
{
    uint64_t now = os_now_ns();

    (void)arg;
    if (!line.begin || progress->done < line.done || progress->receiving != line.receiving) {
        line.begin = now;
        line.receiving = progress->receiving;
    }
    line.done = progress->done;
    if (progress->total && now - line.begin >= LATE && now - line.drawn_at >= STEP)
        draw(progress, now);
}

void progress_begin(sill_port_options *options)
{
    if (os_terminal(2))
        options->progress = on_progress;
}

void progress_clear(void)
{
    if (line.drawn)
        fprintf(stderr, "\r%*s\r", WIDTH, "");
    line.drawn = 0;
    line.begin = 0;
}
