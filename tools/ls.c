/* ls.c - sill ls: the servers and regions there are, and who owns them. */
#include "cli.h"

#include <sill.h>

#include "objects.h"
#include "table.h"

struct ls {
    const char *directory;
    int json;
};

static const struct cli_option options[] = {
    {0, CLI_FLAG, "json", NULL, offsetof(struct ls, json), 0, "print a JSON array"},
    {0, CLI_TEXT, "directory", "DIR", offsetof(struct ls, directory), 0,
     "runtime directory (default: the user's)"},
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_ls = {
    "ls",
    "list servers and regions and their owners",
    "ls [--json] [--directory DIR]",
    "Prints a line for each server and region: type, kind, name, state (living, stale or kept),\n"
    "process of its owner, size in bytes, time of its creation.\n",
    options,
    run,
    0,
};

static int run(int argc, char **argv)
{
    struct ls ls = {0};
    struct cli_arguments arguments;
    struct table table;
    int status = cli_parse(argc, argv, &ls, &arguments);

    if (status >= 0)
        return status;
    if (arguments.count > 0)
        return cli_wrong("'%s' is one argument too many", arguments.given[0]);
    table_begin(&table);
    status = sill_list(ls.directory, objects_add, &table);
    if (status == SILL_OK)
        return table_end(&table, ls.json);
    table_drop(&table);
    return cli_fail_sill(status);
}
