/* owner_posix_rig.h - what the POSIX tests of owner records share. */
#ifndef OWNER_POSIX_RIG_H
#define OWNER_POSIX_RIG_H

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner.h"
#include "status.h"

#include "support.h"

#define NOBODY 65534

static inline int claim(sill__owner **owner, const char *name)
{
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kind = SILL__OWNER_SERVER;
    snprintf(info.name, sizeof info.name, "%s", name);
    return sill__owner_claim(owner, NULL, &info, NULL);
}

static int state_found; /* of the only record; -1: none, -2: several */

static inline int note_state(void *arg, const struct sill__owner_info *info, enum sill__owner_state state)
{
    (void)arg;
    (void)info;
    state_found = state_found == -1 ? (int)state : -2;
    return 0;
}

static inline int only_state(void)
{
    state_found = -1;
    support_ok(sill__owner_list(NULL, note_state, NULL));
    return state_found;
}

/* Runs `act` in a forked child; its exit status. */
static inline int in_child(int (*act)(void *arg), void *arg)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(act(arg));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int wait_for_end(void *arg)
{
    char byte;
    int *ends = arg;
    close(ends[1]);
    return read(ends[0], &byte, 1) == 0 ? 0 : 1;
}

#endif
