/* sync.c - synchronisation objects: making, opening, closing, and who attends.
 *
 * A named object is a named region with the object at its beginning; so owner records, stale names,
 * `sill ls` and `sill clean` know it without further work. A placed object lies in a region of the
 * user's.
 *
 * The word `state` says where an object stands: 0, nothing is there; MAKING with the pid of who
 * makes it; MADE. It changes by compare-exchange alone:
 *
 *   0 -> MAKING(pid)                   who wins makes the object
 *   MAKING(dead pid) -> MAKING(pid)    the maker died: the next one begins anew
 *   MADE of another boot -> MAKING(pid)  a mapped file outlived the machine's run
 *   MAKING(pid) -> MADE                everything else is written (release; pairs with the acquire
 *                                      load in settle)
 *
 * A pid that came back for another process makes openers wait until their deadline, no longer.
 * Everything but the atomic words is written while MAKING and never again.
 *
 * An attendee is a process that has the object open, and is taken out by its close. One that is
 * found dead is taken out by whoever finds it, by a compare-exchange, and counted in `deaths`: so
 * each death counts once.
 */
#include "sync_internal.h"

#include <inttypes.h>
#include <string.h>

#include "backends.h"
#include "memory.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"

#define DEFAULT_TIMEOUT_MS 1000
#define PAUSE_NS           INT64_C(500000)

#define MAKING   UINT64_C(0x73796d6b00000000) /* with a pid in the lower half */
#define MADE     UINT64_C(0x73796e6300000001) /* with the layout's version */
#define UPPER    UINT64_C(0xffffffff00000000)
#define CLAIMING UINT64_MAX /* of an attendee */

static const struct {
    int family;
    const char *text;
} families[] = {
#define FAMILY(name, value, text) {value, text},
    SILL_SYNC_FAMILY_TABLE(FAMILY)
#undef FAMILY
};

const char *sill_sync_family_name(int family)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (families[i].family == family)
            return families[i].text;
    return "?";
}

int sill_sync_family_parse(const char *text)
{
    for (size_t i = 0; text != NULL && i < sizeof families / sizeof families[0]; i++)
        if (strcmp(families[i].text, text) == 0)
            return families[i].family;
    return -1;
}

/* The first one is the platform's own. */
static const struct sill__sync_ops *ops_of(int family)
{
    for (int i = 0; sill__syncs[i] != NULL; i++)
        if (sill__syncs[i]->family == family || family == SILL_SYNC_AUTO)
            return sill__syncs[i];
    return NULL;
}

unsigned sill_sync_capabilities(int family)
{
    const struct sill__sync_ops *ops = ops_of(family);
    return ops != NULL ? ops->caps | SILL_SYNC_AVAILABLE : 0;
}

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"object",    "mutex", "reader-writer lock",
                                        "semaphore", "event", "condition variable"};
    return names[type < sizeof names / sizeof names[0] ? type : 0];
}

/* ---- arguments ---- */

struct request {
    sill_sync_options options;
    const struct sill__sync_ops *ops;
    int64_t deadline;
    bool make; /* what is not there may be made */
};

static int check_options(const sill_sync_options *options, enum sill__sync_type type)
{
    const int flags[] = {options->open_existing, options->recursive, options->manual_reset};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i] != 0 && flags[i] != 1)
            return sill__fail(SILL_INVALID, "A flag of the options is %d and must be 0 or 1.",
                              flags[i]);
    if (options->timeout_ms < -1)
        return sill__fail(SILL_INVALID, "The option timeout_ms is %d and must be -1 or more.",
                          options->timeout_ms);
    uint32_t most = 0;
    if (type == SILL__SYNC_SEMAPHORE)
        most = SILL_SEMAPHORE_MAX;
    if (type == SILL__SYNC_EVENT)
        most = 1;
    if (options->initial > most)
        return sill__fail(SILL_INVALID, "The option initial is %u, and for a %s at most %u.",
                          (unsigned)options->initial, type_name(type), (unsigned)most);
    return 0;
}

