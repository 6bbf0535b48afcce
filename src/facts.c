/* facts.c - what this machine offers: sill_facts.
 *
 * Region kinds, channels and families of synchronisation objects are not looked up but tried
 * (facts_try.c). Each is told as present, limited or absent, and why: those that only other systems
 * have are absent, and nothing is wrong with that. What only the operating system can tell comes from the functions in facts.h.
 */
#include "facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sill/channel.h>
#include <sill/policy.h>
#include <sill/region.h>
#include <sill/sync.h>

#include "backends.h"
#include "owner.h"
#include "status.h"

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
                     const char *note, const struct sill__limited *limited)
{
    if (status == SILL_OK && limited->note[0] != '\0')
        sill__fact_text(facts, topic, name, "limited", SILL_FACT_LOW, limited->note,
                        limited->remedy);
    else if (status == SILL_OK)
        sill__fact_text(facts, topic, name, "present", SILL_FACT_GOOD, note, "");
    else if (status == SILL_NO_MEMORY && facts->result == 0)
        facts->result = status;
    else
        sill__fact_text(facts, topic, name, "absent", SILL_FACT_MISSING, sill_last_error()->message,
                        "");
}

static void tell_absent(struct sill__facts *facts, const char *topic, const char *name)
{
    sill__fact_text(facts, topic, name, "absent", SILL_FACT_GOOD, "of other systems only", "");
}

/* ---- regions ---- */

static void region_note(unsigned capabilities, char *out, size_t size)
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

static void tell_region(struct sill__facts *facts, int kind, const char *directory)
{
    char note[200];
    struct sill__limited limited = {"", ""};
    unsigned capabilities = sill_region_capabilities(kind);
    const char *name = sill_region_kind_name(kind);
    if (capabilities == 0) {
        tell_absent(facts, "kind", name);
        return;
    }
    region_note(capabilities, note, sizeof note);
    int status = sill__try_region(kind, directory);
    if (status == SILL_OK)
        sill__facts_limited_region(kind, &limited);
    tell_try(facts, "kind", name, status, note, &limited);
}

/* ---- channels ---- */

#define DEPTH_LOW 10    /* messages in a queue by default: fewer are few */
#define BYTES_LOW 16384 /* likewise, where bytes are counted */

static void channel_note(const sill_channel_traits *traits, char *out, size_t size)
{
    size_t used = (size_t)snprintf(
        out, size, "%s, %s%s%s%s%s", traits->boundaries ? "messages" : "a stream of bytes",
        traits->duplex ? "both ways" : "one way", traits->handles ? ", passes handles" : "",
        traits->identity ? ", says who the peer is" : "",
        traits->death ? ", tells death from closing" : "",
        traits->pollable ? ", fits event loops" : "");
    if (traits->priorities > 1 && used < size)
        snprintf(out + used, size - used,
                 ", %d priorities; by default %" PRIu64 " messages of %" PRIu64 " bytes",
                 traits->priorities, traits->depth, traits->message_max);
}

static void channel_limited(int kind, const sill_channel_traits *traits, struct sill__limited *out)
{
    uint64_t bytes = traits->depth * traits->message_max;
    if (kind == SILL_CHANNEL_MQUEUE && traits->user_bytes > 0 && traits->user_bytes < 2 * bytes) {
        snprintf(out->note, sizeof out->note,
                 "all queues of this user together may take %" PRIu64
                 " bytes, hardly enough for one",
                 traits->user_bytes);
        snprintf(out->remedy, sizeof out->remedy, "prlimit --pid $$ --msgqueue=819200");
    } else if (kind == SILL_CHANNEL_MQUEUE && traits->depth < DEPTH_LOW) {
        snprintf(out->note, sizeof out->note, "a queue holds only %" PRIu64 " messages by default",
                 traits->depth);
        snprintf(out->remedy, sizeof out->remedy, "sysctl -w fs.mqueue.msg_max=256");
    } else if (kind == SILL_CHANNEL_SYSV && traits->bytes < BYTES_LOW) {
        snprintf(out->note, sizeof out->note, "a queue holds only %" PRIu64 " bytes",
                 traits->bytes);
        snprintf(out->remedy, sizeof out->remedy, "sysctl -w kernel.msgmnb=1048576");
    }
}

static void tell_channel(struct sill__facts *facts, int kind)
{
    char note[300];
    struct sill__limited limited = {"", ""};
    sill_channel_traits traits = {.struct_size = sizeof traits};
    const char *name = sill_channel_kind_name(kind);
    sill_channel_get_traits(kind, &traits);
    if (!traits.available) {
        tell_absent(facts, "channel", name);
        return;
    }
    channel_note(&traits, note, sizeof note);
    channel_limited(kind, &traits, &limited);
    tell_try(facts, "channel", name, sill__try_channel(kind), note, &limited);
}

/* ---- synchronisation objects ---- */

static void tell_sync(struct sill__facts *facts, int family)
{
    struct sill__limited limited = {"", ""};
    const char *name = sill_sync_family_name(family);
    unsigned capabilities = sill_sync_capabilities(family);
    if (capabilities == 0) {
        tell_absent(facts, "sync", name);
        return;
    }
    if ((capabilities & SILL_SYNC_PLACED) == 0)
        snprintf(limited.note, sizeof limited.note,
                 "named objects only; a thread that ends with a lock keeps it until its process "
                 "ends");
    tell_try(facts, "sync", name, sill__try_sync(family),
             "mutex, rwlock, semaphore, event, cond; named or in a region", &limited);
}

/* ---- ports ---- */

static void tell_port(struct sill__facts *facts, int family)
{
    static const struct sill__limited none = {"", ""};
    const char *name = sill_family_name(family);
    const struct sill__channel_ops *ops = sill__channel_of_family(family);
    if (ops == NULL) {
        tell_absent(facts, "port", name);
        return;
    }
    bool handles = (ops->caps & SILL__CHANNEL_HANDLES) != 0;
    tell_try(facts, "port", name, sill__try_port(family),
             handles ? "passes handles, for event loops too"
                     : "passes no handles, not for event loops, one user's alone",
             &none);
}

/* ---- all ---- */

#define VALUE(name, value, text) value,
static const int region_kinds[] = {SILL_REGION_KIND_TABLE(VALUE)};
static const int channel_kinds[] = {SILL_CHANNEL_KIND_TABLE(VALUE)};
static const int sync_families[] = {SILL_SYNC_FAMILY_TABLE(VALUE)};
static const int port_families[] = {SILL_FAMILY_TABLE(VALUE)};
#undef VALUE

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
    for (size_t i = 0; i < sizeof region_kinds / sizeof region_kinds[0] && facts.result == 0; i++)
        if (region_kinds[i] != SILL_REGION_AUTO)
            tell_region(&facts, region_kinds[i], directory);
    for (size_t i = 0; i < sizeof channel_kinds / sizeof channel_kinds[0] && facts.result == 0; i++)
        if (channel_kinds[i] != SILL_CHANNEL_AUTO)
            tell_channel(&facts, channel_kinds[i]);
    for (size_t i = 0; i < sizeof sync_families / sizeof sync_families[0] && facts.result == 0; i++)
        if (sync_families[i] != SILL_SYNC_AUTO)
            tell_sync(&facts, sync_families[i]);
    for (size_t i = 0; i < sizeof port_families / sizeof port_families[0] && facts.result == 0; i++)
        if (port_families[i] != SILL_FAMILY_AUTO)
            tell_port(&facts, port_families[i]);
    sill__facts_limits(&facts);
    return facts.result;
}
