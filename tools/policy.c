/* policy.c - sill policy: shows, explains and checks the policy that picks a message's path. */
#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sill.h>

#include "table.h"
#include "tune_result.h"

struct policy {
    const char *file;
    int json;
};

static const struct cli_option options[] = {
    {0, CLI_TEXT, "policy", "FILE", offsetof(struct policy, file), 0,
     "show, explain: the policy file to use"},
    {0, CLI_FLAG, "json", NULL, offsetof(struct policy, json), 0, "show, explain: print JSON"},
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_policy = {
    "policy",
    "show, explain or check the policy that picks a message's path",
    "policy show [--json] [--policy FILE]\n"
    "policy explain SIZE... [--json] [--policy FILE]\n"
    "policy check FILE",
    "show     prints the policy in force, the file that it comes from, and of each value whether "
    "it\n"
    "         was measured, is the default or was set by hand; with --json as a policy file\n"
    "explain  prints for messages of each SIZE, in bytes or with K, M, G, T: the path, the time "
    "one\n"
    "         way in ns that 'sill tune' leads to expect, the next best path and its time, the "
    "reason\n"
    "check    tells whether FILE is a good policy file\n",
    options,
    run,
    0,
};

/* Loads, and says where the measurements were made elsewhere. */
static int load(const struct policy *policy, struct tune_file *loaded)
{
    struct machine now;
    const char *other;
    int status = tune_file_load(loaded, policy->file);

    if (status >= 0 || !loaded->tuned)
        return status;
    machine_read(&now);
    other = machine_difference(&loaded->result.machine, &now);
    if (other)
        cli_note("%s was measured on %s (%s, %u cores, %s): run 'sill tune' here", loaded->source,
                 other, loaded->result.machine.processor, loaded->result.machine.cores,
                 loaded->result.machine.system);
    return -1;
}

static int show_json(const sill_policy *policy)
{
    char *text;
    int status = sill_policy_format(policy, &text);

    if (status != SILL_OK)
        return cli_fail_sill(status);
    cli_print("%s", text);
    sill_policy_free_text(text);
    return CLI_FINE;
}

static int show(const struct policy *policy, struct tune_file *loaded, int count)
{
    int status;

    if (count > 0)
        return cli_wrong("'show' takes no argument");
    if ((status = load(policy, loaded)) >= 0)
        return status;
    if (policy->json)
        return show_json(&loaded->policy);
    cli_print("file\t%s\n", loaded->source[0] ? loaded->source : "none: the defaults");
    if (loaded->tuned)
        cli_print("tuned\t%s\t%s, %s\n", loaded->result.date, loaded->result.machine.processor,
                  loaded->result.machine.system);
    cli_print("path\t%s\n", sill_path_name(loaded->policy.path));
    cli_print("family\t%s\n", sill_family_name(loaded->policy.family));
    for (int i = 0; i < POLICY_KEYS; i++) {
        enum policy_key key = (enum policy_key)i;
        enum tune_origin origin = tune_file_origin(loaded, key);
        const char *why = loaded->result.values[key].why;

        cli_print("%s\t%" PRIu64 "\t%s%s%s\n", policy_key_name(key),
                  policy_key_get(&loaded->policy, key), tune_origin_name(origin),
                  loaded->tuned && origin != TUNE_SET && *why ? "\t" : "",
                  loaded->tuned && origin != TUNE_SET ? why : "");
    }
    return CLI_FINE;
}

/* What the model says of a path; below 0: nothing, or it cannot take such a message. */
static double predicted(const struct tune_file *loaded, int path, uint64_t size)
{
    const struct tune_result *r = &loaded->result;

    if ((path == SILL_PATH_MAPPED && size > loaded->policy.mapped_max) ||
        (path == SILL_PATH_INLINE && size > tune_reach(r, path)) ||
        (path == SILL_PATH_ROUNDS && size < 2))
        return -1;
    return tune_predict(r->pieces, r->piece_count, path, size);
}

/* The fastest of these paths (bits) but for `chosen`; AUTO if none is known. */
static int fastest(const struct tune_file *loaded, uint64_t size, unsigned paths, int chosen,
                   double *ns)
{
    int best = SILL_PATH_AUTO;

    for (int path = SILL_PATH_CHANNEL; path < SILL_PATH_COUNT; path++) {
        double time = predicted(loaded, path, size);

        if (path == chosen || time < 0 || !(paths >> path & 1))
            continue;
        if (best == SILL_PATH_AUTO || time < *ns) {
            best = path;
            *ns = time;
        }
    }
    return best;
}

/* After how many messages the segment that the first one makes has paid; 0: not known, or never. */
static uint64_t payoff(const struct tune_file *loaded, uint64_t size, double time)
{
    const struct tune_costs *c = &loaded->result.costs;
    double pages = fmax((double)size, (double)loaded->policy.segment_size) /
                   fmax(1, (double)loaded->result.machine.page_size);
    double copied = 0;

    if (c->map_ns <= 0 || fastest(loaded, size, 1u << SILL_PATH_CHANNEL | 1u << SILL_PATH_INLINE,
                                  SILL_PATH_AUTO, &copied) == SILL_PATH_AUTO)
        return 0;
    return tune_payoff(c->map_ns + c->map_page_ns * pages, time, copied);
}

/* What the model adds to the reason. */
static void add_reason(const struct tune_file *loaded, uint64_t size, int path, double time,
                       int other, double other_time, char out[200])
{
    uint64_t messages = path == SILL_PATH_MAPPED ? payoff(loaded, size, time) : 0;
    int used = snprintf(out, 200,
                        other_time >= time ? "; %s would take %.1f times as long"
                                           : "; %s was measured to take only %.2f of its time",
                        sill_path_name(other), other_time / fmax(time, 1));

    if (messages > 0)
        snprintf(out + used, 200 - (size_t)used,
                 "; beside copying, the segment has paid after %" PRIu64 " messages", messages);
}

static json_t *explanation(const struct tune_file *loaded, uint64_t size)
{
    const char *reason = "";
    char more[200] = "", text[400];
    double time, other_time = 0;
    /* What a connection of this version can do where shared memory can be had. */
    int path = sill_policy_pick(&loaded->policy, size, SILL_CAN_INLINE | SILL_CAN_MAP, &reason);
    int other = fastest(loaded, size, ~0u, path, &other_time);

    time = predicted(loaded, path, size);
    if (time >= 0 && other != SILL_PATH_AUTO)
        add_reason(loaded, size, path, time, other, other_time, more);
    snprintf(text, sizeof text, "%s%s", reason, more);
    return json_pack(
        "{s:I, s:s, s:o, s:s, s:o, s:s}", "size", (json_int_t)size, "path", sill_path_name(path),
        "ns", time >= 0 ? json_integer((json_int_t)(time + 0.5)) : json_null(), "runner_up",
        other != SILL_PATH_AUTO ? sill_path_name(other) : "", "runner_up_ns",
        other != SILL_PATH_AUTO ? json_integer((json_int_t)(other_time + 0.5)) : json_null(),
        "reason", text);
}

static int explain(const struct policy *policy, struct tune_file *loaded, int count, char **sizes)
{
    struct table table;
    int status;
    int i;

    if (count < 1)
        return cli_wrong("'explain' needs at least one size");
    if ((status = load(policy, loaded)) >= 0)
        return status;
    table_begin(&table);
    for (i = 0; i < count; i++) {
        const char *why;
        uint64_t size;

        if (cli_size(sizes[i], &size, &why) != 0) {
            table_drop(&table);
            return cli_wrong("size '%s': %s", sizes[i], why);
        }
        table_add(&table, explanation(loaded, size));
    }
    return table_end(&table, policy->json);
}

static int check(struct tune_file *loaded, int count, char **files)
{
    int status;

    if (count != 1)
        return cli_wrong("'check' takes one file");
    if ((status = tune_file_load(loaded, files[0])) >= 0)
        return status;
    cli_print("%s: good\n", files[0]);
    return CLI_FINE;
}

static int run(int argc, char **argv)
{
    struct policy policy = {0};
    struct cli_arguments arguments;
    struct tune_file *loaded;
    int status = cli_parse(argc, argv, &policy, &arguments);
    const char *verb;

    if (status >= 0)
        return status;
    if (arguments.count == 0)
        return cli_wrong("what about it? show, explain or check");
    loaded = calloc(1, sizeof *loaded);
    if (!loaded)
        return cli_fail("out of memory");
    verb = arguments.given[0];
    if (strcmp(verb, "show") == 0)
        status = show(&policy, loaded, arguments.count - 1);
    else if (strcmp(verb, "explain") == 0)
        status = explain(&policy, loaded, arguments.count - 1, arguments.given + 1);
    else if (strcmp(verb, "check") == 0)
        status = check(loaded, arguments.count - 1, arguments.given + 1);
    else
        status = cli_wrong("there is no 'policy %s': show, explain or check", verb);
    free(loaded);
    return status;
}
