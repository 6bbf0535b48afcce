/* doctor.c - sill doctor: what this machine offers and limits. */
#include "cli.h"

#include <sill.h>

#include "table.h"

struct doctor {
    int json;
};

static const struct cli_option options[] = {
    {0, CLI_FLAG, "json", NULL, offsetof(struct doctor, json), 0, "print a JSON array"},
    CLI_HELP_OPTION,
    CLI_END,
};

static int run(int argc, char **argv);

const struct cli_command cli_doctor = {
    "doctor",
    "tell what this machine offers and limits",
    "doctor [--json]",
    "Prints a line for each fact: topic, name, value, unit, verdict (good, low or missing), what\n"
    "it means and the command that raises or mends it.\n",
    options,
    run,
    0,
};

static const char *verdict_name(int verdict)
{
    switch (verdict) {
    case SILL_FACT_GOOD:
        return "good";
    case SILL_FACT_LOW:
        return "low";
    default:
        return "missing";
    }
}

static int add(void *table, const sill_fact *fact)
{
    table_add(table,
              json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "topic", table_text(fact->topic),
                        "name", table_text(fact->name), "value", table_text(fact->value), "unit",
                        table_text(fact->unit), "verdict", verdict_name(fact->verdict), "note",
                        table_text(fact->note), "remedy", table_text(fact->remedy)));
    return 0;
}

static int run(int argc, char **argv)
{
    struct doctor doctor = {0};
    struct cli_arguments arguments;
    struct table table;
    int status = cli_parse(argc, argv, &doctor, &arguments);

    if (status >= 0)
        return status;
    if (arguments.count > 0)
        return cli_wrong("'%s' is one argument too many", arguments.given[0]);
    table_begin(&table);
    status = sill_facts(add, &table);
    if (status == SILL_OK)
        return table_end(&table, doctor.json);
    table_drop(&table);
    return cli_fail_sill(status);
}
