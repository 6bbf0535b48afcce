/* rounds.c - a message of any size through a stretch of a region, in pieces.
 *
 * The stretch begins with two mutexes and a condition variable (sync.h). Who sends holds the mutex
 * `turn` for the whole message, so there is one sender; the receivers' turn is a word, `receiver`,
 * since a receiver may wait for long before there is a message. `lock` guards the words: who is at
 * work, and how far. The bytes are two halves, which are filled and emptied without the lock;
 * `sent` and `received` count whole pieces, so piece n lies in half n modulo 2, the sender may
 * write it when n < received + 2, and the receiver may read it when n < sent.
 *
 * `phase` is IDLE, OFFERED (a sender, no receiver yet), MOVING, or ENDED (one side has given up,
 * and the other has not seen it). Of a message that was taken the sender makes it IDLE again, of
 * one that ended the side that learns of it. With `turn` a sender is alone: what its predecessor
 * left that died, or that nobody has seen the end of, it clears. A side that waits looks now and
 * then whether the other one lives.
 */
#include <sill/pool.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <sill/sync.h>

#include "clock.h"
#include "memory.h"
#include "process.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"

#define MAGIC   UINT64_C(0x6e756f726c6c6973) /* "sillroun" */
#define LAYOUT  1
#define LOCK_MS 10000

enum phase { IDLE, OFFERED, MOVING, ENDED };

struct side {
    _Atomic uint32_t pid; /* 0: nobody */
    uint32_t reserved;
    uint64_t start; /* of its process */
};

struct shared {
    _Alignas(64) unsigned char turn[SILL_SYNC_SIZE];
    unsigned char lock[SILL_SYNC_SIZE];
    unsigned char changed[SILL_SYNC_SIZE];
    uint64_t magic; /* stored last */
    uint32_t layout;
    _Atomic uint32_t phase;
    uint64_t half;             /* bytes of each half */
    _Atomic uint64_t total;    /* bytes of the message; written by the sender */
    _Atomic uint64_t sent;     /* pieces; written by the sender */
    _Atomic uint64_t received; /* written by the receiver */
    _Atomic uint64_t serial;   /* of the message; written by the sender */
    uint64_t unused;
    struct side sender, receiver;
    uint64_t unused_too[4];
};
static_assert(sizeof(struct shared) == 3 * SILL_SYNC_SIZE + 128, "shared-layout.md");
static_assert(sizeof(struct shared) < SILL_ROUNDS_SIZE_MIN - 1024, "there is room for the halves");

/* One call's part in a message. */
struct transfer {
    uint64_t serial;
    uint64_t total;
    int64_t deadline;
    int64_t look_at; /* when to look next whether the other side lives */
};
#define LOOK_NS INT64_C(50000000)

struct sill_rounds {
    struct shared *shared;
    unsigned char *halves;
    size_t half; /* private */
    sill_mutex *turn, *lock;
    sill_cond *changed;
    struct sill__process self;
};

/* ---- the lock ---- */

/* What is left by a death in the middle is seen by the phase and by who is at work. */
static int forgive(sill_mutex *mutex, int rc)
{
    return rc == SILL_DIED ? sill_mutex_repaired(mutex) : rc;
}

static int lock(sill_rounds *rounds)
{
    int rc = forgive(rounds->lock, sill_mutex_lock(rounds->lock, LOCK_MS));
    return rc != SILL_TIMEOUT
               ? rc
               : sill__fail(SILL_OS, "Another process has held the lock of the rounds for too "
                                     "long; perhaps it is stopped.");
}

static int unlock(sill_rounds *rounds, int rc)
{
    sill_mutex_unlock(rounds->lock);
    return rc;
}

/* With the lock: something has changed that others may wait for. */
static void tell(sill_rounds *rounds)
{
    sill_cond_broadcast(rounds->changed);
}

static enum phase phase_of(const sill_rounds *rounds)
{
    return (enum phase)atomic_load(&rounds->shared->phase);
}

static void set_phase(sill_rounds *rounds, enum phase phase)
{
    atomic_store(&rounds->shared->phase, phase);
    tell(rounds);
}

/* ---- sides ---- */

static void take_side(const sill_rounds *rounds, struct side *side)
{
    side->start = rounds->self.start;
    atomic_store(&side->pid, rounds->self.pid);
}

static void leave_side(struct side *side)
{
    atomic_store(&side->pid, 0);
}

static bool is_dead(const sill_rounds *rounds, const struct side *side)
{
    struct sill__process process = rounds->self;
    process.pid = atomic_load(&side->pid);
    process.start = side->start;
    /* One that died may have had our pid. */
    bool us = process.pid == rounds->self.pid && process.start == rounds->self.start;
    return process.pid != 0 && !us && sill__process_alive(&process) == 0;
}

