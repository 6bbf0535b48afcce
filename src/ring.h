/* ring.h - a ring of records in shared memory: one process writes it, another reads it.
 *
 * The memory belongs to the writer; the reader maps it read-only and tells in its own memory, by
 * one word, how far the ring is free again. Positions are counted in units of 16 bytes, for ever,
 * as 32-bit numbers that wrap; the unit at a position is the position modulo the ring's size.
 *
 * A record is
 *
 *     word (4 bytes) | size (4 bytes) | body (size bytes) | nothing up to a multiple of 16
 *
 * and lies in one piece: what does not fit before the end of the ring goes to its beginning, behind
 * a record of the kind PAD. `word` is never 0: kind, flags, and the low half of the position, so
 * that what is left from a round before is never taken for a record.
 *
 * What always holds: the word behind the last record is 0. The writer zeroes it before it publishes
 * the record's own word (release); so the reader, which waits for that word (acquire), never reads
 * stale bytes as a record and never has to write here. One unit of the ring is kept empty for that
 * zero, and one more for the record that takes an unfinished message back.
 *
 * If the writer dies: records whose word was published are whole; of others nothing is seen. If the
 * reader dies: the writer's memory is as it was.
 *
 * Everything but the shared bytes and `consumed` is private to the process, and used under its
 * link's lock. The reader believes nothing: word and size are loaded once and checked against its
 * own numbers; a record that cannot be is SILL_PROTOCOL.
 */
#ifndef SILL__RING_H
#define SILL__RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sill/status.h>

#define SILL__UNIT 16

/* Kinds of records. Requests, replies and datagrams have the numbers of enum sill_message_type. */
enum sill__record_kind {
    SILL__RECORD_PAD = 1,   /* nothing up to the end of the ring */
    SILL__RECORD_MORE = 5,  /* the next piece of the message that has begun */
    SILL__RECORD_ABORT = 6, /* the message that has begun is taken back */
    SILL__RECORD_SYNC = 7,  /* so many messages that were placed by frames come before it: u32 */
    SILL__RECORD_KINDS
};

/* Flags beside enum sill__frame_flag: the message is the next one that came as frames on the
 * channel. */
#define SILL__RECORD_CHANNEL 8

/* Added to the word of a request whose caller has given up: it is passed over by a reader who has
 * not taken it yet. */
#define SILL__RECORD_RETRACTED 32

struct sill__record_head {
    _Atomic uint32_t word;
    uint32_t size; /* bytes of body */
};
static_assert(sizeof(struct sill__record_head) == 8, "record head");

/* The writer's side. */
struct sill__ring_out {
    unsigned char *base;
    uint32_t units;    /* of the ring; a power of two */
    uint32_t tail;     /* where the next record goes */
    uint32_t head;     /* the last known value of *consumed */
    uint32_t reserved; /* units that are promised to records which must not wait */
    const _Atomic uint32_t *consumed; /* written by the reader */
};

/* The reader's side. Records that were taken and are still read in place stand in a queue by their
 * serial numbers, [first, last); they may be released in any order, the position only moves over
 * the oldest. */
#define SILL__RING_OUT_FEW 8
struct sill__ring_in {
    const unsigned char *base;
    uint32_t units;
    uint32_t next;  /* where the next record is looked for */
    uint32_t head;  /* everything before it is free */
    uint32_t told;  /* the value of *consumed */
    uint32_t batch; /* units after which it is told again */
    uint32_t pad;   /* units of padding before the next record */
    uint32_t run;   /* records taken since the ring was last seen empty */
    uint32_t first, last;  /* serial numbers of records that are out */
    uint32_t capacity;     /* of `spans`, a power of two */
    uint32_t *spans;       /* [serial % capacity]: units, and whether it is released */
    uint32_t few[SILL__RING_OUT_FEW];
    _Atomic uint32_t *consumed; /* ours to write, the writer reads it */
};

/* A record that was looked at. */
struct sill__record {
    uint8_t kind;
    uint8_t flags;
    uint32_t size; /* of the body; checked */
    const void *body;
};

static inline struct sill__record_head *sill__ring_at(const struct sill__ring_out *ring,
                                                      uint32_t position)
{
    return (struct sill__record_head *)(void *)(ring->base + (size_t)(position & (ring->units - 1)) *
                                                                 SILL__UNIT);
}

static inline uint32_t sill__record_units(size_t body)
{
    return (uint32_t)((sizeof(struct sill__record_head) + body + SILL__UNIT - 1) / SILL__UNIT);
}

static inline uint32_t sill__record_word(unsigned kind, unsigned flags, uint32_t position)
{
    return kind | flags << 8 | position << 16;
}

