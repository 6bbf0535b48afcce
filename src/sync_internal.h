/* sync_internal.h - what sync.c (making and opening) and the types of objects share. */
#ifndef SILL__SYNC_INTERNAL_H
#define SILL__SYNC_INTERNAL_H

#include "clock.h"
#include "process.h"
#include "sync_ops.h"

enum sill__sync_type {
    SILL__SYNC_MUTEX = 1,
    SILL__SYNC_RWLOCK,
    SILL__SYNC_SEMAPHORE,
    SILL__SYNC_EVENT,
    SILL__SYNC_COND
};

/* A handle of any type. The public names (sill_mutex...) are never defined: they stand for this. */
struct sill__sync {
    enum sill__sync_type type;
    struct sill__cells cells;
    struct sill__sync_shared *shared; /* the same as cells.shared */
    sill_region *region;              /* of a named object; NULL for a placed one */
    struct sill__attendee *place;     /* ours, or NULL: all were taken */
    uint32_t generation;              /* sill__fork_generation() at opening */
    bool recursive;
    _Atomic uint32_t deaths; /* as many were told by this handle */
    /* The threads of this process that hold a cell, 0 for none; written by the thread itself. They
     * tell who we are to ourselves; what others must know of us is in shared memory. */
    _Atomic uint32_t holders[SILL__SYNC_CELLS];
    uint32_t depth; /* recursive mutex: written by its owner */
};

int sill__sync_create(struct sill__sync **out, enum sill__sync_type type, const char *name,
                      const sill_sync_options *options);
int sill__sync_open(struct sill__sync **out, enum sill__sync_type type, const char *name,
                    const sill_sync_options *options);
int sill__sync_place(struct sill__sync **out, enum sill__sync_type type, const sill_region *region,
                     size_t offset, const sill_sync_options *options);
void sill__sync_close(struct sill__sync *sync);

/* A lock that the calling thread holds goes as if the thread had died with it. */
void sill__sync_let_go(struct sill__sync *sync);

/* For every call on a handle but close. */
int sill__sync_check(const struct sill__sync *sync);

/* Looks which attendees have ended. True if there is a death that this handle has not told. */
bool sill__sync_hear(struct sill__sync *sync);

/* A wait's end for the caller: AGAIN for TIMEOUT where timeout_ms was 0. */
static inline int sill__sync_status(int rc, int timeout_ms)
{
    return rc == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : rc;
}

/* Longer than this nobody sleeps without a look around. */
#define SILL__SYNC_SLICE_NS INT64_C(100000000)

static inline int64_t sill__sync_slice(int64_t deadline)
{
    return deadline == 0 ? 0 : sill__earlier(deadline, sill__now_ns() + SILL__SYNC_SLICE_NS);
}

/* The five sets of public functions. */
#define SILL__SYNC_FUNCTIONS(noun, TYPE)                                                           \
    int sill_##noun##_create(sill_##noun **out, const char *name,                                  \
                             const sill_sync_options *options)                                     \
    {                                                                                              \
        struct sill__sync *sync;                                                                   \
        int rc = out != NULL ? sill__sync_create(&sync, TYPE, name, options)                       \
                             : sill__fail(SILL_INVALID, "The pointer for the " #noun " is NULL."); \
        if (rc == 0)                                                                               \
            *out = (sill_##noun *)sync;                                                            \
        return rc;                                                                                 \
    }                                                                                              \
    int sill_##noun##_open(sill_##noun **out, const char *name, const sill_sync_options *options)  \
    {                                                                                              \
        struct sill__sync *sync;                                                                   \
        int rc = out != NULL ? sill__sync_open(&sync, TYPE, name, options)                         \
                             : sill__fail(SILL_INVALID, "The pointer for the " #noun " is NULL."); \
        if (rc == 0)                                                                               \
            *out = (sill_##noun *)sync;                                                            \
        return rc;                                                                                 \
    }                                                                                              \
    int sill_##noun##_place(sill_##noun **out, const sill_region *region, size_t offset,           \
                            const sill_sync_options *options)                                      \
    {                                                                                              \
        struct sill__sync *sync;                                                                   \
        int rc = out != NULL ? sill__sync_place(&sync, TYPE, region, offset, options)              \
                             : sill__fail(SILL_INVALID, "The pointer for the " #noun " is NULL."); \
        if (rc == 0)                                                                               \
            *out = (sill_##noun *)sync;                                                            \
        return rc;                                                                                 \
    }                                                                                              \
    void sill_##noun##_close(sill_##noun *sync)                                                    \
    {                                                                                              \
        sill__sync_close((struct sill__sync *)sync);                                               \
    }

#endif
