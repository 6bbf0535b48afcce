/* sill/pool.h - memory that several processes allocate in and free.
 *
 * Two designs; docs/pools.md says when which is better, and examples/two_pools.c does the same job
 * with both:
 *
 *   sill_pool      one large region with a manager: blocks of any size, found by their offset,
 *                  taken and given back by every process that maps the region
 *   sill_segments  many small regions of one size, known by ids, mapped only by those who use them
 *
 * And for what is larger than the memory one wants to spend: sill_rounds, which brings a message
 * of any size through a small region in pieces.
 *
 * TRUST. Processes that share a pool trust each other, as with everything that several may write.
 * What they write by mistake over the books is found (PROTOCOL) as far as a check can find it, and
 * never makes sill read or write outside of the region.
 *
 * Their locks are those of sill/sync.h, so that a program of another word size or C library than
 * their maker's is told VERSION.
 *
 * All three live in regions (sill/region.h). The region must stay open, mapped for writing, where
 * it is, until the handle is closed. After fork the child's use of the parent's handles is INVALID;
 * it may close them.
 */
#ifndef SILL_POOL_H
#define SILL_POOL_H

#include <stddef.h>
#include <stdint.h>

#include <sill/region.h>
#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- one large region with a manager ----
 *
 * A block is known by its offset from the beginning of the region's data: the same number in every
 * process, wherever the region is mapped; 0 is none. Blocks are aligned to 16 bytes and cost 16
 * bytes more than they hold. To allocate and to free takes constant time, unless the pool is nearly
 * full.
 *
 * The books are guarded by a mutex (sill/sync.h) in the region. When a process dies inside, the
 * next one repairs them from the headers of the blocks, and goes on: what was being allocated is
 * free again, what was being freed is free. A process that dies after it got a block, before it has
 * put the offset where others find it, leaves the block allocated: sill_pool_each tells for each
 * block which process made it.
 *
 * In a mapped file a pool stays. After a restart of the machine the books are repaired at the first
 * use; what the blocks hold is the user's to judge.
 *
 * Threads: one handle may be used by all threads. Every call here may wait for another process that
 * is inside, up to timeout_ms (TIMEOUT; only one that is stopped stays longer than some
 * microseconds). All of them return 0 or INVALID, TIMEOUT, PROTOCOL (something has written over the
 * books; sill_last_error says where), OS, and what stands with them.
 */
typedef struct sill_pool sill_pool;

/* The least size of a region for a pool; its books take some 8 KiB of it. */
#define SILL_POOL_SIZE_MIN 16384

/* Names of roots have 1 to 47 bytes, as names of sill have them; a pool has 64 roots. */
#define SILL_POOL_ROOT_NAME 48
#define SILL_POOL_ROOTS     64

typedef struct sill_pool_options {
    size_t struct_size; /* set by SILL_POOL_OPTIONS_INIT */
    size_t offset;      /* where in the region's data it begins, a multiple of 64 */
    size_t size;        /* bytes; 0: to the end of the region */
    int timeout_ms;     /* of each call; 0: the default of 10000; -1 for ever */
} sill_pool_options;
#define SILL_POOL_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(sill_pool_options), 0, 0, 0                                                         \
    }

/* Makes a pool where the memory is zero, opens the one that is there: all processes do the same,
 * with the same offset and size. The region must be mapped for writing. Also FOREIGN (something
 * else is there), WRONG_SIZE, VERSION, TOO_BIG (over 64 GiB), NO_MEMORY, and what sill_mutex_place
 * returns. */
SILL_API int sill_pool_place(sill_pool **pool, const sill_region *region,
                             const sill_pool_options *options);

/* Lets go of the handle. The pool stays. NULL is fine. */
SILL_API void sill_pool_close(sill_pool *pool);

/* Allocates `size` bytes (1 or more) whose content is not defined. Also NO_SPACE. */
SILL_API int sill_pool_allocate(sill_pool *pool, size_t size, uint64_t *offset);

