/* syncs.c - what the tests of synchronisation objects share. See syncs.h. */
#include "syncs.h"

#include <sill/system.h>

#define MOST_TESTS  128
#define WORDS_SIZE  64
#define OBJECTS     6
#define SYNCS_WORDS 3

static struct CMUnitTest made[MOST_TESTS];
static char names[MOST_TESTS][96];
static struct syncs_mode modes[MOST_TESTS];

static int role_actor(int argc, char **argv);

int syncs_main(int argc, char **argv, const char *program, const struct syncs_test *tests,
               size_t test_count, const struct support_role *roles, size_t role_count)
{
    struct support_role all[8] = {{"actor", role_actor}};
    for (size_t i = 0; i < role_count; i++)
        all[1 + i] = roles[i];
    size_t count = 0;
    for (size_t test = 0; test < test_count; test++) {
        for (int mode = 0; mode < 2 * (SILL_SYNC_WIN32 + 1); mode++) {
            int family = mode / 2;
            unsigned needs = mode % 2 != 0 ? SILL_SYNC_PLACED : SILL_SYNC_NAMED;
            if (family == SILL_SYNC_AUTO || (sill_sync_capabilities(family) & needs) == 0)
                continue;
            if (count == MOST_TESTS) {
                fprintf(stderr, "there are too many tests in %s\n", program);
                return 99;
            }
            modes[count] = (struct syncs_mode){family, mode % 2 != 0};
            snprintf(names[count], sizeof names[count], "%s: %s, %s", tests[test].name,
                     sill_sync_family_name(family), mode % 2 != 0 ? "placed" : "named");
            made[count] = (struct CMUnitTest){names[count], tests[test].function, support_setup,
                                              support_teardown, &modes[count]};
            count++;
        }
    }
    return support_main(argc, argv, program, made, count, all, 1 + role_count);
}

sill_sync_options syncs_options(struct syncs_mode mode)
{
    sill_sync_options options = SILL_SYNC_OPTIONS_INIT;
    options.family = mode.family;
    options.open_existing = 1;
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    return options;
}

static const char *const stems[OBJECTS] = {"m", "r", "s", "a", "e", "c"};

static void object_name(char out[SUPPORT_NAME_SIZE + 4], const char *name, unsigned number)
{
    snprintf(out, SUPPORT_NAME_SIZE + 4, "%s.%s", name, stems[number]);
}

#define MAKE(noun, out, number, options)                                                           \
    do {                                                                                           \
        char object[SUPPORT_NAME_SIZE + 4];                                                        \
        object_name(object, name, number);                                                         \
        int rc = mode.placed ? sill_##noun##_place(out, syncs->region,                             \
                                                   WORDS_SIZE + (number)*SILL_SYNC_SIZE, options)  \
                             : sill_##noun##_create(out, object, options);                         \
        support_ok(rc);                                                                            \
    } while (0)

void syncs_open(struct syncs *syncs, struct syncs_mode mode, const char *name)
{
    memset(syncs, 0, sizeof *syncs);
    syncs->mode = mode;
    snprintf(syncs->name, sizeof syncs->name, "%s", name);
    sill_region_options how = SILL_REGION_OPTIONS_INIT;
    how.open_existing = 1;
    support_ok(
        sill_region_create(&syncs->region, name, WORDS_SIZE + OBJECTS * SILL_SYNC_SIZE, &how));
    syncs->words = sill_region_data(syncs->region);
    sill_sync_options options = syncs_options(mode), manual = options;
    manual.manual_reset = 1;
    MAKE(mutex, &syncs->mutex, 0, &options);
    MAKE(rwlock, &syncs->rwlock, 1, &options);
    MAKE(semaphore, &syncs->semaphore, 2, &options);
    MAKE(event, &syncs->automatic, 3, &options);
    MAKE(event, &syncs->manual, 4, &manual);
    MAKE(cond, &syncs->cond, 5, &options);
}

void syncs_make(struct syncs *syncs, void **state)
{
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "y");
    syncs_open(syncs, *(struct syncs_mode *)*state, name);
}

void syncs_close(struct syncs *syncs)
{
    sill_mutex_close(syncs->mutex);
    sill_rwlock_close(syncs->rwlock);
    sill_semaphore_close(syncs->semaphore);
    sill_event_close(syncs->automatic);
    sill_event_close(syncs->manual);
    sill_cond_close(syncs->cond);
    sill_region_close(syncs->region);
}

void syncs_drop(struct syncs *syncs)
{
    syncs_close(syncs);
    sill_sync_options options = syncs_options(syncs->mode);
    for (unsigned i = 0; i < OBJECTS; i++) {
        char object[SUPPORT_NAME_SIZE + 4];
        object_name(object, syncs->name, i);
        if (!syncs->mode.placed && syncs->mode.family != SILL_SYNC_WIN32)
            support_ok(sill_sync_remove(object, &options));
    }
    if ((sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) != 0)
        support_ok(sill_region_remove(syncs->name, NULL));
    assert_int_equal(support_entries(".lock"), 0);
}

/* ---- the actor ---- */

static void syncs_words(const struct syncs *syncs, char text[40],
                        const char *words[SYNCS_WORDS + 1])
{
    snprintf(text, 40, "%s", syncs->mode.placed ? "placed" : "named");
    words[0] = sill_sync_family_name(syncs->mode.family);
    words[1] = text;
    words[2] = syncs->name;
    words[3] = NULL;
}

