/* sill/policy.h - which path a message takes, and the file that says so.
 *
 * A policy is a few thresholds and waits. sill_policy_pick is pure arithmetic over them. The
 * policy file is JSON; docs/policy.schema.json describes it. It is looked for at, in this order:
 *   1. the file that the caller names;
 *   2. the file that the environment variable SILL_POLICY names;
 *   3. the user's: $XDG_CONFIG_HOME/sill/policy.json, or ~/.config/sill/policy.json;
 *      on Windows %APPDATA%\sill\policy.json;
 *   4. the system's: /etc/sill/policy.json; on Windows %PROGRAMDATA%\sill\policy.json;
 *   5. none: the defaults.
 * The key "tuned" of a file holds what `sill tune` measured; it is checked, and changes nothing.
 * A file of 1 or 2 that does not exist is an error; one of 3 or 4 is passed over. The first file
 * found is the whole policy: files are not merged. A variable that is empty counts as not set; in a
 * process that runs with more rights than its user has (set-user-ID), the environment is ignored.
 */
#ifndef SILL_POLICY_H
#define SILL_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include <sill/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a message travels. X(constant, value, text) */
#define SILL_PATH_TABLE(X)                                                                         \
    X(AUTO, 0, "auto")       /* the policy picks */                                                \
    X(CHANNEL, 1, "channel") /* copied through the operating system */                             \
    X(INLINE, 2, "inline")   /* copied into and out of a shared ring */                            \
    X(MAPPED, 3, "mapped")   /* lies in a segment that the peer maps; only a descriptor travels */ \
    X(ROUNDS, 4, "rounds")   /* in pieces through segments */

enum sill_path {
#define SILL_PATH_ENUM(name, value, text) SILL_PATH_##name = (value),
    SILL_PATH_TABLE(SILL_PATH_ENUM)
#undef SILL_PATH_ENUM
    SILL_PATH_COUNT
};

/* "channel" and so on; "?" for none. And back: -1 if unknown. Any thread. */
SILL_API const char *sill_path_name(int path);
SILL_API int sill_path_parse(const char *text);

/* A full set of parts for one kind of system, on which a port can run. X(constant, value, text) */
#define SILL_FAMILY_TABLE(X)                                                                       \
    X(AUTO, 0, "auto")   /* a server: the system's own, posix or win32. A client: the server's */  \
    X(POSIX, 1, "posix") /* Unix sockets, POSIX shared memory */                                   \
    X(SYSV, 2, "sysv")   /* System V message queues, shared memory and semaphores */               \
    X(WIN32, 3, "win32") /* named pipes, file mappings */

enum sill_family {
#define SILL_FAMILY_ENUM(name, value, text) SILL_FAMILY_##name = (value),
    SILL_FAMILY_TABLE(SILL_FAMILY_ENUM)
#undef SILL_FAMILY_ENUM
    SILL_FAMILY_COUNT
};

/* "posix" and so on; "?" for none. And back: -1 if unknown. Any thread. */
SILL_API const char *sill_family_name(int family);
SILL_API int sill_family_parse(const char *text);

/* Ranges and defaults: docs/policy.schema.json. A 0 is a 0 here, not a default: fill a policy with
 * sill_policy_defaults, load or parse, then change it. inline_max < mapped_min; inline_max <=
 * ring_size / 4; segment_size <= mapped_max; mapped_min <= mapped_max. */
typedef struct sill_policy {
    size_t struct_size;    /* set by SILL_POLICY_INIT */
    uint64_t inline_max;   /* largest message for the ring, bytes; 0: only empty ones */
    uint64_t mapped_min;   /* smallest message that is mapped, bytes: the sill. What lies between
                              inline_max and mapped_min goes over the channel. */
    uint64_t segment_size; /* bytes of an ordinary segment, a power of two; a larger message gets
                              a segment of its own size, rounded up to a power of two as far as
                              mapped_max allows */
    uint64_t segments_max; /* segments that one side of a connection may hold at once */
    uint64_t mapped_max;   /* bytes that one side of a connection may hold in segments, a multiple
                              of 64; a message larger than this goes in rounds */
    uint64_t ring_size;    /* bytes of one side's ring, a power of two */
    uint64_t spin_ns;      /* how long a receiver looks before it sleeps, nanoseconds; by default
                              about as long as a wake-up takes: 20000, and 100000 under Wine */
    uint64_t nontemporal_min; /* smallest block of a segment that may be written past the caches (with
                                 non-temporal stores), bytes: the connection finds out which way is
                                 faster; where the processor has no such stores it changes nothing */
    int path;              /* enum sill_path: AUTO, or the one path to use wherever possible */
    int family;            /* enum sill_family: of ports that ask for none; AUTO: not chosen here */
} sill_policy;
#define SILL_POLICY_INIT {sizeof(sill_policy), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* What a connection can do: the second argument of the pick. */
enum sill_policy_can {
    SILL_CAN_INLINE = 1, /* it has rings */
    SILL_CAN_MAP = 2     /* both sides can map memory of the other */
};