static int make_request(struct request *out, const sill_sync_options *options,
                        enum sill__sync_type type, unsigned wanted)
{
    out->options = (sill_sync_options)SILL_SYNC_OPTIONS_INIT;
    if (options != NULL && options->struct_size != sizeof *options)
        return sill__fail(SILL_INVALID,
                          "The options are not initialised: struct_size is %zu and must be %zu "
                          "(SILL_SYNC_OPTIONS_INIT).",
                          options->struct_size, sizeof *options);
    if (options != NULL)
        out->options = *options;
    int rc = check_options(&out->options, type);
    if (rc != 0)
        return rc;
    int family = out->options.family;
    out->ops = ops_of(family);
    if (out->ops == NULL && strcmp(sill_sync_family_name(family), "?") == 0)
        return sill__fail(SILL_INVALID, "%d is not a family of synchronisation objects.", family);
    if (out->ops == NULL || (out->ops->caps & wanted) == 0)
        return sill__fail(SILL_UNSUPPORTED, "The family %s %s.", sill_sync_family_name(family),
                          out->ops == NULL ? "does not exist on this system"
                                           : "has named objects only");
    int timeout = out->options.timeout_ms;
    out->deadline = sill__deadline(timeout == 0 ? DEFAULT_TIMEOUT_MS : timeout);
    return 0;
}

int sill__sync_check(const struct sill__sync *sync)
{
    if (sync == NULL)
        return sill__fail(SILL_INVALID, "The object is NULL.");
    if (sync->generation != sill__fork_generation())
        return sill__fail(SILL_INVALID,
                          "The %s belongs to the parent of this forked process, "
                          "which may only close it.",
                          type_name(sync->type));
    return 0;
}

/* ---- who we are ---- */

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0;
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211) + 1;
    return hash;
}

