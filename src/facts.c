/* facts.c - what this machine offers: sill_facts.
 *
 * Region kinds, channels and synchronisation objects are not looked up but tried, through the public API, under names of
 * this process; whatever a try made is removed before its result is told. What only the operating
 * system can tell comes from the functions in facts.h.
 */
#include "facts.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <sill/channel.h>
#include <sill/region.h>
#include <sill/sync.h>

#include "backends.h"
#include "owner.h"
#include "process.h"
#include "status.h"

#define TRY_SIZE 4096
#define TRY_MS   2000

/* ---- telling ---- */

static void tell(struct sill__facts *facts, const sill_fact *fact)
{
    if (facts->result == 0)
        facts->result = facts->each(facts->arg, fact);
}

void sill__fact_text(struct sill__facts *facts, const char *topic, const char *name,
                     const char *value, int verdict, const char *note, const char *remedy)
{
    sill_fact fact = {sizeof fact, topic, name, value, "", verdict, note, remedy};
    tell(facts, &fact);
}

void sill__fact_number(struct sill__facts *facts, const char *topic, const char *name,
                       uint64_t value, const char *unit, int verdict, const char *note,
                       const char *remedy)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    sill_fact fact = {sizeof fact, topic, name, text, unit, verdict, note, remedy};
    tell(facts, &fact);
}

/* A try of something: `status` with the last error if it failed. Being out of memory says nothing
 * about the machine's abilities, so that ends the whole. */
static void tell_try(struct sill__facts *facts, const char *topic, const char *name, int status,
                     const char *note)
{
    if (status == SILL_OK)
        sill__fact_text(facts, topic, name, "works", SILL_FACT_GOOD, note, "");
    else if (status == SILL_NO_MEMORY && facts->result == 0)
        facts->result = status;
    else
        sill__fact_text(facts, topic, name, "fails", SILL_FACT_MISSING, sill_last_error()->message,
                        "");
}

/* ---- trying ---- */

/* A name that no other process and no other thread of this one tries with. */
static void own_name(char *out, size_t size)
{
    static atomic_uint counter;
    struct sill__process self;
    sill__process_self(&self);
    snprintf(out, size, "sill-doctor-%" PRIu32 "-%u", self.pid, atomic_fetch_add(&counter, 1));
}

/* Opens the region again under its name and looks whether it is the same memory. */
static int try_open(const char *name, const sill_region_options *how, const unsigned char *data)
{
    sill_region_options options = *how;
    options.size = TRY_SIZE;
    sill_region *region;
    int status = sill_region_open(&region, name, &options);
    if (status != SILL_OK)
        return status;
    if (memcmp(sill_region_data(region), data, TRY_SIZE) != 0)
        status = sill__fail(SILL_OS, "A second opening of the region does not show what was "
                                     "written in the first.");
    sill_region_close(region);
    return status;
}

/* `name` is NULL for kinds without names. */
static int try_region(const char *name, int kind, unsigned capabilities)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = kind;
    sill_region *region;
    int status = sill_region_create(&region, name, TRY_SIZE, &options);
    if (status != SILL_OK)
        return status;
    unsigned char *data = sill_region_data(region);
    memset(data, 0x5a, TRY_SIZE);
    if (name != NULL)
        status = try_open(name, &options, data);
    sill_region_close(region);
    if (name == NULL || (capabilities & SILL_REGION_PERSISTS) == 0)
        return status;
    int removed = sill_region_remove(name, &options);
    return status != SILL_OK ? status : removed;
}

static void capability_note(unsigned capabilities, char *out, size_t size)
{
    static const struct {
        unsigned bit;
        const char *text;
    } words[] = {
        {SILL_REGION_NAMED, "has a name"},
        {SILL_REGION_PERSISTS, "stays until it is removed"},
        {SILL_REGION_RESIZES, "can be resized"},
        {SILL_REGION_FLUSHES, "can be flushed to the disk"},
        {SILL_REGION_PASSES, "can be passed as a handle"},
        {SILL_REGION_SEALED, "read-only for whom it is passed to"},
        {SILL_REGION_READ_ONLY, "can be opened read-only"},
    };
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if ((capabilities & words[i].bit) != 0 && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     words[i].text);
}

static void tell_kind(struct sill__facts *facts, int kind, const char *directory)
{
    char own[60], path[1100], note[200];
    unsigned capabilities = sill_region_capabilities(kind);
    const char *name = NULL;
    own_name(own, sizeof own);
    snprintf(path, sizeof path, "%s/%s", directory, own);
    if (kind == SILL_REGION_FILE)
        name = path;
    else if ((capabilities & SILL_REGION_NAMED) != 0)
        name = own;
    capability_note(capabilities, note, sizeof note);
    tell_try(facts, "kind", sill_region_kind_name(kind), try_region(name, kind, capabilities),
             note);
}

/* One frame from a client to a listener of our own. */
static int try_frame(sill_listener *listener, const char *name)
{
    sill_channel *client = NULL, *server = NULL;
    unsigned char byte = 0;
    size_t size = 0;
    int status = sill_channel_connect(&client, name, NULL, TRY_MS);
    if (status == SILL_OK)
        status = sill_channel_accept(listener, &server, TRY_MS);
    if (status == SILL_OK)
        status = sill_channel_send(client, "s", 1, NULL, 0, TRY_MS);
    if (status == SILL_OK)
        status = sill_channel_receive(server, &byte, 1, &size, NULL, NULL, TRY_MS);
    if (status == SILL_OK && (size != 1 || byte != 's'))
        status = sill__fail(SILL_OS, "What was received is not what was sent.");
    sill_channel_close(client);
    sill_channel_close(server);
    return status;
}

