/* tune_plot.c - the measurements of a policy file as a picture: size against time one way, both
 * logarithmic, a line for each path, the policy's sizes as vertical lines, and what it chooses
 * shaded. gnuplot draws it; as text it is drawn here.
 *
 * gnuplot is given a script with the data in it on its standard input and writes the picture to its
 * standard output, so that the file is written here, whole or not at all.
 */
#include "tune.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "files.h"
#include "os.h"

enum { SCRIPT_MAX = 65536, WIDE = 72, HIGH = 20, PICTURE_MAX = 16 << 20 };

static const int paths[] = {SILL_PATH_CHANNEL, SILL_PATH_INLINE, SILL_PATH_MAPPED,
                            SILL_PATH_ROUNDS};
static const char *const colors[] = {"#c05a00", "#0a8a5f", "#5b54b0", "#9a8f7a"};
enum { PATHS = sizeof paths / sizeof paths[0] };

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);

    return length > wanted && strcmp(text + length - wanted, end) == 0;
}

const char *tune_plot_wrong(const char *file)
{
    if (strcmp(file, "-") == 0 || ends_with(file, ".svg") || ends_with(file, ".png"))
        return NULL;
    return "the name must end with .svg or .png";
}

/* ---- what is drawn ---- */

struct range {
    uint64_t first, last; /* sizes that were measured */
    double low, high;     /* ns */
};

static int range_of(const struct tune_result *r, struct range *range)
{
    *range = (struct range){UINT64_MAX, 0, INFINITY, 0};
    for (unsigned i = 0; i < r->point_count; i++) {
        const struct tune_point *p = &r->points[i];

        if (p->size == 0 || p->ns <= 0)
            continue;
        range->first = p->size < range->first ? p->size : range->first;
        range->last = p->size > range->last ? p->size : range->last;
        range->low = fmin(range->low, p->ns);
        range->high = fmax(range->high, p->ns);
    }
    return range->last > range->first ? 0 : -1;
}

static int choice(const sill_policy *policy, uint64_t size)
{
    return sill_policy_pick(policy, size, SILL_CAN_INLINE | SILL_CAN_MAP, NULL);
}

/* Where the chosen path changes: the first size of another one behind `from`, or `last` + 1. */
static uint64_t next_change(const sill_policy *policy, uint64_t from, uint64_t last)
{
    const uint64_t edges[] = {policy->inline_max + 1, policy->mapped_min, policy->mapped_max + 1};
    uint64_t next = last + 1;

    for (unsigned i = 0; i < 3; i++)
        if (edges[i] > from && edges[i] < next && choice(policy, edges[i]) != choice(policy, from))
            next = edges[i];
    return next;
}

static unsigned index_of(int path)
{
    unsigned i = 0;

    while (i + 1 < PATHS && paths[i] != path)
        i++;
    return i;
}

/* ---- gnuplot ---- */

struct script {
    char text[SCRIPT_MAX];
    size_t size;
};

static void put(struct script *s, const char *format, ...) CLI_PRINTF(2, 3);

static void put(struct script *s, const char *format, ...)
{
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(s->text + s->size, SCRIPT_MAX - s->size, format, arguments);
    va_end(arguments);
    if (n > 0)
        s->size = s->size + (size_t)n < SCRIPT_MAX ? s->size + (size_t)n : SCRIPT_MAX - 1;
}

/* Text from a file as a gnuplot string: nothing that quotes or marks up. */
static void put_quoted(struct script *s, const char *text)
{
    for (; *text; text++)
        put(s, "%c", strchr("'\"\\\n`$@{}^_&~", *text) ? ' ' : *text);
}

static void put_ticks(struct script *s, const struct range *r)
{
    char text[24];
    const char *comma = "";

    put(s, "set xtics (");
    for (uint64_t size = 8; size && size <= r->last; size *= 8, comma = ", ") {
        bench_size_text(size, text);
        put(s, "%s'%s' %" PRIu64, comma, text, size);
    }
    put(s, ")\nset ytics (");
    comma = "";
    for (int power = (int)floor(log10(r->low)); pow(10, power) <= r->high * 10; power++) {
        bench_time_text(pow(10, power), text);
        put(s, "%s'%.0f %s' %.0f", comma, atof(text), strchr(text, ' ') + 1, pow(10, power));
        comma = ", ";
    }
    put(s, ")\n");
}

/* A band for each path that is chosen, and its name on top. */
static void put_choice(struct script *s, const sill_policy *policy, const struct range *r)
{
    unsigned band = 1;

    for (uint64_t from = r->first; from <= r->last; band++) {
        uint64_t next = next_change(policy, from, r->last);
        double left = (double)from, right = fmin((double)next, (double)r->last);
        int path = choice(policy, from);

        put(s,
            "set object %u rect from %.0f, graph 0 to %.0f, graph 1 fc rgb '%s' fs transparent "
            "solid 0.13 noborder behind\n",
            band, left, right, colors[index_of(path)]);
        put(s, "set label %u '%s' at %.0f, graph 0.965 center front tc rgb '%s' font ',13'\n", band,
            sill_path_name(path), sqrt(left * right), colors[index_of(path)]);
        from = next;
    }
}

