/* pool.c - one large region with a manager: handles, the lock, roots, statistics.
 *
 * From the pool's beginning: the mutex (SILL_SYNC_SIZE bytes), the header (pool_heap.h), the blocks
 * from the next multiple of 64 on. The blocks and what is derived from them are pool_heap.c's.
 *
 * Whoever gets the lock with SILL_DIED repairs before it does anything else, and says that it is
 * mended only when it is: a second death on the way is found by the third. Books that turn out torn
 * without a death are repaired as well, once; then the operation is tried again.
 *
 * A root's word is stored after its name, and changed by one store. So roots need no repair.
 */
#include <sill/pool.h>

#include <string.h>

#include "memory.h"
#include "owner.h"
#include "pool_heap.h"
#include "process.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"

#define DEFAULT_TIMEOUT_MS 10000
#define BOOKS              ((SILL_SYNC_SIZE + sizeof(struct sill__pool_header) + 63) / 64 * 64)
#define UNITS_MAX          UINT64_C(0xfffffff0)

struct sill_pool {
    struct sill__heap heap;
    sill_mutex *mutex;
    unsigned char *data; /* the region's, to which offsets count */
    uint64_t blocks;     /* where unit 0 is, from there */
    int timeout_ms;
    uint32_t pid;
};

/* ---- the lock ---- */

static int lock(sill_pool *pool)
{
    if (pool == NULL)
        return sill__fail(SILL_INVALID, "The pool is NULL.");
    int rc = sill_mutex_lock(pool->mutex, pool->timeout_ms);
    if (rc == SILL_TIMEOUT)
        return sill__fail(SILL_TIMEOUT, "Another process has been inside the pool for too long; "
                                        "perhaps it is stopped.");
    if (rc != SILL_DIED)
        return rc;
    rc = sill__heap_repair(&pool->heap);
    SILL__STEP(pool_repaired);
    if (rc == 0)
        rc = sill_mutex_repaired(pool->mutex);
    if (rc != 0)
        sill_mutex_unlock(pool->mutex);
    return rc;
}

static int unlock(sill_pool *pool, int rc)
{
    sill_mutex_unlock(pool->mutex);
    return rc;
}

/* ---- making ---- */

static int copy_options(sill_pool_options *out, const sill_pool_options *options)
{
    *out = (sill_pool_options)SILL_POOL_OPTIONS_INIT;
    if (options == NULL)
        return 0;
    if (options->struct_size != sizeof *out)
        return sill__fail(SILL_INVALID,
                          "The options are not initialised: struct_size is %zu and must be %zu "
                          "(SILL_POOL_OPTIONS_INIT).",
                          options->struct_size, sizeof *out);
    *out = *options;
    if (out->timeout_ms < -1)
        return sill__fail(SILL_INVALID, "The option timeout_ms is %d and must be -1 or more.",
                          out->timeout_ms);
    return 0;
}

/* Sets where everything is; *size is that of the whole pool. */
static int measure(const sill_region *region, sill_pool_options *options)
{
    if (sill_region_data(region) == NULL || region->read_only)
        return sill__fail(SILL_INVALID, "There is no region that is mapped for writing.");
    size_t all = sill_region_size(region);
    if (options->offset % 64 != 0 || options->offset > all || options->size > all - options->offset)
        return sill__fail(SILL_INVALID,
                          "A pool of %zu bytes at %zu does not lie in a region of %zu bytes at a "
                          "multiple of 64.",
                          options->size, options->offset, all);
    if (options->size == 0)
        options->size = all - options->offset;
    if (options->size < SILL_POOL_SIZE_MIN)
        return sill__fail(SILL_INVALID, "A pool needs at least %d bytes, not %zu.",
                          SILL_POOL_SIZE_MIN, options->size);
    if (options->size / SILL__POOL_UNIT > UNITS_MAX)
        return sill__fail(SILL_TOO_BIG, "A pool of %zu bytes is larger than 64 GiB.",
                          options->size);
    return 0;
}

/* With the mutex held: makes the books, or looks whether they are ours. Who died on the way has
 * stored no magic. */
static int begin(sill_pool *pool, bool died)
{
    struct sill__pool_header *header = pool->heap.header;
    if (header->magic == SILL__POOL_MAGIC && header->layout != SILL__POOL_LAYOUT)
        return sill__fail(SILL_VERSION, "The pool has a layout that this sill does not know.");
    if (header->magic == SILL__POOL_MAGIC && header->units != pool->heap.count)
        return sill__fail(SILL_WRONG_SIZE, "The pool was made with another size.");
    if (header->magic == SILL__POOL_MAGIC)
        return died ? sill__heap_repair(&pool->heap) : 0;
    if (header->magic != 0)
        return sill__fail(SILL_FOREIGN, "What lies there is not a pool.");
    memset(header, 0, sizeof *header);
    sill__heap_format(&pool->heap);
    header->layout = SILL__POOL_LAYOUT;
    header->units = pool->heap.count;
    SILL__STEP(pool_formatted);
    header->magic = SILL__POOL_MAGIC;
    return 0;
}

