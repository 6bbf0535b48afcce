/* region.c - regions: the public functions, and what is alike for every kind.
 *
 * The backend tables (region_ops.h) deal in bare objects. Here arguments are checked, the kind is
 * chosen, and the header at the beginning of the object is written and read. The header is the only
 * memory shared with other processes that this file touches. Its writer is the creator; `magic` is
 * stored last with release order and pairs with the acquire load in read_header, so who sees the
 * magic sees the whole header. A reader copies the header once and uses the copy only.
 *
 * A region object belongs to the process that opened it: a forked child may only close it.
 */
#include "region_internal.h"

#include <stdatomic.h>
#include <string.h>

#include "backends.h"
#include "clock.h"
#include "memory.h"
#include "process.h"
#include "status.h"
#include "step.h"

#define DEFAULT_TIMEOUT_MS 1000

/* Pointer differences within an object must be told, and a size rounded up to pages. */
#define LARGEST_PAGE 65536
#define SIZE_LIMIT   ((size_t)PTRDIFF_MAX - SILL__REGION_HEADER - LARGEST_PAGE)

static const struct {
    int kind;
    const char *text;
} kinds[] = {
#define KIND(name, value, text) {value, text},
    SILL_REGION_KIND_TABLE(KIND)
#undef KIND
};

const char *sill_region_kind_name(int kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == kind)
            return kinds[i].text;
    return "?";
}

int sill_region_kind_parse(const char *text)
{
    for (size_t i = 0; text != NULL && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].text, text) == 0)
            return kinds[i].kind;
    return -1;
}

unsigned sill_region_capabilities(int kind)
{
    const struct sill__region_ops *ops =
        sill__region_ops_of(kind == SILL_REGION_AUTO ? sill__region_auto_named : kind);
    return ops != NULL ? ops->caps | SILL_REGION_AVAILABLE : 0;
}

/* ---- arguments ---- */

static int copy_options(sill_region_options *out, const sill_region_options *options)
{
    *out = (sill_region_options)SILL_REGION_OPTIONS_INIT;
    if (options == NULL)
        return 0;
    size_t size = options->struct_size;
    if (size < sizeof *out)
        return sill__fail(SILL_INVALID,
                          "The region options are not initialised: struct_size is "
                          "%zu and must be at least %zu (SILL_REGION_OPTIONS_INIT).",
                          size, sizeof *out);
    const unsigned char *bytes = (const unsigned char *)options;
    for (size_t i = sizeof *out; i < size; i++)
        if (bytes[i] != 0)
            return sill__fail(SILL_INVALID, "The region options hold something that this version "
                                            "of sill does not know.");
    *out = *options;
    return 0;
}

static int check_flag(int value, const char *name)
{
    if (value == 0 || value == 1)
        return 0;
    return sill__fail(SILL_INVALID, "The region option %s is %d and must be 0 or 1.", name, value);
}

static int check_options(const sill_region_options *options)
{
    int rc = check_flag(options->open_existing, "open_existing");
    if (rc == 0)
        rc = check_flag(options->read_only, "read_only");
    if (rc == 0)
        rc = check_flag(options->resizable, "resizable");
    if (rc == 0 && options->timeout_ms < -1)
        rc = sill__fail(SILL_INVALID, "The region option timeout_ms is %d and must be -1 or more.",
                        options->timeout_ms);
    return rc;
}

static int find_ops(const struct sill__region_ops **out, int kind)
{
    *out = sill__region_ops_of(kind);
    if (*out != NULL)
        return 0;
    if (strcmp(sill_region_kind_name(kind), "?") == 0)
        return sill__fail(SILL_INVALID, "%d is not a kind of region.", kind);
    return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s do not exist on this system.",
                      sill_region_kind_name(kind));
}

static int check_name(const struct sill__region_ops *ops, const char *name)
{
    const char *kind = sill_region_kind_name(ops->kind);
    if ((ops->caps & SILL_REGION_NAMED) == 0)
        return name == NULL
                   ? 0
                   : sill__fail(SILL_INVALID, "A region of the kind %s has no name.", kind);
    if (name == NULL)
        return sill__fail(SILL_INVALID, "A region of the kind %s needs a name.", kind);
    if (ops->owner != 0)
        return sill__name_check(name);
    return name[0] != '\0' ? 0 : sill__fail(SILL_INVALID, "The path of a region is empty.");
}