static uint64_t make_serial(const struct sill__process *self, const void *place)
{
    static atomic_uint counter;
    uint64_t x = self->start ^ (uint64_t)sill__now_ns() ^ ((uint64_t)self->pid << 32) ^
                 (uint64_t)(uintptr_t)place ^ atomic_fetch_add(&counter, 1u);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Only whether it lives; what is said about it is of no interest. */
static bool pid_is_gone(uint32_t pid)
{
    sill_error before = *sill_last_error();
    struct sill__process process;
    bool gone = sill__process_of(pid, &process) == SILL_NOT_FOUND;
    sill__error_restore(&before);
    return gone;
}

/* ---- attendees ---- */

static void attend(struct sill__sync *sync, const struct sill__process *self)
{
    struct sill__sync_shared *shared = sync->shared;
    atomic_store(&sync->deaths, atomic_load(&shared->deaths));
    for (unsigned i = 0; i < SILL__SYNC_ATTENDEES; i++) {
        struct sill__attendee *place = &shared->attendees[i];
        uint64_t nobody = 0;
        if (!atomic_compare_exchange_strong(&place->who, &nobody, CLAIMING))
            continue;
        atomic_store(&place->start, self->start);
        atomic_store(&place->who, self->pid);
        sync->place = place;
        return;
    }
}

static void look_at_attendees(struct sill__sync_shared *shared)
{
    struct sill__process self, process;
    sill__process_self(&self);
    process = self;
    for (unsigned i = 0; i < SILL__SYNC_ATTENDEES; i++) {
        struct sill__attendee *place = &shared->attendees[i];
        uint64_t who = atomic_load(&place->who);
        if (who == 0 || who == CLAIMING)
            continue;
        process.pid = (uint32_t)who;
        process.start = atomic_load(&place->start);
        if (process.pid == self.pid && process.start == self.start)
            continue; /* not one that died and had our pid */
        if (sill__process_alive(&process) == 0 &&
            atomic_compare_exchange_strong(&place->who, &who, 0))
            atomic_fetch_add(&shared->deaths, 1);
    }
}

/* To look takes some 10 microseconds for each attendee, so of all waiters one does it at a time. */
bool sill__sync_hear(struct sill__sync *sync)
{
    struct sill__sync_shared *shared = sync->shared;
    int64_t now_ns = sill__now_ns(), last = atomic_load(&shared->looked);
    bool due = now_ns - last >= SILL__SYNC_SLICE_NS / 2 || last > now_ns;
    if (due && atomic_compare_exchange_strong(&shared->looked, &last, now_ns))
        look_at_attendees(shared);
    uint32_t now = atomic_load(&shared->deaths);
    return atomic_exchange(&sync->deaths, now) != now;
}

/* ---- making ---- */

static void plan(struct sill__cells *cells, enum sill__sync_type type, bool manual,
                 uint32_t initial)
{
    cells->count = 1;
    cells->initial = initial;
    cells->kinds[0] = SILL__CELL_LOCK;
    switch (type) {
    case SILL__SYNC_MUTEX:
        break;
    case SILL__SYNC_RWLOCK: /* the gate, and a lock for each reader */
        cells->count = 1 + SILL_RWLOCK_READERS;
        for (unsigned i = 1; i < cells->count; i++)
            cells->kinds[i] = SILL__CELL_LOCK;
        break;
    case SILL__SYNC_SEMAPHORE:
        cells->kinds[0] = SILL__CELL_COUNTER;
        break;
    case SILL__SYNC_EVENT:
        cells->kinds[0] = manual ? SILL__CELL_MANUAL : SILL__CELL_AUTO;
        break;
    case SILL__SYNC_COND: /* a lock for broadcasts, and the events of four of them in turn */
        cells->count = 5;
        for (unsigned i = 1; i < cells->count; i++)
            cells->kinds[i] = SILL__CELL_MANUAL;
        break;
    }
}

/* Locks are of the backend's making; counters and events mean the same to everybody. */
static uint32_t abi_of(const struct sill__sync *sync, const struct sill__sync_ops *ops)
{
    return sync->type == SILL__SYNC_SEMAPHORE || sync->type == SILL__SYNC_EVENT ? 0 : ops->abi;
}

static int make(struct sill__sync *sync, const struct request *request,
                const struct sill__process *self)
{
    struct sill__sync_shared *shared = sync->shared;
    uint32_t damaged = atomic_load(&shared->damaged); /* of what lay here before */
    memset((unsigned char *)shared + sizeof shared->state, 0,
           sizeof *shared - sizeof shared->state);
    shared->type = sync->type;
    shared->family = (uint32_t)request->ops->family;
    shared->abi = abi_of(sync, request->ops);
    shared->recursive = (uint32_t)request->options.recursive;
    shared->manual = (uint32_t)request->options.manual_reset;
    shared->initial = request->options.initial;
    shared->boot = hash_of(self->boot);
    shared->space = self->pid_space;
    shared->serial = make_serial(self, shared);
    atomic_store(&shared->damaged, damaged);
    plan(&sync->cells, sync->type, shared->manual != 0, shared->initial);
    SILL__STEP(sync_making);
    int rc = sync->cells.ops->attach(&sync->cells, true);
    SILL__STEP(sync_made);
    /* release, pairs with the load in settle */
    atomic_store_explicit(&shared->state, rc == 0 ? MADE : 0, memory_order_release);
    return rc;
}

static int join(struct sill__sync *sync, const struct sill__process *self)
{
    const struct sill__sync_shared *shared = sync->shared;
    if (shared->type != sync->type)
        return sill__fail(SILL_WRONG_KIND, "It is a %s and not a %s.", type_name(shared->type),
                          type_name(sync->type));
    if (shared->family != (uint32_t)sync->cells.ops->family)
        return sill__fail(SILL_WRONG_KIND, "The %s was made by the family %s.",
                          type_name(sync->type), sill_sync_family_name((int)shared->family));
    if (shared->abi != abi_of(sync, sync->cells.ops))
        return sill__fail(SILL_VERSION,
                          "The %s was made by a process with another C library or "
                          "word size.",
                          type_name(sync->type));
    if (shared->space != self->pid_space)
        return sill__fail(SILL_UNSUPPORTED, "The %s was made in another pid namespace.",
                          type_name(sync->type));
    plan(&sync->cells, sync->type, shared->manual != 0, shared->initial);
    return sync->cells.ops->attach(&sync->cells, false);
}

/* A claim of the making. What was made in another boot is damaged, whatever it was: its memory came
 * back from a disk. */
static bool claim(struct sill__sync_shared *shared, uint64_t state, uint32_t pid)
{
    if (!atomic_compare_exchange_strong(&shared->state, &state, MAKING | pid))
        return false;
    atomic_thread_fence(memory_order_release); /* before anything is written over */
    if (state == MADE)
        atomic_store(&shared->damaged, 1);
    return true;
}

/* Makes the object or joins it, once it is clear which. AGAIN: somebody is at work. */
static int settle_once(struct sill__sync *sync, const struct request *request,
                       const struct sill__process *self)
{
    struct sill__sync_shared *shared = sync->shared;
    /* acquire, pairs with the store in make */
    uint64_t state = atomic_load_explicit(&shared->state, memory_order_acquire);
    uint64_t boot = hash_of(self->boot);
    bool old = state == MADE && boot != 0 && shared->boot != 0 && shared->boot != boot;
    /* Who makes an old one anew clears `boot` as well: what was read is true if it is MADE still.
     * Pairs with the fence in claim. */
    atomic_thread_fence(memory_order_acquire);
    if (state == MADE && atomic_load_explicit(&shared->state, memory_order_relaxed) != MADE)
        return SILL_AGAIN;
    if (state == MADE && !old)
        return join(sync, self);
    if (state != 0 && !old && (state & UPPER) == (MADE & UPPER))
        return sill__fail(SILL_VERSION, "The object has a layout that this sill does not know.");
    if (state != 0 && !old && (state & UPPER) != MAKING)
        return sill__fail(SILL_FOREIGN, "What lies there is not a synchronisation object.");
    uint32_t maker = (uint32_t)state;
    if (state != 0 && !old && (maker == self->pid || !pid_is_gone(maker)))
        return SILL_AGAIN;
    if (!request->make && !old)
        return state == 0 ? SILL_AGAIN
                          : sill__fail(SILL_NOT_FOUND, "Who made the object ended on the way.");
    return claim(shared, state, self->pid) ? make(sync, request, self) : SILL_AGAIN;
}

static int settle(struct sill__sync *sync, const struct request *request)
{
    struct sill__process self;
    sill__process_self(&self);
    for (;;) {
        int rc = settle_once(sync, request, &self);
        if (rc == 0)
            attend(sync, &self);
        if (rc != SILL_AGAIN)
            return rc;
        if (sill__timeout(request->deadline) == 0)
            return sill__fail(SILL_TIMEOUT, "Another process has been making the %s for too long.",
                              type_name(sync->type));
        sill__sleep_ns(PAUSE_NS);
    }
}

/* At `offset` of the region's data, which is known to hold it. */
static int set_up(struct sill__sync **out, enum sill__sync_type type, const sill_region *region,
                  size_t offset, const struct request *request)
{
    struct sill__sync *sync = sill__alloc_zeroed(sizeof *sync);
    if (sync == NULL)
        return sill__fail(SILL_NO_MEMORY, "Out of memory.");
    sync->type = type;
    sync->shared = (void *)((unsigned char *)sill_region_data(region) + offset);
    sync->generation = sill__fork_generation();
    sync->cells.ops = request->ops;
    sync->cells.shared = sync->shared;
    sync->cells.region = region;
    int rc = settle(sync, request);
    if (rc != 0) {
        sill__free(sync);
        return rc;
    }
    sync->recursive = sync->shared->recursive != 0;
    *out = sync;
    return 0;
}

int sill__sync_place(struct sill__sync **out, enum sill__sync_type type, const sill_region *region,
                     size_t offset, const sill_sync_options *options)
{
    struct request request;
    int rc = make_request(&request, options, type, SILL_SYNC_PLACED);
    if (rc != 0)
        return rc;
    request.make = true;
    if (sill_region_data(region) == NULL || region->read_only)
        return sill__fail(SILL_INVALID, "There is no region that is mapped for writing.");
    if (offset % 64 != 0 || sill_region_size(region) < SILL_SYNC_SIZE ||
        offset > sill_region_size(region) - SILL_SYNC_SIZE)
        return sill__fail(SILL_INVALID,
                          "An object needs %d bytes at a multiple of 64; a region of %zu has not "
                          "got them at %zu.",
                          SILL_SYNC_SIZE, sill_region_size(region), offset);
    return set_up(out, type, region, offset, &request);
}

/* ---- named ---- */

static sill_region_options region_options(const struct request *request)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = request->ops->region_kind;
    options.open_existing = request->options.open_existing;
    options.directory = request->options.directory;
    options.timeout_ms = request->options.timeout_ms;
    return options;
}

