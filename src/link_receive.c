/* link_receive.c - the way in by the channel: frames become messages, segments, bells.
 *
 * With rings, a request or datagram that came whole is parked until its record is met; without,
 * and for replies, it is handed out as it comes.
 *
 * Everything that a peer says is checked here or in wire.c, on a private copy, before it is
 * believed; a violation is PROTOCOL and ends the link. The functions below never free the link
 * under their caller: a status that ends it goes up to sill__link_work.
 */
#include "link.h"

#include <string.h>

#include "memory.h"
#include "status.h"
#include "step.h"

#define FRAMES_AT_ONCE 16
#define HANDLES_QUEUED 64 /* in the queue, after which a port stops reading */

static int out_of_place(const struct sill__frame *head)
{
    return sill__fail(SILL_PROTOCOL, "the peer sent a frame of type %u at a time when it may not",
                      head->type);
}

/* ---- the beginning of a frame ---- */

static int begin_greeting(struct sill__link *link, const struct sill__frame *head, void **body)
{
    link->incoming = sill__received_new(
        link->port, head->type == SILL__FRAME_HELLO ? SILL_CONNECT : SILL_REPLY, head->size, false);
    if (link->incoming == NULL)
        return SILL_NO_MEMORY;
    if (head->size == 0)
        return 0;
    *body = sill__received_room(link->incoming, head->size);
    return *body != NULL ? 0 : SILL_NO_MEMORY;
}

static struct sill__lane *lane_of(struct sill__link *link, const struct sill__frame *head)
{
    return &link->lanes[(head->flags & SILL__FRAME_URGENT) != 0 ? SILL__LANE_URGENT
                                                                : SILL__LANE_PLAIN];
}

static int begin_message(struct sill__link *link, const struct sill__frame *head, void **body)
{
    bool described = (head->flags & SILL__FRAME_DESCRIBED) != 0;
    if (head->total > link->message_max)
        return sill__fail(SILL_PROTOCOL,
                          "the peer sent a message of %llu bytes, allowed are %llu",
                          (unsigned long long)head->total, (unsigned long long)link->message_max);
    if (!described && (head->size > head->total || (head->size == 0 && head->total != 0)))
        return sill__fail(SILL_PROTOCOL, "the peer sent a message that contradicts its size");
    if (!described && head->size < head->total && lane_of(link, head)->chunked != NULL)
        return out_of_place(head);
    if (head->kind == SILL_REPLY && head->id > link->last_id)
        return sill__fail(SILL_PROTOCOL, "the peer answered a request that was never made");
    if (head->handles > 0 && (link->channel->caps & SILL__CHANNEL_HANDLES) == 0)
        return sill__fail(SILL_PROTOCOL, "the peer passed handles, which this channel does not do");
    struct sill__received *r = sill__received_new(link->port, head->kind, head->total, described);
    if (r == NULL)
        return SILL_NO_MEMORY;
    r->id = head->id;
    r->refused = (head->flags & SILL__FRAME_REFUSED) != 0;
    r->urgent = (head->flags & SILL__FRAME_URGENT) != 0;
    r->placed = (head->flags & SILL__FRAME_PLACED) != 0;
    r->place = (uint32_t)head->word;
    link->incoming = r;
    if (described)
        *body = &link->descriptor;
    else if (head->size > 0)
        *body = sill__received_room(r, head->size);
    return head->size == 0 || *body != NULL ? 0 : SILL_NO_MEMORY;
}

static int begin_more(struct sill__link *link, const struct sill__frame *head, void **body)
{
    struct sill__received *r = lane_of(link, head)->chunked;
    if (r == NULL)
        return out_of_place(head);
    link->incoming = r;
    if ((head->flags & SILL__FRAME_DESCRIBED) != 0) {
        *body = &link->descriptor;
        return 0;
    }
    if (head->size > r->size - r->have)
        return sill__fail(SILL_PROTOCOL, "the peer sent more of a message than it said");
    *body = sill__received_room(r, head->size);
    return *body != NULL ? 0 : SILL_NO_MEMORY;
}