static int try_channel(void)
{
    char name[60];
    sill_listener *listener;
    own_name(name, sizeof name);
    int status = sill_channel_listen(&listener, name, NULL);
    if (status != SILL_OK)
        return status;
    status = try_frame(listener, name);
    sill_listener_close(listener);
    return status;
}

/* Each operation of a cell: a lock, a counter, an event. */
static int try_objects(sill_mutex *mutex, sill_semaphore *semaphore, sill_event *event)
{
    int status = sill_mutex_lock(mutex, TRY_MS);
    if (status == SILL_OK)
        status = sill_mutex_unlock(mutex);
    if (status == SILL_OK)
        status = sill_semaphore_post(semaphore, 1);
    if (status == SILL_OK)
        status = sill_semaphore_wait(semaphore, TRY_MS);
    if (status == SILL_OK)
        status = sill_event_set(event);
    return status == SILL_OK ? sill_event_wait(event, TRY_MS) : status;
}

static int try_family(int family)
{
    static const char *const stems[] = {"m", "s", "e"};
    char names[3][70], own[60];
    sill_sync_options options = SILL_SYNC_OPTIONS_INIT;
    options.family = family;
    own_name(own, sizeof own);
    for (int i = 0; i < 3; i++)
        snprintf(names[i], sizeof names[i], "%s.%s", own, stems[i]);
    sill_mutex *mutex = NULL;
    sill_semaphore *semaphore = NULL;
    sill_event *event = NULL;
    int status = sill_mutex_create(&mutex, names[0], &options);
    if (status == SILL_OK)
        status = sill_semaphore_create(&semaphore, names[1], &options);
    if (status == SILL_OK)
        status = sill_event_create(&event, names[2], &options);
    if (status == SILL_OK)
        status = try_objects(mutex, semaphore, event);
    sill_error first = *sill_last_error();
    const bool made[] = {mutex != NULL, semaphore != NULL, event != NULL};
    sill_mutex_close(mutex);
    sill_semaphore_close(semaphore);
    sill_event_close(event);
    for (int i = 0; i < 3; i++)
        if (made[i])
            sill_sync_remove(names[i], &options); /* UNSUPPORTED where they go by themselves */
    if (status != SILL_OK)
        sill__error_restore(&first);
    return status;
}

/* What a family cannot do is told as a limitation. */
static void tell_family(struct sill__facts *facts, int family)
{
    unsigned capabilities = sill_sync_capabilities(family);
    const char *name = sill_sync_family_name(family), *note = "";
    int status = try_family(family);
    if ((capabilities & SILL_SYNC_PLACED) == 0)
        note = "named objects only; a thread that ends with a lock keeps it until its process ends";
    if (status == SILL_OK && note[0] != '\0')
        sill__fact_text(facts, "sync", name, "limited", SILL_FACT_LOW, note, "");
    else
        tell_try(facts, "sync", name, status,
                 "mutex, rwlock, semaphore, event, cond; named or in a region");
}

/* Every kind and family that this sill knows is told, also those that are another system's. */
static void tell_absent(struct sill__facts *facts)
{
    for (int kind = SILL_REGION_AUTO + 1; kind <= SILL_REGION_WIN32; kind++)
        if (sill_region_capabilities(kind) == 0)
            sill__fact_text(facts, "kind", sill_region_kind_name(kind), "absent",
                            SILL_FACT_MISSING, "this system has no such regions", "");
    for (int family = SILL_SYNC_AUTO + 1; family <= SILL_SYNC_WIN32; family++)
        if (sill_sync_capabilities(family) == 0)
            sill__fact_text(facts, "sync", sill_sync_family_name(family), "absent",
                            SILL_FACT_MISSING, "this system has no such objects", "");
}

int sill_facts(sill_fact_each *each, void *arg)
{
    if (each == NULL)
        return sill__fail(SILL_INVALID, "sill_facts needs a function to call for each fact.");
    struct sill__facts facts = {each, arg, 0};
    char directory[1024];
    sill__facts_system(&facts);
    int status = sill__runtime_directory(NULL, directory, sizeof directory);
    if (status == SILL_OK)
        sill__fact_text(&facts, "system", "runtime_directory", directory, SILL_FACT_GOOD, "", "");
    else
        sill__fact_text(&facts, "system", "runtime_directory", "", SILL_FACT_MISSING,
                        sill_last_error()->message, "");
    if (status != SILL_OK)
        snprintf(directory, sizeof directory, ".");
    for (int i = 0; sill__regions[i] != NULL && facts.result == 0; i++)
        tell_kind(&facts, sill__regions[i]->kind, directory);
    if (facts.result == 0)
        tell_try(&facts, "channel", sill__channels[0]->name, try_channel(),
                 (sill__channels[0]->caps & SILL__CHANNEL_HANDLES) != 0 ? "passes handles" : "");
    for (int i = 0; sill__syncs[i] != NULL && facts.result == 0; i++)
        tell_family(&facts, sill__syncs[i]->family);
    tell_absent(&facts);
    sill__facts_limits(&facts);
    return facts.result;
}
