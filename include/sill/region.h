/* sill/region.h - a region: memory that two or more processes map.
 *
 * One set of functions over POSIX shared memory, System V shared memory, mapped files and Win32
 * sections. A region begins with a header of 64 bytes that sill keeps (what it is, its layout, its
 * size); sill_region_data points behind it, at memory aligned to 64 bytes. Space is reserved when
 * the region is created: a full file system is an error then, and never a SIGBUS later.
 *
 * What stays when the last process has closed it: POSIX named, System V named and files stay until
 * removed (SILL_REGION_PERSISTS); anonymous and private ones and all Win32 sections go.
 *
 * Threads: the functions of one region object need a lock of the caller's if two threads use it
 * and one of them maps, unmaps, resizes or closes. The memory itself is the users' to organise.
 * After fork: mappings are shared with the child, the object itself belongs to the parent; the
 * child may only close it, which leaves the name alone.
 */
#ifndef SILL_REGION_H
#define SILL_REGION_H

#include <stddef.h>
#include <stdint.h>

#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sill_region sill_region;

/* X(constant, value, text): text is the name in output and on command lines. */
#define SILL_REGION_KIND_TABLE(X)                                                                  \
    X(AUTO, 0, "auto")                                                                             \
    X(POSIX_ANONYMOUS, 1, "posix-anonymous") /* memfd_create, sealed */                            \
    X(POSIX, 2, "posix")                     /* shm_open */                                        \
    X(FILE, 3, "file")                       /* a mapped file; the name is its path */             \
    X(SYSV, 4, "sysv")                       /* shmget, key by ftok of the owner record */         \
    X(SYSV_PRIVATE, 5, "sysv-private")       /* shmget(IPC_PRIVATE) */                             \
    X(WIN32_ANONYMOUS, 6, "win32-anonymous") /* CreateFileMapping without a name */                \
    X(WIN32, 7, "win32")                     /* CreateFileMapping, Local\ name */

enum sill_region_kind {
#define SILL_REGION_KIND_ENUM(name, value, text) SILL_REGION_##name = (value),
    SILL_REGION_KIND_TABLE(SILL_REGION_KIND_ENUM)
#undef SILL_REGION_KIND_ENUM
};

/* What a kind can do: sill_region_capabilities. */
enum sill_region_capability {
    SILL_REGION_NAMED = 1,      /* has a name under which others open it */
    SILL_REGION_PERSISTS = 2,   /* stays after its last user, until removed */
    SILL_REGION_RESIZES = 4,    /* sill_region_resize works */
    SILL_REGION_PASSES = 8,     /* sill_region_handle gives a handle that can be passed */
    SILL_REGION_SEALED = 16,    /* size fixed, and not writable by those it is passed to */
    SILL_REGION_READ_ONLY = 32, /* can be opened read-only */
    SILL_REGION_AVAILABLE = 64, /* exists on this system: set for each kind that does */
    SILL_REGION_FLUSHES = 128   /* is kept on a disk: sill_region_flush works */
};

typedef struct sill_region_options {
    size_t struct_size; /* set by SILL_REGION_OPTIONS_INIT */
    int kind; /* enum sill_region_kind; AUTO: by platform, anonymous if the name is NULL */
    int open_existing;  /* create: 0 (default) fails with EXISTS; 1 opens what exists, if its size
                           is the one asked for (WRONG_SIZE otherwise) */
    int read_only;      /* open: map for reading only; writing there is a fault */
    int resizable;      /* create: may be resized later; an anonymous one is then not sealed */
    const char *directory; /* where the owner record lies; NULL: the user's runtime directory */
    size_t size;        /* open: if not 0, the size it must have, WRONG_SIZE otherwise */
    int timeout_ms;     /* open, create: how long to wait for another process that is just
                           creating it; 0: the default of 1000; -1 for ever */
} sill_region_options;
#define SILL_REGION_OPTIONS_INIT {sizeof(sill_region_options), 0, 0, 0, 0, 0, 0, 0}

/* Creates a region of `size` bytes (1 or more), zeroed, mapped read-write. `name` is a sill name
 * (1 to 200 bytes of letters, digits, '.', '_', '-'), for FILE a path, NULL for anonymous kinds.
 * Objects are the user's own (mode 0600, or a DACL for the user alone).
 * 0; EXISTS; NOT_FOUND (FILE: the directory does not exist); INVALID; NO_SPACE (the file system or
 * /dev/shm is full, or memory cannot be committed); LIMIT (a limit of the system such as shmmax:
 * the sentence names it and says where to raise it); TOO_BIG (beyond the address space); DENIED;
 * UNSUPPORTED (the kind does not exist on this system); TIMEOUT (another process has been creating
 * it for too long, or a stopped one holds the lock of the directory); with open_existing also
 * everything that sill_region_open returns; NO_MEMORY; OS.
 * `options` may be NULL. Close with sill_region_close. */
