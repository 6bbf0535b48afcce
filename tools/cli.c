/* cli.c - options, messages and exit statuses of the sill command.
 *
 * Options are tables: each entry says where its value goes and what is allowed, so that checks and
 * help are the same for every subcommand. A number is decimal digits and nothing else; whatever
 * does not fit ends with CLI_USAGE and a sentence that names the option. Messages go to standard
 * error, one line each, and begin with the command's name.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sill.h>

#include "numbers.h"

static const struct cli_command *current;

void cli_begin(const struct cli_command *command)
{
    current = command;
}

CLI_PRINTF(1, 0)
static void say(const char *format, va_list list)
{
    if (current)
        fprintf(stderr, "sill %s: ", current->name);
    else
        fputs("sill: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    fflush(stderr);
}

int cli_fail(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(format, list);
    va_end(list);
    return CLI_FAILED;
}

int cli_wrong(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(format, list);
    va_end(list);
    if (current)
        fprintf(stderr, "Try 'sill %s --help'.\n", current->name);
    else
        fputs("Try 'sill --help'.\n", stderr);
    return CLI_USAGE;
}

void cli_note(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(format, list);
    va_end(list);
}

int cli_fail_sill(int status)
{
    const sill_error *error = sill_last_error();

    if (error->status == status && error->message[0])
        return cli_fail("%s [%s]", error->message, sill_status_name(status));
    return cli_fail("%s [%s]", sill_status_text(status), sill_status_name(status));
}

void cli_print(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vfprintf(stdout, format, list);
    va_end(list);
}

int cli_finish(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cli_fail("cannot write to standard output: %s", strerror(errno ? errno : EIO));
    return status == CLI_USAGE ? status : CLI_FAILED;
}

/* ---- option values ---- */

int cli_size(const char *text, uint64_t *size, const char **why)
{
    const char *p = text;
    uint64_t number;

    if (numbers_size(&p, &number, why) != 0)
        return -1;
    if (*p)
        return -1;
    *size = number;
    return 0;
}

static int set_number(const struct cli_option *option, const char *text, void *variable)
{
    const uint64_t most = option->type == CLI_MS ? INT_MAX : UINT64_MAX;
    const char *p = text;
    const char *unit = option->type == CLI_MS ? " of milliseconds" : "";
    uint64_t number;

    if (numbers_digits(&p, &number) != 0 || *p || number < option->min || number > most)
        return cli_wrong("--%s '%s': it must be a whole number%s, from %llu to %llu", option->name,
                         text, unit, (unsigned long long)option->min, (unsigned long long)most);
    if (option->type == CLI_MS)
        *(int *)variable = (int)number;
    else
        *(uint64_t *)variable = number;
    return -1;
}

static int set_size(const struct cli_option *option, const char *text, void *variable)
{
    const char *why;
    uint64_t number;

    if (cli_size(text, &number, &why) != 0)
        return cli_wrong("--%s '%s': %s", option->name, text, why);
    if (number < option->min)
        return cli_wrong("--%s '%s': it must be at least %llu", option->name, text,
                         (unsigned long long)option->min);
    *(uint64_t *)variable = number;
    return -1;
}

static int set_path(const struct cli_option *option, const char *text, void *variable)
{
    int path = sill_path_parse(text);

    if (path < 0)
        return cli_wrong("--%s '%s': it must be auto, channel, inline, mapped or rounds",
                         option->name, text);
    *(int *)variable = path;
    return -1;
}

static int set_access(const struct cli_option *option, const char *text, void *variable)
{
    if (strcmp(text, "user") == 0)
        *(int *)variable = SILL_ACCESS_USER;
    else if (strcmp(text, "all") == 0)
        *(int *)variable = SILL_ACCESS_ALL;
    else
        return cli_wrong("--%s '%s': it must be user or all", option->name, text);
    return -1;
}

static int set_channel(const struct cli_option *option, const char *text, void *variable)
{
    int kind = sill_channel_kind_parse(text);

    if (kind <= SILL_CHANNEL_AUTO)
        return cli_wrong("--%s '%s': it must be socket, named-pipe, pipe, fifo, mqueue, sysv or "
                         "queue",
                         option->name, text);
    *(int *)variable = kind;
    return -1;
}

static int set_family(const struct cli_option *option, const char *text, int *variable)
{
    int family = sill_family_parse(text);

    if (family < 0)
        return cli_wrong("--%s '%s': it must be auto, posix, sysv or win32", option->name, text);
    *variable = family;
    return -1;
}

