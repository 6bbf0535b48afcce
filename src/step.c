/* step.c - stops the process at a named step, in builds for tests only. See step.h.
 *
 * The counters are per process; the environment is read at each mark, so that a test may also set
 * it for itself. The notice is written before the sleep begins: who has seen it knows that the
 * process will not go one instruction of the protocol further.
 */
#include "step.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#ifdef SILL_STEPS
static const char *const names[] = {
#define NAME(name) #name,
    SILL__STEP_TABLE(NAME)
#undef NAME
};

static atomic_long reached[sill__step_count];

/* Whether `order`, "name" or "name:n", means the nth time of this step. */
static int is_meant(const char *order, const char *name, long nth)
{
    size_t length = strlen(name);
    if (strncmp(order, name, length) != 0)
        return 0;
    if (order[length] == '\0')
        return nth == 1;
    return order[length] == ':' && strtol(order + length + 1, NULL, 10) == nth;
}

static void notify(void)
{
    const char *path = getenv("SILL_STOP_NOTICE");
    FILE *file = path != NULL ? fopen(path, "ab") : NULL;
    if (file == NULL)
        return;
    fputc('.', file);
    fclose(file);
}

void sill__step_reached(enum sill__step step)
{
    const char *order = getenv("SILL_STOP_AT");
    if (order == NULL)
        return;
    long nth = atomic_fetch_add(&reached[step], 1) + 1;
    if (!is_meant(order, names[step], nth))
        return;
    notify();
    for (;;)
        sill__sleep_ns(INT64_C(3600000000000));
}
#endif
