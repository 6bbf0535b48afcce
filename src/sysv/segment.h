/* segment.h - what a System V semaphore set needs to know of the segment it belongs to.
 *
 * A named synchronisation object of the System V family is a named segment and, under the same key,
 * a set. The segment's owner record leads to both; so whoever removes the segment removes the set,
 * before it: a process that dies in between leaves a segment that is found again.
 */
#ifndef SILL__SYSV_SEGMENT_H
#define SILL__SYSV_SEGMENT_H

#include <sys/ipc.h>

#include "../region_ops.h"

/* The key of a named segment. */
key_t sill__segment_key(const sill__memory *memory);

/* Removes the set with this key, if it is one of ours. */
void sill__set_remove(key_t key);

#endif
