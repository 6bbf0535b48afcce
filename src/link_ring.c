/* link_ring.c - the way in by the rings: records become messages, without the kernel.
 *
 * A thread that receives takes the next record itself and hands it out in place; what it finds on
 * the way to it (replies, pieces of a large message) it deals with. A thread that waits for a reply
 * goes through the rings too, and puts aside (copies out) what is for others, as long as the queue
 * has room. The urgent lane comes first, and in each lane what was put aside comes before the ring.
 *
 * A record may speak of what comes by the channel: a segment's announcement, a message in frames.
 * The sender has written that before it published the record, so it is read now; where it is not
 * there yet (a Windows pipe delivers a little later), the lane waits until the channel has it.
 *
 * Each record is looked at once (ring.h), its fixed part is copied and checked, and only the copy
 * is used. What cannot be ends the link with PROTOCOL.
 *
 * Shared words: own->want, consumed, soon and lazy are written here; of the peer, its rings, want,
 * want_space, soon and lazy are read here.
 */
#include "link.h"

#include "memory.h"
#include "status.h"
#include "step.h"

#define LAZY_AFTER 64 /* messages without a bell after which a sender turns lazy */

enum { HANDED = 1 }; /* beside statuses: the caller's message is filled */

/* ---- setting up and ending ---- */

void sill__link_rings(struct sill__link *link, uint64_t own_size, uint64_t peer_size)
{
    const struct sill__control *peer = link->peer_words;
    struct sill__control *own = link->own;
    struct sill__lane *plain = &link->lanes[SILL__LANE_PLAIN];
    struct sill__lane *urgent = &link->lanes[SILL__LANE_URGENT];
    sill__ring_out_init(&plain->out, own->ring, (size_t)own_size, &peer->consumed[0]);
    sill__ring_out_init(&urgent->out, own->urgent, SILL__URGENT_RING, &peer->consumed[1]);
    sill__ring_in_init(&plain->in, peer->ring, (size_t)peer_size, &own->consumed[0]);
    sill__ring_in_init(&urgent->in, peer->urgent, SILL__URGENT_RING, &own->consumed[1]);
    link->can |= SILL_CAN_INLINE;
}

void sill__link_close_rings(struct sill__link *link, bool readable)
{
    for (unsigned i = 0; i < SILL__LANES; i++) {
        struct sill__ring_in *in = &link->lanes[i].in;
        link->lanes[i].limit = readable ? in->next + in->units : in->next;
    }
}

void sill__link_unblock(struct sill__link *link)
{
    for (unsigned i = 0; i < SILL__LANES; i++)
        link->lanes[i].blocked = link->lanes[i].seen = false;
}

/* Whether there are records to look at: at most one ring's worth once the link has ended. */
static bool is_readable(const struct sill__link *link, const struct sill__lane *lane)
{
    if ((link->can & SILL_CAN_INLINE) == 0)
        return false;
    return link->state == SILL__LINK_OPEN ||
           (link->state == SILL__LINK_ENDED && lane->limit - lane->in.next - 1 < lane->in.units);
}

/* ---- bells ---- */