/* An object that has a region of its own must be what the region was made for. */
static int set_up_named(struct sill__sync **out, enum sill__sync_type type, sill_region *region,
                        const struct request *request)
{
    if (sill_region_size(region) != SILL_SYNC_SIZE)
        return sill__fail(SILL_FOREIGN, "The name is that of a region, not of a %s.",
                          type_name(type));
    int rc = set_up(out, type, region, 0, request);
    if (rc == 0)
        (*out)->region = region;
    return rc;
}

/* NOT_FOUND: there was an object of which a process that was killed had removed a part already, so
 * the rest was removed too. */
static int create_once(struct sill__sync **out, enum sill__sync_type type, const char *name,
                       const struct request *request)
{
    sill_region_options how = region_options(request);
    sill_region *region;
    int rc = sill_region_create(&region, name, SILL_SYNC_SIZE, &how);
    if (rc != 0)
        return rc;
    rc = set_up_named(out, type, region, request);
    if (rc == 0)
        return 0;
    sill_error first = *sill_last_error();
    bool ours = region->claimed && !request->options.open_existing;
    sill_region_close(region);
    if (ours || rc == SILL_NOT_FOUND)
        sill_region_remove(name, &how);
    sill__error_restore(&first);
    return rc;
}

int sill__sync_create(struct sill__sync **out, enum sill__sync_type type, const char *name,
                      const sill_sync_options *options)
{
    struct request request;
    int rc = make_request(&request, options, type, SILL_SYNC_NAMED);
    if (rc != 0)
        return rc;
    if (name == NULL)
        return sill__fail(SILL_INVALID, "A %s needs a name.", type_name(type));
    request.make = true;
    rc = create_once(out, type, name, &request);
    if (rc == SILL_NOT_FOUND) /* half of it: that is out of the way now */
        rc = create_once(out, type, name, &request);
    return rc;
}

