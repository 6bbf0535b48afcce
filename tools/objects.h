/* objects.h - named objects as rows of a table: for sill ls and sill clean. */
#ifndef SILL_TOOLS_OBJECTS_H
#define SILL_TOOLS_OBJECTS_H

#include <sill.h>

/* A sill_object_each whose argument is a struct table. */
int objects_add(void *table, const sill_object *object);

#endif