SILL_API int sill_region_create(sill_region **region, const char *name, size_t size,
                                const sill_region_options *options);

/* Opens a region by its name and maps it.
 * 0; NOT_FOUND; DENIED (another user's, or not permitted); FOREIGN (the object exists, sill did
 * not make it); WRONG_KIND; WRONG_SIZE; VERSION (its layout is not this library's); TIMEOUT
 * (being created, or its directory locked, for too long); INVALID; UNSUPPORTED; LIMIT; NO_MEMORY;
 * OS. */
SILL_API int sill_region_open(sill_region **region, const char *name,
                              const sill_region_options *options);

/* Opens a region by a handle that was passed to this process (see sill_region_handle) and maps it.
 * With `read_only` in the options (the usual case) for reading. The handle stays the caller's.
 * Before it maps, it checks that the memory cannot shrink afterwards: an unsealed one is
 * PROTOCOL. (System V segments have a fixed size; NOT_FOUND: nobody has it any more.) Otherwise as
 * sill_region_open. */
SILL_API int sill_region_open_handle(sill_region **region, sill_handle handle,
                                     const sill_region_options *options);

/* A handle of the region to pass to another process; it stays the region's and lives as long.
 * On Windows and for sealed memory, whoever gets it can map it for reading only. That of a System V
 * segment is its id, a number that is the same in every process: it may be told in any way, is good
 * for as long as somebody has the segment, and is not to be closed.
 * 0, UNSUPPORTED, INVALID. */
SILL_API int sill_region_handle(const sill_region *region, sill_handle *handle);

/* The mapped memory behind the header, aligned to 64 bytes; NULL while it is unmapped. */
SILL_API void *sill_region_data(const sill_region *region);
/* Bytes of user data. */
SILL_API size_t sill_region_size(const sill_region *region);
/* Its kind: never AUTO. */
SILL_API int sill_region_kind_of(const sill_region *region);

/* Unmaps; the region stays open and can be mapped again, possibly elsewhere. 0, INVALID, OS. */
SILL_API int sill_region_unmap(sill_region *region);
SILL_API int sill_region_map(sill_region *region);

/* Changes the size (creators of kinds with SILL_REGION_RESIZES, `resizable` set; a file, which may
 * outlive its creator, also by whoever has opened it for writing: from the size that it has by then,
 * and two that do it at once need a lock of the users'). Grows with the space reserved; new bytes are
 * 0. The mapping may move. A process that is killed on the way leaves the old or the new size. Others keep the old size until they map
 * again; after a shrink, their touching what is gone is a fault, which is why memory for untrusted
 * peers is never resizable. Where the memory cannot be mapped again the region is left unmapped.
 * 0, NO_SPACE, LIMIT, UNSUPPORTED, INVALID, DENIED (Windows: another process has the file mapped),
 * NO_MEMORY, OS. */
SILL_API int sill_region_resize(sill_region *region, size_t size);

/* Brings to the disk what was written into `size` bytes (0: all from there) at `offset` of a mapped
 * file's data. With `wait` 1 it is there, with the file's size, when the call returns; with 0 the
 * system only begins. Everything else than a failure of the machine needs no flush: what a process
 * has written before it is killed, others see. What is written without a flush comes to the disk in
 * any order; a record whose last word says that it is whole takes two flushes. That the name stands
 * in its directory is the file system's to keep.
 * 0; INVALID (out of range, not mapped, or for reading only); UNSUPPORTED (SILL_REGION_FLUSHES is not
 * set); NO_SPACE; OS (the disk has failed). With `wait` it blocks as long as the disk takes. */
SILL_API int sill_region_flush(const sill_region *region, size_t offset, size_t size, int wait);

/* Unmaps and closes. Named kinds with SILL_REGION_PERSISTS stay. NULL is fine. */
SILL_API void sill_region_close(sill_region *region);

/* Removes the name and, once nobody maps it any more, the memory. `options` tells kind and
 * directory. 0; NOT_FOUND (also: another process is only just creating it); DENIED; FOREIGN (what
 * has the name is left alone, and the name is free in sill); UNSUPPORTED (Win32 sections go by
 * themselves); TIMEOUT (a stopped process holds the lock of the directory); INVALID; NO_MEMORY;
 * OS. */
SILL_API int sill_region_remove(const char *name, const sill_region_options *options);

/* What `kind` can do on this system, a set of enum sill_region_capability; 0 if the kind does not
 * exist here. AUTO: the platform's named default. */
SILL_API unsigned sill_region_capabilities(int kind);

/* "posix" for SILL_REGION_POSIX and so on; "?" for none. And back: -1 if unknown. */
SILL_API const char *sill_region_kind_name(int kind);
SILL_API int sill_region_kind_parse(const char *text);

#ifdef __cplusplus
}
#endif

#endif
