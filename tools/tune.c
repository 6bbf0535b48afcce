/* tune.c - sill tune: measures this machine and writes the policy that follows. */
#include "tune.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "files.h"

struct tune_options {
    const char *output;
    const char *plot;
    const char *directory;
    int quick;
    int json;
};

static const struct cli_option options[] = {
    {'o', CLI_TEXT, "output", "FILE", offsetof(struct tune_options, output), 0,
     "the policy file to write (default: the user's own)"},
    {0, CLI_FLAG, "quick", NULL, offsetof(struct tune_options, quick), 0,
     "measure for less than ten seconds instead of a minute"},
    {0, CLI_TEXT, "plot", "[FILE]", offsetof(struct tune_options, plot), 0,
     "draw the paths' times: into FILE.svg or FILE.png, or as text"},
    {0, CLI_FLAG, "json", NULL, offsetof(struct tune_options, json), 0,
     "print the policy file that was written"},
    {0, CLI_TEXT, "directory", "DIR", offsetof(struct tune_options, directory), 0,
     "runtime directory (default: the user's)"},
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_tune = {
    "tune",
    "measure this machine and write the policy that follows",
    "tune [-o FILE] [--quick] [--plot [FILE.svg|FILE.png]] [--json]\n"
    "tune --plot [FILE.svg|FILE.png] POLICY\n",
    "Measures what copying, mapping and waking cost here, between two processes, each on a core "
    "of\n"
    "its own; derives the sizes and waits of a policy; runs them beside the default; and writes\n"
    "the policy file, with the measurements in it. What stays noisy keeps its default. With\n"
    "POLICY nothing is measured: what that file holds is drawn again.\n",
    options,
    run,
    0,
};

static void print_value(const struct tune_result *r, enum policy_key key)
{
    cli_print("%-16s %12" PRIu64 "  %-8s  %s\n", policy_key_name(key), r->values[key].value,
              r->values[key].measured ? "measured" : "default", r->values[key].why);
}

static void print_result(const struct tune_result *r)
{
    for (int key = 0; key < POLICY_KEYS; key++)
        print_value(r, (enum policy_key)key);
    cli_print("beside the default, at the worst size: tuned %.2f, default %.2f: %s\n",
              r->check_tuned, r->check_default,
              r->tuned_won ? "the tuned policy is written" : "the default is written");
}

/* The text of the file that was written. */
static int write_result(const struct tune_options *o, const struct tune_result *result,
                        const sill_policy *policy)
{
    char *text = tune_result_text(result, policy);
    int status;

    if (!text)
        return cli_fail("out of memory");
    status = sill_policy_save_text(text, strlen(text), o->output);
    if (status == SILL_OK && o->json)
        cli_print("%s", text);
    free(text);
    return status == SILL_OK ? -1 : cli_fail_sill(status);
}

/* What cannot be written is told before a minute is spent on it. */
static int check_output(const char *path)
{
    struct output output;
    int status = path ? output_open(&output, path) : -1;

    if (path && status < 0)
        output_discard(&output);
    return status;
}

static int measure(const struct tune_options *o)
{
    struct tune_file *loaded;
    int status = check_output(o->output);

    if (status >= 0 ||
        (o->plot && strcmp(o->plot, "-") != 0 && (status = check_output(o->plot)) >= 0))
        return status;
    loaded = calloc(1, sizeof *loaded);
    if (!loaded)
        return cli_fail("out of memory");
    loaded->policy = (sill_policy)SILL_POLICY_INIT;
    status = tune_measure(&loaded->result, &loaded->policy, o->directory, o->quick);
    loaded->tuned = 1;
    if (status < 0 && os_interrupted())
        status = CLI_INTERRUPTED;
    if (status < 0)
        status = write_result(o, &loaded->result, &loaded->policy);
    if (status < 0 && !o->json)
        print_result(&loaded->result);
    if (status < 0 && o->plot)
        status = tune_plot(loaded, o->plot);
    free(loaded);
    return status < 0 ? CLI_FINE : status;
}

static int draw(const struct tune_options *o, const char *file)
{
    struct tune_file *loaded = calloc(1, sizeof *loaded);
    int status;

    if (!loaded)
        return cli_fail("out of memory");
    status = tune_file_load(loaded, file);
    if (status < 0 && !loaded->tuned)
        status = cli_fail("%s holds no measurements: write it with 'sill tune -o FILE'", file);
    if (status < 0)
        status = tune_plot(loaded, o->plot);
    free(loaded);
    return status < 0 ? CLI_FINE : status;
}

/* "--plot" may stand without a file, which then is "-": where nothing follows, or an option, or
 * what is no drawing's name. NULL: out of memory. */
static char **complete(int *argc, char **argv)
{
    static char standard[] = "-";
    char **all = calloc((size_t)*argc * 2 + 1, sizeof *all);
    int count = 0;

    for (int i = 0; i < *argc && all; i++) {
        all[count++] = argv[i];
        if (strcmp(argv[i], "--plot") == 0 &&
            (i + 1 == *argc || (tune_plot_wrong(argv[i + 1]) && strcmp(argv[i + 1], "-") != 0)))
            all[count++] = standard;
    }
    *argc = count;
    return all;
}

static int run(int argc, char **argv)
{
    struct tune_options o = {0};
    struct cli_arguments arguments;
    const char *why;
    char **all = complete(&argc, argv);
    int status;

    if (!all)
        return cli_fail("out of memory");
    status = cli_parse(argc, all, &o, &arguments);
    if (status >= 0)
        goto done;
    if (arguments.count > 1)
        status = cli_wrong("'%s' is one argument too many", arguments.given[1]);
    else if (arguments.count > 0 && (!o.plot || o.output || o.quick || o.json))
        status = cli_wrong("with a policy file there is only --plot: nothing is measured");
    else if (o.plot && (why = tune_plot_wrong(o.plot)))
        status = cli_wrong("--plot '%s': %s", o.plot, why);
    else if (o.output && !*o.output)
        status = cli_wrong("--output: the name is empty");
    else
        status = arguments.count > 0 ? draw(&o, arguments.given[0]) : measure(&o);
done:
    free(all);
    return status;
}
