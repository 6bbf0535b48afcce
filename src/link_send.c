/* link_send.c - the way out: a message becomes frames, or a block and a frame.
 *
 * Threads: `busy` says that a thread writes a frame and may be asleep in the middle of it; `large`
 * that a thread sends a message of several frames. Small messages of other threads pass between
 * the frames of a large one; two large ones do not mix, so a receiver has one unfinished message
 * at a time. Bytes are copied into blocks with the lock released: a block that was taken is this
 * thread's alone.
 *
 * Timeouts are honest: a frame that could not be finished is taken back (wire.h), a large message
 * that could not be finished is followed by ABORT.
 *
 * Shared words: own->want_space is written here by this process only; the peer's release table is
 * read by arena.c.
 */
#include "link.h"

#include <string.h>

#include "memory.h"
#include "status.h"
#include "step.h"

#define LOOK_NS INT64_C(10000000) /* between looks for what a stalled link cannot be told */

struct link_wait {
    const struct sill__link *link;
    bool (*done)(void *arg);
    void *arg;
    bool stalled; /* when the wait began */
};

static bool done_or_other(void *arg)
{
    const struct link_wait *wait = arg;
    return wait->done(wait->arg) || wait->link->stalled != wait->stalled;
}

/* While the link is stalled, nothing that the peer says is read, and not every system reports its
 * death by itself: looks now and then whether it lives. */
