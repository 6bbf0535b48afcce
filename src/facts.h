/* facts.h - how the facts of sill_facts are told: facts.c composes them, facts_try.c tries region
 * kinds, channels and synchronisation objects through the public API; what only the operating system knows comes from one
 * file per OS: posix/facts.c, win32/facts.c.
 */
#ifndef SILL__FACTS_H
#define SILL__FACTS_H

#include <stdint.h>

#include <sill/system.h>

struct sill__facts {
    sill_fact_each *each;
    void *arg;
    int result; /* 0, or what `each` returned: nothing is told after that */
};

/* Tell one fact. `value` and `unit` belong together; `note` and `remedy` are "" if there is nothing
 * to say. Texts are only read during the call. */
void sill__fact_text(struct sill__facts *facts, const char *topic, const char *name,
                     const char *value, int verdict, const char *note, const char *remedy);
void sill__fact_number(struct sill__facts *facts, const char *topic, const char *name,
                       uint64_t value, const char *unit, int verdict, const char *note,
                       const char *remedy);

/* Whether a kind that exists works here: a status, with the last error. */
int sill__try_region(int kind, const char *directory);
int sill__try_channel(int kind);
int sill__try_sync(int family);
int sill__try_port(int family);

/* Why something works, but not as one may expect, and what mends it. "": it does. */
struct sill__limited {
    char note[200];
    char remedy[80];
};

/* ---- per OS; what cannot be read is told as MISSING with a note, or left out ---- */

/* Topic "system": "name" ("Linux", "Windows", "Wine"), "version", and what else describes the
 * system; topic "cores": "online" and "usable" (by this process). */
void sill__facts_system(struct sill__facts *facts);

/* Whether regions of this kind are limited here. Leaves *out alone if they are not. */
void sill__facts_limited_region(int kind, struct sill__limited *out);

/* Topic "limit": everything that can stop sill, with what raises it. */
void sill__facts_limits(struct sill__facts *facts);

#endif
