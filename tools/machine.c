/* machine.c - the fingerprint of a machine: from the library's facts, and from the processor. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sill.h>

#include "bench_os.h"
#include "os.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

/* The name that the processor gives itself; "" where it has none. */
static void read_processor(char out[MACHINE_TEXT])
{
#if defined(__x86_64__) && defined(__GNUC__)
    unsigned words[13] = {0};
    const char *from = (const char *)words;
    size_t used = 0;

    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &words[i * 4], &words[i * 4 + 1], &words[i * 4 + 2],
                         &words[i * 4 + 3]))
            return;
    for (; *from; from++) /* filled up with blanks */
        if (*from > ' ' && *from < 0x7f)
            out[used++] = *from;
        else if (used > 0 && out[used - 1] != ' ')
            out[used++] = ' ';
    while (used > 0 && out[used - 1] == ' ')
        used--;
    out[used] = 0;
#else
    (void)out;
#endif
}

struct reading {
    struct machine *machine;
    char name[MACHINE_TEXT / 2], version[MACHINE_TEXT / 2 - 1];
};

static int each_fact(void *arg, const sill_fact *fact)
{
    struct reading *r = arg;
    int system = strcmp(fact->topic, "system") == 0;

    if (system && strcmp(fact->name, "name") == 0)
        snprintf(r->name, sizeof r->name, "%s", fact->value);
    else if (system && strcmp(fact->name, "version") == 0)
        snprintf(r->version, sizeof r->version, "%s", fact->value);
    else if (system && strcmp(fact->name, "machine") == 0 && !*r->machine->processor)
        snprintf(r->machine->processor, MACHINE_TEXT, "%s", fact->value);
    /* What follows is tried for real, which takes its time. */
    return strcmp(fact->topic, "system") != 0 && strcmp(fact->topic, "cores") != 0;
}

void machine_read(struct machine *machine)
{
    struct reading r = {.machine = machine};

    *machine = (struct machine){.cores = os_processors(), .page_size = bench_os_page_size()};
    read_processor(machine->processor);
    (void)sill_facts(each_fact, &r);
    snprintf(machine->system, sizeof machine->system, "%s%s%s", r.name, *r.version ? " " : "",
             r.version);
    if (!*machine->processor)
        snprintf(machine->processor, MACHINE_TEXT, "not known");
}

const char *machine_difference(const struct machine *then, const struct machine *now)
{
    size_t name = strcspn(now->system, " ");

    if (strcmp(then->processor, now->processor) != 0)
        return "another processor";
    if (then->cores != now->cores)
        return "another number of cores";
    if (then->page_size != now->page_size)
        return "another size of pages";
    if (strcspn(then->system, " ") != name || strncmp(then->system, now->system, name) != 0)
        return "another system";
    return NULL;
}