/* Frees a block, whoever allocated it. INVALID: it is none, or is free already. 0 is fine. */
SILL_API int sill_pool_free(sill_pool *pool, uint64_t offset);

/* Where an offset is in this process: NULL for 0 and for what is outside of the pool. And back: 0
 * for what is outside. Neither looks at the books, so both are cheap and never wait. */
SILL_API void *sill_pool_at(const sill_pool *pool, uint64_t offset);
SILL_API uint64_t sill_pool_offset(const sill_pool *pool, const void *at);

/* Bytes that a block can hold, at least what was asked for. */
SILL_API int sill_pool_block_size(sill_pool *pool, uint64_t offset, size_t *size);

/* A root is an offset under a name, by which another process finds what one has stored. Set: a root
 * that exists is changed in one step; offset 0 removes it. LIMIT: there are 64 already. Get:
 * NOT_FOUND. */
SILL_API int sill_pool_set_root(sill_pool *pool, const char *name, uint64_t offset);
SILL_API int sill_pool_get_root(sill_pool *pool, const char *name, uint64_t *offset);

/* Sets the root only if it is not there: EXISTS, and *offset is what it is. So that of several
 * processes that come at once one makes what all use. */
SILL_API int sill_pool_add_root(sill_pool *pool, const char *name, uint64_t *offset);

typedef struct sill_pool_statistics {
    size_t struct_size;      /* set by SILL_POOL_STATISTICS_INIT */
    uint64_t size;           /* bytes for blocks, their headers included */
    uint64_t used;           /* of these, in allocated blocks */
    uint64_t largest;        /* the largest block that could be allocated now, bytes */
    uint64_t blocks;         /* allocated */
    uint64_t allocations;    /* ever; roughly, after a process died inside */
    uint64_t frees;          /* ever */
    uint64_t failures;       /* allocations for which there was no room */
    uint64_t repairs;        /* how often the books were repaired after a death */
    uint64_t recovered;      /* blocks that the dead had begun to allocate or to free, now free */
    uint64_t recovered_size; /* their bytes */
} sill_pool_statistics;
#define SILL_POOL_STATISTICS_INIT                                                                  \
    {                                                                                              \
        sizeof(sill_pool_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                 \
    }

SILL_API int sill_pool_statistics_get(sill_pool *pool, sill_pool_statistics *statistics);

/* Looks at every block and every list: 0, or PROTOCOL with what is wrong. Changes nothing. Takes
 * time with the number of blocks. */
SILL_API int sill_pool_check(sill_pool *pool);

/* Makes the books anew from the blocks' headers: what happens by itself after a death. PROTOCOL if
 * a header is destroyed. */
SILL_API int sill_pool_repair(sill_pool *pool);

typedef struct sill_pool_block {
    size_t struct_size;
    uint64_t offset;
    uint64_t size; /* bytes that it can hold */
    uint32_t pid;  /* who allocated it */
    int alive;     /* 1 that process lives (or its pid is another's by now), 0 it does not */
} sill_pool_block;

/* Called for each allocated block, in the order of their offsets, while the pool is locked: it must
 * not call functions of this pool (INVALID). Non-zero ends it, and is returned. */
typedef int sill_pool_each_block(void *arg, const sill_pool_block *block);
SILL_API int sill_pool_each(sill_pool *pool, sill_pool_each_block *each, void *arg);

/* ---- many small regions of one size ----
 *
 * A set of segments has a name; each of its segments is a region of its own, made when it is first
 * needed, within the limits, and mapped by a process when it first uses it. A segment is taken,
 * filled, and its id sent to another process over whatever channel; that one gets it, and gives it
 * back or sends it on. An id is 8 bytes, never 0, and good for one journey: after the segment was
 * given back it is refused (NOT_FOUND), though the segment may be in use again.
 *
 * A segment is held by the process that has last taken or got it. If that one dies, it goes back to
 * the others when they run out of segments; so a segment that is on its way is lost with its
 * sender. A wait for a free one ends with the death of a holder, too.
 *
 * The set and its segments are named regions, the set NAME and its segments NAME.0, NAME.1 and so
 * on: these names are the set's, and a region that has one of them is used or removed by it. `sill
 * ls` shows them, `sill clean` removes them when nobody is left. On Windows a segment goes when no
 * process has it mapped: so the sender must keep the set open until the receiver has got what it
 * was sent.
 *
 * Threads: one handle may be used by all threads. Calls may wait for another process that is
 * inside, as those of a pool.
 */
typedef struct sill_segments sill_segments;

#define SILL_SEGMENTS_MAX 1024

typedef struct sill_segments_options {
    size_t struct_size;    /* set by SILL_SEGMENTS_OPTIONS_INIT */
    size_t segment_size;   /* create: bytes of each; 0: 64 KiB */
    uint32_t least;        /* create: so many stay, free or taken, when it is trimmed; 0: 4 */
    uint32_t most;         /* create: never more; to SILL_SEGMENTS_MAX; 0: 64 */
    int open_existing;     /* create: 1 opens the set that exists, as it is */
    const char *directory; /* where the owner records lie; NULL: the runtime directory */
    int timeout_ms;        /* for other processes that are inside; 0: the default of 10000; -1 */
} sill_segments_options;
#define SILL_SEGMENTS_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(sill_segments_options), 0, 0, 0, 0, 0, 0                                            \
    }