/* Sets every field to its default. 0, or INVALID (as all of these) if struct_size is not set. */
SILL_API int sill_policy_defaults(sill_policy *policy);

/* Checks each field's range and that they do not contradict each other. 0, or INVALID with a
 * sentence that names the key and what is allowed. */
SILL_API int sill_policy_validate(const sill_policy *policy);

/* The path of a message of `size` bytes on a connection that `can` do what it can: pure, no I/O,
 * no state, any thread. `policy` has been validated. The rules, the first that fits:
 *   a forced path: it, if the connection can and the size allows it, whatever mapped_min says;
 *       else the first of inline, mapped, rounds, channel that is possible;
 *   up to inline_max, and there are rings: inline;
 *   less than mapped_min, or nothing can be mapped: channel;
 *   up to mapped_max: mapped;
 *   else: rounds.
 * An empty message is never mapped, one byte never goes in rounds. `reason` (may be NULL) is set
 * to a static sentence. Never AUTO. */
SILL_API int sill_policy_pick(const sill_policy *policy, uint64_t size, unsigned can,
                              const char **reason);

/* Loads the policy that is in force: see the order above; `file` may be NULL. `source` (may be
 * NULL) gets the path of the file that was read, or "" for the defaults, cut to `source_size`.
 * Keys that the file does not name have their defaults. 0; NOT_FOUND; DENIED; INVALID (the
 * sentence begins with FILE:LINE:COLUMN and names the key and what is allowed); TOO_BIG (over
 * 1 MiB); NO_MEMORY; OS. On failure `policy` is as it was. Reads a file: may block as files do. */
SILL_API int sill_policy_load(sill_policy *policy, const char *file, char *source,
                              size_t source_size);

/* The same from memory; `name` stands for the file in sentences (NULL: "policy"). INVALID,
 * TOO_BIG, NO_MEMORY; `policy` is then as it was. Does not block. */
SILL_API int sill_policy_parse(sill_policy *policy, const char *text, size_t size,
                               const char *name);

/* The path of the user's own file (3 above), whether it is there or not: where sill_policy_save
 * writes without a name. `file` is always ended with a zero. 0; NOT_FOUND (the environment names no
 * home); INVALID (NULL); TOO_BIG (`size` bytes are too few for it); NO_MEMORY. Any thread. */
SILL_API int sill_policy_user_file(char *file, size_t size);

/* Writes a policy file, with every key and no "tuned", through a temporary file that replaces the old one at
 * once, so that a reader sees the old or the new and a full disk loses nothing. NULL for the
 * user's own file (3 above), whose folder is made. A symbolic link is followed. 0; INVALID (the
 * policy; or what has that name is no regular file); NOT_FOUND (no such folder, or NULL and the
 * environment names no home); DENIED; NO_SPACE; NO_MEMORY; OS. */
SILL_API int sill_policy_save(const sill_policy *policy, const char *file);

/* The same with the text of a policy file as it is to be, such as one that `sill tune` wrote with
 * its measurements: the text is checked as sill_policy_parse does, then it replaces the file. 0; as
 * sill_policy_parse (INVALID names `file` and the place in the text), then as sill_policy_save. */
SILL_API int sill_policy_save_text(const char *text, size_t size, const char *file);

/* The policy as JSON text, with a final newline. *text is freed with sill_policy_free_text. 0,
 * INVALID, NO_MEMORY. */
SILL_API int sill_policy_format(const sill_policy *policy, char **text);
SILL_API void sill_policy_free_text(char *text);

#ifdef __cplusplus
}
#endif

#endif
