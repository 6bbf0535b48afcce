/* owner.h - owner records: which process stands behind a name. One file per OS: posix/owner.c,
 * win32/owner.c; the text format is shared, in owner_text.c, since both parse the same lines.
 *
 * Everything that sill puts under a name (a server, a named region) has a record: a small file in
 * the user's runtime directory, named KIND.NAME (long names hashed), which holds who created it
 * and is locked by the living process that stands behind it. From a record and its lock anyone can
 * tell stale from living:
 *
 *   locked, a region                  living: its creator or another user has it open, and a forked
 *                                     child that inherited the lock inherited the mapping as well
 *   locked, else, its process lives   living
 *   locked, else, provably dead       stale: a forked child merely inherited the lock
 *                                     (POSIX; same boot and pid namespace, pid gone or reused)
 *   not locked                        the owner ended: stale, unless it says `kept`
 *   not locked, `kept`                a region that was meant to outlive its users; stale all the
 *                                     same if it was made in an earlier boot of the system
 *
 * All creation and removal of records in a directory happens under one short directory lock, so
 * two processes cannot both take over the same stale name, and nobody judges a half-written
 * record. The directory lock is only ever held for a bounded number of file operations; who
 * cannot get it within seconds, since its holder was stopped, gets SILL_TIMEOUT.
 *
 * A file whose record is cut or damaged (a power failure) and that nobody locks counts as nobody's:
 * it is taken over by the next claim.
 */
#ifndef SILL__OWNER_H
#define SILL__OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process.h"

#define SILL__NAME_MAX 200

enum sill__owner_kind {
    SILL__OWNER_SERVER = 1,
    SILL__OWNER_REGION_POSIX,
    SILL__OWNER_REGION_SYSV,
    SILL__OWNER_REGION_WIN32,
    SILL__OWNER_QUEUE_MQUEUE,
    SILL__OWNER_QUEUE_SYSV,
    SILL__OWNER_QUEUE_WIN32,
    SILL__OWNER_PIPE,     /* a byte stream with a name: who made it */
    SILL__OWNER_PIPE_PEER /* and who has opened it */
};

struct sill__owner_info {
    enum sill__owner_kind kind;
    char name[SILL__NAME_MAX + 1];
    struct sill__process process;
    uint64_t size;   /* regions: bytes of user data; servers: 0 */
    int64_t created; /* seconds since 1970; claim puts the present time for 0 */
    char object[64]; /* what else is needed to find and remove the OS object, backend's own words:
                        a socket's file name, a shm name, a SysV id; never a path to elsewhere:
                        printable ASCII without blanks, '/' at most as its first byte */
    bool kept;       /* the object is meant to stay when nobody uses it */
};

enum sill__owner_state { SILL__OWNER_LIVING, SILL__OWNER_STALE, SILL__OWNER_KEPT };

/* 1 to 200 bytes of letters, digits, '.', '_', '-', and not "." or "..". 0 or SILL_INVALID with a
 * sentence that quotes the offending byte. */
int sill__name_check(const char *name);

/* The file name (no directory) under which `name` is kept: KIND.NAME, or for names over 64 bytes
 * their beginning, '~' and a hash. At most 96 bytes. Where objects of other types lie in the same
 * directory, their file names must not begin with one of the kinds' words and a '.'. */
void sill__owner_file_name(enum sill__owner_kind kind, const char *name, char out[100]);

/* "server", "region-posix", "queue-sysv" and so on: the beginning of file names. "?" for none. */
const char *sill__owner_kind_word(enum sill__owner_kind kind);
/* "server", "region", "queue": what people call it. */
const char *sill__owner_kind_noun(enum sill__owner_kind kind);
/* A region lives as long as it is mapped; everything else with the process that made it. */
bool sill__owner_kind_is_region(enum sill__owner_kind kind);