/* `base` is zero. */
void sill__ring_out_init(struct sill__ring_out *ring, void *base, size_t size,
                         const _Atomic uint32_t *consumed);
void sill__ring_in_init(struct sill__ring_in *ring, const void *base, size_t size,
                        _Atomic uint32_t *consumed);
/* Frees the private memory of the reader's side. */
void sill__ring_in_free(struct sill__ring_in *ring);

/* ---- writing ---- */

/* Whether `units` more are free, as far as is known; `spare` units are left over. */
static inline bool sill__ring_has(const struct sill__ring_out *ring, uint32_t units, uint32_t spare)
{
    return units + spare <= ring->units - (ring->tail - ring->head);
}

/* Loads the reader's position anew. False if it is no position that can be: nothing is changed. */
static inline bool sill__ring_reload(struct sill__ring_out *ring)
{
    /* acquire, pairs with the release store in sill__ring_tell: the reader is done with the units
     * before we write there again */
    uint32_t head = atomic_load_explicit(ring->consumed, memory_order_acquire);
    if (head - ring->head > ring->tail - ring->head)
        return false;
    ring->head = head;
    return true;
}

/* Room for the body of a record: 0 and *body, then sill__ring_publish; AGAIN: none now; PROTOCOL:
 * the reader's position cannot be; TOO_BIG: more than half of the ring, it never fits. `promised`:
 * it is one of the reserved units that this record takes (it must have one unit). */
int sill__ring_room_slow(struct sill__ring_out *ring, uint32_t units, uint32_t spare);

static inline int sill__ring_room(struct sill__ring_out *ring, size_t size, bool promised,
                                  void **body)
{
    uint32_t units = sill__record_units(size);
    uint32_t spare = promised ? 1 : 2 + ring->reserved;
    uint32_t before_end = ring->units - (ring->tail & (ring->units - 1));
    if (units > before_end || !sill__ring_has(ring, units, spare)) {
        int rc = sill__ring_room_slow(ring, units, spare);
        if (rc != 0)
            return rc;
        before_end = ring->units - (ring->tail & (ring->units - 1));
        if (units > before_end) { /* the record goes to the beginning, the padding is told later */
            *body = ring->base + sizeof(struct sill__record_head);
            return 0;
        }
    }
    *body = (unsigned char *)sill__ring_at(ring, ring->tail) + sizeof(struct sill__record_head);
    return 0;
}

/* A new line of the ring lies in the reader's cache, and to get it takes as long as many messages;
 * stores go out in order, so it must be asked for ahead of them. Only lines that are free. */
#define SILL__AHEAD 32 /* units */
static inline void sill__ring_fetch_ahead(const struct sill__ring_out *ring, uint32_t before)
{
    if ((before ^ ring->tail) / (64 / SILL__UNIT) == 0 ||
        !sill__ring_has(ring, SILL__AHEAD, 64 / SILL__UNIT))
        return;
    const void *line = sill__ring_at(ring, ring->tail + SILL__AHEAD);
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#elif defined(__GNUC__)
    __builtin_prefetch(line, 1);
#endif
}

/* Publishes the record whose body was written at the place that sill__ring_room gave; returns its
 * position. */
static inline uint32_t sill__ring_publish(struct sill__ring_out *ring, unsigned kind, unsigned flags,
                                      size_t size)
{
    uint32_t units = sill__record_units(size), at = ring->tail;
    uint32_t before_end = ring->units - (at & (ring->units - 1));
    bool wraps = units > before_end;
    if (wraps)
        at += before_end;
    struct sill__record_head *head = sill__ring_at(ring, at);
    atomic_store_explicit(&sill__ring_at(ring, at + units)->word, 0, memory_order_relaxed);
    head->size = (uint32_t)size;
    /* release, pairs with the acquire load in sill__ring_look: body and the zero behind it are
     * there before the word is */
    atomic_store_explicit(&head->word, sill__record_word(kind, flags, at), memory_order_release);
    if (wraps) {
        struct sill__record_head *pad = sill__ring_at(ring, ring->tail);
        pad->size = before_end * SILL__UNIT - (uint32_t)sizeof *pad;
        atomic_store_explicit(&pad->word, sill__record_word(SILL__RECORD_PAD, 0, ring->tail),
                              memory_order_release);
    }
    uint32_t before = ring->tail;
    ring->tail = at + units;
    sill__ring_fetch_ahead(ring, before);
    return at;
}

/* Retracts the record at `position`, if the reader may not have taken it yet. Only the word changes,
 * and only before its units are free for us again. */
