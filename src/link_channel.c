/* link_channel.c - messages that go by the channel, and large ones in pieces.
 *
 * With rings, a request or datagram needs its place in the order of messages. As a rule that is a
 * record, for which room is reserved before anything is sent that cannot be taken back; where the
 * ring has no room because the peer's user holds what it was handed, the frame itself says the place
 * (link.h). Replies need none.
 *
 * A message in rounds keeps room for the ABORT that takes it back. If a piece finds no shared memory,
 * or no place, all of it goes once more, by the channel.
 */
#include "link.h"

#include "memory.h"
#include "status.h"
#include "step.h"

/* ---- places ---- */

enum place {
    PLACE_NONE,   /* it needs none */
    PLACE_RECORD, /* one record's room is reserved */
    PLACE_FRAME   /* the frame says it */
};

static bool has_rings(const struct sill__link *link)
{
    return (link->can & SILL_CAN_INLINE) != 0;
}

/* 0, or why there is none. */
static int reserve(struct sill__link *link, struct sill__lane *lane, struct sill__outgoing *out,
                   enum place *place)
{
    void *unused;
    *place = PLACE_NONE;
    if (!has_rings(link))
        return 0;
    int rc = sill__link_record_room(link, lane, out, 0, &unused);
    if (rc == 0)
        lane->out.reserved++;
    if (rc == 0 || rc == SILL__PINNED)
        *place = rc == 0 ? PLACE_RECORD : PLACE_FRAME;
    return rc == SILL__PINNED ? 0 : rc;
}

static int find_place(struct sill__link *link, struct sill__lane *lane, struct sill__outgoing *out,
                      enum place *place)
{
    *place = PLACE_NONE;
    return out->type == SILL_REPLY ? 0 : reserve(link, lane, out, place);
}

static void put_place(const struct sill__lane *lane, enum place place, struct sill__frame *head)
{
    if (place != PLACE_FRAME || head->kind == SILL_REPLY)
        return;
    head->flags |= SILL__FRAME_PLACED;
    head->word = lane->out.tail;
}

/* Publishes a record without a body in the room that was reserved for it. */
static void publish_reserved(struct sill__link *link, struct sill__lane *lane, unsigned kind,
                             unsigned flags, struct sill__outgoing *out)
{
    void *unused;
    lane->out.reserved--;
    if (link->state != SILL__LINK_OPEN || sill__ring_room(&lane->out, 0, true, &unused) != 0)
        return;
    out->position = sill__ring_publish(&lane->out, kind, flags, 0);
    out->lane = lane;
    sill__link_ring(link);
}

/* The message is sent (`rc` 0) or not: its place is taken, or given back. */
static void settle_place(struct sill__link *link, struct sill__lane *lane,
                         struct sill__outgoing *out, enum place place, int rc)
{
    bool needed = out->type != SILL_REPLY;
    if (place == PLACE_RECORD && rc == 0 && needed)
        publish_reserved(link, lane, (unsigned)out->type, SILL__RECORD_CHANNEL, out);
    else if (place == PLACE_RECORD)
        lane->out.reserved--;
    if (place != PLACE_FRAME || rc != 0 || !needed)
        return;
    lane->placed_sent++;
    lane->sync_due = true;
}

/* ---- in one frame ---- */

static struct sill__frame message_head(const struct sill__outgoing *out)
{
    bool urgent = (out->options->flags & SILL_SEND_URGENT) != 0;
    const struct sill__frame head = {
        .type = SILL__FRAME_MESSAGE,
        .kind = (uint8_t)out->type,
        .flags = (uint8_t)((out->refused ? SILL__FRAME_REFUSED : 0) |
                           (urgent ? SILL__FRAME_URGENT : 0)),
        .id = out->id,
        .total = out->size};
    return head;
}

static int send_frame(struct sill__link *link, struct sill__outgoing *out, unsigned flags,
                      const void *body, size_t size)
{
    struct sill__lane *lane = sill__link_lane(link, out);
    struct sill__frame head = message_head(out);
    enum place place;
    int rc = find_place(link, lane, out, &place);
    if (rc != 0)
        return rc;
    head.flags |= (uint8_t)flags;
    put_place(lane, place, &head);
    rc = sill__link_write(link, &head, body, size, out->options->handles,
                          out->options->handle_count, sill__out_deadline(out), out->seen);
    settle_place(link, lane, out, place, rc);
    return rc;
}

int sill__link_describe_by_channel(struct sill__link *link, struct sill__outgoing *out,
                                   const struct sill__descriptor *block, unsigned flags)
{
    return send_frame(link, out, flags | SILL__FRAME_DESCRIBED, block, sizeof *block);
}

int sill__link_send_channel(struct sill__link *link, struct sill__outgoing *out)
{
    if (out->size > SILL__CHUNK_MAX)
        return sill__link_send_large(link, out, false);
    int rc = send_frame(link, out, 0, out->data, out->size);
    if (rc == 0)
        sill__link_count_sent(link, SILL_PATH_CHANNEL, 1, out->size, 2);
    return rc;
}

/* ---- in pieces ---- */

/* The size of the pieces of a message in rounds. Two of them fit an ordinary segment, so that the
 * receiver empties one while the sender fills the other; and there are two at least, or it would
 * be a mapped message. (The policy keeps segment_size within mapped_max.) */