/* Fills `out` from what the caller gave; `kind` is what AUTO means for this call. */
static int make_request(struct sill__region_request *out, const char *name, int auto_kind,
                        const sill_region_options *options)
{
    sill_region_options known;
    int rc = copy_options(&known, options);
    if (rc == 0)
        rc = check_options(&known);
    if (rc == 0)
        rc = find_ops(&out->ops, known.kind == SILL_REGION_AUTO ? auto_kind : known.kind);
    if (rc == 0)
        rc = check_name(out->ops, name);
    if (rc != 0)
        return rc;
    out->name = name;
    out->directory = known.directory;
    out->size = known.size;
    out->open_existing = known.open_existing != 0;
    out->read_only = known.read_only != 0;
    out->resizable = known.resizable != 0;
    out->deadline = sill__deadline(known.timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : known.timeout_ms);
    return 0;
}

static int check_size(size_t size)
{
    if (size == 0)
        return sill__fail(SILL_INVALID, "A region needs a size of at least 1 byte.");
    if (size > SIZE_LIMIT)
        return sill__fail(SILL_TOO_BIG, "%zu bytes are more than the address space can hold (%zu).",
                          size, SIZE_LIMIT);
    return 0;
}

/* For every call on an open region but close. */
static int check_region(const sill_region *region)
{
    if (region == NULL)
        return sill__fail(SILL_INVALID, "The region is NULL.");
    if (region->generation != sill__fork_generation())
        return sill__fail(SILL_INVALID, "The region belongs to the parent of this forked process, "
                                        "which may only close it.");
    return 0;
}

/* ---- the header ---- */

static void write_header(const sill_region *region)
{
    struct sill__region_header *header = region->base;
    struct sill__process self;
    sill__process_self(&self);
    header->layout = SILL__REGION_LAYOUT;
    header->kind = (uint32_t)region->ops->kind;
    header->size = region->size;
    header->creator = self.pid;
    header->flags = region->resizable ? SILL__REGION_RESIZABLE : 0;
    header->name_hash = region->name_hash;
    /* Pairs with the load in read_header. */
    atomic_store_explicit((_Atomic uint64_t *)&header->magic, SILL__REGION_MAGIC,
                          memory_order_release);
}

static void read_header(struct sill__region_header *copy, void *base)
{
    volatile struct sill__region_header *header = base;
    /* Pairs with the store in write_header. */
    copy->magic =
        atomic_load_explicit((volatile _Atomic uint64_t *)&header->magic, memory_order_acquire);
    copy->layout = header->layout;
    copy->kind = header->kind;
    /* Pairs with the store in set_size: a resize may be under way. */
    copy->size =
        atomic_load_explicit((volatile _Atomic uint64_t *)&header->size, memory_order_relaxed);
    copy->creator = header->creator;
    copy->flags = header->flags;
    copy->name_hash = header->name_hash;
    copy->reserved[0] = header->reserved[0];
    copy->reserved[1] = header->reserved[1];
}

static void set_size(const sill_region *region, size_t size)
{
    struct sill__region_header *header = region->base;
    /* Pairs with the load in read_header. */
    atomic_store_explicit((_Atomic uint64_t *)&header->size, size, memory_order_relaxed);
}

int sill__region_explain(int status, const char *name)
{
    const char *quote = name != NULL ? "\"" : "";
    const char *who = name != NULL ? name : "that was passed";
    const char *what = "";
    switch (status) {
    case SILL_FOREIGN:
        what = "exists but was not made by sill";
        break;
    case SILL_VERSION:
        what = "has a layout that this version of sill does not know";
        break;
    case SILL_WRONG_KIND:
        what = "is a region of another kind";
        break;
    case SILL_WRONG_SIZE:
        what = "has another size than was asked for, or than its header tells";
        break;
    default:
        what = "cannot be used";
        break;
    }
    return sill__fail(status, "The region %s%s%s %s.", quote, who, quote, what);
}

/* Maps the memory and takes the region's size from the header. The copy of the header says at the
 * same time whether the object is a region at all. */
static int map_checked(sill_region *region, const char *name)
{
    if (region->memory->size == 0)
        return SILL_AGAIN;
    if (region->memory->size < SILL__REGION_HEADER)
        return sill__region_explain(SILL_FOREIGN, name);
    void *base;
    int rc = region->ops->map(region->memory, region->read_only, &base);
    if (rc != 0)
        return rc;
    struct sill__region_header header;
    read_header(&header, base);
    rc = sill__region_header_check(&header, region->memory->size, region->ops->kind,
                                   region->name_hash);
    if (rc != 0) {
        region->ops->unmap(region->memory, base);
        return rc == SILL_AGAIN ? rc : sill__region_explain(rc, name);
    }
    region->base = base;
    region->size = (size_t)header.size;
    region->resizable = (header.flags & SILL__REGION_RESIZABLE) != 0;
    return 0;
}

