/* main.c - the sill command: finds the subcommand and ends with its exit status. */
#include "cli.h"

#include <string.h>

#include <sill.h>

#include "os.h"

static const struct cli_command *const commands[] = {
    &cli_serve, &cli_call,  &cli_send,   &cli_recv,  &cli_policy,
    &cli_ls,    &cli_clean, &cli_doctor, &cli_bench, &cli_tune,
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct cli_command *find(const char *name)
{
    int i;

    for (i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int help(void)
{
    int i;

    cli_print("Usage: sill COMMAND [ARGUMENT]...\n"
              "       sill COMMAND --help\n"
              "       sill --version\n"
              "\n"
              "Exchanges messages between programs of this machine: small ones are copied, large\n"
              "ones cross in mapped memory.\n"
              "\n"
              "Commands:\n");
    for (i = 0; i < COMMANDS; i++)
        cli_print("  %-10s%s\n", commands[i]->name, commands[i]->summary);
    cli_print("\n"
              "Exit status: 0 all went well, 1 something failed, 2 wrong usage.\n");
    return CLI_FINE;
}

static int run(const struct cli_command *command, int argc, char **argv)
{
    cli_begin(command);
    return command->run(argc, argv);
}

static int help_about(int argc, char **argv)
{
    static char option[] = "--help";
    static char *arguments[] = {option, NULL};
    const struct cli_command *command;

    if (argc == 0)
        return help();
    if (argc > 1)
        return cli_wrong("help takes one command's name");
    command = find(argv[0]);
    if (!command)
        return cli_wrong("there is no command '%s'", argv[0]);
    return run(command, 1, arguments);
}

static int dispatch(int argc, char **argv)
{
    const struct cli_command *command;

    if (argc < 2)
        return cli_wrong("which command?");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help();
    if (strcmp(argv[1], "help") == 0)
        return help_about(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) {
        cli_print("sill %s\n", sill_version());
        return CLI_FINE;
    }
    command = find(argv[1]);
    if (command)
        return run(command, argc - 2, argv + 2);
    if (argv[1][0] == '-')
        return cli_wrong("there is no option %s", argv[1]);
    return cli_wrong("there is no command '%s'", argv[1]);
}

int main(int argc, char **argv)
{
    int status;

    if (os_begin(&argc, &argv) != 0)
        return cli_fail("the process cannot be set up");
    status = cli_finish(dispatch(argc, argv));
    if (status == CLI_INTERRUPTED) {
        status = cli_fail("interrupted");
        os_interrupt_die();
    }
    return status;
}