/* Gives `option` its value, if it takes one. -1, or the exit status to end with. */
static int set(const struct cli_option *option, const char *text, void *values)
{
    void *variable = (char *)values + option->offset;

    switch (option->type) {
    case CLI_FLAG:
        *(int *)variable = 1;
        return -1;
    case CLI_TEXT:
        if (!*text)
            return cli_wrong("--%s: the value is empty", option->name);
        *(const char **)variable = text;
        return -1;
    case CLI_COUNT:
    case CLI_MS:
        return set_number(option, text, variable);
    case CLI_SIZE:
        return set_size(option, text, variable);
    case CLI_PATH:
        return set_path(option, text, variable);
    case CLI_ACCESS:
        return set_access(option, text, variable);
    case CLI_FAMILY:
        return set_family(option, text, variable);
    case CLI_CHANNEL:
        return set_channel(option, text, variable);
    case CLI_HELP:
        break;
    }
    return CLI_FINE;
}

/* ---- help ---- */

static void print_option(const struct cli_option *option)
{
    char left[64];
    int n;

    n = snprintf(left, sizeof left, "  %c%c%s --%s%s%s", option->letter ? '-' : ' ',
                 option->letter ? option->letter : ' ', option->letter ? "," : " ", option->name,
                 option->value ? " " : "", option->value ? option->value : "");
    if (n > 26)
        cli_print("%s\n%28s%s\n", left, "", option->help);
    else
        cli_print("%-28s%s\n", left, option->help);
}

static void print_help(void)
{
    const struct cli_option *option;
    const char *line = current->usage;
    const char *prefix = "Usage: ";

    while (*line) {
        int length = (int)strcspn(line, "\n");

        cli_print("%ssill %.*s\n", prefix, length, line);
        line += length + (line[length] != 0);
        prefix = "       ";
    }
    cli_print("\n%s\nOptions:\n", current->about);
    for (option = current->options; option->name; option++)
        if (option->help)
            print_option(option);
}

/* ---- parsing ---- */

static const struct cli_option *find_long(const char *name, size_t length)
{
    const struct cli_option *option;

    for (option = current->options; option->name; option++)
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return option;
    return NULL;
}

static const struct cli_option *find_letter(char letter)
{
    const struct cli_option *option;

    for (option = current->options; option->name; option++)
        if (option->letter == letter)
            return option;
    return NULL;
}

/* Does what an option says. `attached` is a value written together with it, `next` the argument
 * that follows; *used is set if that one was taken. */
static int apply(const struct cli_option *option, const char *attached, const char *next, int *used,
                 void *values)
{
    if (option->type == CLI_HELP) {
        print_help();
        return CLI_FINE;
    }
    if (!option->value) {
        if (attached)
            return cli_wrong("--%s takes no value", option->name);
        return set(option, "", values);
    }
    if (!attached) {
        if (!next)
            return cli_wrong("--%s needs a value: %s", option->name, option->value);
        attached = next;
        *used = 1;
    }
    return set(option, attached, values);
}

/* "--name", "--name=value" */
static int parse_long(const char *text, const char *next, int *used, void *values)
{
    size_t length = strcspn(text, "=");
    const struct cli_option *option = find_long(text, length);

    if (!option)
        return cli_wrong("there is no option --%.*s", (int)length, text);
    return apply(option, text[length] ? text + length + 1 : NULL, next, used, values);
}

/* "-abc", "-oVALUE" */
static int parse_letters(const char *text, const char *next, int *used, void *values)
{
    int status = -1;

    for (; *text && status < 0; text++) {
        const struct cli_option *option = find_letter(*text);

        if (!option)
            return cli_wrong("there is no option -%c", *text);
        if (option->value)
            return apply(option, text[1] ? text + 1 : NULL, next, used, values);
        status = apply(option, NULL, NULL, used, values);
    }
    return status;
}

/* What follows "--": kept apart by a command that asks for it, otherwise arguments as all others.
 */
static void take_rest(int count, char **rest, struct cli_arguments *arguments)
{
    if (current->keeps_rest) {
        arguments->rest = rest;
        arguments->rest_count = count;
        return;
    }
    while (count-- > 0)
        arguments->given[arguments->count++] = *rest++;
}

int cli_parse(int argc, char **argv, void *values, struct cli_arguments *arguments)
{
    int status;
    int i;

    *arguments = (struct cli_arguments){argv, 0, NULL, 0};
    for (i = 0; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        int used = 0;

        if (strcmp(argv[i], "--") == 0) {
            take_rest(argc - i - 1, argv + i + 1, arguments);
            return -1;
        }
        if (argv[i][0] != '-' || !argv[i][1]) {
            argv[arguments->count++] = argv[i];
            continue;
        }
        if (argv[i][1] == '-')
            status = parse_long(argv[i] + 2, next, &used, values);
        else
            status = parse_letters(argv[i] + 1, next, &used, values);
        if (status >= 0)
            return status;
        i += used;
    }
    return -1;
}

int cli_good_name(const char *name)
{
    size_t length = strlen(name);
    size_t i;

    for (i = 0; i < length; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", name[i]))
            break;
    if (length >= 1 && length <= 200 && i == length)
        return 1;
    cli_wrong("'%s' is no name: 1 to 200 letters, digits, '.', '_' and '-' are allowed", name);
    return 0;
}