/* ---- making ---- */

static int begin(sill_rounds *rounds, size_t half)
{
    struct shared *shared = rounds->shared;
    if (shared->magic == MAGIC && shared->layout != LAYOUT)
        return sill__fail(SILL_VERSION, "The rounds have a layout that this sill does not know.");
    if (shared->magic == MAGIC && shared->half != half)
        return sill__fail(SILL_WRONG_SIZE, "The rounds were made with another size.");
    if (shared->magic != MAGIC && shared->magic != 0)
        return sill__fail(SILL_FOREIGN, "What lies there is not sill's.");
    if (shared->magic == 0) {
        shared->layout = LAYOUT;
        shared->half = half;
        shared->magic = MAGIC;
    }
    return 0;
}

static int place_parts(sill_rounds *rounds, const sill_region *region, size_t offset)
{
    int rc = sill_mutex_place(&rounds->turn, region, offset + offsetof(struct shared, turn), NULL);
    if (rc == 0)
        rc = sill_mutex_place(&rounds->lock, region, offset + offsetof(struct shared, lock), NULL);
    if (rc == 0)
        rc = sill_cond_place(&rounds->changed, region, offset + offsetof(struct shared, changed),
                             NULL);
    if (rc == 0)
        rc = lock(rounds);
    return rc == 0 ? unlock(rounds, begin(rounds, rounds->half)) : rc;
}

static int check_place(const sill_region *region, size_t offset, size_t *size)
{
    if (sill_region_data(region) == NULL || region->read_only)
        return sill__fail(SILL_INVALID, "There is no region that is mapped for writing.");
    size_t all = sill_region_size(region);
    if (*size == 0 && offset <= all)
        *size = all - offset;
    if (offset % 64 != 0 || offset > all || *size > all - offset || *size < SILL_ROUNDS_SIZE_MIN)
        return sill__fail(SILL_INVALID,
                          "Rounds need at least %d bytes at a multiple of 64; a region of %zu has "
                          "not got %zu at %zu.",
                          SILL_ROUNDS_SIZE_MIN, all, *size, offset);
    return 0;
}

