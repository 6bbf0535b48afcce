/* clean.c - sill clean: removes what its owner left behind. */
#include "cli.h"

#include <sill.h>

#include "objects.h"
#include "table.h"

struct clean {
    const char *directory;
    int dry_run;
    int json;
};

static const struct cli_option options[] = {
    {'n', CLI_FLAG, "dry-run", NULL, offsetof(struct clean, dry_run), 0,
     "print what would be removed and leave it"},
    {0, CLI_FLAG, "json", NULL, offsetof(struct clean, json), 0, "print a JSON array"},
    {0, CLI_TEXT, "directory", "DIR", offsetof(struct clean, directory), 0,
     "runtime directory (default: the user's)"},
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_clean = {
    "clean",
    "remove what ended processes left behind",
    "clean [--dry-run] [--json] [--directory DIR]",
    "Removes servers' and regions' remains that are provably nobody's, and prints a line for\n"
    "each, as 'sill ls' does. Never touches what lives or is meant to stay.\n",
    options,
    run,
    0,
};

static int run(int argc, char **argv)
{
    struct clean clean = {0};
    struct cli_arguments arguments;
    struct table table;
    int status = cli_parse(argc, argv, &clean, &arguments);
    int printed;

    if (status >= 0)
        return status;
    if (arguments.count > 0)
        return cli_wrong("'%s' is one argument too many", arguments.given[0]);
    table_begin(&table);
    status = sill_clean(clean.directory, clean.dry_run, objects_add, &table);
    /* What was removed before a failure is told all the same. */
    printed = table_end(&table, clean.json);
    return status == SILL_OK ? printed : cli_fail_sill(status);
}