static int begin(void *arg, const struct sill__frame *head, void **body)
{
    struct sill__link *link = arg;
    SILL__STEP(receive_begin);
    switch (head->type) {
    case SILL__FRAME_HELLO:
        return link->state == SILL__LINK_SILENT ? begin_greeting(link, head, body)
                                                : out_of_place(head);
    case SILL__FRAME_WELCOME:
    case SILL__FRAME_REFUSE:
        return link->state == SILL__LINK_GREETING ? begin_greeting(link, head, body)
                                                  : out_of_place(head);
    case SILL__FRAME_CLOSE:
    case SILL__FRAME_TAKEN:
        return 0;
    case SILL__FRAME_DATA:
        return out_of_place(head);
    default:
        break;
    }
    if (link->state != SILL__LINK_OPEN)
        return out_of_place(head);
    if (head->type == SILL__FRAME_MESSAGE)
        return begin_message(link, head, body);
    if (head->type == SILL__FRAME_MORE)
        return begin_more(link, head, body);
    return 0;
}

/* ---- the end of a frame ---- */

static int end_hello(struct sill__link *link, const sill_handle *handles, unsigned count)
{
    struct sill__received *r = link->incoming;
    struct sill__hello hello;
    uint16_t version;
    int rc = sill__hello_parse(r->data, (size_t)r->size, &hello, &version);
    if (rc == SILL_VERSION) {
        sill__link_control(
            link,
            &(struct sill__frame){.type = SILL__FRAME_REFUSE, .word = (uint64_t)-SILL_VERSION},
            NULL, 0);
        return rc;
    }
    if (rc == 0)
        rc = sill__link_learn(link, &hello, count > 0 ? handles[0] : SILL_NO_HANDLE);
    if (rc != 0)
        return rc;
    r->size -= sizeof hello;
    r->data = (const unsigned char *)r->data + sizeof hello;
    link->incoming = NULL;
    if (r->type == SILL_CONNECT) {
        link->state = SILL__LINK_DECIDING;
        link->lanes[SILL__LANE_PLAIN].ready = (struct sill__row){r, r};
        sill__port_ready(link->port);
    } else {
        link->greeting = r;
        sill__link_open(link);
    }
    sill__hub_changed(link->hub);
    return 0;
}

static int end_refuse(struct sill__link *link, const struct sill__frame *head)
{
    int status = head->word > 0 && head->word < 1000 ? -(int)head->word : SILL_REFUSED;
    link->greeting = link->incoming;
    link->incoming = NULL;
    return status == SILL_REFUSED || status == SILL_LIMIT
               ? status
               : sill__fail(SILL_VERSION, "the server speaks another version of the protocol");
}

/* Private memory that a message in the queue keeps. */
static uint64_t queue_cost(const struct sill__received *r)
{
    return r->segment == NULL ? r->size + sizeof *r : sizeof *r;
}

void sill__link_append(struct sill__link *link, struct sill__row *row, struct sill__received *r)
{
    if (row->last != NULL)
        row->last->next = r;
    else
        row->first = r;
    row->last = r;
    link->queued += queue_cost(r);
    link->queued_handles += r->handle_count;
    link->stalled = link->queued > link->queue_max || link->queued_handles > HANDLES_QUEUED;
}

/* `r` was taken out behind `before` (NULL: it was the first). Reads on if that makes room. */
static void take_out(struct sill__link *link, struct sill__row *row, struct sill__received *before,
                     struct sill__received *r)
{
    if (before != NULL)
        before->next = r->next;
    else
        row->first = r->next;
    if (row->last == r)
        row->last = before;
    r->next = NULL;
    if (r->type != SILL_CONNECT)
        link->queued -= queue_cost(r);
    link->queued_handles -= r->handle_count;
    if (!link->stalled)
        return;
    if (link->queued > link->queue_max / 2 || link->queued_handles > HANDLES_QUEUED / 2) {
        sill__port_ready(link->port); /* what is left may have no record: sill__link_next sees */
        return;
    }
    link->stalled = false;
    sill__link_unblock(link);
    sill__hub_changed(link->hub);
    if (link->state != SILL__LINK_ENDED)
        sill__hub_ready(link->hub, &link->source, SILL__READABLE);
}

