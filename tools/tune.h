/* tune.h - the parts of `sill tune`. */
#ifndef SILL_TOOLS_TUNE_H
#define SILL_TOOLS_TUNE_H

#include "bench_rounds.h"
#include "tune_result.h"

/* Measures, derives and checks: fills `result`, and `policy` with what it came to. Says on standard
 * error how far it is. -1 to go on, or an exit status after a message. (tune_measure.c) */
int tune_measure(struct tune_result *result, sill_policy *policy, const char *directory, int quick);

/* Draws what a file holds: with gnuplot into `file` (.svg or .png), or as text on standard output
 * ("-"). -1 to go on, or an exit status after a message. (tune_plot.c) */
int tune_plot(const struct tune_file *loaded, const char *file);
/* Whether `file` can be drawn into: a sentence if not, else NULL. */
const char *tune_plot_wrong(const char *file);

#endif
