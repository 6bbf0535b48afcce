/* backends.h - the registry of what this binary can do: the only portable place that knows. */
#ifndef SILL__BACKENDS_H
#define SILL__BACKENDS_H

#include "channel_ops.h"
#include "region_ops.h"
#include "sync_ops.h"

/* NULL-terminated. The first channel and the first family of synchronisation objects
 * are the platform's defaults. */
extern const struct sill__channel_ops *const sill__channels[];
extern const struct sill__region_ops *const sill__regions[];
extern const struct sill__sync_ops *const sill__syncs[];

/* What AUTO means here. */
extern const int sill__region_auto_named;
extern const int sill__region_auto_anonymous;

const struct sill__region_ops *sill__region_ops_of(int kind); /* NULL: not on this system */

#endif