struct sill__received *sill__link_take_first(struct sill__link *link, struct sill__row *row)
{
    struct sill__received *r = row->first;
    take_out(link, row, NULL, r);
    return r;
}

/* ---- messages that are whole ---- */

void sill__link_count_received(struct sill__link *link, const struct sill__received *r)
{
    sill_path_count *count = &link->statistics.received[r->path];
    count->messages++;
    count->bytes += r->size;
    count->copies += r->copies;
}

struct sill__call *sill__link_call_of(struct sill__link *link, uint64_t id)
{
    struct sill__call **at = &link->calls;
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    struct sill__call *call = *at;
    if (call != NULL)
        *at = call->next;
    return call;
}

void sill__link_give_reply(struct sill__link *link, struct sill__received *r)
{
    struct sill__call *call = sill__link_call_of(link, r->id);
    sill__hub_changed(link->hub);
    if (call != NULL) {
        call->reply = r;
    } else {
        link->statistics.late_replies++;
        sill__received_free(r);
    }
}

/* A message that came whole by the channel. */
static void deliver(struct sill__link *link, struct sill__received *r)
{
    bool rings = (link->can & SILL_CAN_INLINE) != 0;
    struct sill__lane *lane = &link->lanes[r->urgent ? SILL__LANE_URGENT : SILL__LANE_PLAIN];
    if (r->type == SILL_REPLY) {
        sill__link_count_received(link, r);
        sill__link_give_reply(link, r);
    } else if (rings) {
        sill__link_append(link, r->placed ? &lane->placed : &lane->parked, r); /* counted later */
    } else {
        sill__link_count_received(link, r);
        sill__link_append(link, &lane->ready, r);
        sill__hub_changed(link->hub);
        sill__port_ready(link->port);
    }
}

/* ---- blocks ---- */

int sill__link_block(struct sill__link *link, struct sill__received *r,
                     const struct sill__descriptor *d, const unsigned char **bytes)
{
    struct sill__peer_segment *segment =
        d->segment < SILL__SEGMENTS_LIMIT ? link->peer_segments[d->segment] : NULL;
    if (d->segment >= SILL__SEGMENTS_LIMIT || link->own == NULL ||
        (segment != NULL && (int32_t)(d->serial - segment->serial) < 0))
        return sill__fail(SILL_PROTOCOL,
                          "the peer described a block in segment %lu, number %lu, which is gone",
                          (unsigned long)d->serial, (unsigned long)d->segment);
    if (segment == NULL || segment->serial != d->serial)
        return SILL_AGAIN;
    int rc = sill__descriptor_check(d, segment->size, r->size - r->have);
    if (rc != 0)
        return rc;
    *bytes = (const unsigned char *)sill_region_data(segment->region) + d->offset;
    r->segment = segment;
    r->slot = d->slot;
    r->generation = d->generation;
    segment->users++;
    return 0;
}

int sill__link_described(struct sill__link *link, struct sill__received *r,
                         const struct sill__descriptor *d, bool loaned)
{
    const unsigned char *bytes;
    int rc = sill__link_block(link, r, d, &bytes);
    if (rc != 0)
        return rc;
    if (d->size == r->size) {
        r->data = bytes;
        r->path = SILL_PATH_MAPPED;
        r->copies = loaned ? 0 : 1;
        r->have = r->size;
        return 0;
    }
    r->path = SILL_PATH_ROUNDS;
    void *room = sill__received_room(r, (size_t)d->size);
    if (room == NULL)
        return SILL_NO_MEMORY;
    memcpy(room, bytes, (size_t)d->size);
    r->have += d->size;
    sill__received_release_block(r);
    return 0;
}

void sill__link_tell_progress(struct sill__link *link, const struct sill__received *r)
{
    if (link->progress == NULL)
        return;
    const sill_progress progress = {link->port, 1, r->have, r->size};
    link->progress(link->progress_arg, &progress);
}