static void put_threshold(struct script *s, unsigned number, const char *name, uint64_t size,
                          const struct range *r, double height)
{
    char text[24];

    if (size <= r->first || size >= r->last)
        return;
    bench_size_text(size, text);
    put(s,
        "set arrow %u from %" PRIu64 ", graph 0 to %" PRIu64
        ", graph 1 nohead dt 2 lw 1.5 lc rgb '#404040' front\n",
        number, size, size);
    put(s,
        "set label %u '%s %s' at %" PRIu64
        ", graph %.2f left offset 0.6,0 front noenhanced tc rgb '#303030'\n",
        100 + number, name, text, size, height);
}

static void put_data(struct script *s, const struct tune_result *r, const sill_policy *policy)
{
    for (unsigned i = 0; i < PATHS; i++) {
        put(s, "$p%u << EOD\n", i);
        for (unsigned k = 0; k < r->point_count; k++)
            if (r->points[k].path == paths[i])
                put(s, "%" PRIu64 " %.1f %.1f %.1f %d\n", r->points[k].size, r->points[k].ns,
                    r->points[k].low, r->points[k].high,
                    choice(policy, r->points[k].size) == paths[i]);
        put(s, "EOD\n");
    }
}

static int has_points(const struct tune_result *r, int path)
{
    for (unsigned i = 0; i < r->point_count; i++)
        if (r->points[i].path == path)
            return 1;
    return 0;
}

static void put_plot(struct script *s, const struct tune_result *r)
{
    const char *comma = "";

    put(s, "plot ");
    for (unsigned i = 0; i < PATHS; i++) {
        if (!has_points(r, paths[i]))
            continue;
        put(s, "%s$p%u using 1:3:4 with filledcurves fc rgb '%s' fs transparent solid 0.25 notitle",
            comma, i, colors[i]);
        put(s, ", $p%u using 1:2 with linespoints lw 1.5 pt 7 ps 0.35 lc rgb '%s' title '%s'", i,
            colors[i], sill_path_name(paths[i]));
        put(s, ", $p%u using 1:($5==1?$2:1/0) with lines lw 5 lc rgb '%s' notitle", i, colors[i]);
        comma = ", ";
    }
    put(s, "\n");
}

static void write_script(struct script *s, const struct tune_file *loaded, const struct range *r,
                         int png)
{
    const sill_policy *p = &loaded->policy;

    put(s, "set terminal %s\n",
        png ? "pngcairo size 1100,700 font 'sans,11' background rgb 'white'"
            : "svg size 1100,700 font 'sans,14' background rgb 'white'");
    put(s, "set encoding utf8\nset logscale xy\nset grid xtics ytics lc rgb '#d8d8d8'\n"
           "set key bottom right\nset border 3\nset tics nomirror\n"
           "set xlabel 'size of the message'\nset ylabel 'time one way, read whole'\n");
    put(s, "set title 'sill tune: ");
    put_quoted(s, loaded->result.machine.processor);
    put(s, ", ");
    put_quoted(s, loaded->result.machine.system);
    put(s, ", ");
    put_quoted(s, loaded->result.date);
    put(s, "' noenhanced\n");
    put(s, "set xrange [%" PRIu64 ":%" PRIu64 "]\nset yrange [%.1f:%.1f]\n", r->first, r->last,
        r->low / 1.5, r->high * 3);
    put_ticks(s, r);
    put_choice(s, p, r);
    put_threshold(s, 1, "inline_max", p->inline_max, r, 0.88);
    if (p->mapped_min > p->inline_max + 1) /* else the two are one line */
        put_threshold(s, 2, "mapped_min", p->mapped_min, r, 0.83);
    put_threshold(s, 3, "nontemporal_min", p->nontemporal_min, r, 0.78);
    put_threshold(s, 4, "mapped_max", p->mapped_max, r, 0.88);
    put_data(s, &loaded->result, p);
    put_plot(s, &loaded->result);
}

/* Reads what comes until its end. The size, or 0: too much, or out of memory. */
static size_t read_whole(int file, char **out)
{
    size_t size = 0;
    char *data = malloc(PICTURE_MAX);
    long n = 1;

    while (data && size < PICTURE_MAX && (n = os_read(file, data + size, PICTURE_MAX - size)) > 0)
        size += (size_t)n;
    if (data && n > 0)
        size = 0;
    *out = data;
    return size;
}