/* Record text, pure functions. Every record is SILL__OWNER_TEXT bytes long, so that it can be
 * rewritten in place, and ends with a checksum.
 * Format: writes the record, 0 terminated, and returns its length; 0 if `size` is too small or
 * `info` holds what a record may not. Parse: SILL_FOREIGN for what is not a record, SILL_VERSION
 * for a record of a later sill, SILL__TORN for one that is cut or damaged; sets no last error. */
#define SILL__OWNER_TEXT 1024
#define SILL__TORN       (-100)
size_t sill__owner_format(const struct sill__owner_info *info, char *out, size_t size);
int sill__owner_parse(const char *text, size_t size, struct sill__owner_info *out);

/* ---- per OS ---- */

typedef struct sill__owner sill__owner;

/* The runtime directory for `directory` (NULL: the default one), created 0700 if it is missing
 * and it is the default; checked: ours, a directory, not a symlink, not writable by others (a
 * directory that the caller named may belong to root and be wider). DENIED otherwise. The result
 * goes to `out`; LIMIT if it is longer. */
int sill__runtime_directory(const char *directory, char *out, size_t size);

/* Takes `info->kind` + `info->name` for this process (info->process is not read, it is who calls):
 * writes the record and locks it until release (or death). A stale record is taken over;
 * `*previous` (may be NULL) then says what it said, so that the caller can remove the remains
 * (kind 0 otherwise). A process that is killed before it has removed them leaves them without a
 * record: who can find them by `previous->object` alone calls sill__owner_remove_stale first.
 * 0; EXISTS if the owner lives, or if the record says `kept`; DENIED; FOREIGN, VERSION; INVALID;
 * TIMEOUT; NO_SPACE; LIMIT; NO_MEMORY; OS. */
int sill__owner_claim(sill__owner **out, const char *directory, const struct sill__owner_info *info,
                      struct sill__owner_info *previous);

/* Holds an existing record's lock shared, as one more user of the object behind it: the record
 * counts as living while any user holds it. `info` gets the record. NOT_FOUND, FOREIGN, VERSION,
 * DENIED (another user's); TIMEOUT; LIMIT; NO_MEMORY; OS. */
int sill__owner_join(sill__owner **out, const char *directory, enum sill__owner_kind kind,
                     const char *name, struct sill__owner_info *info);

/* Rewrites the record that this process claimed or joined. The process and the time of creation
 * stay as they are. */
int sill__owner_update(sill__owner *owner, const struct sill__owner_info *info);

/* Lets go of the lock; with `remove` the record's file goes too, if it is still ours and (for
 * objects that go with their last user) nobody else holds it. In a forked child it only frees
 * memory and closes. */
void sill__owner_release(sill__owner *owner, bool remove);

/* Calls `each` for every record of the directory with its state, in the order of file names and
 * without any lock; stops when it returns non-zero and returns that. What is no record, is damaged
 * or another user's is passed over. */
typedef int sill__owner_each(void *arg, const struct sill__owner_info *info,
                             enum sill__owner_state state);
int sill__owner_list(const char *directory, sill__owner_each *each, void *arg);

/* Under the directory lock: if the record is (still) stale, calls `remove_object` for what it
 * names and then removes the record; but not if that failed with something else than NOT_FOUND,
 * which is then returned. It must call nothing of this header. SILL_EXISTS if it is not stale,
 * NOT_FOUND if it is gone. */
typedef int sill__owner_remove(void *arg, const struct sill__owner_info *info);
int sill__owner_remove_stale(const char *directory, enum sill__owner_kind kind, const char *name,
                             sill__owner_remove *remove_object, void *arg);

/* The same whatever the record's state: the name goes although others use what is behind it, which
 * they keep. Only for regions of kinds that persist; UNSUPPORTED where a system has none. */
int sill__owner_remove_any(const char *directory, enum sill__owner_kind kind, const char *name,
                           sill__owner_remove *remove_object, void *arg);

#endif