struct support_process *syncs_actor_stopping(const struct syncs *syncs, const char *step)
{
    char text[40];
    const char *words[SYNCS_WORDS + 1];
    syncs_words(syncs, text, words);
    return support_start_stopping("actor", words, step);
}

struct support_process *syncs_actor(const struct syncs *syncs)
{
    char text[40];
    const char *words[SYNCS_WORDS + 1];
    syncs_words(syncs, text, words);
    struct support_process *actor = support_start("actor", words, NULL);
    support_expect(actor, "ready");
    return actor;
}

void syncs_do(struct support_process *actor, const char *command, const char *status)
{
    support_tell(actor, command);
    support_expect(actor, status);
}

/* Not atomic on purpose. */
static void add(struct syncs *syncs, uint32_t count)
{
    volatile uint32_t *word = &syncs->words[0];
    for (uint32_t i = 0; i < count; i++)
        *word = *word + 1;
}

static int count_up(struct syncs *syncs, uint32_t times, bool mutex)
{
    for (uint32_t i = 0; i < times; i++) {
        int rc = mutex ? sill_mutex_lock(syncs->mutex, SUPPORT_PATIENCE_MS)
                       : sill_rwlock_write(syncs->rwlock, SUPPORT_PATIENCE_MS);
        if (rc == SILL_DIED)
            rc = mutex ? sill_mutex_repaired(syncs->mutex) : sill_rwlock_repaired(syncs->rwlock);
        if (rc != 0)
            return rc;
        add(syncs, 1);
        rc = mutex ? sill_mutex_unlock(syncs->mutex) : sill_rwlock_unlock(syncs->rwlock);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int wait_until(struct syncs *syncs, uint32_t wanted)
{
    int rc = sill_mutex_lock(syncs->mutex, SUPPORT_PATIENCE_MS);
    while (rc == 0 && syncs->words[0] != wanted)
        rc = sill_cond_wait(syncs->cond, syncs->mutex, SUPPORT_PATIENCE_MS);
    int unlocked = sill_mutex_unlock(syncs->mutex);
    return rc != 0 ? rc : unlocked;
}

static int act_on_locks(struct syncs *syncs, const char *noun, const char *verb, int number)
{
    if (strcmp(noun, "mutex") == 0) {
        if (strcmp(verb, "lock") == 0)
            return sill_mutex_lock(syncs->mutex, number);
        return strcmp(verb, "unlock") == 0 ? sill_mutex_unlock(syncs->mutex)
                                           : sill_mutex_repaired(syncs->mutex);
    }
    if (strcmp(verb, "read") == 0)
        return sill_rwlock_read(syncs->rwlock, number);
    if (strcmp(verb, "write") == 0)
        return sill_rwlock_write(syncs->rwlock, number);
    return strcmp(verb, "unlock") == 0 ? sill_rwlock_unlock(syncs->rwlock)
                                       : sill_rwlock_repaired(syncs->rwlock);
}

static int act_on_event(sill_event *event, const char *verb, int number)
{
    if (strcmp(verb, "wait") == 0)
        return sill_event_wait(event, number);
    return strcmp(verb, "set") == 0 ? sill_event_set(event) : sill_event_reset(event);
}

static int act(struct syncs *syncs, const char *noun, const char *verb, int number)
{
    if (strcmp(noun, "semaphore") == 0)
        return strcmp(verb, "wait") == 0 ? sill_semaphore_wait(syncs->semaphore, number)
                                         : sill_semaphore_post(syncs->semaphore, (uint32_t)number);
    if (strcmp(noun, "auto") == 0)
        return act_on_event(syncs->automatic, verb, number);
    if (strcmp(noun, "manual") == 0)
        return act_on_event(syncs->manual, verb, number);
    if (strcmp(noun, "cond") == 0 && strcmp(verb, "until") == 0)
        return wait_until(syncs, (uint32_t)number);
    if (strcmp(noun, "cond") == 0)
        return strcmp(verb, "wait") == 0 ? sill_cond_wait(syncs->cond, syncs->mutex, number)
                                         : sill_cond_broadcast(syncs->cond);
    if (strcmp(noun, "store") == 0)
        syncs->words[0] = (uint32_t)atoi(verb);
    else if (strcmp(noun, "add") == 0)
        add(syncs, (uint32_t)atoi(verb));
    else if (strcmp(noun, "count") == 0)
        return count_up(syncs, (uint32_t)atoi(verb), true);
    else if (strcmp(noun, "scount") == 0)
        return count_up(syncs, (uint32_t)atoi(verb), false);
    else
        return act_on_locks(syncs, noun, verb, number);
    return 0;
}

static int role_actor(int argc, char **argv)
{
    if (argc != SYNCS_WORDS)
        return 90;
    struct syncs_mode mode = {sill_sync_family_parse(argv[0]), strcmp(argv[1], "placed") == 0};
    struct syncs syncs;
    syncs_open(&syncs, mode, argv[2]);
    support_say("ready");
    char line[100], noun[20] = "", verb[20] = "";
    while (support_listen(line, sizeof line, 10 * SUPPORT_PATIENCE_MS)) {
        int number = 0;
        if (sscanf(line, "%19s %19s %d", noun, verb, &number) < 2)
            return 91;
        support_say("%s", sill_status_name(act(&syncs, noun, verb, number)));
    }
    syncs_close(&syncs);
    return 0;
}
