/* backends.h - the registry of what this binary can do: the only portable place that knows. */
#ifndef SILL__BACKENDS_H
#define SILL__BACKENDS_H

#include "channel_ops.h"
#include "queue_ops.h"
#include "region_ops.h"
#include "sync_ops.h"

/* NULL-terminated. The first channel, queue and family of synchronisation objects is the platform's
 * default. */
extern const struct sill__channel_ops *const sill__channels[];
extern const struct sill__queue_ops *const sill__queues[];
extern const struct sill__region_ops *const sill__regions[];
extern const struct sill__sync_ops *const sill__syncs[];

/* The channel of an enum sill_family other than AUTO; NULL: not on this system. */
const struct sill__channel_ops *sill__channel_of_family(int family);
/* The channel that the record of a server names; the default where it names none that is known. */
const struct sill__channel_ops *sill__channel_of_record(const struct sill__owner_info *info);

/* What AUTO means here. */
extern const int sill__region_auto_named;
extern const int sill__region_auto_anonymous;

/* NULL: not on this system. */
const struct sill__region_ops *sill__region_ops_of(int kind);
const struct sill__queue_ops *sill__queue_ops_of(int kind);
const struct sill__queue_ops *sill__queue_ops_of_owner(enum sill__owner_kind kind);

#endif