/* Between what was stored and the look whether the peer sleeps. */
static void fence(const struct sill__link *link)
{
    /* seq_cst, pairs with the barrier in hub_look.c; if we are lazy, only the compiler's order is
     * needed, since the one who goes to sleep makes us execute a barrier */
    if (link->lazy)
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

static void turn_lazy(struct sill__link *link)
{
    atomic_store_explicit(&link->own->lazy, 1, memory_order_relaxed);
    /* seq_cst: whoever arms and does not see this is seen by our next look, fence or not */
    atomic_thread_fence(memory_order_seq_cst);
    link->lazy = true;
}

static void ring_bell(struct sill__link *link)
{
    const struct sill__frame bell = {.type = SILL__FRAME_BELL};
    if (link->lazy) {
        /* release: what we published without a fence is seen by who sees this */
        atomic_store_explicit(&link->own->lazy, 0, memory_order_release);
        link->lazy = false;
    }
    link->unrung = 0;
    SILL__STEP(bell_begin);
    sill__link_control(link, &bell, NULL, 0);
    SILL__STEP(bell_done);
}

/* Rings for a value of the peer's word that is new. */
static inline void ring_for(struct sill__link *link, uint32_t want, uint32_t *rung)
{
    if (want != 0 && want != *rung) {
        *rung = want;
        ring_bell(link);
    } else if (!link->lazy && link->may_be_lazy && ++link->unrung >= LAZY_AFTER) {
        turn_lazy(link);
    }
}

void sill__link_ring(struct sill__link *link)
{
    fence(link);
    ring_for(link, atomic_load_explicit(&link->peer_words->want, memory_order_relaxed),
             &link->rung);
}

void sill__link_soon(struct sill__link *link, bool soon)
{
    if (link->state != SILL__LINK_OPEN || (link->can & SILL_CAN_INLINE) == 0)
        return;
    atomic_store_explicit(&link->own->soon, soon, memory_order_relaxed);
    if (!soon)
        return;
    fence(link);
    uint32_t want = atomic_load_explicit(&link->peer_words->want, memory_order_relaxed);
    if (want % 2 != 0) /* looked at once: it may change at any time */
        ring_for(link, want, &link->rung);
}

void sill__link_ring_space(struct sill__link *link)
{
    if (link->state != SILL__LINK_OPEN || link->peer_words == NULL)
        return;
    fence(link);
    ring_for(link, atomic_load_explicit(&link->peer_words->want_space, memory_order_relaxed),
             &link->rung_space);
}

bool sill__link_peer_lazy(struct sill__source *source)
{
    const struct sill__link *link = (const struct sill__link *)source;
    /* acquire, pairs with the release in ring_bell */
    return link->peer_words != NULL &&
           atomic_load_explicit(&link->peer_words->lazy, memory_order_acquire) != 0;
}

bool sill__link_peer_soon(struct sill__source *source)
{
    const struct sill__link *link = (const struct sill__link *)source;
    return link->peer_words != NULL &&
           atomic_load_explicit(&link->peer_words->soon, memory_order_relaxed) != 0;
}

static void tell(struct sill__link *link, struct sill__lane *lane)
{
    sill__ring_tell(&lane->in);
    SILL__STEP(position_told);
    sill__link_ring_space(link);
}

/* Tells the position if it is time: in batches while this side looks at the ring, since it will tell
 * before it sleeps; at once if it has been armed already, or if the peer waits for room. */
static inline void tell_if_due(struct sill__link *link, struct sill__lane *lane, bool batch)
{
    if (!batch) {
        if (lane->in.head == lane->in.told || link->state != SILL__LINK_OPEN)
            return;
        if (link->source.hot &&
            atomic_load_explicit(&link->peer_words->want_space, memory_order_relaxed) == 0)
            return;
    }
    tell(link, lane);
}

void sill__link_ring_held(struct sill__source *source)
{
    struct sill__link *link = (struct sill__link *)source;
    if (link->state == SILL__LINK_OPEN)
        sill__link_ring(link);
}

unsigned sill__link_looks(struct sill__source *source, const _Atomic uint32_t *words[SILL__LOOKS],
                          bool all)
{
    struct sill__link *link = (struct sill__link *)source;
    unsigned count = 0;
    for (unsigned i = 0; i < SILL__LANES; i++)
        if (!link->lanes[i].blocked && (all || !link->lanes[i].seen) &&
            is_readable(link, &link->lanes[i]))
            words[count++] = sill__ring_watch(&link->lanes[i].in);
    return count;
}

void sill__link_seen(struct sill__source *source)
{
    struct sill__link *link = (struct sill__link *)source;
    for (unsigned i = 0; i < SILL__LANES; i++)
        if (is_readable(link, &link->lanes[i]) &&
            atomic_load_explicit(sill__ring_watch(&link->lanes[i].in), memory_order_relaxed) != 0)
            link->lanes[i].seen = true;
}

void sill__link_arm(struct sill__source *source, bool on)
{
    struct sill__link *link = (struct sill__link *)source;
    if (link->own == NULL)
        return;
    if (!on) {
        atomic_store_explicit(&link->own->want, 0, memory_order_relaxed);
        return;
    }
    for (unsigned i = 0; i < SILL__LANES; i++)
        if (link->lanes[i].in.head != link->lanes[i].in.told)
            tell(link, &link->lanes[i]);
    /* A new value, odd if this side would look for a while when it is woken. */
    link->want = (link->want | 1) + 1 != 0 ? (link->want | 1) + 1 : 2;
    if (link->hub->spin_ns > 0 && !link->hub->pollable)
        link->want |= 1;
    atomic_store_explicit(&link->own->want, link->want, memory_order_relaxed);
    SILL__STEP(armed);
    /* The peer may have no room, and that for as long as the user holds what it was handed: it can go
     * by the channel, if it knows that we sleep. */
    if (link->state == SILL__LINK_OPEN && (link->lanes[0].in.first != link->lanes[0].in.last ||
                                           link->lanes[1].in.first != link->lanes[1].in.last)) {
        /* seq_cst, pairs with the barrier behind want_space */
        atomic_thread_fence(memory_order_seq_cst);
        ring_for(link, atomic_load_explicit(&link->peer_words->want_space, memory_order_relaxed),
                 &link->rung_space);
    }
}

/* ---- releasing ---- */

void sill__link_release_record(struct sill__lane *lane, uint64_t serial)
{
    struct sill__link *link = lane->link;
    if (serial == SILL__NO_SERIAL || link->own == NULL)
        return;
    tell_if_due(link, lane, sill__ring_release(&lane->in, (uint32_t)serial));
}

static void skip(struct sill__link *link, struct sill__lane *lane, const struct sill__record *record)
{
    tell_if_due(link, lane, sill__ring_skip(&lane->in, record));
}

/* ---- one record ---- */

static inline void count_inline(struct sill__link *link, size_t messages, size_t bytes,
                                unsigned copies)
{
    sill_path_count *count = &link->statistics.received[SILL_PATH_INLINE];
    count->messages += messages;
    count->bytes += bytes;
    count->copies += copies;
}

/* Copies a message out of the ring, for somebody who comes later. */
static int put_aside(struct sill__link *link, struct sill__lane *lane,
                     const struct sill__record *record, const struct sill__in_ring *in)
{
    if (link->stalled)
        return SILL_AGAIN;
    struct sill__received *r = sill__received_new(link->port, in->type, in->size, false);
    if (r == NULL)
        return SILL_NO_MEMORY;
    void *room = in->size > 0 ? sill__received_room(r, in->size) : NULL;
    if (in->size > 0 && room == NULL) {
        sill__received_free(r);
        return SILL_NO_MEMORY;
    }
    if (in->size > 0)
        memcpy(room, in->data, in->size);
    r->id = in->id;
    r->have = in->size;
    r->path = SILL_PATH_INLINE;
    count_inline(link, 1, in->size, r->copies);
    skip(link, lane, record);
    sill__link_append(link, &lane->ready, r);
    return 0;
}

static int broken_record(void)
{
    return sill__fail(SILL_PROTOCOL, "the peer wrote a record that contradicts itself");
}

/* A reply in place, for the call that waits for it. */
static int give_in_place(struct sill__link *link, struct sill__lane *lane,
                         const struct sill__record *record, struct sill__in_ring *in)
{
    if (in->id > link->last_id)
        return sill__fail(SILL_PROTOCOL, "the peer answered a request that was never made");
    count_inline(link, 1, in->size, 1);
    struct sill__call *call = sill__link_call_of(link, in->id);
    if (call == NULL) {
        link->statistics.late_replies++;
        skip(link, lane, record);
        return 0;
    }
    int rc = sill__ring_take(&lane->in, record, &in->serial);
    if (rc != 0)
        return rc;
    call->in_place = *in;
    sill__hub_changed(link->hub);
    return 0;
}

/* The fixed part of an inline message: kind, id, where the bytes are. */
static inline int parse_inline(struct sill__link *link, struct sill__lane *lane,
                        const struct sill__record *record, struct sill__in_ring *in)
{
    size_t fixed = record->kind == SILL_DATAGRAM ? 0 : sizeof in->id;
    if (record->size < fixed ||
        (record->flags & ~(unsigned)(SILL__FRAME_REFUSED | SILL__RECORD_RETRACTED)) != 0)
        return broken_record();
    in->type = record->kind;
    in->refused = (record->flags & SILL__FRAME_REFUSED) != 0;
    in->id = 0;
    if (fixed > 0) { /* once: it is ours from here on */
        memcpy(&in->id, record->body, fixed);
        if (in->id == 0)
            return broken_record();
    }
    in->data = (const unsigned char *)record->body + fixed;
    in->size = record->size - fixed;
    in->lane = lane;
    if (in->size > link->message_max || (in->refused && in->type != SILL_REPLY))
        return broken_record();
    return 0;
}

static int take_inline(struct sill__link *link, struct sill__lane *lane,
                       const struct sill__record *record, sill_message *message)
{
    struct sill__in_ring in;
    int rc = parse_inline(link, lane, record, &in);
    if (rc != 0)
        return rc;
    if (in.type == SILL_REPLY)
        return give_in_place(link, lane, record, &in);
    if ((record->flags & SILL__RECORD_RETRACTED) != 0) {
        skip(link, lane, record);
        return 0;
    }
    if (message == NULL)
        return put_aside(link, lane, record, &in);
    rc = sill__ring_take(&lane->in, record, &in.serial);
    if (rc != 0)
        return rc;
    count_inline(link, 1, in.size, 1);
    sill__in_ring_hand(&in, message);
    return HANDED;
}

/* A whole message that lies elsewhere. */
static int give(struct sill__link *link, struct sill__lane *lane, struct sill__received *r,
                sill_message *message)
{
    if (r->retracted) {
        sill__received_free(r);
        return 0;
    }
    sill__link_count_received(link, r);
    if (r->type == SILL_REPLY) {
        sill__link_give_reply(link, r);
        return 0;
    }
    if (message == NULL) {
        sill__link_append(link, &lane->ready, r);
        return 0;
    }
    sill__received_hand(r, message);
    return HANDED;
}

/* Reads the channel for what a record speaks of: until a message is parked in `lane`, or, for NULL,
 * nothing is left. */
static void read_channel(struct sill__link *link, const struct sill__lane *lane)
{
    unsigned left = SILL__READABLE;
    if (link->reading) /* whoever reads unblocks us afterwards */
        return;
    while (left != 0 && link->state == SILL__LINK_OPEN && !link->stalled &&
           (lane == NULL || lane->parked.first == NULL))
        left = sill__link_work(&link->source, left);
    if (left != 0 && link->state == SILL__LINK_OPEN)
        sill__hub_ready(link->hub, &link->source, left);
}

/* The message is the next one that came by the channel. */
static int take_from_channel(struct sill__link *link, struct sill__lane *lane,
                             const struct sill__record *record, sill_message *message)
{
    if (record->size != 0 || record->kind == SILL_REPLY ||
        (record->flags & ~(unsigned)SILL__RECORD_RETRACTED) != SILL__RECORD_CHANNEL)
        return broken_record();
    if (message == NULL && link->stalled)
        return SILL_AGAIN;
    if (lane->parked.first == NULL)
        read_channel(link, lane);
    if (lane->parked.first == NULL)
        return SILL_AGAIN;
    struct sill__received *r = sill__link_take_first(link, &lane->parked);
    r->retracted = (record->flags & SILL__RECORD_RETRACTED) != 0;
    skip(link, lane, record);
    return give(link, lane, r, message);
}

static int new_described(struct sill__link *link, struct sill__lane *lane,
                         const struct sill__record *record, const struct sill__described *d,
                         struct sill__received **out)
{
    bool reply = record->kind == SILL_REPLY;
    if (d->total > link->message_max || d->block.size > d->total ||
        (d->block.size < d->total && lane->partial != NULL) ||
        (d->id == 0) != (record->kind == SILL_DATAGRAM) || (reply && d->id > link->last_id))
        return broken_record();
    struct sill__received *r = sill__received_new(link->port, record->kind, d->total, d->block.size == d->total);
    if (r == NULL)
        return SILL_NO_MEMORY;
    r->id = d->id;
    r->refused = (record->flags & SILL__FRAME_REFUSED) != 0;
    r->retracted = (record->flags & SILL__RECORD_RETRACTED) != 0;
    *out = r;
    return 0;
}

/* A mapped message, or a piece of one. */
static int take_described(struct sill__link *link, struct sill__lane *lane,
                          const struct sill__record *record, sill_message *message)
{
    struct sill__described d;
    bool more = record->kind == SILL__RECORD_MORE;
    struct sill__received *r = lane->partial;
    int rc = 0;
    if (record->size != sizeof d || (more && r == NULL))
        return broken_record();
    if (message == NULL && link->stalled && record->kind != SILL_REPLY && !more)
        return SILL_AGAIN;
    memcpy(&d, record->body, sizeof d); /* once: it is ours from here on */
    if (d.released_generation != 0 && link->arena != NULL)
        sill__arena_released(link->arena, d.released_slot, d.released_generation);
    if (!more)
        rc = new_described(link, lane, record, &d, &r);
    if (rc != 0)
        return rc;
    rc = sill__link_described(link, r, &d.block, (record->flags & SILL__FRAME_LOANED) != 0);
    if (rc != 0) {
        if (!more)
            sill__received_free(r);
        return rc;
    }
    skip(link, lane, record);
    bool whole = r->have == r->size;
    if (more || !whole)
        sill__link_tell_progress(link, r);
    lane->partial = whole ? more ? NULL : lane->partial : r;
    return whole ? give(link, lane, r, message) : 0;
}

/* A message whose place has come. */
static bool in_place(const struct sill__lane *lane)
{
    const struct sill__received *r = lane->placed.first;
    return r != NULL && (int32_t)(lane->in.next - r->place) >= 0;
}

static int take_placed(struct sill__link *link, struct sill__lane *lane, sill_message *message)
{
    struct sill__received *r = sill__link_take_first(link, &lane->placed);
    lane->placed_taken++;
    return give(link, lane, r, message);
}

/* All that were placed before it must have come. */
static int take_sync(struct sill__link *link, struct sill__lane *lane,
                     const struct sill__record *record)
{
    uint32_t sent;
    if (record->size != sizeof sent)
        return broken_record();
    memcpy(&sent, record->body, sizeof sent); /* once */
    if ((int32_t)(sent - lane->placed_taken) > 0) {
        read_channel(link, NULL);
        return in_place(lane) ? 0 : SILL_AGAIN;
    }
    skip(link, lane, record);
    return 0;
}

static int take_abort(struct sill__link *link, struct sill__lane *lane,
                      const struct sill__record *record)
{
    if (record->size != 0 || lane->partial == NULL)
        return broken_record();
    skip(link, lane, record);
    sill__received_free(lane->partial);
    lane->partial = NULL;
    return 0;
}

static int take_record(struct sill__link *link, struct sill__lane *lane,
                       const struct sill__record *record, sill_message *message)
{
    bool described = (record->flags & SILL__FRAME_DESCRIBED) != 0;
    switch (record->kind) {
    case SILL_REQUEST:
    case SILL_REPLY:
    case SILL_DATAGRAM:
        if ((record->flags & SILL__RECORD_CHANNEL) != 0)
            return take_from_channel(link, lane, record, message);
        return described ? take_described(link, lane, record, message)
                         : take_inline(link, lane, record, message);
    case SILL__RECORD_MORE:
        return described ? take_described(link, lane, record, message) : broken_record();
    case SILL__RECORD_SYNC:
        return take_sync(link, lane, record);
    case SILL__RECORD_ABORT:
        return take_abort(link, lane, record);
    default:
        return broken_record();
    }
}

/* Deals with the next record of the lane: 0, HANDED, AGAIN, or why the link must end. A segment
 * that is not known yet is looked for in the channel. */
static int step(struct sill__link *link, struct sill__lane *lane, sill_message *message)
{
    struct sill__record record;
    lane->blocked = lane->seen = false;
    if (in_place(lane))
        return message != NULL || !link->stalled ? take_placed(link, lane, message) : SILL_AGAIN;
    int rc = sill__ring_look(&lane->in, &record);
    if (rc != 0)
        return rc;
    rc = take_record(link, lane, &record, message);
    if (rc == SILL_AGAIN && (record.flags & SILL__FRAME_DESCRIBED) != 0 && !link->stalled) {
        read_channel(link, NULL);
        rc = take_record(link, lane, &record, message);
    }
    lane->blocked = rc == SILL_AGAIN;
    return rc;
}

static int steps(struct sill__link *link, struct sill__lane *lane, sill_message *message)
{
    int rc = SILL_AGAIN;
    while ((in_place(lane) || is_readable(link, lane)) && (rc = step(link, lane, message)) == 0)
        ;
    if (rc == 0 || rc == HANDED || rc == SILL_AGAIN)
        return rc;
    if (link->state == SILL__LINK_ENDED)
        sill__link_close_rings(link, false);
    sill__link_end(link, rc);
    return SILL_AGAIN;
}

/* ---- for those who wait ---- */

/* What most messages are: nothing waits before the plain ring's next record, and that is a small
 * datagram or request; and so on, up to `capacity` of them. How many were handed out; 0 says nothing.
 */
static size_t next_small(struct sill__link *link, sill_message *messages, size_t capacity)
{
    struct sill__lane *lane = &link->lanes[SILL__LANE_PLAIN];
    struct sill__lane *urgent = &link->lanes[SILL__LANE_URGENT];
    struct sill__record record;
    struct sill__in_ring in;
    size_t count = 0, bytes = 0;
    if (link->state != SILL__LINK_OPEN || (link->can & SILL_CAN_INLINE) == 0 ||
        lane->ready.first != NULL || urgent->ready.first != NULL || lane->blocked ||
        lane->placed.first != NULL || urgent->placed.first != NULL)
        return 0;
    while (count < capacity &&
           atomic_load_explicit(sill__ring_watch(&urgent->in), memory_order_relaxed) == 0 &&
           sill__ring_look(&lane->in, &record) == 0 && record.flags == 0 &&
           (record.kind == SILL_DATAGRAM || record.kind == SILL_REQUEST) &&
           parse_inline(link, lane, &record, &in) == 0 &&
           sill__ring_take(&lane->in, &record, &in.serial) == 0) {
        bytes += in.size;
        sill__in_ring_fill(&in, link->port, &messages[count++]);
    } /* the long way finds out why, and says it */
    lane->seen = lane->seen && count == 0;
    link->port->references += (unsigned)count;
    link->statistics.unreleased += count;
    count_inline(link, count, bytes, (unsigned)count);
    return count;
}

static bool next_any(struct sill__link *link, sill_message *message)
{
    for (unsigned i = SILL__LANES; i-- > 0;) {
        struct sill__lane *lane = &link->lanes[i];
        if (lane->ready.first != NULL) {
            sill__received_hand(sill__link_take_first(link, &lane->ready), message);
            return true;
        }
        if (steps(link, lane, message) == HANDED)
            return true;
    }
    return false;
}

/* Nothing can be handed out, and yet the queue is full: of messages in frames whose records are not
 * there. A sender publishes each record before it writes the next message, so one of them may have
 * to wait for its record, or for word that its sender has ended; that word is read now. */
static void read_on(struct sill__link *link)
{
    const struct sill__received *plain = link->lanes[SILL__LANE_PLAIN].parked.first;
    const struct sill__received *urgent = link->lanes[SILL__LANE_URGENT].parked.first;
    if (!link->stalled || link->state != SILL__LINK_OPEN)
        return;
    const struct sill__received *one = plain != NULL ? plain : urgent;
    if (one == NULL || one->next != NULL || (plain != NULL && urgent != NULL)) {
        sill__link_end(link, sill__fail(SILL_PROTOCOL, "the peer sent messages without a place"));
        return;
    }
    link->stalled = false;
    sill__link_unblock(link);
    sill__hub_changed(link->hub);
    sill__hub_ready(link->hub, &link->source, SILL__READABLE);
}

size_t sill__link_next(struct sill__link *link, sill_message *messages, size_t capacity)
{
    size_t count = next_small(link, messages, capacity);
    if (count == 0 && next_any(link, messages))
        count = 1;
    if (count == 0) {
        read_on(link);
        return 0;
    }
    link->source.touched = true;
    link->hub->run += (unsigned)count;
    return count;
}

void sill__link_pump(struct sill__link *link)
{
    const struct sill__received *first[SILL__LANES];
    for (unsigned i = SILL__LANES; i-- > 0;) {
        first[i] = link->lanes[i].ready.first;
        steps(link, &link->lanes[i], NULL);
    }
    for (unsigned i = 0; i < SILL__LANES; i++) {
        if (first[i] != NULL || link->lanes[i].ready.first == NULL)
            continue;
        sill__port_ready(link->port); /* somebody else has got something to receive */
        sill__hub_changed(link->hub);
    }
}

bool sill__link_has(struct sill__link *link)
{
    if (link->stalled && link->state == SILL__LINK_OPEN)
        return true; /* if there is no message, sill__link_next finds out why */
    for (unsigned i = 0; i < SILL__LANES; i++) {
        const struct sill__lane *lane = &link->lanes[i];
        if (lane->ready.first != NULL || in_place(lane))
            return true;
        /* relaxed: whoever takes the record looks properly */
        if (!lane->blocked && is_readable(link, lane) &&
            atomic_load_explicit(sill__ring_watch(&lane->in), memory_order_relaxed) != 0)
            return true;
    }
    return false;
}