/* What gnuplot says is passed on where it fails. */
static int run_gnuplot(const struct script *s, char **picture, size_t *size)
{
    static char name[] = "gnuplot", from_input[] = "-";
    char *arguments[] = {name, from_input, NULL};
    char said[400] = "";
    os_process *process;
    int in, out, err, code = 0, by_signal;
    long n;

    if (os_process_find(name) != 0 || !(process = os_process_start(arguments, &in, &out, &err)))
        return cli_fail("gnuplot cannot be started; install it, or use --plot without a file");
    (void)os_write(in, s->text, s->size);
    os_close(in);
    *size = read_whole(out, picture);
    n = os_read(err, said, sizeof said - 1);
    said[n > 0 ? n : 0] = 0;
    by_signal = os_process_wait(process, &code);
    os_close(out);
    os_close(err);
    os_process_free(process);
    if (by_signal || code != 0 || *size == 0)
        return cli_fail("gnuplot has failed: %s", *said ? said : "it drew nothing");
    return -1;
}

static int draw_file(const struct tune_file *loaded, const struct range *range, const char *file)
{
    struct script *script = calloc(1, sizeof *script);
    struct output output;
    char *picture = NULL;
    size_t size = 0;
    int status;

    if (!script)
        return cli_fail("out of memory");
    write_script(script, loaded, range, ends_with(file, ".png"));
    status = run_gnuplot(script, &picture, &size);
    free(script);
    if (status < 0 && (status = output_open(&output, file)) < 0) {
        if ((status = output_write(&output, picture, size)) < 0)
            status = output_commit(&output);
        output_discard(&output);
    }
    free(picture);
    return status;
}

/* ---- as text ---- */

static unsigned column_of(const struct range *r, double size)
{
    double part = log(size / (double)r->first) / log((double)r->last / (double)r->first);

    return (unsigned)(fmin(fmax(part, 0), 1) * (WIDE - 1) + 0.5);
}

static unsigned row_of(const struct range *r, double ns)
{
    double part = log(ns / r->low) / log(r->high / r->low);

    return HIGH - 1 - (unsigned)(fmin(fmax(part, 0), 1) * (HIGH - 1) + 0.5);
}

static void fill_cells(char cells[HIGH][WIDE + 1], const struct tune_file *loaded,
                       const struct range *r)
{
    const sill_policy *p = &loaded->policy;
    const uint64_t marks[] = {p->inline_max, p->mapped_min, p->nontemporal_min, p->mapped_max};

    for (unsigned row = 0; row < HIGH; row++) {
        memset(cells[row], ' ', WIDE);
        cells[row][WIDE] = 0;
        for (unsigned i = 0; i < 4; i++)
            if (marks[i] > r->first && marks[i] < r->last)
                cells[row][column_of(r, (double)marks[i])] = i == 2 ? ':' : '|';
    }
    for (int chosen = 0; chosen < 2; chosen++) /* what is chosen lies on top */
        for (unsigned i = 0; i < loaded->result.point_count; i++) {
            const struct tune_point *t = &loaded->result.points[i];
            char letter = sill_path_name(t->path)[0];

            if (t->size == 0 || t->ns <= 0 || (choice(p, t->size) == t->path) != chosen)
                continue;
            cells[row_of(r, t->ns)][column_of(r, (double)t->size)] =
                chosen ? (char)(letter - 'a' + 'A') : letter;
        }
}

static void print_names(const struct range *r)
{
    char line[WIDE + 12], text[24];

    memset(line, ' ', sizeof line);
    for (uint64_t size = r->first; size && size <= r->last; size *= 64) {
        unsigned at = column_of(r, (double)size);

        bench_size_text(size, text);
        memcpy(line + at, text, strlen(text));
    }
    line[sizeof line - 1] = 0;
    for (size_t end = sizeof line - 1; end > 0 && line[end - 1] == ' '; end--)
        line[end - 1] = 0;
    cli_print("%10s  %s\n", "", line);
}

static int draw_text(const struct tune_file *loaded, const struct range *r)
{
    char cells[HIGH][WIDE + 1], text[24];

    fill_cells(cells, loaded, r);
    for (unsigned row = 0; row < HIGH; row++) {
        bench_time_text(r->low * pow(r->high / r->low, (double)(HIGH - 1 - row) / (HIGH - 1)),
                        text);
        cli_print("%10s |%s\n", row % 3 == 0 || row + 1 == HIGH ? text : "", cells[row]);
    }
    cli_print("%10s +", "");
    for (unsigned i = 0; i < WIDE; i++)
        cli_print("-");
    cli_print("\n");
    print_names(r);
    cli_print("time one way by size: c channel, i inline, m mapped, r rounds; capitals: what the "
              "policy\nchooses; |: inline_max %" PRIu64 ", mapped_min %" PRIu64
              "; :: nontemporal_min %" PRIu64 "\n",
              loaded->policy.inline_max, loaded->policy.mapped_min, loaded->policy.nontemporal_min);
    return -1;
}

int tune_plot(const struct tune_file *loaded, const char *file)
{
    struct range range;

    if (range_of(&loaded->result, &range) != 0)
        return cli_fail("there are too few measurements to draw");
    return strcmp(file, "-") == 0 ? draw_text(loaded, &range) : draw_file(loaded, &range, file);
}
