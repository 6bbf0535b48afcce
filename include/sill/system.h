/* sill/system.h - what lives on this machine under sill's names, and what the machine allows. */
#ifndef SILL_SYSTEM_H
#define SILL_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sill_object_state {
    SILL_OBJECT_LIVING = 0, /* a living process stands behind it */
    SILL_OBJECT_STALE = 1,  /* its owner ended without removing it: provably nobody's */
    SILL_OBJECT_KEPT = 2    /* a region that was closed in order and is meant to stay */
};

typedef struct sill_object {
    size_t struct_size;
    const char *type; /* "server", "region", "queue" or "pipe" */
    const char *kind; /* servers: the channel's, "unix", "sysv" or "pipe"; regions: sill_region_kind_name;
                         queues: sill_channel_kind_name; pipes: "fifo", or "fifo-peer" for the one
                         who opened it */
    const char *name;
    int state;           /* enum sill_object_state */
    uint32_t pid;        /* who created it */
    uint64_t size;       /* regions, queues: bytes; others: 0 */
    int64_t created;     /* seconds since 1970-01-01 UTC */
} sill_object;

/* Called for each object; the object is valid during the call. Non-zero ends the listing, which
 * then returns that value. */
typedef int sill_object_each(void *arg, const sill_object *object);

/* Lists every named object of this user (or in `directory`). 0, what `each` returned, DENIED,
 * LIMIT, TIMEOUT (a stopped process holds the lock of the directory), NO_MEMORY, OS. */
SILL_API int sill_list(const char *directory, sill_object_each *each, void *arg);

/* Removes what is provably stale, and calls `each` (may be NULL) for what it removed; with
 * `dry_run` only calls. Never touches what lives or is kept: staleness is judged again under a
 * lock at the moment of removal. 0 or as sill_list. */
SILL_API int sill_clean(const char *directory, int dry_run, sill_object_each *each, void *arg);

/* One fact about this machine. */
typedef struct sill_fact {
    size_t struct_size;
    const char *topic;   /* "system", "cores", "kind" (of region), "channel", "sync", "port", "limit" */
    const char *name;    /* "shm_free", "shmmax", "posix-anonymous", "fifo" ... */
    const char *value;   /* as text; numbers in plain decimal; kinds, channels and families of
                            synchronisation objects: "present", "limited" or "absent", and `note`
                            says what they can do, or why */
    const char *unit;    /* "bytes", "objects", "messages", "" */
    int verdict;         /* enum sill_verdict */
    const char *note;    /* what it means for sill; "" if nothing is to say */
    const char *remedy;  /* the command that raises or mends it; "" if none */
} sill_fact;

enum sill_verdict { SILL_FACT_GOOD = 0, SILL_FACT_LOW = 1, SILL_FACT_MISSING = 2 };

typedef int sill_fact_each(void *arg, const sill_fact *fact);

/* Tells what this machine offers and limits: system (Linux, Windows, Wine), cores, region kinds,
 * channels and families of synchronisation objects (each of this system's tried for real, and
 * cleaned up), the size and free space of /dev/shm, SysV
 * and POSIX queue limits, descriptors. 0, what `each` returned, NO_MEMORY, OS. */
SILL_API int sill_facts(sill_fact_each *each, void *arg);

#ifdef __cplusplus
}
#endif

#endif