int sill__sync_open(struct sill__sync **out, enum sill__sync_type type, const char *name,
                    const sill_sync_options *options)
{
    struct request request;
    int rc = make_request(&request, options, type, SILL_SYNC_NAMED);
    if (rc != 0)
        return rc;
    request.make = false;
    sill_region_options how = region_options(&request);
    sill_region *region;
    rc = sill_region_open(&region, name, &how);
    if (rc != 0)
        return rc;
    rc = set_up_named(out, type, region, &request);
    if (rc != 0) {
        sill_error first = *sill_last_error();
        sill_region_close(region);
        sill__error_restore(&first);
    }
    return rc;
}

int sill_sync_remove(const char *name, const sill_sync_options *options)
{
    struct request request;
    int rc = make_request(&request, options, SILL__SYNC_SEMAPHORE, SILL_SYNC_NAMED);
    if (rc != 0)
        return rc;
    sill_region_options how = region_options(&request);
    return sill_region_remove(name, &how);
}

/* In a forked child it only frees what is the child's. */
void sill__sync_close(struct sill__sync *sync)
{
    if (sync == NULL)
        return;
    bool ours = sync->generation == sill__fork_generation();
    if (ours)
        sill__sync_let_go(sync);
    if (ours && sync->place != NULL)
        atomic_store(&sync->place->who, 0);
    sync->cells.ops->detach(&sync->cells);
    sill_region_close(sync->region);
    sill__free(sync);
}
