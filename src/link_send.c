/* link_send.c - the way out: waiting, frames, records. (Messages in frames and large ones:
 * link_channel.c; blocks: link_blocks.c.)
 *
 * Threads: `busy` says that a thread writes a frame and may be asleep in the middle of it; a lane's
 * `large` that a thread sends a message of several pieces there. Small messages of other threads
 * pass between the pieces of a large one; two large ones of one lane do not mix, so a receiver has
 * one unfinished message at a time in each. Records are written with the lock held.
 *
 * Timeouts are honest: a record is published when all of it is there; a frame that could not be
 * finished is taken back (wire.h); a large message that could not be finished is followed by ABORT.
 * Records that must not wait for room, since something was sent already that only they give its
 * place, have it reserved before: the one behind a message in frames, and ABORT.
 *
 * Shared words: the rings in `own` are written here, own->want_space too; the peer's consumed and
 * its release table are read (ring.h, arena.c).
 */
#include "link.h"

#include <string.h>

#include "copy.h"
#include "memory.h"
#include "status.h"
#include "step.h"

#define LOOK_NS INT64_C(10000000) /* between looks for what a stalled link cannot be told */
#define URGENT_INLINE 256         /* largest urgent message in a ring, bytes */

struct link_wait {
    const struct sill__link *link;
    bool (*done)(void *arg);
    void (*arm)(void *arg);
    void *arg;
    bool stalled; /* when the wait began */
};

static bool done_or_other(void *arg)
{
    const struct link_wait *wait = arg;
    return wait->done(wait->arg) || wait->link->stalled != wait->stalled;
}

static void arm_other(void *arg)
{
    const struct link_wait *wait = arg;
    wait->arm(wait->arg);
}

/* While the link is stalled, nothing that the peer says is read, and not every system reports its
 * death by itself: looks now and then whether it lives. */
static int wait_armed(struct sill__link *link, bool (*done)(void *arg), void (*arm)(void *arg),
                      void *arg, int64_t deadline, unsigned seen)
{
    for (;;) {
        struct link_wait wait = {link, done, arm, arg, link->stalled};
        int64_t end = wait.stalled ? sill__earlier(deadline, sill__now_ns() + LOOK_NS) : deadline;
        const struct sill__until until = {done_or_other,  &wait, end, &link->cancels, seen,
                                          arm != NULL ? arm_other : NULL, &link->source};
        int rc = sill__hub_wait(link->hub, &until);
        sill__conn *conn = link->stream.conn;
        if (link->stalled && conn != NULL && conn->ops->peer_alive(conn) == 0)
            link->peer_dead = true;
        if (rc == 0 ? done(arg) : rc != SILL_TIMEOUT || end == deadline)
            return rc;
    }
}

int sill__link_wait(struct sill__link *link, bool (*done)(void *arg), void *arg, int64_t deadline,
                    unsigned seen)
{
    return wait_armed(link, done, NULL, arg, deadline, seen);
}

int sill__link_ended(const struct sill__link *link)
{
    return sill__fail(link->end, "%s", link->end_text);
}

void sill__link_control(struct sill__link *link, const struct sill__frame *head, const void *body,
                        size_t size)
{
    if (link->state == SILL__LINK_ENDED)
        return;
    int rc = sill__stream_control(&link->stream, head, body, size);
    if (rc == SILL_NO_MEMORY || rc == SILL_PROTOCOL) {
        link->doomed = rc; /* a bell that never goes out would leave the peer waiting */
        sill__hub_ready(link->hub, &link->source, SILL__READABLE);
    }
}

/* ---- one frame ---- */

static bool not_busy(void *arg)
{
    struct sill__link *link = arg;
    return !link->busy || link->state == SILL__LINK_ENDED;
}

static int take_turn(struct sill__link *link, int64_t deadline, unsigned seen)
{
    int rc = not_busy(link) ? 0 : sill__link_wait(link, not_busy, link, deadline, seen);
    if (rc != 0)
        return rc;
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    link->busy = true;
    return 0;
}

static void leave_turn(struct sill__link *link)
{
    link->busy = false;
    sill__hub_changed(link->hub);
}

/* The peer is gone, and how it went lies behind a queue that nobody empties. */
static bool hopeless(const struct sill__link *link)
{
    return link->peer_dead && link->stalled;
}

static int given_up(void)
{
    return sill__fail(SILL_DIED, "%s", sill_status_text(SILL_DIED));
}