void sill__ring_retract(struct sill__ring_out *ring, uint32_t position);

/* ---- reading ---- */

static inline const struct sill__record_head *sill__ring_next(const struct sill__ring_in *ring)
{
    size_t at = (size_t)(ring->next & (ring->units - 1)) * SILL__UNIT;
    return (const struct sill__record_head *)(const void *)(ring->base + at);
}

/* The word to watch: it becomes other than 0 when there is something to read. */
static inline const _Atomic uint32_t *sill__ring_watch(const struct sill__ring_in *ring)
{
    return &sill__ring_next(ring)->word;
}

/* Looks at the next record without taking it. 0; AGAIN: there is none; PROTOCOL. */
static inline int sill__ring_look(struct sill__ring_in *ring, struct sill__record *out);
/* The same for padding, and for what cannot be. */
int sill__ring_look_on(struct sill__ring_in *ring, uint32_t word, uint32_t size,
                       struct sill__record *out);

static inline int sill__ring_look(struct sill__ring_in *ring, struct sill__record *out)
{
    const struct sill__record_head *head = sill__ring_next(ring);
    /* acquire, pairs with the release store in sill__ring_publish */
    uint32_t word = atomic_load_explicit(&head->word, memory_order_acquire);
    if (word == 0) {
        ring->run = 0;
        return SILL_AGAIN;
    }
    /* once: the peer may change it at any time */
    uint32_t size = *(const volatile uint32_t *)&head->size;
    uint32_t before_end = ring->units - (ring->next & (ring->units - 1));
    if ((uint8_t)word == SILL__RECORD_PAD || size > ring->units * SILL__UNIT ||
        sill__record_units(size) > before_end || word >> 16 != (ring->next & 0xffff) ||
        ring->next + sill__record_units(size) - ring->head > ring->units)
        return sill__ring_look_on(ring, word, size, out);
    out->kind = (uint8_t)word;
    out->flags = (uint8_t)(word >> 8);
    out->size = size;
    out->body = head + 1;
    return 0;
}

/* In a stream whose writer is well ahead, the lines to come are fetched early. (Where it is not, that
 * would take them away from it.) */
#define SILL__RUN_AHEAD 64
static inline void sill__ring_pass(struct sill__ring_in *ring, uint32_t units)
{
    uint32_t before = ring->next;
    ring->next += units;
    ring->pad = 0;
#if defined(__GNUC__)
    if (++ring->run > SILL__RUN_AHEAD && (before ^ ring->next) / (64 / SILL__UNIT) != 0)
        __builtin_prefetch(ring->base + (size_t)((ring->next + SILL__AHEAD) & (ring->units - 1)) *
                                            SILL__UNIT);
#endif
}

#define SILL__SPAN_RELEASED UINT32_C(0x80000000) /* in a span */

int sill__ring_grow(struct sill__ring_in *ring);

/* Takes the record that was just looked at: it stays readable until it is released by `serial`.
 * 0 or NO_MEMORY (then it was not taken). */
static inline int sill__ring_take(struct sill__ring_in *ring, const struct sill__record *record,
                                  uint32_t *serial)
{
    if (ring->last - ring->first == ring->capacity) {
        int rc = sill__ring_grow(ring);
        if (rc != 0)
            return rc;
    }
    uint32_t units = sill__record_units(record->size);
    ring->spans[ring->last & (ring->capacity - 1)] = ring->pad + units;
    *serial = ring->last++;
    sill__ring_pass(ring, units);
    return 0;
}

/* Releases a record. True if the writer should now be told (sill__ring_tell). A serial number that
 * is not out is passed over. */
static inline bool sill__ring_release(struct sill__ring_in *ring, uint32_t serial)
{
    uint32_t mask = ring->capacity - 1;
    if (serial - ring->first >= ring->last - ring->first)
        return false;
    ring->spans[serial & mask] |= SILL__SPAN_RELEASED;
    while (ring->first != ring->last &&
           (ring->spans[ring->first & mask] & SILL__SPAN_RELEASED) != 0)
        ring->head += ring->spans[ring->first++ & mask] & ~SILL__SPAN_RELEASED;
    return ring->head - ring->told >= ring->batch;
}

/* Takes and releases in one, for a record that is done with. True as above. */
bool sill__ring_skip(struct sill__ring_in *ring, const struct sill__record *record);
/* Stores the position for the writer to see. */
static inline void sill__ring_tell(struct sill__ring_in *ring)
{
    ring->told = ring->head;
    /* release, pairs with the acquire load in sill__ring_reload */
    atomic_store_explicit(ring->consumed, ring->head, memory_order_release);
}

#endif
