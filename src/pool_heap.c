/* pool_heap.c - allocates in shared memory, so that a death at any instruction can be repaired.
 *
 * The heap is a row of blocks without gaps, each with a header whose word says its size and whether
 * it is free. This row is the truth; everything else (the free lists and their bit maps, the size
 * of the block before, the counts) is derived from it. One invariant carries all of it:
 *
 *   at every instruction, going from header to header by the words leads from the first block to
 *   the one at the end.
 *
 * So each change of the row is one store of one word: a block is split by writing the header of the
 * rest inside of it first and then its own word, and merged by a word that covers the next one's
 * header. A repair walks the row, merges what lies free beside free, and derives the rest anew.
 *
 * `pending` says what is under way. An allocation that was under way is undone by the repair, for
 * its caller never got the block; a free is finished.
 *
 * Free blocks are in lists by size: rows for powers of two, each of 8 columns (as in TLSF). Any
 * block of a later list is large enough, so a bit map finds one in constant time. Only when there
 * is none are the blocks of the request's own list, of which some may be large enough, looked at.
 *
 * The word's upper 24 bits are a check of the rest and of the place, so that a stray write, a free
 * of what is no block, and old bytes are told from a header. Links and places are checked before
 * they are followed.
 */
#include "pool_heap.h"

#include <string.h>

#include "status.h"
#include "step.h"

enum { FREE = 0x46, USED = 0x55, END = 0x45 }; /* states */
enum { NOTHING, ALLOCATING, FREEING };         /* pending */

#define LEAST 2 /* units of a block: the header, and room for links */

/* The links of a free block, behind its header: unit + 1, 0 is none. */
struct links {
    uint32_t next, back;
};

/* ---- headers ---- */