/* ---- making and attaching ---- */

static sill_region *new_region(const struct sill__region_request *request)
{
    sill_region *region = sill__alloc_zeroed(sizeof *region);
    if (region == NULL) {
        sill__fail(SILL_NO_MEMORY, "Out of memory.");
        return NULL;
    }
    region->ops = request->ops;
    region->read_only = request->read_only;
    region->generation = sill__fork_generation();
    if (request->ops->owner != 0)
        region->name_hash = sill__region_name_hash(request->ops->kind, request->name);
    return region;
}

int sill__region_make(sill_region **out, const struct sill__region_request *request,
                      const char *object)
{
    const struct sill__region_ops *ops = request->ops;
    sill_region *region = new_region(request);
    if (region == NULL)
        return SILL_NO_MEMORY;
    region->size = request->size;
    region->creator = true;
    region->resizable = request->resizable;
    int rc = ops->create(&region->memory, object, request->size + SILL__REGION_HEADER,
                         request->resizable);
    if (rc != 0)
        goto fail;
    rc = ops->map(region->memory, false, &region->base);
    if (rc == 0) {
        write_header(region);
        rc = ops->publish != NULL ? ops->publish(region->memory, object) : 0;
    }
    if (rc == 0) {
        SILL__STEP(region_published);
        *out = region;
        return 0;
    }
    if (region->base != NULL)
        ops->unmap(region->memory, region->base);
    if (ops->discard != NULL)
        ops->discard(region->memory);
    ops->close(region->memory);
    if (ops->object_name != NULL) {
        sill_error first = *sill_last_error();
        ops->remove(object, region->name_hash);
        sill__error_restore(&first);
    }
fail:
    sill__free(region);
    return rc;
}

/* Takes `memory` in any case. */
static int adopt_memory(sill_region **out, const struct sill__region_request *request,
                        sill__memory *memory)
{
    sill_region *region = new_region(request);
    if (region == NULL) {
        request->ops->close(memory);
        return SILL_NO_MEMORY;
    }
    region->memory = memory;
    int rc = map_checked(region, request->name);
    if (rc == 0 && request->size != 0 && request->size != region->size) {
        request->ops->unmap(memory, region->base);
        rc = sill__fail(SILL_WRONG_SIZE, "The region has %zu bytes and not %zu.", region->size,
                        request->size);
    }
    if (rc != 0) {
        request->ops->close(memory);
        sill__free(region);
        return rc;
    }
    *out = region;
    return 0;
}

/* How often a size that does not fit is looked at again: a resize may have come in between, or
 * many. */
#define RESIZE_LOOKS 64

int sill__region_attach(sill_region **out, const struct sill__region_request *request,
                        const char *object)
{
    int rc = SILL_WRONG_SIZE;
    for (int look = 0; look < RESIZE_LOOKS && rc == SILL_WRONG_SIZE; look++) {
        sill__memory *memory;
        rc = request->ops->open(&memory, object, request->read_only);
        if (rc == 0)
            rc = adopt_memory(out, request, memory);
    }
    return rc;
}

/* A file without a record: it is linked into place as a whole, so it is whole or not ours. */
static int open_file(sill_region **out, const struct sill__region_request *request)
{
    int rc = sill__region_attach(out, request, request->name);
    return rc == SILL_AGAIN ? sill__region_explain(SILL_FOREIGN, request->name) : rc;
}

static int create_file(sill_region **out, const struct sill__region_request *request)
{
    for (;;) {
        int rc = request->open_existing ? open_file(out, request) : SILL_NOT_FOUND;
        if (rc != SILL_NOT_FOUND)
            return rc;
        rc = sill__region_make(out, request, request->name);
        if (rc != SILL_EXISTS || !request->open_existing)
            return rc;
        /* Somebody else was faster, or has removed it again already. */
        if (sill__timeout(request->deadline) == 0)
            return sill__fail(SILL_TIMEOUT, "\"%s\" is created and removed again and again.",
                              request->name);
    }
}

/* ---- public: create, open, remove ---- */