/* MESSAGE and MORE. (Pieces in blocks come by the ring alone: what is described here is whole.) */
static int end_message(struct sill__link *link, const struct sill__frame *head)
{
    struct sill__received *r = link->incoming;
    struct sill__lane *lane = lane_of(link, head);
    if ((head->flags & SILL__FRAME_DESCRIBED) != 0) {
        int rc = link->descriptor.size == r->size
                     ? sill__link_described(link, r, &link->descriptor,
                                            (head->flags & SILL__FRAME_LOANED) != 0)
                     : SILL_AGAIN;
        if (rc == SILL_AGAIN)
            rc = sill__fail(SILL_PROTOCOL, "the peer described a block in a segment that is not");
        if (rc != 0)
            return rc;
    } else {
        r->have += head->size;
    }
    link->incoming = NULL;
    if (r->have < r->size) {
        lane->chunked = r;
        sill__link_tell_progress(link, r);
        return 0;
    }
    if (lane->chunked == r) {
        lane->chunked = NULL;
        sill__link_tell_progress(link, r);
    }
    deliver(link, r);
    return 0;
}

static void drop_chunked(struct sill__lane *lane)
{
    sill__received_free(lane->chunked);
    lane->chunked = NULL;
}

static int end_segment(struct sill__link *link, const struct sill__frame *head, sill_handle handle)
{
    if (head->id >= SILL__SEGMENTS_LIMIT || link->peer_segments[head->id] != NULL ||
        head->total == 0 || head->total > SIZE_MAX / 2 || link->own == NULL)
        return sill__fail(SILL_PROTOCOL, "the peer announced a segment that cannot be");
    struct sill__peer_segment *segment = sill__alloc_zeroed(sizeof *segment);
    if (segment == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for a segment of the peer");
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = link->region_kind;
    options.read_only = 1;
    options.size = (size_t)head->total;
    int rc = sill_region_open_handle(&segment->region, handle, &options);
    if (rc != 0) {
        sill__free(segment);
        if (rc == SILL_NOT_FOUND)
            return sill__fail(SILL_DIED, "the peer's segment has gone with it");
        bool ours = rc == SILL_NO_MEMORY || rc == SILL_LIMIT || rc == SILL_OS;
        return ours || rc == SILL_PROTOCOL
                   ? rc
                   : sill__fail(SILL_PROTOCOL, "the peer's segment is not as it was announced");
    }
    segment->size = head->total;
    segment->serial = (uint32_t)head->word;
    segment->users = 1;
    link->peer_segments[head->id] = segment;
    link->statistics.peer_segments++;
    return 0;
}

static int end_drop(struct sill__link *link, const struct sill__frame *head)
{
    if (head->id >= SILL__SEGMENTS_LIMIT || link->peer_segments[head->id] == NULL)
        return sill__fail(SILL_PROTOCOL, "the peer dropped a segment that is not");
    if (link->peer_segments[head->id]->users > 1) /* so what a peer has mapped here is bounded */
        return sill__fail(SILL_PROTOCOL, "the peer dropped a segment that is in use");
    sill__peer_segment_unref(link->peer_segments[head->id]);
    link->peer_segments[head->id] = NULL;
    link->statistics.peer_segments--;
    return 0;
}

static void retract(struct sill__received *r, uint64_t id)
{
    for (; r != NULL; r = r->next)
        r->retracted = r->retracted || (r->type == SILL_REQUEST && r->id == id);
}

/* Nobody waits for the reply: a request that was not handed out need not be. */
static void end_cancel(struct sill__link *link, uint64_t id)
{
    for (unsigned i = 0; i < SILL__LANES; i++) {
        retract(link->lanes[i].parked.first, id);
        retract(link->lanes[i].placed.first, id);
    }
    for (unsigned i = 0; i < SILL__LANES; i++) {
        struct sill__row *row = &link->lanes[i].ready;
        struct sill__received *before = NULL, *r = row->first;
        while (r != NULL && !(r->type == SILL_REQUEST && r->id == id)) {
            before = r;
            r = r->next;
        }
        if (r == NULL)
            continue;
        take_out(link, row, before, r);
        sill__received_free(r);
        sill__port_ready(link->port);
        return;
    }
}

/* What every frame but the messages' does. */
static int end_control(struct sill__link *link, const struct sill__frame *head,
                       const sill_handle *handles)
{
    switch (head->type) {
    case SILL__FRAME_CLOSE:
        link->peer_closed = true;
        return SILL_CLOSED;
    case SILL__FRAME_HELLO:
    case SILL__FRAME_WELCOME:
        return end_hello(link, handles, head->handles);
    case SILL__FRAME_REFUSE:
        return end_refuse(link, head);
    case SILL__FRAME_SEGMENT:
        return end_segment(link, head, handles[0]);
    case SILL__FRAME_DROP:
        return end_drop(link, head);
    case SILL__FRAME_ABORT:
        drop_chunked(lane_of(link, head));
        return 0;
    case SILL__FRAME_BELL:
        sill__hub_changed(link->hub); /* whoever waits looks again */
        return 0;
    case SILL__FRAME_CANCEL:
        end_cancel(link, head->id);
        return 0;
    default:
        return 0;
    }
}

static int end(void *arg, const struct sill__frame *head, const sill_handle *handles, bool good)
{
    struct sill__link *link = arg;
    bool message = head->type == SILL__FRAME_MESSAGE || head->type == SILL__FRAME_MORE;
    if (good && message) {
        struct sill__received *r = link->incoming;
        for (unsigned i = 0; i < head->handles; i++)
            r->handles[i] = handles[i];
        if (head->handles > 0)
            r->handle_count = head->handles;
        return end_message(link, head);
    }
    int rc = 0;
    if (good) {
        rc = end_control(link, head, handles);
    } else if (!message || link->incoming != lane_of(link, head)->chunked) {
        sill__received_free(link->incoming);
    } else {
        drop_chunked(lane_of(link, head));
    }
    if (!good)
        link->incoming = NULL;
    for (unsigned i = 0; i < head->handles; i++)
        sill__conn_close_handle(link->channel, handles[i]); /* regions were opened by duplicates */
    return rc;
}

const struct sill__stream_user sill__link_reader = {begin, end, NULL};

/* ---- work ---- */

static unsigned read_some(struct sill__link *link)
{
    unsigned char scratch[SILL__SCRATCH];
    link->reading = true;
    int rc = sill__stream_read(&link->stream, FRAMES_AT_ONCE, scratch, sizeof scratch);
    link->reading = false;
    if (link->doomed != 0)
        rc = link->doomed;
    if (rc == 0)
        return SILL__READABLE;
    if (rc != SILL_AGAIN)
        sill__link_end(link, rc);
    else if (link->peer_dead)
        sill__link_end(link, SILL_DIED);
    return 0;
}

unsigned sill__link_work(struct sill__source *source, unsigned events)
{
    struct sill__link *link = (struct sill__link *)source;
    if ((events & SILL__LOOKED) != 0)
        sill__port_ready(link->port);
    if (link->state == SILL__LINK_ENDED)
        return 0;
    if ((events & SILL__PEER_DEAD) != 0) {
        link->peer_dead = true;
        sill__hub_changed(link->hub);
    }
    if ((events & SILL__WRITABLE) != 0) {
        link->writable = true;
        sill__stream_flush(&link->stream); /* a failure shows when reading */
        sill__hub_changed(link->hub);
    }
    if ((events & (SILL__READABLE | SILL__PEER_DEAD)) == 0 && link->doomed == 0)
        return 0;
    if (link->stalled && link->doomed == 0)
        return 0; /* sill__link_take_first makes it ready again */
    sill__port_ref(link->port);
    unsigned left = read_some(link);
    if (link->stalled)
        left = 0;
    if (link->state == SILL__LINK_OPEN && (link->can & SILL_CAN_INLINE) != 0) {
        sill__link_unblock(link);
        sill__hub_heat(link->hub, source);
        if (sill__link_has(link))
            sill__port_ready(link->port);
    }
    sill__port_unref(link->port);
    return left;
}
