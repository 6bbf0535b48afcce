/* backends.h - the registry of what this binary can do: the only portable place that knows. */
#ifndef SILL__BACKENDS_H
#define SILL__BACKENDS_H

#include "channel_ops.h"
#include "region_ops.h"

/* NULL-terminated. The first channel is the platform's default. */
extern const struct sill__channel_ops *const sill__channels[];
extern const struct sill__region_ops *const sill__regions[];

/* What AUTO means here. */
extern const int sill__region_auto_named;
extern const int sill__region_auto_anonymous;

const struct sill__region_ops *sill__region_ops_of(int kind); /* NULL: not on this system */

#endif
