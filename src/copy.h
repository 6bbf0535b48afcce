/* copy.h - copying messages into memory that another process reads next.
 *
 * The destination's lines lie in the other processor's cache, and each has to be fetched from there
 * before it can be written. The C library's memcpy does not expect that (with "rep movsb" it
 * fetches them one by one); asking for them ahead is two to three times as fast for a few KiB. From
 * some hundred KiB on it is the other way round. bench/compare shows it.
 *
 * Where the two processors share no cache, the reader in turn fetches each line from the writer's.
 * Non-temporal stores put the lines into memory instead, past both caches: from some KiB on that is
 * several times as fast there, and where a cache is shared between a third faster and a third
 * slower. The policy says from which size on (nontemporal_min), and `sill tune` measures it.
 */
#ifndef SILL__COPY_H
#define SILL__COPY_H

#include <stddef.h>
#include <string.h>

#define SILL__COPY_SMALL 192 /* bytes; above it the loop is worth while */

/* Of more than SILL__COPY_SMALL bytes. */
void sill__copy_large(void *to, const void *from, size_t size);

/* `to` is aligned to 16 bytes. All of it is in memory before any later store. */
void sill__copy_nontemporal(void *to, const void *from, size_t size);

static inline void sill__copy(void *to, const void *from, size_t size)
{
    if (size == 8)
        memcpy(to, from, 8);
    else if (size > SILL__COPY_SMALL)
        sill__copy_large(to, from, size);
    else if (size > 0)
        memcpy(to, from, size);
}

#endif