int sill_region_create(sill_region **region, const char *name, size_t size,
                       const sill_region_options *options)
{
    if (region == NULL)
        return sill__fail(SILL_INVALID, "The pointer for the region is NULL.");
    struct sill__region_request request;
    int auto_kind = name != NULL ? sill__region_auto_named : sill__region_auto_anonymous;
    int rc = make_request(&request, name, auto_kind, options);
    if (rc == 0)
        rc = check_size(size);
    if (rc != 0)
        return rc;
    if (request.read_only)
        return sill__fail(SILL_INVALID, "A region is created for reading and writing.");
    if (request.size != 0 && request.size != size)
        return sill__fail(SILL_INVALID, "The size in the options is %zu and the argument %zu.",
                          request.size, size);
    if (request.resizable && (request.ops->caps & SILL_REGION_RESIZES) == 0)
        return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s cannot be resized.",
                          sill_region_kind_name(request.ops->kind));
    request.size = size;
    if (request.ops->owner != 0)
        return sill__region_create_named(region, &request);
    return name != NULL ? create_file(region, &request) : sill__region_make(region, &request, NULL);
}

int sill_region_open(sill_region **region, const char *name, const sill_region_options *options)
{
    if (region == NULL || name == NULL)
        return sill__fail(SILL_INVALID, "The pointer for the region or its name is NULL.");
    struct sill__region_request request;
    int rc = make_request(&request, name, sill__region_auto_named, options);
    if (rc != 0)
        return rc;
    if (request.read_only && (request.ops->caps & SILL_REGION_READ_ONLY) == 0)
        return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s cannot be opened read-only.",
                          sill_region_kind_name(request.ops->kind));
    if (request.ops->owner != 0)
        return sill__region_open_named(region, &request);
    return open_file(region, &request);
}

int sill_region_open_handle(sill_region **region, sill_handle handle,
                            const sill_region_options *options)
{
    if (region == NULL || handle == SILL_NO_HANDLE)
        return sill__fail(SILL_INVALID,
                          "The pointer for the region is NULL, or there is no handle.");
    struct sill__region_request request;
    int rc = make_request(&request, NULL, sill__region_auto_anonymous, options);
    if (rc != 0)
        return rc;
    if (request.ops->open_handle == NULL)
        return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s cannot be passed by a handle.",
                          sill_region_kind_name(request.ops->kind));
    sill__memory *memory;
    rc = request.ops->open_handle(&memory, handle, request.read_only);
    if (rc == 0)
        rc = adopt_memory(region, &request, memory);
    return rc == SILL_AGAIN ? sill__region_explain(SILL_FOREIGN, NULL) : rc;
}

int sill__region_create_passed(sill_region **out, int kind, size_t size, const char *object)
{
    struct sill__region_request request;
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = kind;
    int rc = make_request(&request, NULL, sill__region_auto_anonymous, &options);
    if (rc == 0)
        rc = check_size(size);
    if (rc != 0)
        return rc;
    request.size = size;
    return sill__region_make(out, &request, object);
}

void sill__region_discard(sill_region *region)
{
    if (region->ops->discard != NULL)
        region->ops->discard(region->memory);
}

int sill_region_remove(const char *name, const sill_region_options *options)
{
    if (name == NULL)
        return sill__fail(SILL_INVALID, "The name of the region is NULL.");
    struct sill__region_request request;
    int rc = make_request(&request, name, sill__region_auto_named, options);
    if (rc != 0)
        return rc;
    if ((request.ops->caps & SILL_REGION_PERSISTS) == 0)
        return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s go by themselves.",
                          sill_region_kind_name(request.ops->kind));
    if (request.ops->owner != 0)
        return sill__region_remove_named(&request);
    return request.ops->remove(name, 0);
}

/* ---- public: an open region ---- */

int sill_region_handle(const sill_region *region, sill_handle *handle)
{
    int rc = check_region(region);
    if (rc != 0)
        return rc;
    if (handle == NULL)
        return sill__fail(SILL_INVALID, "The pointer for the handle is NULL.");
    if (region->ops->handle == NULL)
        return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s cannot be passed by a handle.",
                          sill_region_kind_name(region->ops->kind));
    return region->ops->handle(region->memory, handle);
}

void *sill_region_data(const sill_region *region)
{
    if (region == NULL || region->base == NULL)
        return NULL;
    return (char *)region->base + SILL__REGION_HEADER;
}

size_t sill_region_size(const sill_region *region)
{
    return region != NULL ? region->size : 0;
}