static int open_pool(sill_pool *pool, const sill_region *region, const sill_pool_options *options)
{
    pool->data = sill_region_data(region);
    pool->blocks = options->offset + BOOKS;
    pool->heap.header = (void *)(pool->data + options->offset + SILL_SYNC_SIZE);
    pool->heap.units = pool->data + pool->blocks;
    /* one unit less: the block at the end has a header */
    pool->heap.count = (uint32_t)((options->size - BOOKS) / SILL__POOL_UNIT - 1);
    pool->timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    struct sill__process self;
    sill__process_self(&self);
    pool->pid = self.pid;
    sill_sync_options how = SILL_SYNC_OPTIONS_INIT;
    how.timeout_ms = pool->timeout_ms;
    int rc = sill_mutex_place(&pool->mutex, region, options->offset, &how);
    if (rc != 0)
        return rc;
    int locked = sill_mutex_lock(pool->mutex, pool->timeout_ms);
    rc = locked == 0 || locked == SILL_DIED ? begin(pool, locked == SILL_DIED) : locked;
    if (rc == 0 && locked == SILL_DIED)
        rc = sill_mutex_repaired(pool->mutex);
    if (locked == 0 || locked == SILL_DIED)
        sill_mutex_unlock(pool->mutex);
    if (rc != 0)
        sill_mutex_close(pool->mutex);
    return rc;
}

