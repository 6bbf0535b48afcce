/* link_blocks.c - mapped blocks on the way out, and loans.
 *
 * Blocks come from the arena (arena.h); a block that was taken is this thread's alone, so bytes are
 * copied into it with the lock released. The peer must know a block's segment before it reads of
 * the block: it is announced by the channel, which has it before the record is published.
 *
 * If this process dies with a block taken or sent, the peer unmaps its segment with the connection.
 */
#include "link.h"

#include <string.h>

#include "copy.h"
#include "memory.h"
#include "status.h"
#include "step.h"

#define SOON_MIN    (32 * 1024)   /* bytes; what is smaller is copied before anybody is awake */
#define SOON_MAX    (1024 * 1024) /* bytes; copying them takes longer than waking somebody */
#define SPARE_LOANS 4             /* books of loans that are kept for the next ones */

bool sill__link_no_memory(int rc)
{
    return rc == SILL_NO_SPACE || rc == SILL_LIMIT || rc == SILL_DENIED || rc == SILL_OS ||
           rc == SILL_UNSUPPORTED || rc == SILL_NO_MEMORY;
}

static int make_region(void *arg, sill_region **out, size_t size)
{
    return sill__link_new_region(arg, out, size);
}

static int need_arena(struct sill__link *link)
{
    if (link->arena != NULL)
        return 0;
    const struct sill__arena_maker maker = {make_region, link};
    return sill__arena_create(&link->arena, &link->policy, &maker, link->peer_words->released);
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

struct block_room {
    struct sill__link *link;
    uint64_t size;
    struct sill__block *block;
};

static int find_block(void *arg)
{
    struct block_room *room = arg;
    return take_block_now(room->link, room->size, room->block);
}

static int take_block(struct sill__link *link, uint64_t size, struct sill__block *block,
                      int64_t deadline, unsigned seen)
{
    int rc = need_arena(link);
    if (rc == 0)
        rc = take_block_now(link, size, block);
    if (rc != SILL_AGAIN)
        return rc;
    struct block_room room = {link, size, block};
    return sill__link_wait_room(link, find_block, &room, deadline, seen);
}

void sill__link_give_back(struct sill__link *link, const struct sill__block *block)
{
    sill__arena_give_back(link->arena, block);
    sill__hub_changed(link->hub);
}

/* The lock is released meanwhile. Returns the time it took, if that is asked for. */
static int64_t copy_part(struct sill__link *link, unsigned char *to, const unsigned char *data,
                         size_t size, struct sill__copy_way way)
{
    sill__unlock(&link->hub->lock);
    int64_t since = way.timed ? sill__now_ns() : 0;
    if (way.nontemporal)
        sill__copy_nontemporal(to, data, size);
    else
        sill__copy(to, data, size);
    int64_t took = way.timed ? sill__now_ns() - since : 0;
    sill__lock(&link->hub->lock);
    return took;
}

/* A peer that sleeps is woken before the last bytes are copied, so that both go on at once. */
static void copy_into(struct sill__link *link, void *to, const void *data, size_t size, bool soon)
{
    struct sill__copy_way way = {false, false};
    int64_t took = 0;
    soon = soon && size >= SOON_MIN && link->policy.spin_ns > 0;
    size_t first = soon && size > SOON_MAX ? (size - SOON_MAX) & ~(size_t)63 : 0;
    if (size >= link->policy.nontemporal_min)
        way = sill__copy_choose(&link->copies, size);
    if (first > 0)
        took = copy_part(link, to, data, first, way);
    if (soon)
        sill__link_soon(link, true);
    SILL__STEP(mapped_soon);
    took += copy_part(link, (unsigned char *)to + first, (const unsigned char *)data + first,
                      size - first, way);
    if (way.timed)
        sill__copy_took(&link->copies, size, way, took);
}

int sill__link_fill_block(struct sill__link *link, struct sill__outgoing *out, const void *data,
                          uint64_t size, struct sill__block *block)
{
    int rc = take_block(link, size, block, sill__out_deadline(out), out->seen);
    if (rc != 0)
        return rc;
    copy_into(link, block->data, data, (size_t)size, (out->options->flags & SILL_SEND_MORE) == 0);
    SILL__STEP(mapped_copied);
    rc = sill__link_announce(link, out, block);
    if (rc != 0)
        sill__link_give_back(link, block);
    return rc;
}

int sill__link_send_block(struct sill__link *link, struct sill__outgoing *out,
                          const struct sill__block *block, unsigned flags)
{
    int rc = sill__link_announce(link, out, block);
    if (rc == 0)
        rc = sill__link_describe(link, out, block, out->size,
                                 flags | (out->refused ? SILL__FRAME_REFUSED : 0U), false);
    if (rc == 0)
        sill__arena_sent(link->arena, block);
    if (rc == 0)
        SILL__STEP(mapped_sent);
    return rc;
}

int sill__link_send_mapped(struct sill__link *link, struct sill__outgoing *out)
{
    struct sill__block block;
    int rc = sill__link_fill_block(link, out, out->data, out->size, &block);
    if (rc == 0) {
        rc = sill__link_send_block(link, out, &block, 0);
        if (rc != 0)
            sill__link_give_back(link, &block);
    }
    sill__link_soon(link, false);
    return rc;
}

/* ---- loans ---- */

struct sill__loan *sill__link_loan_of(struct sill__link *link, const void *data)
{
    struct sill__loan *loan = link->loans;
    while (loan != NULL && loan->data != data)
        loan = loan->next;
    return loan;
}

void sill__link_forget_loan(struct sill__link *link, struct sill__loan *loan)
{
    struct sill__loan **at = &link->loans;
    while (*at != loan)
        at = &(*at)->next;
    *at = loan->next;
    if (!loan->mapped)
        sill__free(loan->data);
    if (link->spare_loans == SPARE_LOANS) {
        sill__free(loan);
        return;
    }
    loan->next = link->spare_loan;
    link->spare_loan = loan;
    link->spare_loans++;
}

static struct sill__loan *new_loan(struct sill__link *link)
{
    struct sill__loan *loan = link->spare_loan;
    if (loan == NULL)
        return sill__alloc_zeroed(sizeof *loan);
    link->spare_loan = loan->next;
    link->spare_loans--;
    memset(loan, 0, sizeof *loan);
    return loan;
}

int sill__link_lend(struct sill__link *link, size_t size, int64_t deadline, void **block)
{
    if (link->state == SILL__LINK_ENDED)
        return sill__link_ended(link);
    if (size > link->peer_message_max)
        return sill__fail(SILL_TOO_BIG, "the peer takes messages of at most %llu bytes",
                          (unsigned long long)link->peer_message_max);
    struct sill__loan *loan = new_loan(link);
    if (loan == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for a loan");
    loan->size = size;
    int rc = SILL_UNSUPPORTED;
    if ((link->can & SILL_CAN_MAP) != 0 && size > 0 && size <= link->policy.mapped_max)
        rc = take_block(link, size, &loan->block, deadline, link->cancels.told);
    loan->mapped = rc == 0;
    if (rc == 0) {
        loan->data = loan->block.data;
    } else if (sill__link_no_memory(rc) && !link->require_mapped) {
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
    struct sill__loan *loan = sill__link_loan_of(link, block);
    if (loan == NULL)
        return sill__fail(SILL_INVALID, "the block is not a loan of this port");
    if (loan->sending)
        return sill__fail(SILL_INVALID, "the loan is being sent by another thread");
    if (loan->mapped)
        sill__link_give_back(link, &loan->block);
    sill__link_forget_loan(link, loan);
    return 0;
}

void sill__link_free_loans(struct sill__link *link)
{
    for (struct sill__loan *loan; (loan = link->loans) != NULL;)
        sill__link_forget_loan(link, loan);
    for (struct sill__loan *loan; (loan = link->spare_loan) != NULL;) {
        link->spare_loan = loan->next;
        sill__free(loan);
    }
}