static bool can_write(void *arg)
{
    struct sill__link *link = arg;
    return link->writable || link->state == SILL__LINK_ENDED || hopeless(link);
}

/* The channel broke under a write. What the peer sent before comes first, and tells how it ended;
 * without anything to read it has died. */
static int broken(struct sill__link *link, int rc)
{
    if (rc != SILL_DIED)
        return rc;
    while (link->state != SILL__LINK_ENDED && !link->stalled)
        if (sill__link_work(&link->source, SILL__READABLE) == 0)
            break;
    return link->state == SILL__LINK_ENDED
               ? sill__link_ended(link)
               : given_up();
}

/* Gives up a frame that was begun. One that failed in the middle for a reason of this side alone
 * leaves the channel in no state to go on. If the peer is gone, reading tells how. */
static void abandon_frame(struct sill__link *link, struct sill__writing *w, int rc)
{
    if (link->state == SILL__LINK_ENDED)
        return;
    bool orderly = rc == SILL_TIMEOUT || rc == SILL_CANCELED || rc == SILL_DIED;
    int back = 0;
    if (w->done == 0 || orderly)
        back = sill__stream_take_back(&link->stream, w);
    else
        sill__link_end(link, rc);
    if (back != 0 && back != SILL_DIED)
        sill__link_end(link, back);
}

/* A frame has been written. That our death cannot take it back is waited for too. (A greeting is
 * answered anyway.) */
static void await_arrival(struct sill__link *link, bool handles, int64_t deadline, unsigned seen)
{
    struct sill__arrival arrival = {&link->stream, &link->peer_dead,
                                    handles && link->state == SILL__LINK_OPEN};
    if (sill__stream_arrived(&arrival))
        return;
    deadline = sill__arrival_deadline(deadline);
    if (sill__link_wait(link, sill__stream_arrived, &arrival, deadline, seen) == SILL_CANCELED)
        link->cancels.told = seen; /* the next call is canceled */
}

/* Writes a frame; the turn is ours. */
static int write_frame(struct sill__link *link, const struct sill__frame *head, const void *body,
                       size_t size, const sill_handle *handles, unsigned count, int64_t deadline,
                       unsigned seen)
{
    struct sill__writing w;
    int rc = sill__stream_prepare(&link->stream, &w, head, body, size, handles, count);
    if (rc != 0)
        return broken(link, rc);
    while ((rc = sill__stream_push(&link->stream, &w)) == SILL_AGAIN) {
        link->writable = false;
        rc = hopeless(link) ? given_up() : sill__link_wait(link, can_write, link, deadline, seen);
        if (rc != 0) {
            abandon_frame(link, &w, rc);
            return rc;
        }
    }
    if (rc == 0) {
        await_arrival(link, count > 0 && head->type != SILL__FRAME_WELCOME, deadline, seen);
        return 0;
    }
    rc = broken(link, rc);
    abandon_frame(link, &w, rc);
    return rc;
}

int sill__link_write(struct sill__link *link, const struct sill__frame *head, const void *body,
                     size_t size, const sill_handle *handles, unsigned count, int64_t deadline,
                     unsigned seen)
{
    int rc = take_turn(link, deadline, seen);
    if (rc != 0)
        return rc;
    rc = write_frame(link, head, body, size, handles, count, deadline, seen);
    leave_turn(link);
    return rc;
}

/* ---- room ---- */

struct room_wait {
    struct sill__link *link;
    int (*attempt)(void *arg);
    void *arg;
    int rc; /* of the last attempt */
};

static bool room_or_end(void *arg)
{
    struct room_wait *wait = arg;
    if (wait->rc != SILL_AGAIN)
        return true;
    if (wait->link->state == SILL__LINK_ENDED)
        wait->rc = sill__link_ended(wait->link);
    else if (hopeless(wait->link))
        wait->rc = given_up();
    else
        wait->rc = wait->attempt(wait->arg);
    if (wait->rc == SILL_AGAIN)
        sill__link_pump(wait->link); /* if both sides wait so, each makes room for the other */
    return wait->rc != SILL_AGAIN;
}

/* From now on the peer rings when it releases something. */
static void want_space(void *arg)
{
    struct room_wait *wait = arg;
    struct sill__link *link = wait->link;
    if (link->own == NULL || link->state != SILL__LINK_OPEN)
        return;
    if (++link->want_space == 0)
        link->want_space = 1;
    atomic_store_explicit(&link->own->want_space, link->want_space, memory_order_relaxed);
    SILL__STEP(space_wanted);
}

