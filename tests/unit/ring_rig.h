/* ring_rig.h - a ring between two mappings of one memory, and records that tell whether they are whole.
 */
#ifndef RING_RIG_H
#define RING_RIG_H

#include "support.h"

#include <sill/port.h>
#include <sill/region.h>

#include "memory.h"
#include "ring.h"

enum { RING = 4096, UNITS = RING / SILL__UNIT };

struct pair {
    sill_region *made, *seen;
    _Atomic uint32_t consumed;
    struct sill__ring_out out;
    struct sill__ring_in in;
    uint32_t random;
};

/* A ring of which `start` units are behind both sides. `apart`: two mappings. */
static inline void open_pair(struct pair *p, size_t size, uint32_t start, bool apart)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    sill_handle handle;
    memset(p, 0, sizeof *p);
    p->random = start * 2654435761u + 12345;
    support_ok(sill_region_create(&p->made, NULL, size, &options));
    void *base = sill_region_data(p->made);
    const void *seen = base;
    if (apart) {
        options.read_only = 1;
        options.size = size;
        support_ok(sill_region_handle(p->made, &handle));
        support_ok(sill_region_open_handle(&p->seen, handle, &options));
        seen = sill_region_data(p->seen);
        assert_ptr_not_equal(base, seen);
    }
    sill__ring_out_init(&p->out, base, size, &p->consumed);
    sill__ring_in_init(&p->in, seen, size, &p->consumed);
    p->out.tail = p->out.head = start;
    p->in.next = p->in.head = p->in.told = start;
    atomic_store(&p->consumed, start);
}

static inline void close_pair(struct pair *p)
{
    sill__ring_in_free(&p->in);
    sill_region_close(p->seen);
    sill_region_close(p->made);
}

static inline uint32_t next_random(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

/* Bytes that depend on the number. Half of the bodies are full of words that look like records. */
static inline void fill(unsigned char *body, size_t size, uint32_t number, uint32_t position)
{
    uint32_t x = number * 2654435761u + 1;
    if (size < sizeof number) {
        memset(body, (int)(number & 0xff), size);
        return;
    }
    memcpy(body, &number, sizeof number);
    for (size_t i = sizeof number; i < size; i++)
        body[i] = (unsigned char)(next_random(&x) >> 4);
    if (number % 2 != 0)
        return;
    for (size_t at = 8; at + 8 <= size; at += SILL__UNIT) { /* where heads would be */
        uint32_t unit = position + (uint32_t)((at + 8) / SILL__UNIT);
        uint32_t head[2] = {sill__record_word(SILL_DATAGRAM, 0, unit), 8};
        memcpy(body + at, head, sizeof head);
    }
}

static inline bool is_filled(const unsigned char *body, size_t size, uint32_t number, uint32_t position)
{
    unsigned char wanted[RING];
    if (size > sizeof wanted)
        return false;
    fill(wanted, size, number, position);
    return memcmp(wanted, body, size) == 0;
}

static inline int write_one(struct pair *p, size_t size, uint32_t number)
{
    void *body = NULL;
    int rc = sill__ring_room(&p->out, size, false, &body);
    if (rc != 0)
        return rc;
    uint32_t before_end = p->out.units - (p->out.tail & (p->out.units - 1));
    uint32_t at = p->out.tail + (sill__record_units(size) > before_end ? before_end : 0);
    fill(body, size, number, at);
    sill__ring_publish(&p->out, SILL_DATAGRAM, 0, size);
    return 0;
}

static inline uint32_t position_of(const struct pair *p, const struct sill__record *record)
{
    uint32_t unit = (uint32_t)(((const unsigned char *)record->body - p->in.base) / SILL__UNIT);
    assert_int_equal(unit, p->in.next & (p->in.units - 1));
    return p->in.next;
}

#endif
