/* received.c - messages that were received: their memory, and giving it back.
 *
 * The bytes of a message lie in one of three places: behind the struct (small and private), in a
 * heap block of their own (large and private; grows as bytes come, at most doubling, so that a
 * peer that only claims a size costs nothing), or in a segment of the peer (mapped, read in place).
 *
 * Small messages that are read in place in a ring are not here: struct sill__in_ring in link.h.
 *
 * Shared words: own->released[slot] is written here, by this process only.
 */
#include "link.h"

#include <string.h>

#include "memory.h"
#include "status.h"
#include "step.h"

#define SMALL 4096 /* bytes that lie behind the struct */

struct sill__received *sill__received_new(sill_port *port, int type, uint64_t size, bool elsewhere)
{
    size_t behind = size <= SMALL && !elsewhere ? (size_t)size : 0;
    struct sill__received *r = behind == 0 ? port->link.spare : NULL;
    if (r != NULL)
        port->link.spare = NULL;
    else
        r = sill__alloc(sizeof *r + behind);
    if (r == NULL) {
        sill__fail(SILL_NO_MEMORY, "no memory for a message of %llu bytes",
                   (unsigned long long)size);
        return NULL;
    }
    memset(r, 0, sizeof *r);
    r->port = port;
    r->type = type;
    r->path = SILL_PATH_CHANNEL;
    r->copies = 2;
    r->size = size;
    r->data = behind > 0 ? r->bytes : NULL;
    return r;
}

void *sill__received_room(struct sill__received *r, size_t more)
{
    if (r->size <= SMALL)
        return r->bytes + r->have;
    uint64_t need = r->have + more;
    if (need > r->heap_capacity) {
        uint64_t capacity = r->heap_capacity * 2;
        if (capacity < need)
            capacity = need;
        if (capacity > r->size)
            capacity = r->size;
        unsigned char *heap = capacity > SIZE_MAX ? NULL : sill__realloc(r->heap, (size_t)capacity);
        if (heap == NULL) {
            sill__fail(SILL_NO_MEMORY, "no memory for a message of %llu bytes",
                       (unsigned long long)r->size);
            return NULL;
        }
        r->heap = heap;
        r->heap_capacity = (size_t)capacity;
        r->data = heap;
    }
    return r->heap + r->have;
}

void sill__peer_segment_unref(struct sill__peer_segment *segment)
{
    if (--segment->users > 0)
        return;
    sill_region_close(segment->region);
    sill__free(segment);
}

void sill__received_release_block(struct sill__received *r)
{
    if (r->segment == NULL)
        return;
    struct sill__link *link = &r->port->link;
    SILL__STEP(release_begin);
    /* release: our reads of the block come before; pairs with the acquire load in arena.c. (In a
     * forked child there are no words: the parent may still read.) */
    if (link->own != NULL)
        atomic_store_explicit(&link->own->released[r->slot], r->generation, memory_order_release);
    link->released_slot = r->slot;
    link->released_generation = r->generation;
    sill__peer_segment_unref(r->segment);
    r->segment = NULL;
    sill__link_ring_space(link);
    SILL__STEP(release_done);
}

void sill__received_free(struct sill__received *r)
{
    if (r == NULL)
        return;
    sill__received_release_block(r);
    for (unsigned i = 0; i < r->handle_count; i++)
        if (r->handles[i] != SILL_NO_HANDLE)
            sill__handle_close(r->handles[i]);
    sill_port *held = r->handed ? r->port : NULL;
    struct sill__link *link = &r->port->link;
    sill__free(r->heap);
    if (link->spare == NULL && link->state == SILL__LINK_OPEN)
        link->spare = r;
    else
        sill__free(r);
    if (held != NULL) {
        held->link.statistics.unreleased--;
        sill__port_unref(held);
    }
}

void sill__received_hand(struct sill__received *r, sill_message *message)
{
    sill__port_ref(r->port);
    r->handed = true;
    r->port->link.statistics.unreleased++;
    message->type = r->type;
    message->path = r->path;
    message->copies = r->copies;
    message->handle_count = r->handle_count;
    message->data = r->size > 0 ? r->data : NULL;
    message->size = (size_t)r->size;
    message->id = r->id;
    message->port = r->port;
    message->context = r->port->context;
    message->internal = r;
    SILL__STEP(receive_taken);
}
