/* stop_rig.h - helper processes that stop at a step of the protocol (src/step.h), to be killed
 * there.
 */
#ifndef STOP_RIG_H
#define STOP_RIG_H

#include "support.h"

struct stop {
    char at[64];
    char where[SUPPORT_PATH_SIZE + 32];
    char notice[SUPPORT_PATH_SIZE];
};

static inline bool stop_has_content(void *arg)
{
    size_t size = 0;
    char *text = support_read_file(arg, &size);
    free(text);
    return size > 0;
}

/* Starts a helper that gets `first` and `second` (may be NULL) and will stop at `step`. */
static inline struct support_process *start_to_stop(struct stop *stop, const char *role,
                                                    const char *step, const char *first,
                                                    const char *second)
{
    support_path(stop->notice, "notice");
    snprintf(stop->at, sizeof stop->at, "SILL_STOP_AT=%s", step);
    snprintf(stop->where, sizeof stop->where, "SILL_STOP_NOTICE=%s", stop->notice);
    const char *const arguments[] = {first, second, NULL};
    const char *const environment[] = {stop->at, stop->where, NULL};
    return support_start(role, arguments, environment);
}

static inline void await_stop(struct stop *stop)
{
    if (!support_until(stop_has_content, stop->notice, SUPPORT_PATIENCE_MS))
        fail_msg("the process does not come to %s", stop->at);
}

static inline void kill_when_stopped(struct stop *stop, struct support_process *process)
{
    await_stop(stop);
    remove(stop->notice);
    support_kill(process);
}

#endif