/* Makes a set; opens one. The name has at most 190 bytes. 0; EXISTS; NOT_FOUND (also: its maker has
 * not come so far yet); INVALID; FOREIGN; VERSION; and what sill_region_create and sill_region_open
 * return. */
SILL_API int sill_segments_create(sill_segments **set, const char *name,
                                  const sill_segments_options *options);
SILL_API int sill_segments_open(sill_segments **set, const char *name,
                                const sill_segments_options *options);

/* Unmaps and closes. What this process holds stays taken until it ends. NULL is fine. */
SILL_API void sill_segments_close(sill_segments *set);

/* Removes the set and all its segments. Who has segments mapped keeps the memory until he closes
 * the set; all his calls on it are NOT_FOUND from then on, also those that wait. 0; NOT_FOUND;
 * UNSUPPORTED (Windows: they go by themselves); and what sill_region_remove returns. */
SILL_API int sill_segments_remove(const char *name, const sill_segments_options *options);

/* Takes a free segment, makes one if there is none and the limit allows, else waits until one is
 * given back. 0; TIMEOUT, AGAIN (timeout_ms 0): all are taken; NO_SPACE, LIMIT, TOO_BIG: there is
 * no memory for another; NOT_FOUND: the set was removed; INVALID; PROTOCOL (something has written
 * over the books); NO_MEMORY; OS. */
SILL_API int sill_segments_take(sill_segments *set, uint64_t *id, int timeout_ms);

/* This process holds the segment from now on, and here it is: *data, of the size
 * that all segments of the set have. 0; NOT_FOUND: the id is of the past, or the segment went with
 * its sender; TIMEOUT; INVALID; PROTOCOL; NO_MEMORY; OS. *data is valid until the segment is given
 * back here or elsewhere, or the set closed. */
SILL_API int sill_segments_get(sill_segments *set, uint64_t id, void **data);

/* Gives it back, whoever took it. 0; NOT_FOUND; TIMEOUT; INVALID; OS. */
SILL_API int sill_segments_give(sill_segments *set, uint64_t id);

/* Takes segments of dead holders back (unless somebody has just looked for them), and removes free
 * ones as long as there are more than `least` segments. 0; NOT_FOUND; TIMEOUT; INVALID; OS. */
SILL_API int sill_segments_trim(sill_segments *set);

