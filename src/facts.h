/* facts.h - how the facts of sill_facts are told: facts.c composes them and tries region kinds and
 * channels through the public API; what only the operating system knows comes from one file per
 * OS: posix/facts.c, win32/facts.c.
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

/* ---- per OS; what cannot be read is told as MISSING with a note, or left out ---- */

/* Topic "system": "name" ("Linux", "Windows", "Wine"), "version", and what else describes the
 * system; topic "cores": "online" and "usable" (by this process). */
void sill__facts_system(struct sill__facts *facts);

/* Topic "limit": everything that can stop sill, with what raises it. */
void sill__facts_limits(struct sill__facts *facts);

#endif
