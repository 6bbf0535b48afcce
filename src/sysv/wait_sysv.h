/* wait_sysv.h - wait sets that sleep on a System V semaphore (wait.h): what they are bound to.
 *
 * Such a set waits for one thing, the bell of a server or that of a client's connection, and asks
 * whoever is behind it what has happened.
 */
#ifndef SILL__WAIT_SYSV_H
#define SILL__WAIT_SYSV_H

#include "../wait.h"

extern const struct sill__wait_ops sill__wait_sysv;

/* What a bell's owner says when it was asked. */
enum sill__collected {
    SILL__COLLECTED_ALL,
    SILL__COLLECT_MORE,  /* there was no room for all of it */
    SILL__COLLECT_AGAIN, /* look once more in a moment: what rang may come to be seen after its bell
                          */
    SILL__COLLECT_FAILED /* it is gone, and sill_last_error() says so */
};

struct sill__bell {
    int set;
    unsigned number;
    /* Reports what there is since it was last asked. `gone`: the semaphores do not exist any more.
     */
    enum sill__collected (*collect)(void *arg, bool gone, struct sill__event *events,
                                    size_t capacity, size_t *count);
    void *arg;
};

/* From now on the set sleeps on that bell. INVALID if it sleeps on another. */
int sill__bell_bind(sill__wait *wait, const struct sill__bell *bell);
/* It does not any more: `collect` is not called again. `after` (may be NULL) is called with the
 * bell's `arg`, once no thread sleeps on it: at once, or by the sleeper, which is woken. Until then
 * the semaphore must not become somebody else's. */
void sill__bell_unbind(sill__wait *wait, void (*after)(void *arg));
/* What is there is to be collected, though nobody rang. */
void sill__bell_look(sill__wait *wait);

#endif
