/* sync_ops.h - the seam below synchronisation objects.
 *
 * An object is a block of shared memory (struct sill__sync_shared) and some cells. A cell is the
 * one thing that a backend makes: a lock that the system gives back when its owner dies, a counter,
 * or an event. Everything else (owners, deaths, recursion, readers and writers, conditions,
 * deadlines of calls, who makes the object) is built from cells by the core, once for all backends.
 * Backends: posix/sync.c, sysv/sync.c, win32/sync.c.
 *
 * The memory has several writers, who trust each other: sill/sync.h says so to users. What is read
 * from it never serves as an index or a length here.
 */
#ifndef SILL__SYNC_OPS_H
#define SILL__SYNC_OPS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/sync.h>

#define SILL__SYNC_CELLS     (1 + SILL_RWLOCK_READERS) /* the most that an object has */
#define SILL__SYNC_ATTENDEES 32

enum sill__cell_kind {
    SILL__CELL_LOCK,    /* free; goes back when its owner dies */
    SILL__CELL_COUNTER, /* `initial` */
    SILL__CELL_AUTO,    /* an event that a wait resets; `initial` */
    SILL__CELL_MANUAL   /* an event that stays set; `initial` */
};

/* The backend's, in shared memory. */
struct sill__cell {
    _Alignas(64) unsigned char bytes[64];
};

/* A process that has the object open. `who` is its pid, 0 while the place is free; it is taken by
 * a compare-exchange of 0 for CLAIMING, and written when `start` is. */
struct sill__attendee {
    _Atomic uint64_t who;
    _Atomic uint64_t start; /* of the process: see process.h */
};

struct sill__sync_shared {
    _Atomic uint64_t state; /* sync.c: nothing, being made by a process, made */
    uint32_t type;          /* enum sill__sync_type */
    uint32_t family;        /* enum sill_sync_family */
    uint32_t abi; /* of the backend: what makes its cells mean the same to two processes */
    uint32_t recursive;
    uint32_t manual;
    uint32_t initial;
    uint64_t boot;   /* hash of the boot id; 0: not known */
    uint64_t space;  /* the pid namespace */
    uint64_t serial; /* random: what else of the system belongs to this object is called by it */
    _Atomic uint32_t owner;    /* mutex, rwlock: thread that holds it for writing; written by it */
    _Atomic uint32_t damaged;  /* 1: an owner died; written by owners */
    _Atomic uint32_t writers;  /* rwlock: 1 while a writer holds the gate; written by it */
    _Atomic uint32_t sequence; /* cond: broadcasts; written under the cond's lock */
    _Atomic uint32_t deaths;   /* attendees that ended without closing; written by who finds out */
    _Atomic uint32_t waiters;  /* cond: who sleeps; those who were killed stay counted */
    _Atomic int64_t looked;    /* when one of the waiters last looked for dead attendees */
    uint32_t reserved[6];
    struct sill__attendee attendees[SILL__SYNC_ATTENDEES];
    struct sill__cell cells[SILL__SYNC_CELLS];
};
static_assert(offsetof(struct sill__sync_shared, attendees) == 112, "shared-layout.md");
static_assert(sizeof(struct sill__sync_shared) <= SILL_SYNC_SIZE, "an object has its place");

/* One object's cells, as this process has them. */
struct sill__cells {
    const struct sill__sync_ops *ops;
    struct sill__sync_shared *shared;
    const sill_region *region; /* in which they lie */
    unsigned count;
    enum sill__cell_kind kinds[SILL__SYNC_CELLS];
    uint32_t initial;                /* of those that count */
    int set;                         /* sysv: the semaphore set */
    void *handles[SILL__SYNC_CELLS]; /* win32 */
};

struct sill__sync_ops {
    int family;
    unsigned caps;   /* enum sill_sync_capability */
    int region_kind; /* of named objects */
    uint32_t abi;

    /* Makes the cells, or opens those that are made. Who makes is alone, and may find what is left
     * of another one that did not get to the end. */
    int (*attach)(struct sill__cells *cells, bool make);
    void (*detach)(struct sill__cells *cells);

    /* Locks: 0, also after the owner's death; TIMEOUT at the deadline, 0 (clock.h) to try. */
    int (*lock)(struct sill__cells *cells, unsigned cell, int64_t deadline);
    void (*unlock)(struct sill__cells *cells, unsigned cell);
    /* Counters and events: takes one of the count, or finds the event set. 0, TIMEOUT. */
    int (*wait)(struct sill__cells *cells, unsigned cell, int64_t deadline);
    int (*post)(struct sill__cells *cells, unsigned cell, uint32_t count); /* LIMIT */
    int (*set)(struct sill__cells *cells, unsigned cell, bool on);
};

#endif