static uint64_t word_of(uint32_t unit, uint32_t size, unsigned state)
{
    uint64_t rest = (uint64_t)state << 32 | size;
    uint64_t check =
        (rest ^ ((uint64_t)unit * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);
    return rest | (check >> 40 << 40);
}

static void set_word(const struct sill__heap *heap, uint32_t unit, uint32_t size, unsigned state)
{
    /* release: what a repair finds behind a word was written before it; a killed process's stores
     * all arrive, in the order in which it made them */
    atomic_store_explicit(&sill__heap_at(heap, unit)->word, word_of(unit, size, state),
                          memory_order_release);
}

/* Size and state of the block at `unit`; false if there is no header. */
static bool read_word(const struct sill__heap *heap, uint32_t unit, uint32_t *size, unsigned *state)
{
    if (unit > heap->count)
        return false;
    uint64_t word = atomic_load_explicit(&sill__heap_at(heap, unit)->word, memory_order_acquire);
    *size = (uint32_t)word;
    *state = (unsigned)(word >> 32) & 0xff;
    if (word != word_of(unit, *size, *state))
        return false;
    if (unit == heap->count)
        return *state == END;
    return (*state == FREE || *state == USED) && *size >= LEAST && *size <= heap->count - unit;
}

static bool is_free(const struct sill__heap *heap, uint32_t unit, uint32_t *size)
{
    unsigned state;
    return read_word(heap, unit, size, &state) && state == FREE;
}

static int broken(uint32_t unit, const char *what)
{
    return sill__fail(SILL_PROTOCOL,
                      "Something has written over the pool: %s at byte %llu of its blocks.", what,
                      (unsigned long long)unit * SILL__POOL_UNIT);
}

static void set_pending(const struct sill__heap *heap, unsigned what, uint32_t unit)
{
    atomic_store_explicit(&heap->header->pending, (uint64_t)what << 32 | unit,
                          memory_order_release);
}

/* ---- lists ---- */

static unsigned highest_bit(uint32_t x)
{
    unsigned bit = 0;
    while (x >>= 1)
        bit++;
    return bit;
}

static unsigned lowest_bit(uint32_t x)
{
    return highest_bit(x & (~x + 1));
}

/* The list of a block of this size. */
static void list_of(uint32_t size, unsigned *row, unsigned *column)
{
    unsigned bit = highest_bit(size);
    *row = bit < 3 ? 0 : bit - 2;
    *column = bit < 3 ? size : (size >> (bit - 3)) & 7;
}

static struct links *links_at(const struct sill__heap *heap, uint32_t unit)
{
    return (void *)(sill__heap_at(heap, unit) + 1);
}

static void insert(const struct sill__heap *heap, uint32_t unit, uint32_t size)
{
    unsigned row, column;
    list_of(size, &row, &column);
    uint32_t *first = &heap->header->lists[row][column], next = *first, unused;
    struct links *links = links_at(heap, unit);
    links->back = 0;
    links->next = next;
    if (next != 0 && is_free(heap, next - 1, &unused))
        links_at(heap, next - 1)->back = unit + 1;
    *first = unit + 1;
    heap->header->columns[row] |= 1u << column;
    heap->header->rows |= 1u << row;
}

static int take_out(const struct sill__heap *heap, uint32_t unit, uint32_t size)
{
    unsigned row, column;
    list_of(size, &row, &column);
    struct links links = *links_at(heap, unit);
    uint32_t *first = &heap->header->lists[row][column], unused;
    if ((links.next != 0 && !is_free(heap, links.next - 1, &unused)) ||
        (links.back != 0 && !is_free(heap, links.back - 1, &unused)) ||
        (links.back == 0) != (*first == unit + 1))
        return broken(unit, "a list of free blocks is torn");
    if (links.next != 0)
        links_at(heap, links.next - 1)->back = links.back;
    if (links.back != 0)
        links_at(heap, links.back - 1)->next = links.next;
    else
        *first = links.next;
    if (*first == 0)
        heap->header->columns[row] &= ~(1u << column);
    if (heap->header->columns[row] == 0)
        heap->header->rows &= ~(1u << row);
    return 0;
}

/* The first block of the first list whose blocks are all large enough. 0: none, else unit + 1. */
static uint32_t find_later(const struct sill__pool_header *header, uint32_t size)
{
    unsigned row, column;
    unsigned bit = highest_bit(size);
    uint64_t up = bit < 3 ? size : (uint64_t)size + (1u << (bit - 3)) - 1;
    if (up > UINT32_MAX)
        return 0;
    list_of((uint32_t)up, &row, &column);
    uint32_t columns = header->columns[row] & (0xffu << column) & 0xff;
    if (columns == 0) {
        uint32_t rows = row + 1 < SILL__POOL_ROWS ? header->rows & (~0u << (row + 1)) : 0;
        row = lowest_bit(rows);
        columns = rows != 0 && row < SILL__POOL_ROWS ? header->columns[row] & 0xff : 0;
    }
    return columns != 0 ? header->lists[row][lowest_bit(columns)] : 0;
}

/* A block of the request's own list that happens to be large enough. */
static uint32_t find_here(const struct sill__heap *heap, uint32_t size)
{
    unsigned row, column;
    list_of(size, &row, &column);
    uint32_t at = heap->header->lists[row][column], found = 0;
    for (uint32_t steps = heap->count; at != 0 && steps > 0; steps--) {
        if (!is_free(heap, at - 1, &found) || found >= size)
            return at; /* what is no block the caller finds out */
        at = links_at(heap, at - 1)->next;
    }
    return 0;
}

/* ---- allocating and freeing ---- */

int sill__heap_allocate(const struct sill__heap *heap, uint32_t units, uint32_t pid, uint32_t *out)
{
    struct sill__pool_header *header = heap->header;
    uint32_t size = 0, place = find_later(header, units);
    if (place == 0)
        place = find_here(heap, units);
    if (place == 0) {
        header->failures++;
        return SILL_NO_SPACE;
    }
    uint32_t unit = place - 1;
    if (!is_free(heap, unit, &size) || size < units)
        return broken(unit, "a list of free blocks names what is none");
    set_pending(heap, ALLOCATING, unit);
    SILL__STEP(pool_begun);
    int rc = take_out(heap, unit, size);
    if (rc != 0)
        return rc;
    uint32_t rest = size - units;
    if (rest < LEAST) {
        units = size;
    } else {
        set_word(heap, unit + units, rest, FREE);
        sill__heap_at(heap, unit + units)->before = units;
        sill__heap_at(heap, unit + size)->before = rest;
    }
    sill__heap_at(heap, unit)->pid = pid;
    SILL__STEP(pool_split);
    set_word(heap, unit, units, USED);
    SILL__STEP(pool_taken);
    if (rest >= LEAST)
        insert(heap, unit + units, rest);
    header->used += units;
    header->blocks++;
    header->allocations++;
    set_pending(heap, NOTHING, 0);
    SILL__STEP(pool_done);
    *out = unit;
    return 0;
}

/* Takes a free neighbour out of its list and makes it one with the block before it. */
static int merge(const struct sill__heap *heap, uint32_t unit, uint32_t size, uint32_t more)
{
    set_word(heap, unit, size + more, FREE);
    sill__heap_at(heap, unit + size + more)->before = size + more;
    SILL__STEP(pool_merged);
    return 0;
}

int sill__heap_free(const struct sill__heap *heap, uint32_t unit)
{
    struct sill__pool_header *header = heap->header;
    uint32_t size = sill__heap_block(heap, unit), other;
    if (size == 0)
        return sill__fail(SILL_INVALID, "What is to be freed is no block of the pool, or is free "
                                        "already.");
    set_pending(heap, FREEING, unit);
    SILL__STEP(pool_begun);
    set_word(heap, unit, size, FREE);
    SILL__STEP(pool_freed);
    header->used -= size;
    header->blocks--;
    header->frees++;
    int rc = 0;
    if (is_free(heap, unit + size, &other)) {
        rc = take_out(heap, unit + size, other);
        if (rc == 0)
            rc = merge(heap, unit, size, other);
        size += other;
    }
    uint32_t before = sill__heap_at(heap, unit)->before;
    if (rc == 0 && before != 0 && before <= unit && is_free(heap, unit - before, &other) &&
        other == before) {
        unit -= before;
        rc = take_out(heap, unit, before);
        if (rc == 0)
            rc = merge(heap, unit, before, size);
        size += before;
    }
    if (rc != 0)
        return rc;
    insert(heap, unit, size);
    set_pending(heap, NOTHING, 0);
    SILL__STEP(pool_done);
    return 0;
}

uint32_t sill__heap_block(const struct sill__heap *heap, uint32_t unit)
{
    uint32_t size;
    unsigned state;
    return read_word(heap, unit, &size, &state) && state == USED ? size : 0;
}

bool sill__heap_next(const struct sill__heap *heap, uint32_t *unit, uint32_t *size, bool *used)
{
    unsigned state;
    if (*unit >= heap->count || !read_word(heap, *unit, size, &state))
        return false;
    *used = state == USED;
    return true;
}

/* ---- all of it ---- */

static void clear_derived(const struct sill__heap *heap)
{
    struct sill__pool_header *header = heap->header;
    header->rows = 0;
    memset(header->columns, 0, sizeof header->columns);
    memset(header->lists, 0, sizeof header->lists);
    header->used = 0;
    header->blocks = 0;
}

void sill__heap_format(const struct sill__heap *heap)
{
    set_word(heap, heap->count, 1, END);
    sill__heap_at(heap, heap->count)->before = heap->count;
    set_word(heap, 0, heap->count, FREE);
    sill__heap_at(heap, 0)->before = 0;
    clear_derived(heap);
    set_pending(heap, NOTHING, 0);
    insert(heap, 0, heap->count);
}

/* What was under way: the block, if it is one by now, is free. */
static void settle_pending(const struct sill__heap *heap)
{
    uint64_t pending = atomic_load_explicit(&heap->header->pending, memory_order_acquire);
    uint32_t unit = (uint32_t)pending, size = sill__heap_block(heap, unit);
    if ((pending >> 32 != ALLOCATING && pending >> 32 != FREEING) || size == 0)
        return;
    set_word(heap, unit, size, FREE);
    heap->header->recovered++;
    heap->header->recovered_units += size;
}

/* Whether the words lead to the end. */
static int check_row(const struct sill__heap *heap)
{
    uint32_t size = 0;
    unsigned state;
    for (uint32_t unit = 0; unit < heap->count; unit += size)
        if (!read_word(heap, unit, &size, &state))
            return broken(unit, "there is no header of a block");
    return read_word(heap, heap->count, &size, &state) ? 0
                                                       : broken(heap->count, "the end is missing");
}

int sill__heap_repair(const struct sill__heap *heap)
{
    int rc = check_row(heap);
    if (rc != 0)
        return rc;
    settle_pending(heap);
    clear_derived(heap);
    uint32_t size = 0, before = 0, free_before = 0;
    for (uint32_t unit = 0; unit < heap->count; unit += size) {
        unsigned state = 0;
        if (!read_word(heap, unit, &size, &state))
            return broken(unit, "a header has just been destroyed");
        sill__heap_at(heap, unit)->before = before;
        SILL__STEP(pool_repairing);
        if (state == FREE && free_before != 0) {
            set_word(heap, unit - before, before + size, FREE);
            before += size;
            continue;
        }
        if (state == USED) {
            heap->header->used += size;
            heap->header->blocks++;
        }
        free_before = state == FREE;
        before = size;
    }
    sill__heap_at(heap, heap->count)->before = before;
    bool used = false;
    for (uint32_t unit = 0; sill__heap_next(heap, &unit, &size, &used); unit += size)
        if (!used)
            insert(heap, unit, size);
    set_pending(heap, NOTHING, 0);
    heap->header->repairs++;
    return 0;
}

/* The blocks of one list; adds their number. */
static int check_list(const struct sill__heap *heap, unsigned row, unsigned column, uint32_t *count)
{
    const struct sill__pool_header *header = heap->header;
    uint32_t back = 0, size;
    uint32_t at = header->lists[row][column];
    if ((at != 0) != ((header->columns[row] >> column & 1) != 0))
        return broken(0, "a bit map of lists does not fit");
    for (; at != 0; at = links_at(heap, at - 1)->next) {
        unsigned is_row, is_column;
        if (!is_free(heap, at - 1, &size) || links_at(heap, at - 1)->back != back)
            return broken(at - 1, "a list of free blocks is torn");
        list_of(size, &is_row, &is_column);
        if (is_row != row || is_column != column || ++*count > heap->count)
            return broken(at - 1, "a free block is in a wrong list");
        back = at;
    }
    return 0;
}

int sill__heap_check(const struct sill__heap *heap)
{
    uint32_t size = 0, before = 0, listed = 0, found = 0;
    uint64_t used = 0;
    bool free_before = false;
    int rc = check_row(heap);
    for (uint32_t unit = 0; rc == 0 && unit < heap->count; unit += size) {
        bool free_now = is_free(heap, unit, &size);
        if (!free_now)
            size = sill__heap_block(heap, unit);
        if (sill__heap_at(heap, unit)->before != before || (free_now && free_before) || size == 0)
            rc = broken(unit, "a block does not fit the one before it");
        found += free_now ? 1 : 0;
        used += free_now ? 0 : size;
        before = size;
        free_before = free_now;
    }
    for (unsigned list = 0; rc == 0 && list < SILL__POOL_ROWS * SILL__POOL_COLUMNS; list++)
        rc = check_list(heap, list / SILL__POOL_COLUMNS, list % SILL__POOL_COLUMNS, &listed);
    if (rc == 0 && (listed != found || used != heap->header->used))
        rc = broken(0, "a count does not fit");
    return rc;
}

uint32_t sill__heap_largest(const struct sill__heap *heap)
{
    uint32_t rows = heap->header->rows, largest = 0, size;
    unsigned row = highest_bit(rows);
    if (rows == 0 || row >= SILL__POOL_ROWS)
        return 0;
    uint32_t columns = heap->header->columns[row] & 0xff;
    uint32_t at = columns != 0 ? heap->header->lists[row][highest_bit(columns)] : 0;
    for (uint32_t steps = heap->count; at != 0 && steps > 0; steps--) {
        if (!is_free(heap, at - 1, &size))
            break;
        largest = size > largest ? size : largest;
        at = links_at(heap, at - 1)->next;
    }
    return largest;
}
