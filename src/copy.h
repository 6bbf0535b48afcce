/* copy.h - copying messages into memory that another process reads next.
 *
 * The destination's lines lie in the other processor's cache, and each has to be fetched from there
 * before it can be written. The C library's memcpy does not expect that (with "rep movsb" it
 * fetches them one by one); asking for them ahead is two to three times as fast for a few KiB. From
 * some hundred KiB on it is the other way round. bench/compare shows it.
 *
 * A reader that reads all of it fetches each line from the writer's cache, and then the writer must
 * get each back before it writes there again. Non-temporal stores put the lines into memory instead,
 * past both caches. Where the two processors share no cache that is up to twenty times as fast for
 * the writer; where they share one it depends on the size; and where the reader looks at the
 * beginning only, plain stores are faster. On a virtual machine it may change at any time. So a
 * writer tries both, now and then, from a size on that the policy says (nontemporal_min): what its
 * own copy takes tells all three cases apart.
 */
#ifndef SILL__COPY_H
#define SILL__COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SILL__COPY_SMALL 192 /* bytes; above it the loop is worth while */

/* Of more than SILL__COPY_SMALL bytes. */
void sill__copy_large(void *to, const void *from, size_t size);

/* `to` is aligned to 16 bytes. All of it is in memory before any later store. */
void sill__copy_nontemporal(void *to, const void *from, size_t size);

/* ---- which of the two ---- */

/* What copies took, by the size's power of two. All zero at its beginning. Not locked. */
enum { SILL__COPY_CLASSES = 16 };
struct sill__copy_choice {
    struct sill__copy_class {
        double plain, nontemporal; /* ns for a KiB; 0: not tried yet */
        uint32_t count; /* copies */
        uint32_t try_at; /* the count at which the slower way is tried again */
    } classes[SILL__COPY_CLASSES];
};

/* How the next copy of `size` bytes is to be made, and whether sill__copy_took is to be told what it
 * took. */
struct sill__copy_way {
    bool nontemporal;
    bool timed;
};
struct sill__copy_way sill__copy_choose(struct sill__copy_choice *choice, size_t size);
void sill__copy_took(struct sill__copy_choice *choice, size_t size, struct sill__copy_way way,
                     int64_t ns);

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
