/* owner_rig.h - what the tests of owner records share: helpers that own names, and what a list says.
 */
#ifndef OWNER_RIG_H
#define OWNER_RIG_H

#include "memory.h"
#include "owner.h"
#include "status.h"

#include "support.h"

static inline struct sill__owner_info about(enum sill__owner_kind kind, const char *name)
{
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    info.kind = kind;
    snprintf(info.name, sizeof info.name, "%s", name);
    snprintf(info.object, sizeof info.object, "object-of-a-test");
    info.size = 12345;
    return info;
}

static inline int claim(sill__owner **owner, enum sill__owner_kind kind, const char *name)
{
    struct sill__owner_info info = about(kind, name);
    return sill__owner_claim(owner, NULL, &info, NULL);
}

/* ---- helpers that own things ---- */

/* Arguments: kind, name, "keep" or "". Says what claiming gave, holds until its input ends. */
static inline int role_owner(int argc, char **argv)
{
    if (argc < 3)
        return 90;
    struct sill__owner_info info = about((enum sill__owner_kind)atoi(argv[0]), argv[1]);
    info.kept = strcmp(argv[2], "keep") == 0;
    sill__owner *owner;
    int status = sill__owner_claim(&owner, NULL, &info, NULL);
    support_say("%s", sill_status_name(status));
    if (status != SILL_OK)
        return 1;
    support_linger();
    sill__owner_release(owner, !info.kept);
    return 0;
}

/* Arguments: kind, name. */
static inline int role_user(int argc, char **argv)
{
    if (argc < 2)
        return 90;
    struct sill__owner_info info;
    sill__owner *owner;
    int status =
        sill__owner_join(&owner, NULL, (enum sill__owner_kind)atoi(argv[0]), argv[1], &info);
    support_say("%s", sill_status_name(status));
    if (status != SILL_OK)
        return 1;
    support_linger();
    sill__owner_release(owner, false);
    return 0;
}

/* Argument: name. Claims at the word, says what it gave, holds until its input ends. */
static inline int role_racer(int argc, char **argv)
{
    char line[40];
    if (argc < 1)
        return 90;
    support_say("ready");
    if (!support_listen(line, sizeof line, SUPPORT_PATIENCE_MS))
        return 91;
    sill__owner *owner = NULL;
    int status = claim(&owner, SILL__OWNER_SERVER, argv[0]);
    support_say("%s", sill_status_name(status));
    support_linger();
    if (status == SILL_OK)
        sill__owner_release(owner, true);
    return 0;
}

/* Argument: name. Claims and releases without end. */
static inline int role_churner(int argc, char **argv)
{
    if (argc < 1)
        return 90;
    support_say("ready");
    for (;;) {
        sill__owner *owner;
        if (claim(&owner, SILL__OWNER_SERVER, argv[0]) != SILL_OK)
            continue;
        struct sill__owner_info info = about(SILL__OWNER_SERVER, argv[0]);
        info.size++;
        sill__owner_update(owner, &info);
        sill__owner_release(owner, true);
    }
}

static inline struct support_process *start_owner(enum sill__owner_kind kind, const char *name,
                                           const char *keep)
{
    char number[12];
    snprintf(number, sizeof number, "%d", (int)kind);
    const char *const arguments[] = {number, name, keep, NULL};
    struct support_process *process = support_start("owner", arguments, NULL);
    support_expect(process, "SILL_OK");
    return process;
}

static inline struct support_process *start_user(enum sill__owner_kind kind, const char *name)
{
    char number[12];
    snprintf(number, sizeof number, "%d", (int)kind);
    const char *const arguments[] = {number, name, NULL};
    struct support_process *process = support_start("user", arguments, NULL);
    support_expect(process, "SILL_OK");
    return process;
}

static inline void kill_it(struct support_process *process)
{
    support_kill(process);
    support_finish(process);
}

/* ---- what a list says ---- */

struct seen {
    unsigned count;
    struct sill__owner_info info[8];
    enum sill__owner_state state[8];
};

static inline int see(void *arg, const struct sill__owner_info *info, enum sill__owner_state state)
{
    struct seen *seen = arg;
    if (seen->count == 8)
        return 1;
    seen->info[seen->count] = *info;
    seen->state[seen->count++] = state;
    return 0;
}

static inline void list(struct seen *seen)
{
    memset(seen, 0, sizeof *seen);
    support_ok(sill__owner_list(NULL, see, seen));
}

/* The only record is this one. */
static inline void only(const char *name, enum sill__owner_state state)
{
    struct seen seen;
    list(&seen);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.info[0].name, name);
    assert_int_equal(seen.state[0], state);
}

static inline void nothing(void)
{
    struct seen seen;
    list(&seen);
    assert_int_equal(seen.count, 0);
    assert_int_equal(support_entries(".lock"), 0);
}

static int removed;

static inline int remove_nothing(void *arg, const struct sill__owner_info *info)
{
    removed++;
    assert_string_equal(info->object, "object-of-a-test");
    return *(int *)arg;
}

static inline int remove_stale(enum sill__owner_kind kind, const char *name, int answer)
{
    removed = 0;
    return sill__owner_remove_stale(NULL, kind, name, remove_nothing, &answer);
}

#endif