int sill__link_wait_room(struct sill__link *link, int (*attempt)(void *arg), void *arg,
                         int64_t deadline, unsigned seen)
{
    struct room_wait wait = {link, attempt, arg, SILL_AGAIN};
    link->space_waiters++;
    int rc = wait_armed(link, room_or_end, want_space, &wait, deadline, seen);
    if (--link->space_waiters == 0 && link->own != NULL)
        atomic_store_explicit(&link->own->want_space, 0, memory_order_relaxed);
    return rc != 0 ? rc : wait.rc;
}

/* ---- records ---- */

struct sill__lane *sill__link_lane(struct sill__link *link, const struct sill__outgoing *out)
{
    bool urgent = (out->options->flags & SILL_SEND_URGENT) != 0;
    return &link->lanes[urgent ? SILL__LANE_URGENT : SILL__LANE_PLAIN];
}

struct record_room {
    struct sill__link *link;
    struct sill__lane *lane;
    size_t size;
    void *body;
};

/* The peer has read all of the ring, or it would not sleep, and yet there is no room. */
static bool is_pinned(const struct sill__link *link)
{
    uint32_t want = atomic_load_explicit(&link->peer_words->want, memory_order_relaxed);
    return want != 0 && want != link->rung;
}

/* What was sent by frames with a place of their own must not be overtaken. */
static int publish_sync(struct sill__lane *lane)
{
    const uint32_t sent = lane->placed_sent;
    void *body;
    int rc = sill__ring_room(&lane->out, sizeof sent, false, &body);
    if (rc != 0)
        return rc;
    memcpy(body, &sent, sizeof sent);
    sill__ring_publish(&lane->out, SILL__RECORD_SYNC, 0, sizeof sent);
    lane->sync_due = false;
    return 0;
}

static int find_record_room(void *arg)
{
    struct record_room *room = arg;
    struct sill__lane *lane = room->lane;
    int rc = lane->sync_due ? publish_sync(lane) : 0;
    if (rc == 0)
        rc = sill__ring_room(&lane->out, room->size, false, &room->body);
    return rc == SILL_AGAIN && is_pinned(room->link) ? SILL__PINNED : rc;
}

int sill__link_record_room(struct sill__link *link, struct sill__lane *lane,
                           struct sill__outgoing *out, size_t size, void **body)
{
    struct record_room room = {link, lane, size, NULL};
    int rc = find_record_room(&room);
    if (rc == SILL_AGAIN)
        rc = sill__link_wait_room(link, find_record_room, &room, sill__out_deadline(out),
                                  out->seen);
    *body = room.body;
    if (rc == SILL_PROTOCOL)
        sill__link_end(link, rc);
    return rc;
}

/* The record is published; now or later the peer is told. */
static void tell_peer(struct sill__link *link, struct sill__outgoing *out)
{
    if ((out->options->flags & SILL_SEND_MORE) != 0) {
        sill__hub_hold(link->hub, &link->source);
        return;
    }
    sill__hub_unhold(link->hub, &link->source);
    sill__link_ring(link);
}

void sill__link_count_sent(struct sill__link *link, int path, uint64_t messages, uint64_t bytes,
                           uint64_t copies)
{
    sill_path_count *count = &link->statistics.sent[path];
    count->messages += messages;
    count->bytes += bytes;
    count->copies += copies;
}

/* Publishes a small datagram, if nothing stands against it. */
static inline bool put_small(struct sill__link *link, const void *data, size_t size)
{
    struct sill__lane *lane = &link->lanes[SILL__LANE_PLAIN];
    void *body;
    if (link->small_max < (int64_t)size || link->peer_message_max < size ||
        lane->out.reserved > 0 || lane->sync_due ||
        sill__ring_room(&lane->out, size, false, &body) != 0)
        return false;
    sill__copy(body, data, size);
    SILL__STEP(record_written);
    sill__ring_publish(&lane->out, SILL_DATAGRAM, 0, size);
    SILL__STEP(record_published);
    return true;
}