int sill_pool_place(sill_pool **out, const sill_region *region, const sill_pool_options *options)
{
    sill_pool_options known;
    if (out == NULL)
        return sill__fail(SILL_INVALID, "The pointer for the pool is NULL.");
    int rc = copy_options(&known, options);
    if (rc == 0)
        rc = measure(region, &known);
    if (rc != 0)
        return rc;
    sill_pool *pool = sill__alloc_zeroed(sizeof *pool);
    if (pool == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    rc = open_pool(pool, region, &known);
    if (rc != 0) {
        sill__free(pool);
        return rc;
    }
    *out = pool;
    return 0;
}

void sill_pool_close(sill_pool *pool)
{
    if (pool == NULL)
        return;
    sill_mutex_close(pool->mutex);
    sill__free(pool);
}

/* ---- blocks ---- */

static int no_room(const sill_pool *pool, size_t size)
{
    return sill__fail(SILL_NO_SPACE,
                      "The pool has no free block of %zu bytes; it has %llu bytes "
                      "in all, of which %llu are used.",
                      size, (unsigned long long)pool->heap.count * SILL__POOL_UNIT,
                      (unsigned long long)pool->heap.header->used * SILL__POOL_UNIT);
}

/* Books that turn out torn are made anew; false if that cannot be. */
static bool mended(const sill_pool *pool, int rc)
{
    return rc == SILL_PROTOCOL && sill__heap_repair(&pool->heap) == 0;
}

int sill_pool_allocate(sill_pool *pool, size_t size, uint64_t *offset)
{
    if (size == 0 || offset == NULL)
        return sill__fail(SILL_INVALID, "A block has at least 1 byte, and its offset a place.");
    int rc = lock(pool);
    if (rc != 0)
        return rc;
    uint32_t unit = 0;
    if (size / SILL__POOL_UNIT >= pool->heap.count) {
        pool->heap.header->failures++;
        rc = SILL_NO_SPACE;
    } else {
        uint32_t units = (uint32_t)((size + SILL__POOL_UNIT - 1) / SILL__POOL_UNIT + 1);
        rc = sill__heap_allocate(&pool->heap, units, pool->pid, &unit);
        if (mended(pool, rc))
            rc = sill__heap_allocate(&pool->heap, units, pool->pid, &unit);
    }
    if (rc == SILL_NO_SPACE)
        rc = no_room(pool, size);
    if (rc == 0)
        *offset = pool->blocks + ((uint64_t)unit + 1) * SILL__POOL_UNIT;
    return unlock(pool, rc);
}

/* The unit of the block whose bytes begin at `offset`. */
static int unit_of(const sill_pool *pool, uint64_t offset, uint32_t *unit)
{
    if (offset < pool->blocks + SILL__POOL_UNIT || (offset - pool->blocks) % SILL__POOL_UNIT != 0 ||
        (offset - pool->blocks) / SILL__POOL_UNIT > pool->heap.count)
        return sill__fail(SILL_INVALID, "%llu is not the offset of a block of the pool.",
                          (unsigned long long)offset);
    *unit = (uint32_t)((offset - pool->blocks) / SILL__POOL_UNIT - 1);
    return 0;
}

int sill_pool_free(sill_pool *pool, uint64_t offset)
{
    uint32_t unit = 0;
    if (pool != NULL && offset == 0)
        return 0;
    int rc = lock(pool);
    if (rc != 0)
        return rc;
    rc = unit_of(pool, offset, &unit);
    if (rc == 0)
        rc = sill__heap_free(&pool->heap, unit);
    if (mended(pool, rc)) /* it has freed the block too */
        rc = 0;
    return unlock(pool, rc);
}

int sill_pool_block_size(sill_pool *pool, uint64_t offset, size_t *size)
{
    uint32_t unit = 0;
    int rc = lock(pool);
    if (rc != 0)
        return rc;
    rc = unit_of(pool, offset, &unit);
    uint32_t units = rc == 0 ? sill__heap_block(&pool->heap, unit) : 0;
    if (rc == 0 && (units == 0 || size == NULL))
        rc = sill__fail(SILL_INVALID,
                        "There is no allocated block at %llu, or no place for its "
                        "size.",
                        (unsigned long long)offset);
    if (rc == 0)
        *size = (size_t)(units - 1) * SILL__POOL_UNIT;
    return unlock(pool, rc);
}

void *sill_pool_at(const sill_pool *pool, uint64_t offset)
{
    if (pool == NULL || offset < pool->blocks ||
        offset - pool->blocks >= (uint64_t)pool->heap.count * SILL__POOL_UNIT)
        return NULL;
    return pool->data + offset;
}

uint64_t sill_pool_offset(const sill_pool *pool, const void *at)
{
    uintptr_t address = (uintptr_t)at;
    if (pool == NULL || address < (uintptr_t)pool->heap.units ||
        address - (uintptr_t)pool->heap.units >= (uint64_t)pool->heap.count * SILL__POOL_UNIT)
        return 0;
    return address - (uintptr_t)pool->data;
}

/* ---- roots ---- */

static int check_root(const char *name)
{
    int rc = sill__name_check(name);
    if (rc == 0 && strlen(name) >= SILL_POOL_ROOT_NAME)
        rc = sill__fail(SILL_INVALID, "The name of a root has at most %d bytes.",
                        SILL_POOL_ROOT_NAME - 1);
    return rc;
}

/* The root of that name, or NULL; *spare is a free place, or NULL. */
static struct sill__pool_root *find_root(const sill_pool *pool, const char *name,
                                         struct sill__pool_root **spare)
{
    struct sill__pool_root *roots = pool->heap.header->roots;
    int unused = -1;
    *spare = NULL;
    for (int i = 0; i < SILL_POOL_ROOTS; i++) {
        bool used = atomic_load_explicit(&roots[i].word, memory_order_acquire) != 0;
        if (used && strncmp(roots[i].name, name, sizeof roots[i].name) == 0)
            return &roots[i];
        if (!used && unused < 0)
            unused = i;
    }
    if (unused >= 0)
        *spare = &roots[unused];
    return NULL;
}

static int make_root(struct sill__pool_root *spare, const char *name, uint64_t offset)
{
    if (spare == NULL)
        return sill__fail(SILL_LIMIT, "The pool has %d roots already.", SILL_POOL_ROOTS);
    memset(spare->name, 0, sizeof spare->name);
    memcpy(spare->name, name, strlen(name));
    SILL__STEP(pool_root);
    /* release: the name is there before the word says so */
    atomic_store_explicit(&spare->word, offset | 1, memory_order_release);
    return 0;
}

static int check_offset(const sill_pool *pool, uint64_t offset)
{
    if (sill_pool_at(pool, offset) != NULL && offset % 2 == 0)
        return 0;
    return sill__fail(SILL_INVALID, "%llu is not an even offset in the pool.",
                      (unsigned long long)offset);
}

int sill_pool_set_root(sill_pool *pool, const char *name, uint64_t offset)
{
    int rc = check_root(name);
    if (rc == 0)
        rc = lock(pool);
    if (rc != 0)
        return rc;
    struct sill__pool_root *spare, *root = find_root(pool, name, &spare);
    if (offset == 0) {
        if (root != NULL)
            atomic_store_explicit(&root->word, 0, memory_order_release);
        return unlock(pool, 0);
    }
    rc = check_offset(pool, offset);
    if (rc == 0 && root != NULL)
        atomic_store_explicit(&root->word, offset | 1, memory_order_release);
    else if (rc == 0)
        rc = make_root(spare, name, offset);
    return unlock(pool, rc);
}

int sill_pool_get_root(sill_pool *pool, const char *name, uint64_t *offset)
{
    int rc = check_root(name);
    if (rc == 0 && offset == NULL)
        rc = sill__fail(SILL_INVALID, "There is no place for the offset of the root.");
    if (rc == 0)
        rc = lock(pool);
    if (rc != 0)
        return rc;
    struct sill__pool_root *spare, *root = find_root(pool, name, &spare);
    if (root != NULL)
        *offset = atomic_load_explicit(&root->word, memory_order_acquire) & ~UINT64_C(1);
    else
        rc = sill__fail(SILL_NOT_FOUND, "The pool has no root \"%s\".", name);
    return unlock(pool, rc);
}

int sill_pool_add_root(sill_pool *pool, const char *name, uint64_t *offset)
{
    int rc = check_root(name);
    if (rc == 0 && offset == NULL)
        rc = sill__fail(SILL_INVALID, "There is no offset for the root.");
    if (rc == 0)
        rc = lock(pool);
    if (rc != 0)
        return rc;
    struct sill__pool_root *spare, *root = find_root(pool, name, &spare);
    if (root != NULL) {
        *offset = atomic_load_explicit(&root->word, memory_order_acquire) & ~UINT64_C(1);
        return unlock(pool, SILL_EXISTS);
    }
    rc = check_offset(pool, *offset);
    if (rc == 0)
        rc = make_root(spare, name, *offset);
    return unlock(pool, rc);
}

/* ---- all of it ---- */

int sill_pool_statistics_get(sill_pool *pool, sill_pool_statistics *statistics)
{
    if (statistics == NULL || statistics->struct_size != sizeof *statistics)
        return sill__fail(SILL_INVALID, "The statistics are not initialised "
                                        "(SILL_POOL_STATISTICS_INIT).");
    int rc = lock(pool);
    if (rc != 0)
        return rc;
    const struct sill__pool_header *header = pool->heap.header;
    uint32_t largest = sill__heap_largest(&pool->heap);
    *statistics = (sill_pool_statistics){
        .struct_size = sizeof *statistics,
        .size = (uint64_t)pool->heap.count * SILL__POOL_UNIT,
        .used = header->used * SILL__POOL_UNIT,
        .largest = largest > 0 ? (uint64_t)(largest - 1) * SILL__POOL_UNIT : 0,
        .blocks = header->blocks,
        .allocations = header->allocations,
        .frees = header->frees,
        .failures = header->failures,
        .repairs = header->repairs,
        .recovered = header->recovered,
        .recovered_size = header->recovered_units * SILL__POOL_UNIT,
    };
    return unlock(pool, 0);
}

int sill_pool_check(sill_pool *pool)
{
    int rc = lock(pool);
    return rc == 0 ? unlock(pool, sill__heap_check(&pool->heap)) : rc;
}

int sill_pool_repair(sill_pool *pool)
{
    int rc = lock(pool);
    return rc == 0 ? unlock(pool, sill__heap_repair(&pool->heap)) : rc;
}

static int tell_block(const sill_pool *pool, uint32_t unit, uint32_t size,
                      sill_pool_each_block *each, void *arg)
{
    struct sill__process process;
    uint32_t pid = sill__heap_at(&pool->heap, unit)->pid;
    sill_error before = *sill_last_error();
    sill_pool_block block = {
        .struct_size = sizeof block,
        .offset = pool->blocks + ((uint64_t)unit + 1) * SILL__POOL_UNIT,
        .size = (uint64_t)(size - 1) * SILL__POOL_UNIT,
        .pid = pid,
        .alive = sill__process_of(pid, &process) != SILL_NOT_FOUND,
    };
    sill__error_restore(&before);
    return each(arg, &block);
}

int sill_pool_each(sill_pool *pool, sill_pool_each_block *each, void *arg)
{
    if (each == NULL)
        return sill__fail(SILL_INVALID, "There is no function to call for each block.");
    int rc = lock(pool);
    if (rc != 0)
        return rc;
    uint32_t unit = 0, size = 0;
    bool used = false;
    for (; rc == 0 && sill__heap_next(&pool->heap, &unit, &size, &used); unit += size)
        if (used)
            rc = tell_block(pool, unit, size, each, arg);
    if (rc == 0 && unit != pool->heap.count)
        rc = sill__heap_check(&pool->heap); /* says what is wrong */
    return unlock(pool, rc);
}
