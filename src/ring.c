/* ring.c - a ring of records in shared memory. See ring.h for what always holds.
 */
#include "ring.h"

#include "memory.h"
#include "status.h"

void sill__ring_out_init(struct sill__ring_out *ring, void *base, size_t size,
                         const _Atomic uint32_t *consumed)
{
    memset(ring, 0, sizeof *ring);
    ring->base = base;
    ring->units = (uint32_t)(size / SILL__UNIT);
    ring->consumed = consumed;
}

void sill__ring_in_init(struct sill__ring_in *ring, const void *base, size_t size,
                        _Atomic uint32_t *consumed)
{
    memset(ring, 0, sizeof *ring);
    ring->base = base;
    ring->units = (uint32_t)(size / SILL__UNIT);
    ring->batch = ring->units / 8;
    ring->consumed = consumed;
    ring->spans = ring->few;
    ring->capacity = SILL__RING_OUT_FEW;
}

void sill__ring_in_free(struct sill__ring_in *ring)
{
    if (ring->spans != ring->few)
        sill__free(ring->spans);
    ring->spans = ring->few;
}

/* ---- writing ---- */

int sill__ring_room_slow(struct sill__ring_out *ring, uint32_t units, uint32_t spare)
{
    if (units > ring->units / 2 - 4)
        return sill__fail(SILL_TOO_BIG, "a record of %lu bytes does not fit a ring of %lu",
                          (unsigned long)units * SILL__UNIT,
                          (unsigned long)ring->units * SILL__UNIT);
    uint32_t before_end = ring->units - (ring->tail & (ring->units - 1));
    uint32_t need = units > before_end ? units + before_end : units;
    if (sill__ring_has(ring, need, spare))
        return 0;
    if (!sill__ring_reload(ring))
        return sill__fail(SILL_PROTOCOL, "the peer's position in the ring cannot be");
    return sill__ring_has(ring, need, spare) ? 0 : SILL_AGAIN;
}

void sill__ring_retract(struct sill__ring_out *ring, uint32_t position)
{
    if (!sill__ring_reload(ring) || ring->tail - position > ring->tail - ring->head)
        return;
    _Atomic uint32_t *word = &sill__ring_at(ring, position)->word;
    uint32_t now = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, now | SILL__RECORD_RETRACTED << 8, memory_order_release);
}

/* ---- reading ---- */

static int broken(void)
{
    return sill__fail(SILL_PROTOCOL, "the peer wrote a record that cannot be into its ring");
}

int sill__ring_look_on(struct sill__ring_in *ring, uint32_t word, uint32_t size,
                       struct sill__record *out)
{
    uint32_t before_end = ring->units - (ring->next & (ring->units - 1));
    uint32_t units = sill__record_units(size);
    if ((uint8_t)word != SILL__RECORD_PAD || size > ring->units * SILL__UNIT ||
        word >> 16 != (ring->next & 0xffff) || units != before_end || units == ring->units ||
        ring->next + units - ring->head > ring->units)
        return broken();
    ring->next += units; /* and so to the beginning, where no padding can be */
    ring->pad += units;
    return sill__ring_look(ring, out);
}

int sill__ring_grow(struct sill__ring_in *ring)
{
    uint32_t capacity = ring->capacity * 2;
    uint32_t *spans = sill__alloc(capacity * sizeof *spans);
    if (spans == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for %lu messages that are not released",
                          (unsigned long)capacity);
    for (uint32_t serial = ring->first; serial != ring->last; serial++)
        spans[serial & (capacity - 1)] = ring->spans[serial & (ring->capacity - 1)];
    sill__ring_in_free(ring);
    ring->spans = spans;
    ring->capacity = capacity;
    return 0;
}

bool sill__ring_skip(struct sill__ring_in *ring, const struct sill__record *record)
{
    uint32_t units = ring->pad + sill__record_units(record->size);
    sill__ring_pass(ring, sill__record_units(record->size));
    if (ring->first == ring->last)
        ring->head += units;
    else /* freed with the newest that is out, behind which it lies */
        ring->spans[(ring->last - 1) & (ring->capacity - 1)] += units;
    return ring->head - ring->told >= ring->batch;
}
