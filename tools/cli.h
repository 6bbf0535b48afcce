/* cli.h - what the subcommands share: options, messages, exit statuses. */
#ifndef SILL_TOOLS_CLI_H
#define SILL_TOOLS_CLI_H

#include <stddef.h>
#include <stdint.h>

#if defined(__MINGW32__)
#include <stdio.h>
#define CLI_PRINTF(text, first) __attribute__((format(__MINGW_PRINTF_FORMAT, text, first)))
#elif defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

/* Exit statuses. CLI_INTERRUPTED is of the inside: main ends by the signal that came. */
enum cli_exit { CLI_FINE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 3 };

/* What an option's value is, and the type of the variable it goes to. */
enum cli_type {
    CLI_FLAG,    /* int: set to 1 */
    CLI_TEXT,    /* const char * */
    CLI_COUNT,   /* uint64_t: decimal digits */
    CLI_SIZE,    /* uint64_t: decimal digits and perhaps K, M, G or T, powers of 1024 */
    CLI_MS,      /* int: milliseconds */
    CLI_PATH,    /* int: enum sill_path */
    CLI_ACCESS,  /* int: enum sill_access */
    CLI_FAMILY,  /* int: enum sill_family */
    CLI_CHANNEL, /* int: enum sill_channel_kind */
    CLI_HELP     /* prints the help and ends */
};

struct cli_option {
    char letter; /* 0: none */
    enum cli_type type;
    const char *name;  /* NULL ends a table */
    const char *value; /* what the help calls the value; NULL for flags */
    size_t offset;     /* of the variable in the subcommand's struct */
    uint64_t min;      /* numbers: the least that is allowed */
    const char *help;  /* NULL: not in the help, since it is for a process of the command's own */
};

/* A subcommand. A table of options ends with CLI_END. */
struct cli_command {
    const char *name;
    const char *summary; /* one line for `sill --help` */
    const char *usage;   /* lines of usage, each without "sill " and with '\n' */
    const char *about;   /* text below the usage */
    const struct cli_option *options;
    int (*run)(int argc, char **argv); /* what follows the subcommand's name; an exit status */
    int keeps_rest;                    /* what follows "--" is no argument of its own */
};

/* clang-format off */
#define CLI_HELP_OPTION {'h', CLI_HELP, "help", NULL, 0, 0, "print this help"}
#define CLI_END {0, CLI_FLAG, NULL, NULL, 0, 0, NULL}
/* clang-format on */

/* What is left when the options are gone. `rest` is what follows "--" for a command that keeps it
 * apart (NULL without "--"). */
struct cli_arguments {
    char **given;
    int count;
    char **rest;
    int rest_count;
};

extern const struct cli_command cli_serve, cli_call, cli_send, cli_recv, cli_policy, cli_ls,
    cli_clean, cli_doctor, cli_bench, cli_tune;

/* Names the command in messages: "call" gives "sill call: ...". */
void cli_begin(const struct cli_command *command);

/* Reads the options in argv into *values and moves the rest together. -1: go on; otherwise the
 * exit status to end with (help was printed, or a wrong option was named). */
int cli_parse(int argc, char **argv, void *values, struct cli_arguments *arguments);

/* "sill call: ..." on standard error; the result is CLI_FAILED. */
int cli_fail(const char *format, ...) CLI_PRINTF(1, 2);
/* The same with a hint at --help; the result is CLI_USAGE. */
int cli_wrong(const char *format, ...) CLI_PRINTF(1, 2);
/* Says what a sill function that returned `status` says about it; CLI_FAILED. */
int cli_fail_sill(int status);
/* "sill call: ..." on standard error, no failure. */
void cli_note(const char *format, ...) CLI_PRINTF(1, 2);

/* Text on standard output; failures are remembered for cli_finish. */
void cli_print(const char *format, ...) CLI_PRINTF(1, 2);
/* Flushes standard output. `status`, or CLI_FAILED with a message if not all could be written. */
int cli_finish(int status);

/* A size such as 4096, 64K or 1G. 0, or -1 with *why set to what is wrong. */
int cli_size(const char *text, uint64_t *size, const char **why);

/* 1 if `name` can be the name of a server; otherwise says so and gives 0. */
int cli_good_name(const char *name);

#endif
