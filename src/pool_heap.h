/* pool_heap.h - the blocks of a pool: pool_heap.c. Every function expects that the pool is locked,
 * and returns PROTOCOL where the books are not what they can be.
 */
#ifndef SILL__POOL_HEAP_H
#define SILL__POOL_HEAP_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/pool.h>
#include <sill/sync.h>

#define SILL__POOL_MAGIC   UINT64_C(0x6c6f6f706c6c6973) /* "sillpool" */
#define SILL__POOL_LAYOUT  1
#define SILL__POOL_UNIT    16 /* bytes: what sizes and places of blocks are counted in */
#define SILL__POOL_ROWS    31
#define SILL__POOL_COLUMNS 8

/* A block's header; the user's bytes follow. */
struct sill__pool_block {
    _Atomic uint64_t word; /* size in units, state, check: pool_heap.c */
    uint32_t before;       /* size of the block before it, 0 for the first; derived */
    uint32_t pid;          /* who allocated it */
};

struct sill__pool_root {
    _Atomic uint64_t word; /* offset | 1, or 0: this place is free */
    char name[56];
};

/* All of it is shared, and written with the mutex held. What is called derived follows from the
 * blocks' words, and is made anew from them after a death. */
struct sill__pool_header {
    uint64_t magic; /* stored last */
    uint32_t layout;
    uint32_t reserved;
    uint64_t units;           /* of all blocks together, the one at the end not counted */
    _Atomic uint64_t pending; /* what is under way: an operation and the unit of its block */
    uint64_t used;            /* units; derived */
    uint64_t blocks;          /* derived */
    uint64_t allocations, frees, failures, repairs, recovered, recovered_units;
    uint32_t rows;                     /* bit i: row i has a list that is not empty; derived */
    uint32_t columns[SILL__POOL_ROWS]; /* the same for the lists of a row; derived */
    uint32_t lists[SILL__POOL_ROWS][SILL__POOL_COLUMNS]; /* unit + 1 of the first; derived */
    struct sill__pool_root roots[SILL_POOL_ROOTS];
};
static_assert(offsetof(struct sill__pool_header, rows) == 96, "shared-layout.md");
static_assert(sizeof(struct sill__pool_header) == 96 + 32 * 4 + 31 * 8 * 4 + 64 * 64,
              "shared-layout.md");

/* The pool as this process sees it: its bounds are private. */
struct sill__heap {
    struct sill__pool_header *header;
    unsigned char *units; /* where unit 0 is */
    uint32_t count;       /* units; behind them the block that ends all */
};

void sill__heap_format(const struct sill__heap *heap);
int sill__heap_allocate(const struct sill__heap *heap, uint32_t units, uint32_t pid,
                        uint32_t *unit);                           /* NO_SPACE */
int sill__heap_free(const struct sill__heap *heap, uint32_t unit); /* INVALID: no block */
/* The size of an allocated block, header included; 0: there is none at this unit. */
uint32_t sill__heap_block(const struct sill__heap *heap, uint32_t unit);
int sill__heap_repair(const struct sill__heap *heap);
int sill__heap_check(const struct sill__heap *heap);
uint32_t sill__heap_largest(const struct sill__heap *heap);
/* Goes through all blocks, free or allocated: begins with *unit 0, false at the end. */
bool sill__heap_next(const struct sill__heap *heap, uint32_t *unit, uint32_t *size, bool *used);

static inline struct sill__pool_block *sill__heap_at(const struct sill__heap *heap, uint32_t unit)
{
    return (void *)(heap->units + (size_t)unit * SILL__POOL_UNIT);
}

#endif