typedef struct sill_segments_statistics {
    size_t struct_size;    /* set by SILL_SEGMENTS_STATISTICS_INIT */
    uint64_t segment_size; /* bytes of each */
    uint32_t least, most;
    uint32_t free; /* segments that exist, and nobody holds */
    uint32_t taken;
    uint64_t made;      /* ever */
    uint64_t removed;   /* by trim */
    uint64_t reclaimed; /* from dead holders */
} sill_segments_statistics;
#define SILL_SEGMENTS_STATISTICS_INIT                                                              \
    {                                                                                              \
        sizeof(sill_segments_statistics), 0, 0, 0, 0, 0, 0, 0, 0                                   \
    }

SILL_API int sill_segments_statistics_get(sill_segments *set, sill_segments_statistics *statistics);

/* ---- messages larger than the memory for them ----
 *
 * Brings a message of any size from one process to another through a stretch of a region, in
 * pieces: while the receiver empties one half, the sender fills the other. How far it is stands in
 * the region for everybody to see. (Ports do the same by themselves for what is too large to be
 * mapped.)
 *
 * One message is under way at a time; other senders, and other receivers, wait for their turn. The
 * death of the other side ends the call with DIED within some tenths of a second, and the next
 * message begins anew.
 *
 * Threads: one handle may be used by all threads. TRUST: see at the top. */
typedef struct sill_rounds sill_rounds;

#define SILL_ROUNDS_SIZE_MIN 8192

/* At `offset` (a multiple of 64) of the region's data, `size` bytes from there (0: to the end; at
 * least SILL_ROUNDS_SIZE_MIN): made where the memory is zero, opened where it is made. 0; INVALID;
 * FOREIGN; WRONG_SIZE; VERSION; and what sill_mutex_place returns. */
SILL_API int sill_rounds_place(sill_rounds **rounds, const sill_region *region, size_t offset,
                               size_t size);
SILL_API void sill_rounds_close(sill_rounds *rounds);

/* Called for each piece, in order: fills (sender) or takes (receiver) `size` bytes of the message
 * at `offset`. `total` is the whole message's size. Other processes are not kept waiting but for
 * this piece. Non-zero ends the transfer: it is returned, and the other side gets CANCELED. If the
 * sender gives up while the receiver has a piece in hand, the next sender may write over it: what
 * `take` has seen of it counts only if the call returns 0. */
typedef int sill_rounds_fill(void *arg, uint64_t offset, void *piece, size_t size, uint64_t total);
typedef int sill_rounds_take(void *arg, uint64_t offset, const void *piece, size_t size,
                             uint64_t total);

/* Sends a message of `size` bytes (0 is one too). Returns when the receiver has taken all of it.
 * 0; what `fill` returned; CANCELED (the receiver has ended it); DIED (the receiver); TIMEOUT,
 * AGAIN (timeout_ms 0; the message is taken back, and a receiver that has a part of it gets
 * CANCELED); INVALID; OS. */
SILL_API int sill_rounds_send(sill_rounds *rounds, uint64_t size, sill_rounds_fill *fill, void *arg,
                              int timeout_ms);

/* Waits for a message and takes it; *size (may be NULL) is its size. Statuses as sill_rounds_send,
 * with the sender in the receiver's place; CANCELED also if the sender died and another one has
 * come since. After anything but 0 the pieces that were taken are worth nothing. */
SILL_API int sill_rounds_receive(sill_rounds *rounds, uint64_t *size, sill_rounds_take *take,
                                 void *arg, int timeout_ms);

/* How far the message that is under way is, from any process: all 0 if there is none. 0, INVALID.
 * Never blocks. */
typedef struct sill_rounds_progress {
    size_t struct_size;             /* set by SILL_ROUNDS_PROGRESS_INIT */
    uint64_t total, sent, received; /* bytes */
    uint32_t sender, receiver;      /* pids; 0: none yet */
} sill_rounds_progress;
#define SILL_ROUNDS_PROGRESS_INIT                                                                  \
    {                                                                                              \
        sizeof(sill_rounds_progress), 0, 0, 0, 0, 0                                                \
    }
SILL_API int sill_rounds_progress_get(const sill_rounds *rounds, sill_rounds_progress *progress);

#ifdef __cplusplus
}
#endif

#endif
