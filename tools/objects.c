/* objects.c - named objects as rows of a table: for sill ls and sill clean. */
#include "objects.h"

#include <stdio.h>
#include <time.h>

#include "table.h"

static const char *state_name(int state)
{
    switch (state) {
    case SILL_OBJECT_LIVING:
        return "living";
    case SILL_OBJECT_STALE:
        return "stale";
    default:
        return "kept";
    }
}

int objects_add(void *table, const sill_object *object)
{
    time_t seconds = (time_t)object->created;
    struct tm *utc = gmtime(&seconds);
    char created[32] = "";

    if (utc)
        (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", utc);
    table_add(table,
              json_pack("{s:o, s:o, s:o, s:s, s:I, s:I, s:s}", "type", table_text(object->type),
                        "kind", table_text(object->kind), "name", table_text(object->name), "state",
                        state_name(object->state), "pid", (json_int_t)object->pid, "size",
                        (json_int_t)object->size, "created", created));
    return 0;
}