bool sill__link_send_small(struct sill__link *link, const void *data, size_t size, unsigned flags)
{
    if (!put_small(link, data, size))
        return false;
    if ((flags & SILL_SEND_MORE) != 0)
        sill__hub_hold(link->hub, &link->source);
    else
        sill__link_ring(link);
    sill__link_count_sent(link, SILL_PATH_INLINE, 1, size, 1);
    return true;
}

size_t sill__link_send_smalls(struct sill__link *link, const sill_bytes *messages, size_t count)
{
    size_t done = 0, bytes = 0;
    while (done < count && (messages[done].data != NULL || messages[done].size == 0) &&
           put_small(link, messages[done].data, messages[done].size))
        bytes += messages[done++].size;
    if (done > 0)
        sill__hub_hold(link->hub, &link->source);
    sill__link_count_sent(link, SILL_PATH_INLINE, done, bytes, done);
    return done;
}

static int send_inline(struct sill__link *link, struct sill__outgoing *out)
{
    struct sill__lane *lane = sill__link_lane(link, out);
    size_t fixed = out->type == SILL_DATAGRAM ? 0 : sizeof out->id;
    void *body;
    int rc = sill__link_record_room(link, lane, out, fixed + out->size, &body);
    if (rc == SILL__PINNED)
        return sill__link_send_channel(link, out);
    if (rc != 0)
        return rc;
    if (fixed > 0)
        memcpy(body, &out->id, fixed);
    sill__copy((unsigned char *)body + fixed, out->data, out->size);
    SILL__STEP(record_written);
    out->position = sill__ring_publish(&lane->out, (unsigned)out->type,
                                       out->refused ? SILL__FRAME_REFUSED : 0, fixed + out->size);
    out->lane = lane;
    SILL__STEP(record_published);
    tell_peer(link, out);
    sill__link_count_sent(link, SILL_PATH_INLINE, 1, out->size, 1);
    return 0;
}

/* ---- blocks ---- */

int sill__link_announce(struct sill__link *link, struct sill__outgoing *out,
                        const struct sill__block *block)
{
    if (sill__arena_unannounced(link->arena, block->segment) == NULL)
        return 0;
    int rc = take_turn(link, sill__out_deadline(out), out->seen);
    if (rc != 0)
        return rc;
    const sill_region *segment = sill__arena_unannounced(link->arena, block->segment);
    if (segment != NULL) { /* nobody else did meanwhile */
        const struct sill__frame head = {.type = SILL__FRAME_SEGMENT,
                                         .id = block->segment,
                                         .total = sill_region_size(segment),
                                         .word = block->serial};
        sill_handle handle = SILL_NO_HANDLE;
        rc = sill_region_handle(segment, &handle);
        if (rc == 0)
            rc = write_frame(link, &head, NULL, 0, &handle, 1, sill__out_deadline(out), out->seen);
        if (rc == 0) {
            sill__arena_announced(link->arena, block->segment);
            SILL__STEP(segment_announced);
        }
    }
    leave_turn(link);
    return rc;
}

int sill__link_describe(struct sill__link *link, struct sill__outgoing *out,
                        const struct sill__block *block, uint64_t size, unsigned flags, bool more)
{
    struct sill__lane *lane = sill__link_lane(link, out);
    const struct sill__described d = {
        .id = more ? 0 : out->id,
        .total = more ? 0 : out->size,
        .block = {block->segment, block->slot, block->generation, block->serial, block->offset,
                  size},
        .released_slot = link->released_slot,
        .released_generation = link->released_generation};
    if (out->options->handle_count > 0 && !more)
        return sill__link_describe_by_channel(link, out, &d.block, flags);
    void *body;
    int rc = sill__link_record_room(link, lane, out, sizeof d, &body);
    if (rc == SILL__PINNED && size < out->size) /* a piece: all of it goes another way */
        return sill__fail(SILL_NO_SPACE, "the peer holds messages in all of the ring");
    if (rc == SILL__PINNED)
        return sill__link_describe_by_channel(link, out, &d.block, flags);
    if (rc != 0)
        return rc;
    memcpy(body, &d, sizeof d);
    uint32_t position = sill__ring_publish(&lane->out,
                                           more ? SILL__RECORD_MORE : (unsigned)out->type,
                                           flags | SILL__FRAME_DESCRIBED, sizeof d);
    if (!more) {
        out->position = position;
        out->lane = lane;
    }
    SILL__STEP(record_published);
    tell_peer(link, out);
    return 0;
}

/* ---- messages ---- */