int sill_rounds_place(sill_rounds **out, const sill_region *region, size_t offset, size_t size)
{
    if (out == NULL)
        return sill__fail(SILL_INVALID, "The pointer for the rounds is NULL.");
    int rc = check_place(region, offset, &size);
    if (rc != 0)
        return rc;
    sill_rounds *rounds = sill__alloc_zeroed(sizeof *rounds);
    if (rounds == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    rounds->shared = (void *)((unsigned char *)sill_region_data(region) + offset);
    rounds->halves = (unsigned char *)(rounds->shared + 1);
    rounds->half = (size - sizeof(struct shared)) / 2 / 64 * 64;
    sill__process_self(&rounds->self);
    rc = place_parts(rounds, region, offset);
    if (rc != 0) {
        sill_rounds_close(rounds);
        return rc;
    }
    *out = rounds;
    return 0;
}

void sill_rounds_close(sill_rounds *rounds)
{
    if (rounds == NULL)
        return;
    sill_mutex_close(rounds->turn);
    sill_mutex_close(rounds->lock);
    sill_cond_close(rounds->changed);
    sill__free(rounds);
}

/* ---- both sides ---- */

static unsigned char *piece_at(const sill_rounds *rounds, uint64_t number)
{
    return rounds->halves + (number % 2 != 0 ? rounds->half : 0);
}

static size_t piece_size(const sill_rounds *rounds, uint64_t number, uint64_t total)
{
    uint64_t left = total - number * rounds->half;
    return left < rounds->half ? (size_t)left : rounds->half;
}

static uint64_t pieces_of(const sill_rounds *rounds, uint64_t total)
{
    return total / rounds->half + (total % rounds->half != 0 ? 1 : 0);
}

/* With the lock: sleeps until something has changed, or a tenth of a second is over. DIED: the
 * other side. Without the lock only after INVALID, NOT_FOUND, OS. */
static int wait_for_other(sill_rounds *rounds, const struct side *other, struct transfer *transfer)
{
    if (sill__now_ns() >= transfer->look_at) {
        if (is_dead(rounds, other))
            return SILL_DIED;
        transfer->look_at = sill__now_ns() + LOOK_NS;
    }
    int left = sill__timeout(transfer->deadline);
    if (left == 0)
        return SILL_TIMEOUT;
    int rc = sill_cond_wait(rounds->changed, rounds->lock, left);
    return rc == SILL_TIMEOUT ? 0 : forgive(rounds->lock, rc);
}

static bool lock_is_lost(int rc)
{
    return rc == SILL_INVALID || rc == SILL_NOT_FOUND || rc == SILL_OS;
}

/* ---- sending ---- */

static bool may_fill(const sill_rounds *rounds, uint64_t number)
{
    return number < atomic_load(&rounds->shared->received) + 2;
}

/* With the lock: until piece `number` may be written, or (number is the count of pieces) until the
 * receiver has all. */
static int wait_to_send(sill_rounds *rounds, uint64_t number, uint64_t count,
                        struct transfer *transfer)
{
    struct shared *shared = rounds->shared;
    for (;;) {
        enum phase phase = phase_of(rounds);
        if (phase == ENDED)
            return SILL_CANCELED;
        if (number < count ? may_fill(rounds, number)
                           : phase == MOVING && atomic_load(&shared->received) >= count)
            return 0;
        int rc = wait_for_other(rounds, &shared->receiver, transfer);
        if (rc != 0)
            return rc;
    }
}

static int send_pieces(sill_rounds *rounds, struct transfer *transfer, sill_rounds_fill *fill,
                       void *arg)
{
    struct shared *shared = rounds->shared;
    uint64_t total = transfer->total, count = pieces_of(rounds, total);
    for (uint64_t number = 0;; number++) {
        int rc = lock(rounds);
        if (rc != 0)
            return rc;
        rc = wait_to_send(rounds, number, count, transfer);
        if (!lock_is_lost(rc))
            unlock(rounds, 0);
        if (rc != 0 || number == count)
            return rc;
        rc = fill(arg, number * rounds->half, piece_at(rounds, number),
                  piece_size(rounds, number, total), total);
        if (rc != 0)
            return rc;
        SILL__STEP(rounds_filled);
        rc = lock(rounds);
        if (rc != 0)
            return rc;
        atomic_store(&shared->sent, number + 1); /* release, pairs with the load in take_pieces */
        tell(rounds);
        unlock(rounds, 0);
    }
}

/* With our turn: the words are ours, whatever a sender has left that died. */
static int offer(sill_rounds *rounds, uint64_t total)
{
    struct shared *shared = rounds->shared;
    int rc = lock(rounds);
    if (rc != 0)
        return rc;
    leave_side(&shared->receiver);
    atomic_fetch_add(&shared->serial, 1);
    take_side(rounds, &shared->sender);
    atomic_store(&shared->total, total);
    atomic_store(&shared->sent, 0);
    atomic_store(&shared->received, 0);
    set_phase(rounds, OFFERED);
    SILL__STEP(rounds_begun);
    return unlock(rounds, 0);
}

/* A receiver that is still at work finds the message ended; one that has seen it is gone. */
static void withdraw(sill_rounds *rounds, int rc)
{
    struct shared *shared = rounds->shared;
    if (lock(rounds) != 0)
        return; /* our death, or the next sender, will do */
    bool receiver = atomic_load(&shared->receiver.pid) != 0 && phase_of(rounds) == MOVING;
    leave_side(&shared->sender);
    set_phase(rounds, rc != 0 && rc != SILL_DIED && receiver ? ENDED : IDLE);
    unlock(rounds, 0);
}

int sill_rounds_send(sill_rounds *rounds, uint64_t size, sill_rounds_fill *fill, void *arg,
                     int timeout_ms)
{
    if (rounds == NULL || (fill == NULL && size > 0))
        return sill__fail(SILL_INVALID, "There are no rounds, or no function to fill pieces.");
    struct transfer transfer = {.total = size, .deadline = sill__deadline(timeout_ms)};
    int rc = forgive(rounds->turn, sill_mutex_lock(rounds->turn, timeout_ms));
    if (rc != 0)
        return rc;
    rc = offer(rounds, size);
    if (rc == 0) {
        rc = send_pieces(rounds, &transfer, fill, arg);
        sill_error first = *sill_last_error();
        withdraw(rounds, rc);
        sill__error_restore(&first);
    }
    sill_mutex_unlock(rounds->turn);
    return rc == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : rc;
}

/* ---- receiving ---- */

/* With the lock: until there is a message that nobody takes, which is then ours. */
static int accept_message(sill_rounds *rounds, struct transfer *transfer)
{
    struct shared *shared = rounds->shared;
    for (;;) {
        if (phase_of(rounds) == OFFERED && !is_dead(rounds, &shared->sender)) {
            transfer->serial = atomic_load(&shared->serial);
            transfer->total = atomic_load(&shared->total);
            take_side(rounds, &shared->receiver);
            set_phase(rounds, MOVING);
            return 0;
        }
        int left = sill__timeout(transfer->deadline);
        if (left == 0)
            return SILL_TIMEOUT;
        int rc = sill_cond_wait(rounds->changed, rounds->lock, left);
        rc = rc == SILL_TIMEOUT ? 0 : forgive(rounds->lock, rc);
        if (rc != 0)
            return rc;
    }
}

/* Whether the message under way is still the one that we have begun: another sender may have
 * cleared everything after its predecessor's end. */
static bool is_ours(const sill_rounds *rounds, const struct transfer *transfer)
{
    enum phase phase = phase_of(rounds);
    return (phase == MOVING || phase == ENDED) &&
           atomic_load(&rounds->shared->serial) == transfer->serial;
}

/* And whether its sender still counts on us: what he has taken back must not be received, not even
 * if all of it has come. */
static bool is_wanted(const sill_rounds *rounds, const struct transfer *transfer)
{
    return is_ours(rounds, transfer) && phase_of(rounds) == MOVING;
}

static int wait_to_take(sill_rounds *rounds, uint64_t number, struct transfer *transfer)
{
    struct shared *shared = rounds->shared;
    for (;;) {
        if (!is_wanted(rounds, transfer))
            return SILL_CANCELED;
        if (atomic_load(&shared->sent) > number)
            return 0;
        int rc = wait_for_other(rounds, &shared->sender, transfer);
        if (rc != 0)
            return rc;
    }
}

static int take_pieces(sill_rounds *rounds, struct transfer *transfer, sill_rounds_take *take,
                       void *arg)
{
    struct shared *shared = rounds->shared;
    uint64_t total = transfer->total, count = pieces_of(rounds, total);
    for (uint64_t number = 0; number < count; number++) {
        int rc = lock(rounds);
        if (rc != 0)
            return rc;
        rc = wait_to_take(rounds, number, transfer);
        if (!lock_is_lost(rc))
            unlock(rounds, 0);
        if (rc == 0)
            rc = take(arg, number * rounds->half, piece_at(rounds, number),
                      piece_size(rounds, number, total), total);
        if (rc != 0)
            return rc;
        SILL__STEP(rounds_taken);
        rc = lock(rounds);
        if (rc != 0)
            return rc;
        if (!is_wanted(rounds, transfer))
            return unlock(rounds, SILL_CANCELED);
        atomic_store(&shared->received, number + 1); /* release, pairs with may_fill */
        tell(rounds);
        unlock(rounds, 0);
    }
    return 0;
}

/* The sender of what was not taken whole is told. */
static void leave(sill_rounds *rounds, const struct transfer *transfer, int rc)
{
    if (lock(rounds) != 0)
        return;
    if (is_ours(rounds, transfer)) {
        bool sender = atomic_load(&rounds->shared->sender.pid) != 0;
        leave_side(&rounds->shared->receiver);
        if (phase_of(rounds) == ENDED || !sender || rc == SILL_DIED)
            set_phase(rounds, IDLE);
        else if (rc != 0)
            set_phase(rounds, ENDED);
    }
    unlock(rounds, 0);
}

int sill_rounds_receive(sill_rounds *rounds, uint64_t *size, sill_rounds_take *take, void *arg,
                        int timeout_ms)
{
    if (rounds == NULL || take == NULL)
        return sill__fail(SILL_INVALID, "There are no rounds, or no function to take pieces.");
    struct transfer transfer = {.deadline = sill__deadline(timeout_ms)};
    int rc = lock(rounds);
    if (rc != 0)
        return rc;
    rc = accept_message(rounds, &transfer);
    if (!lock_is_lost(rc))
        unlock(rounds, 0);
    if (rc == 0) {
        rc = take_pieces(rounds, &transfer, take, arg);
        sill_error first = *sill_last_error();
        leave(rounds, &transfer, rc);
        sill__error_restore(&first);
    }
    if (rc == 0 && size != NULL)
        *size = transfer.total;
    return rc == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : rc;
}

/* ---- looking ---- */

static uint64_t bytes_of(const sill_rounds *rounds, uint64_t pieces, uint64_t total)
{
    return pieces < pieces_of(rounds, total) ? pieces * rounds->half : total;
}

int sill_rounds_progress_get(const sill_rounds *rounds, sill_rounds_progress *progress)
{
    if (rounds == NULL || progress == NULL || progress->struct_size != sizeof *progress)
        return sill__fail(SILL_INVALID, "There are no rounds, or the progress is not initialised "
                                        "(SILL_ROUNDS_PROGRESS_INIT).");
    *progress = (sill_rounds_progress)SILL_ROUNDS_PROGRESS_INIT;
    enum phase phase = phase_of(rounds);
    if (phase != OFFERED && phase != MOVING)
        return 0;
    const struct shared *shared = rounds->shared;
    progress->total = atomic_load(&shared->total);
    progress->sent = bytes_of(rounds, atomic_load(&shared->sent), progress->total);
    progress->received = bytes_of(rounds, atomic_load(&shared->received), progress->total);
    progress->sender = atomic_load(&shared->sender.pid);
    progress->receiver = phase == MOVING ? atomic_load(&shared->receiver.pid) : 0;
    return 0;
}