static uint64_t piece_size(const struct sill__link *link, uint64_t size)
{
    uint64_t piece = link->policy.segment_size / 2, half = size - size / 2;
    return piece < half ? piece : half;
}

/* A large message that is under way. */
struct transfer {
    struct sill__outgoing *out;
    struct sill__lane *lane;
    uint64_t done;
    bool rounds;   /* pieces go through blocks */
    enum place place;
};

static int send_piece_described(struct sill__link *link, struct transfer *t)
{
    struct sill__outgoing *out = t->out;
    uint64_t left = out->size - t->done, size = piece_size(link, out->size);
    if (size > left)
        size = left;
    struct sill__block block;
    int rc = sill__link_fill_block(link, out, (const unsigned char *)out->data + t->done, size,
                                   &block);
    if (rc != 0)
        return rc;
    rc = sill__link_describe(link, out, &block, size,
                             out->refused && t->done == 0 ? SILL__FRAME_REFUSED : 0, t->done > 0);
    if (rc != 0) {
        sill__link_give_back(link, &block);
        return rc;
    }
    sill__arena_sent(link->arena, &block);
    t->done += size;
    return 0;
}

static int send_piece_copied(struct sill__link *link, struct transfer *t)
{
    struct sill__outgoing *out = t->out;
    uint64_t left = out->size - t->done;
    size_t size = left < SILL__CHUNK_MAX ? (size_t)left : SILL__CHUNK_MAX;
    struct sill__frame head = message_head(out);
    bool first = t->done == 0;
    if (!first) {
        const struct sill__frame more = {.type = SILL__FRAME_MORE,
                                         .flags = head.flags & SILL__FRAME_URGENT};
        head = more;
    } else {
        put_place(t->lane, t->place, &head);
    }
    int rc = sill__link_write(link, &head, (const unsigned char *)out->data + t->done, size,
                              first ? out->options->handles : NULL,
                              first ? out->options->handle_count : 0, sill__out_deadline(out),
                              out->seen);
    if (rc == 0)
        t->done += size;
    return rc;
}

/* Takes back what was sent of it. */
static void abort_transfer(struct sill__link *link, struct transfer *t)
{
    if (t->done == 0 || link->state == SILL__LINK_ENDED)
        return;
    if (t->rounds) {
        publish_reserved(link, t->lane, SILL__RECORD_ABORT, 0, t->out);
        t->place = PLACE_NONE;
        return;
    }
    bool urgent = t->lane == &link->lanes[SILL__LANE_URGENT];
    const struct sill__frame abort = {.type = SILL__FRAME_ABORT,
                                      .flags = urgent ? SILL__FRAME_URGENT : 0};
    sill__link_control(link, &abort, NULL, 0);
}

/* No more shared memory: once more from the beginning, by the channel. */
static int fall_back(struct sill__link *link, struct transfer *t)
{
    abort_transfer(link, t);
    t->rounds = false;
    t->done = 0;
    link->statistics.fallbacks++;
    return t->place == PLACE_RECORD ? 0 : reserve(link, t->lane, t->out, &t->place);
}

static int send_pieces(struct sill__link *link, struct transfer *t)
{
    int rc = 0;
    while (rc == 0 && t->done < t->out->size) {
        rc = t->rounds ? send_piece_described(link, t) : send_piece_copied(link, t);
        if (t->rounds && sill__link_no_memory(rc) && !link->require_mapped) {
            rc = fall_back(link, t);
            continue;
        }
        if (rc == 0 && t->done < t->out->size)
            SILL__STEP(rounds_piece);
        if (rc == 0 && link->progress != NULL) {
            const sill_progress progress = {link->port, 0, t->done, t->out->size};
            link->progress(link->progress_arg, &progress);
        }
    }
    if (rc != 0)
        abort_transfer(link, t);
    sill__link_soon(link, false);
    return rc;
}

static bool not_large(void *arg)
{
    const struct sill__lane *lane = arg;
    return !lane->large || lane->link->state == SILL__LINK_ENDED;
}

/* The turn to send a large message is ours. */
static int transfer(struct sill__link *link, struct transfer *t)
{
    int rc = reserve(link, t->lane, t->out, &t->place);
    if (rc != 0)
        return rc;
    if (t->place == PLACE_FRAME) /* nor would there be room for the pieces' records */
        t->rounds = false;
    rc = send_pieces(link, t);
    if (t->rounds && t->place == PLACE_RECORD)
        t->lane->out.reserved--;
    else if (!t->rounds)
        settle_place(link, t->lane, t->out, t->place, rc);
    return rc;
}

int sill__link_send_large(struct sill__link *link, struct sill__outgoing *out, bool rounds)
{
    struct transfer t = {out, sill__link_lane(link, out), 0, rounds, PLACE_NONE};
    int rc = not_large(t.lane) ? 0
                               : sill__link_wait(link, not_large, t.lane, sill__out_deadline(out),
                                                 out->seen);
    if (rc != 0)
        return rc;
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    t.lane->large = true;
    rc = transfer(link, &t);
    t.lane->large = false;
    sill__hub_changed(link->hub);
    if (rc == 0)
        sill__link_count_sent(link, t.rounds ? SILL_PATH_ROUNDS : SILL_PATH_CHANNEL, 1, out->size,
                              2);
    return rc;
}
