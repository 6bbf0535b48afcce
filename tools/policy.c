/* policy.c - sill policy: shows, explains and checks the policy that picks a message's path. */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sill.h>

#include "table.h"

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
    "show     prints the policy in force and the file that it comes from; with --json as a policy\n"
    "         file\n"
    "explain  prints size, path and reason for messages of each SIZE, in bytes or with K, M, G, T\n"
    "check    tells whether FILE is a good policy file\n",
    options,
    run,
    0,
};

static int load(const struct policy *policy, sill_policy *loaded, char *source, size_t size)
{
    int status;

    *loaded = (sill_policy)SILL_POLICY_INIT;
    status = sill_policy_load(loaded, policy->file, source, size);
    return status == SILL_OK ? -1 : cli_fail_sill(status);
}

static int show(const struct policy *policy, int count)
{
    char source[4096];
    sill_policy p;
    char *text;
    int status;

    if (count > 0)
        return cli_wrong("'show' takes no argument");
    if ((status = load(policy, &p, source, sizeof source)) >= 0)
        return status;
    if (policy->json) {
        status = sill_policy_format(&p, &text);
        if (status != SILL_OK)
            return cli_fail_sill(status);
        cli_print("%s", text);
        sill_policy_free_text(text);
        return CLI_FINE;
    }
    cli_print("file\t%s\n", source[0] ? source : "none: the defaults");
    cli_print("path\t%s\n", sill_path_name(p.path));
    cli_print("inline_max\t%" PRIu64 "\n", p.inline_max);
    cli_print("mapped_min\t%" PRIu64 "\n", p.mapped_min);
    cli_print("mapped_max\t%" PRIu64 "\n", p.mapped_max);
    cli_print("segment_size\t%" PRIu64 "\n", p.segment_size);
    cli_print("segments_max\t%" PRIu64 "\n", p.segments_max);
    cli_print("ring_size\t%" PRIu64 "\n", p.ring_size);
    cli_print("spin_ns\t%" PRIu64 "\n", p.spin_ns);
    cli_print("nontemporal_min\t%" PRIu64 "\n", p.nontemporal_min);
    return CLI_FINE;
}

static json_t *explanation(const sill_policy *policy, uint64_t size)
{
    const char *reason = "";
    /* What a connection of this version can do where shared memory can be had. */
    int path = sill_policy_pick(policy, size, SILL_CAN_INLINE | SILL_CAN_MAP, &reason);

    return json_pack("{s:I, s:s, s:s}", "size", (json_int_t)size, "path", sill_path_name(path),
                     "reason", reason);
}

static int explain(const struct policy *policy, int count, char **sizes)
{
    struct table table;
    char source[16];
    sill_policy p;
    int status;
    int i;

    if (count < 1)
        return cli_wrong("'explain' needs at least one size");
    if ((status = load(policy, &p, source, sizeof source)) >= 0)
        return status;
    table_begin(&table);
    for (i = 0; i < count; i++) {
        const char *why;
        uint64_t size;

        if (cli_size(sizes[i], &size, &why) != 0) {
            table_drop(&table);
            return cli_wrong("size '%s': %s", sizes[i], why);
        }
        table_add(&table, explanation(&p, size));
    }
    return table_end(&table, policy->json);
}

static int check(int count, char **files)
{
    struct policy policy = {0};
    char source[16];
    sill_policy p;
    int status;

    if (count != 1)
        return cli_wrong("'check' takes one file");
    policy.file = files[0];
    if ((status = load(&policy, &p, source, sizeof source)) >= 0)
        return status;
    cli_print("%s: good\n", files[0]);
    return CLI_FINE;
}

static int run(int argc, char **argv)
{
    struct policy policy = {0};
    struct cli_arguments arguments;
    int status = cli_parse(argc, argv, &policy, &arguments);
    const char *verb;

    if (status >= 0)
        return status;
    if (arguments.count == 0)
        return cli_wrong("what about it? show, explain or check");
    verb = arguments.given[0];
    if (strcmp(verb, "show") == 0)
        return show(&policy, arguments.count - 1);
    if (strcmp(verb, "explain") == 0)
        return explain(&policy, arguments.count - 1, arguments.given + 1);
    if (strcmp(verb, "check") == 0)
        return check(arguments.count - 1, arguments.given + 1);
    return cli_wrong("there is no 'policy %s': show, explain or check", verb);
}