int sill_region_kind_of(const sill_region *region)
{
    return region != NULL ? region->ops->kind : SILL_INVALID;
}

int sill_region_unmap(sill_region *region)
{
    int rc = check_region(region);
    if (rc != 0)
        return rc;
    if (region->base == NULL)
        return sill__fail(SILL_INVALID, "The region is not mapped.");
    region->ops->unmap(region->memory, region->base);
    region->base = NULL;
    return 0;
}

int sill_region_map(sill_region *region)
{
    int rc = check_region(region);
    if (rc != 0)
        return rc;
    if (region->base != NULL)
        return sill__fail(SILL_INVALID, "The region is mapped already.");
    rc = map_checked(region, NULL);
    return rc == SILL_AGAIN ? sill__region_explain(SILL_FOREIGN, NULL) : rc;
}

/* The object is resized while it is not mapped here, which every system allows. The header's size
 * is never larger than the object, so who opens in between sees one size or the other. */
static int resize_mapped(sill_region *region, size_t size)
{
    size_t old = region->size;
    /* There may be bytes behind the end: of a last page, or left by who was killed in here. */
    size_t used = region->memory->size - SILL__REGION_HEADER;
    if (size < old)
        set_size(region, size);
    SILL__STEP(region_resizing);
    region->ops->unmap(region->memory, region->base);
    region->base = NULL;
    int rc = region->ops->resize(region->memory, size + SILL__REGION_HEADER);
    sill_error first = *sill_last_error();
    int mapped = region->ops->map(region->memory, false, &region->base);
    if (mapped != 0)
        return rc != 0 ? rc : mapped;
    if (rc != 0) {
        set_size(region, old);
        sill__error_restore(&first);
        return rc;
    }
    if (used < old + LARGEST_PAGE)
        used = old + LARGEST_PAGE;
    if (size > old)
        memset((char *)region->base + SILL__REGION_HEADER + old, 0,
               (size < used ? size : used) - old);
    SILL__STEP(region_resized);
    set_size(region, size);
    region->size = size;
    return 0;
}

int sill_region_resize(sill_region *region, size_t size)
{
    int rc = check_region(region);
    if (rc == 0)
        rc = check_size(size);
    if (rc != 0)
        return rc;
    if (region->ops->resize == NULL)
        return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s cannot be resized.",
                          sill_region_kind_name(region->ops->kind));
    bool others = region->ops->flush != NULL && !region->read_only;
    if ((!region->creator && !others) || !region->resizable)
        return sill__fail(SILL_INVALID, "Only the creator of a region can resize it (a file: who "
                                        "has it open for writing), and only if it was created "
                                        "resizable.");
    bool unmapped = region->base == NULL;
    if (!unmapped && others) /* somebody else may have resized it */
        rc = sill_region_unmap(region);
    if (rc == 0 && region->base == NULL)
        rc = sill_region_map(region);
    if (rc == 0)
        rc = resize_mapped(region, size);
    if (unmapped && region->base != NULL)
        sill_region_unmap(region);
    if (rc == 0 && region->claimed) {
        region->info.size = size;
        sill__owner_update(region->owner, &region->info);
    }
    return rc;
}

int sill_region_flush(const sill_region *region, size_t offset, size_t size, int wait)
{
    int rc = check_region(region);
    if (rc == 0)
        rc = check_flag(wait, "wait");
    if (rc != 0)
        return rc;
    if (region->ops->flush == NULL)
        return sill__fail(SILL_UNSUPPORTED, "Regions of the kind %s are not kept on a disk.",
                          sill_region_kind_name(region->ops->kind));
    if (region->base == NULL || region->read_only)
        return sill__fail(SILL_INVALID, "The region is not mapped, or for reading only.");
    if (offset > region->size || size > region->size - offset)
        return sill__fail(SILL_INVALID, "%zu bytes at %zu do not lie in a region of %zu.", size,
                          offset, region->size);
    size_t end = size != 0 ? offset + size : region->size;
    size_t from = offset != 0 ? offset + SILL__REGION_HEADER : 0;
    return region->ops->flush(region->memory, region->base, from, end + SILL__REGION_HEADER,
                              wait != 0);
}

void sill_region_close(sill_region *region)
{
    if (region == NULL)
        return;
    sill_error before = *sill_last_error();
    if (region->base != NULL)
        region->ops->unmap(region->memory, region->base);
    region->ops->close(region->memory);
    if (region->owner != NULL)
        sill__region_leave(region);
    sill__error_restore(&before);
    sill__free(region);
}