static int pick_path(const struct sill__link *link, struct sill__outgoing *out)
{
    const sill_send_options *options = out->options;
    if (options->path == SILL_PATH_AUTO)
        return sill_policy_pick(&link->policy, out->size, link->can, NULL);
    sill_policy policy = link->policy;
    policy.path = options->path;
    return sill_policy_pick(&policy, out->size, link->can, NULL);
}

static int send_by_path(struct sill__link *link, struct sill__outgoing *out)
{
    int path = pick_path(link, out);
    /* Handles travel by the channel alone; an urgent ring is small. */
    if (path == SILL_PATH_INLINE &&
        (out->options->handle_count > 0 || ((out->options->flags & SILL_SEND_URGENT) != 0 &&
                                            out->size > URGENT_INLINE)))
        path = out->options->handle_count > 0 ? SILL_PATH_CHANNEL : SILL_PATH_MAPPED;
    if (path == SILL_PATH_ROUNDS && out->options->handle_count > 0)
        path = SILL_PATH_CHANNEL;
    if (path == SILL_PATH_INLINE)
        return send_inline(link, out);
    if (path == SILL_PATH_MAPPED) {
        int rc = sill__link_send_mapped(link, out);
        if (rc == 0)
            sill__link_count_sent(link, SILL_PATH_MAPPED, 1, out->size, 1);
        if (!sill__link_no_memory(rc) || link->require_mapped || link->state == SILL__LINK_ENDED)
            return rc;
        link->statistics.fallbacks++;
        return sill__link_send_channel(link, out);
    }
    if (path == SILL_PATH_ROUNDS)
        return sill__link_send_large(link, out, true);
    return sill__link_send_channel(link, out);
}

static int send_loan(struct sill__link *link, struct sill__outgoing *out)
{
    struct sill__loan *loan = sill__link_loan_of(link, out->data);
    if (loan == NULL || out->size > loan->size)
        return sill__fail(SILL_INVALID, "the data is not a loan of this port, or larger than it");
    if (loan->sending)
        return sill__fail(SILL_INVALID, "the loan is being sent by another thread");
    loan->sending = true;
    int rc;
    if (loan->mapped && out->size > 0) {
        rc = sill__link_send_block(link, out, &loan->block, SILL__FRAME_LOANED);
        if (rc == 0)
            sill__link_count_sent(link, SILL_PATH_MAPPED, 1, out->size, 0);
    } else {
        rc = send_by_path(link, out);
        if (rc == 0 && loan->mapped)
            sill__link_give_back(link, &loan->block);
    }
    loan->sending = false;
    if (rc == 0)
        sill__link_forget_loan(link, loan);
    return rc;
}

void sill__link_retract(struct sill__link *link, const struct sill__outgoing *out)
{
    if (link->state != SILL__LINK_OPEN)
        return;
    if (out->lane != NULL)
        sill__ring_retract(&out->lane->out, out->position);
    const struct sill__frame cancel = {.type = SILL__FRAME_CANCEL, .id = out->id};
    sill__link_control(link, &cancel, NULL, 0); /* it may have been taken out of the ring */
}

int sill__link_send(struct sill__link *link, struct sill__outgoing *out)
{
    static const sill_send_options none = SILL_SEND_OPTIONS_INIT;
    if (out->options == NULL)
        out->options = &none;
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    if (link->state != SILL__LINK_OPEN)
        return sill__fail(SILL_INVALID, "the client is not accepted yet");
    if (out->size > link->peer_message_max)
        return sill__fail(SILL_TOO_BIG, "the peer takes messages of at most %llu bytes",
                          (unsigned long long)link->peer_message_max);
    if (out->options->handle_count > 0 && (link->channel->caps & SILL__CHANNEL_HANDLES) == 0)
        return sill__fail(SILL_UNSUPPORTED,
                          "handles cannot be passed by ports of the family %s; name what is to be "
                          "shared instead",
                          sill_family_name(link->channel->family));
    SILL__STEP(send_begin);
    int rc = (out->options->flags & SILL_SEND_LOAN) != 0 ? send_loan(link, out)
                                                        : send_by_path(link, out);
    if (rc == SILL_TIMEOUT) {
        link->statistics.timeouts++;
        sill__fail(rc, "the peer made no room in time for a message of %zu bytes", out->size);
    }
    if (rc == 0)
        SILL__STEP(send_done);
    return rc;
}
