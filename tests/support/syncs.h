/* syncs.h - test programs of synchronisation objects: every test is run for each family, named, and
 * where the family can, in a region; and a helper process that does with the objects what it is
 * told. */
#ifndef SUPPORT_SYNCS_H
#define SUPPORT_SYNCS_H

#include "support.h"

#include <sill/sync.h>

struct syncs_mode {
    int family; /* enum sill_sync_family */
    bool placed;
};

struct syncs_test {
    const char *name;
    CMUnitTestFunction function; /* gets a pointer to the mode in *state */
};
#define SYNCS_TEST(function)                                                                       \
    {                                                                                              \
#function, function                                                                        \
    }

/* The test program's main; roles beyond "actor" may be given. */
int syncs_main(int argc, char **argv, const char *program, const struct syncs_test *tests,
               size_t test_count, const struct support_role *roles, size_t role_count);
#define SYNCS_MAIN(tests, roles)                                                                   \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return syncs_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], roles,      \
                          sizeof roles / sizeof roles[0]);                                         \
    }
#define SYNCS_MAIN_ALONE(tests)                                                                    \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return syncs_main(argc, argv, __FILE__, tests, sizeof tests / sizeof tests[0], NULL, 0);   \
    }

/* One object of each type, and a few words of memory beside them. */
struct syncs {
    struct syncs_mode mode;
    char name[SUPPORT_NAME_SIZE];
    sill_region *region; /* the words, and the placed objects */
    uint32_t *words;
    sill_mutex *mutex;
    sill_rwlock *rwlock;
    sill_semaphore *semaphore; /* of 0 */
    sill_event *automatic;
    sill_event *manual;
    sill_cond *cond;
};

/* Makes them, or opens those that are made under the name. */
void syncs_open(struct syncs *syncs, struct syncs_mode mode, const char *name);
void syncs_make(struct syncs *syncs, void **state); /* under a new name */
void syncs_close(struct syncs *syncs);
/* Closes, removes, and looks that nothing is left. */
void syncs_drop(struct syncs *syncs);
sill_sync_options syncs_options(struct syncs_mode mode);

/* Starts a helper that opens the objects and does one command for each line: "mutex lock 100",
 * "mutex unlock", "mutex repaired", "rwlock read|write 100", "rwlock unlock", "rwlock repaired",
 * "semaphore wait 100", "semaphore post 2", "auto|manual set|reset", "auto|manual wait 100",
 * "cond wait 100", "cond broadcast", "cond until N" (with the mutex: waits until word 0 is N),
 * "store N" (word 0), "add N" (to word 0, slowly), "count N" (N times: locks, adds, unlocks),
 * "scount N" (the same with the lock for writing). It answers each with the name of a status. */
struct support_process *syncs_actor(const struct syncs *syncs);
/* The same, stopping at a step; it may come to it before it is ready. */
struct support_process *syncs_actor_stopping(const struct syncs *syncs, const char *step);
/* Tells the command and expects the status. */
void syncs_do(struct support_process *actor, const char *command, const char *status);

#endif
