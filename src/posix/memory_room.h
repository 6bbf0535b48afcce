/* memory_room.h - how much memory can still be committed. For the region backends. */
#ifndef SILL__POSIX_MEMORY_ROOM_H
#define SILL__POSIX_MEMORY_ROOM_H

#include <stdint.h>

/* Bytes that could be committed now: what the system has available, swap included, or less where a
 * control group limits this process. UINT64_MAX where it cannot be told. */
uint64_t sill__memory_room(void);

/* Memory that is committed must be there: 0, or NO_SPACE with a sentence. */
int sill__memory_check(uint64_t size);

#endif