int sill__link_wait(struct sill__link *link, bool (*done)(void *arg), void *arg, int64_t deadline,
                    unsigned seen)
{
    for (;;) {
        struct link_wait wait = {link, done, arg, link->stalled};
        int64_t end = wait.stalled ? sill__earlier(deadline, sill__now_ns() + LOOK_NS) : deadline;
        const struct sill__until until = {done_or_other, &wait, end, &link->cancels, seen};
        int rc = sill__hub_wait(link->hub, &until);
        sill__conn *conn = link->stream.conn;
        if (link->stalled && conn != NULL && conn->ops->peer_alive(conn) == 0)
            link->peer_dead = true;
        if (rc == 0 ? done(arg) : rc != SILL_TIMEOUT || end == deadline)
            return rc;
    }
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
 * leaves the channel in no state to go on. */
static void abandon_frame(struct sill__link *link, struct sill__writing *w, int rc)
{
    if (link->state == SILL__LINK_ENDED)
        return;
    bool orderly = rc == SILL_TIMEOUT || rc == SILL_CANCELED || rc == SILL_DIED;
    if (w->done > 0 && !orderly)
        sill__link_end(link, rc);
    else if (sill__stream_take_back(&link->stream, w) != 0)
        sill__link_end(link, SILL_NO_MEMORY);
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
    if (rc == 0)
        return 0;
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

/* ---- blocks ---- */

static int need_arena(struct sill__link *link)
{
    if (link->arena != NULL)
        return 0;
    return sill__arena_create(&link->arena, &link->policy, link->peer_words->released);
}

static int take_block_now(struct sill__link *link, uint64_t size, struct sill__block *block)
{
    int rc = sill__arena_take(link->arena, size, block), dropped;
    while ((dropped = sill__arena_dropped(link->arena)) >= 0) {
        const struct sill__frame drop = {.type = SILL__FRAME_DROP, .id = (uint64_t)dropped};
        sill__link_control(link, &drop, NULL, 0);
    }
    return rc;
}

struct space_wait {
    struct sill__link *link;
    uint32_t bells;
    bool stalled;
};

static bool space_may_be(void *arg)
{
    const struct space_wait *wait = arg;
    const struct sill__link *link = wait->link;
    return link->bells != wait->bells || link->stalled != wait->stalled ||
           link->state == SILL__LINK_ENDED || hopeless(link);
}

/* Asks the peer for a bell, looks once more, and waits for it. While our own queue is full the bell
 * may lie behind what is not read: then looks again every now and then. */
static int wait_for_space(struct sill__link *link, uint64_t size, struct sill__block *block,
                          int64_t deadline, unsigned seen)
{
    if (++link->want == 0)
        link->want = 1;
    struct space_wait wait = {link, link->bells, link->stalled};
    atomic_store_explicit(&link->own->want_space, link->want, memory_order_relaxed);
    /* seq_cst fence, pairs with the one in received.c ring_for_space: either the peer sees our
     * want, or we see what it released */
    atomic_thread_fence(memory_order_seq_cst);
    int rc = take_block_now(link, size, block);
    if (rc != SILL_AGAIN)
        return rc;
    int64_t until = link->stalled ? sill__earlier(deadline, sill__now_ns() + LOOK_NS) : deadline;
    rc = sill__link_wait(link, space_may_be, &wait, until, seen);
    return rc == 0 || (rc == SILL_TIMEOUT && until != deadline) ? SILL_AGAIN : rc;
}

static int take_block(struct sill__link *link, uint64_t size, struct sill__block *block,
                      int64_t deadline, unsigned seen)
{
    int rc = need_arena(link);
    if (rc == 0)
        rc = take_block_now(link, size, block);
    if (rc != SILL_AGAIN)
        return rc;
    link->space_waiters++;
    do
        rc = link->state == SILL__LINK_ENDED ? sill__link_ended(link)
             : hopeless(link)                ? given_up()
                              : wait_for_space(link, size, block, deadline, seen);
    while (rc == SILL_AGAIN);
    if (--link->space_waiters == 0)
        atomic_store_explicit(&link->own->want_space, 0, memory_order_relaxed);
    return rc;
}

static void give_block_back(struct sill__link *link, const struct sill__block *block)
{
    sill__arena_give_back(link->arena, block);
    link->bells++;
    sill__hub_changed(link->hub);
}

/* Whether a block could not be had for a reason that the channel can make up for. */
static bool no_shared_memory(int rc)
{
    return rc == SILL_NO_SPACE || rc == SILL_LIMIT || rc == SILL_DENIED || rc == SILL_OS ||
           rc == SILL_UNSUPPORTED || rc == SILL_NO_MEMORY;
}

/* Announces the block's segment if need be, and sends the frame that describes the block. */
static int write_described(struct sill__link *link, struct sill__frame *head,
                           const struct sill__block *block, uint64_t size,
                           const sill_send_options *options, int64_t deadline, unsigned seen)
{
    int rc = take_turn(link, deadline, seen);
    if (rc != 0)
        return rc;
    const sill_region *segment = sill__arena_unannounced(link->arena, block->segment);
    if (segment != NULL) {
        const struct sill__frame announce = {.type = SILL__FRAME_SEGMENT,
                                             .id = block->segment,
                                             .total = sill_region_size(segment)};
        sill_handle handle = SILL_NO_HANDLE;
        rc = sill_region_handle(segment, &handle);
        if (rc == 0)
            rc = write_frame(link, &announce, NULL, 0, &handle, 1, deadline, seen);
        if (rc == 0)
            sill__arena_announced(link->arena, block->segment);
        if (rc == 0)
            SILL__STEP(segment_announced);
    }
    const struct sill__descriptor d = {.segment = block->segment,
                                       .slot = block->slot,
                                       .generation = block->generation,
                                       .offset = block->offset,
                                       .size = size};
    head->flags |= SILL__FRAME_DESCRIBED;
    if (rc == 0)
        rc = write_frame(link, head, &d, sizeof d, options->handles, options->handle_count,
                         deadline, seen);
    if (rc == 0)
        sill__arena_sent(link->arena, block);
    leave_turn(link);
    return rc;
}

static void copy_unlocked(struct sill__link *link, void *to, const void *from, size_t size)
{
    sill__unlock(&link->hub->lock);
    memcpy(to, from, size);
    sill__lock(&link->hub->lock);
}

/* ---- messages ---- */

static void count_sent(struct sill__link *link, int path, uint64_t bytes, unsigned copies)
{
    sill_path_count *count = &link->statistics.sent[path];
    count->messages++;
    count->bytes += bytes;
    count->copies += copies;
}

static struct sill__frame message_head(const struct sill__outgoing *out)
{
    const struct sill__frame head = {.type = SILL__FRAME_MESSAGE,
                                     .kind = (uint8_t)out->type,
                                     .flags = out->refused ? SILL__FRAME_REFUSED : 0,
                                     .id = out->id,
                                     .total = out->size};
    return head;
}

static int send_mapped(struct sill__link *link, const struct sill__outgoing *out)
{
    struct sill__block block;
    int rc = take_block(link, out->size, &block, out->deadline, out->seen);
    if (rc != 0)
        return rc;
    /* The analyzer does not follow as deep as to see that an ended link is never a 0. */
    copy_unlocked(link, block.data, out->data, out->size); /* NOLINT(clang-analyzer-core.*) */
    SILL__STEP(mapped_copied);
    struct sill__frame head = message_head(out);
    rc = write_described(link, &head, &block, out->size, out->options, out->deadline, out->seen);
    if (rc != 0) {
        give_block_back(link, &block);
        return rc;
    }
    SILL__STEP(mapped_sent);
    count_sent(link, SILL_PATH_MAPPED, out->size, 1);
    return 0;
}

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
    const struct sill__outgoing *out;
    sill_send_options options; /* handles go with the first frame */
    uint64_t done;
    bool rounds; /* pieces go through blocks */
};

static struct sill__frame piece_head(const struct transfer *t)
{
    struct sill__frame head = message_head(t->out);
    if (t->done > 0) {
        memset(&head, 0, sizeof head);
        head.type = SILL__FRAME_MORE;
    }
    return head;
}

static int send_piece_described(struct sill__link *link, struct transfer *t)
{
    const struct sill__outgoing *out = t->out;
    uint64_t left = out->size - t->done, size = piece_size(link, out->size);
    if (size > left)
        size = left;
    struct sill__block block;
    int rc = take_block(link, size, &block, out->deadline, out->seen);
    if (rc != 0)
        return rc;
    copy_unlocked(link, block.data, (const unsigned char *)out->data + t->done, (size_t)size);
    struct sill__frame head = piece_head(t);
    rc = write_described(link, &head, &block, size, &t->options, out->deadline, out->seen);
    if (rc != 0) {
        give_block_back(link, &block);
        return rc;
    }
    t->done += size;
    return 0;
}

static int send_piece_copied(struct sill__link *link, struct transfer *t)
{
    const struct sill__outgoing *out = t->out;
    uint64_t left = out->size - t->done;
    size_t size = left < SILL__CHUNK_MAX ? (size_t)left : SILL__CHUNK_MAX;
    struct sill__frame head = piece_head(t);
    int rc = sill__link_write(link, &head, (const unsigned char *)out->data + t->done, size,
                              t->options.handles, t->options.handle_count, out->deadline,
                              out->seen);
    if (rc == 0)
        t->done += size;
    return rc;
}

static bool not_large(void *arg)
{
    struct sill__link *link = arg;
    return !link->large || link->state == SILL__LINK_ENDED;
}

static int send_pieces(struct sill__link *link, struct transfer *t)
{
    int rc = 0;
    while (rc == 0 && t->done < t->out->size) {
        rc = t->rounds ? send_piece_described(link, t) : send_piece_copied(link, t);
        if (t->rounds && no_shared_memory(rc) && !link->require_mapped) {
            t->rounds = false;
            link->statistics.fallbacks++;
            rc = 0;
            continue;
        }
        t->options.handles = NULL;
        t->options.handle_count = 0;
        if (rc == 0 && t->done < t->out->size)
            SILL__STEP(rounds_piece);
        if (rc == 0 && link->progress != NULL) {
            const sill_progress progress = {link->port, 0, t->done, t->out->size};
            link->progress(link->progress_arg, &progress);
        }
    }
    if (rc != 0 && t->done > 0 && link->state != SILL__LINK_ENDED) {
        const struct sill__frame abort = {.type = SILL__FRAME_ABORT};
        sill__link_control(link, &abort, NULL, 0);
    }
    return rc;
}

static int send_large(struct sill__link *link, const struct sill__outgoing *out, bool rounds)
{
    int rc = not_large(link) ? 0
                             : sill__link_wait(link, not_large, link, out->deadline, out->seen);
    if (rc != 0)
        return rc;
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    struct transfer t = {out, *out->options, 0, rounds};
    link->large = true;
    rc = send_pieces(link, &t);
    link->large = false;
    sill__hub_changed(link->hub);
    if (rc == 0)
        count_sent(link, rounds ? SILL_PATH_ROUNDS : SILL_PATH_CHANNEL, out->size, 2);
    return rc;
}

static int send_channel(struct sill__link *link, const struct sill__outgoing *out)
{
    if (out->size > SILL__CHUNK_MAX)
        return send_large(link, out, false);
    const struct sill__frame head = message_head(out);
    int rc = sill__link_write(link, &head, out->data, out->size, out->options->handles,
                              out->options->handle_count, out->deadline, out->seen);
    if (rc == 0)
        count_sent(link, SILL_PATH_CHANNEL, out->size, 2);
    return rc;
}

static int pick_path(const struct sill__link *link, const struct sill__outgoing *out)
{
    sill_policy policy = link->policy;
    if (out->options->path != SILL_PATH_AUTO)
        policy.path = out->options->path;
    return sill_policy_pick(&policy, out->size, link->can, NULL);
}

static int send_by_path(struct sill__link *link, const struct sill__outgoing *out)
{
    int path = pick_path(link, out);
    if (path == SILL_PATH_MAPPED) {
        int rc = send_mapped(link, out);
        if (!no_shared_memory(rc) || link->require_mapped || link->state == SILL__LINK_ENDED)
            return rc;
        link->statistics.fallbacks++;
        return send_channel(link, out);
    }
    if (path == SILL_PATH_ROUNDS)
        return send_large(link, out, true);
    return send_channel(link, out);
}

/* ---- loans ---- */

static struct sill__loan **find_loan(struct sill__link *link, const void *data)
{
    struct sill__loan **at = &link->loans;
    while (*at != NULL && (*at)->data != data)
        at = &(*at)->next;
    return at;
}

static void forget_loan(struct sill__loan **at)
{
    struct sill__loan *loan = *at;
    *at = loan->next;
    if (!loan->mapped)
        sill__free(loan->data);
    sill__free(loan);
}

static int send_loan(struct sill__link *link, const struct sill__outgoing *out)
{
    struct sill__loan *loan = *find_loan(link, out->data);
    if (loan == NULL || out->size > loan->size)
        return sill__fail(SILL_INVALID, "the data is not a loan of this port, or larger than it");
    if (loan->sending)
        return sill__fail(SILL_INVALID, "the loan is being sent by another thread");
    loan->sending = true;
    int rc;
    if (loan->mapped && out->size > 0) {
        struct sill__frame head = message_head(out);
        head.flags |= SILL__FRAME_LOANED;
        rc = write_described(link, &head, &loan->block, out->size, out->options, out->deadline,
                             out->seen);
        if (rc == 0)
            count_sent(link, SILL_PATH_MAPPED, out->size, 0);
    } else {
        rc = send_by_path(link, out);
        if (rc == 0 && loan->mapped)
            give_block_back(link, &loan->block);
    }
    loan->sending = false;
    if (rc == 0)
        forget_loan(find_loan(link, out->data));
    return rc;
}

int sill__link_lend(struct sill__link *link, size_t size, int64_t deadline, void **block)
{
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    if (size > link->peer_message_max)
        return sill__fail(SILL_TOO_BIG, "the peer takes messages of at most %llu bytes",
                          (unsigned long long)link->peer_message_max);
    struct sill__loan *loan = sill__alloc_zeroed(sizeof *loan);
    if (loan == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for a loan");
    loan->size = size;
    int rc = SILL_UNSUPPORTED;
    if ((link->can & SILL_CAN_MAP) != 0 && size > 0 && size <= link->policy.mapped_max)
        rc = take_block(link, size, &loan->block, deadline, link->cancels.told);
    loan->mapped = rc == 0;
    if (rc == 0) {
        loan->data = loan->block.data;
    } else if (no_shared_memory(rc) && !link->require_mapped) {
        loan->data = sill__alloc(size);
        rc = loan->data != NULL ? 0 : sill__fail(SILL_NO_MEMORY, "no memory for a loan");
    }
    if (rc != 0) {
        sill__free(loan);
        return rc;
    }
    loan->next = link->loans;
    link->loans = loan;
    *block = loan->data;
    return 0;
}

int sill__link_unlend(struct sill__link *link, const void *block)
{
    struct sill__loan **at = find_loan(link, block);
    if (*at == NULL)
        return sill__fail(SILL_INVALID, "the block is not a loan of this port");
    if ((*at)->sending)
        return sill__fail(SILL_INVALID, "the loan is being sent by another thread");
    if ((*at)->mapped)
        give_block_back(link, &(*at)->block);
    forget_loan(at);
    return 0;
}

/* ---- */

int sill__link_send(struct sill__link *link, const struct sill__outgoing *given)
{
    const sill_send_options none = SILL_SEND_OPTIONS_INIT;
    struct sill__outgoing out = *given;
    if (out.options == NULL)
        out.options = &none;
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    if (link->state != SILL__LINK_OPEN)
        return sill__fail(SILL_INVALID, "the client is not accepted yet");
    if (out.size > link->peer_message_max)
        return sill__fail(SILL_TOO_BIG, "the peer takes messages of at most %llu bytes",
                          (unsigned long long)link->peer_message_max);
    SILL__STEP(send_begin);
    int rc = (out.options->flags & SILL_SEND_LOAN) != 0 ? send_loan(link, &out)
                                                        : send_by_path(link, &out);
    if (rc == SILL_TIMEOUT) {
        link->statistics.timeouts++;
        sill__fail(rc, "the peer made no room in time for a message of %zu bytes", out.size);
    }
    if (rc == 0)
        SILL__STEP(send_done);
    return rc;
}
