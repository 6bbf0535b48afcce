/* link.c - the life of a link: creation, handshake, end. See link.h.
 */
#include "link.h"

#include <stdio.h>
#include <string.h>

#include "barrier.h"
#include "memory.h"
#include "process.h"
#include "region_internal.h"
#include "status.h"
#include "step.h"

int sill__link_init(struct sill__link *link, struct sill__hub *hub, sill_port *port,
                    sill__conn *conn, const sill_port_options *options, const sill_policy *policy)
{
    struct sill__stream_user user = sill__link_reader;
    user.arg = link;
    link->source.work = sill__link_work;
    link->source.bury = sill__port_bury;
    link->source.looks = sill__link_looks;
    link->source.seen = sill__link_seen;
    link->source.arm = sill__link_arm;
    link->source.lazy = sill__link_peer_lazy;
    link->source.soon = sill__link_peer_soon;
    link->source.ring = sill__link_ring_held;
    for (unsigned i = 0; i < SILL__LANES; i++)
        link->lanes[i].link = link;
    link->hub = hub;
    link->port = port;
    link->state = SILL__LINK_SILENT;
    link->peer = *conn->ops->peer(conn);
    link->channel = conn->ops;
    link->policy = *policy;
    link->require_mapped = options->require_mapped != 0;
    link->region_kind = conn->ops->region;
    link->message_max = options->message_max;
    link->queue_max = options->queue_max;
    link->reply_timeout_ms = options->reply_timeout_ms;
    link->progress = options->progress;
    link->progress_arg = options->progress_arg;
    link->peer_message_max = 0;
    link->small_max = -1;
    link->writable = true;
    sill__stream_init(&link->stream, conn, &user, 0);
    int rc = 0;
    if (options->learn != 0 && (link->learn = sill__learn_new(policy)) == NULL)
        rc = sill__fail(SILL_NO_MEMORY, "there is not enough memory for what a port learns");
    if (rc == 0)
        rc = conn->ops->watch(conn, hub->wait, &link->source);
    if (rc != 0) {
        sill__free(link->learn);
        link->learn = NULL;
        sill__stream_shut(&link->stream);
        link->state = SILL__LINK_ENDED;
        link->end = rc;
        return rc;
    }
    sill__hub_ready(hub, &link->source, SILL__READABLE); /* bytes may have come before the watch */
    return 0;
}

/* Messages of which the rest will not come. (Of a message in the ring it may be there already.) */
static void drop_unfinished(struct sill__link *link)
{
    bool chunk = false;
    for (unsigned i = 0; i < SILL__LANES; i++) {
        struct sill__lane *lane = &link->lanes[i];
        chunk = chunk || link->incoming == lane->chunked;
        sill__received_free(lane->chunked);
        lane->chunked = NULL;
    }
    if (!chunk)
        sill__received_free(link->incoming);
    link->incoming = NULL;
}

void sill__link_end(struct sill__link *link, int why)
{
    if (link->state == SILL__LINK_ENDED)
        return;
    if (why == SILL_DIED && link->peer_closed)
        why = SILL_CLOSED;
    sill_port *port = link->port;
    sill__port_ref(port); /* a server forgets a port that nobody knows of as soon as it ends */
    sill__link_close_rings(link, link->state == SILL__LINK_OPEN &&
                                     (why == SILL_CLOSED || why == SILL_DIED));
    link->state = SILL__LINK_ENDED;
    link->small_max = -1;
    link->end = why;
    const sill_error *error = sill_last_error();
    bool told = error->status == why && why != SILL_CLOSED && why != SILL_DIED;
    snprintf(link->end_text, sizeof link->end_text, "%.*s", (int)sizeof link->end_text - 1,
             told ? error->message : sill_status_text(why)); /* for other threads to pass on */
    sill__stream_shut(&link->stream);
    sill__hub_forget(link->hub, &link->source);
    drop_unfinished(link);
    sill__port_ready(port);
    sill__hub_changed(link->hub);
    sill__port_unref(port);
}

static void free_row(struct sill__row *row)
{
    for (struct sill__received *r; (r = row->first) != NULL;) {
        row->first = r->next;
        sill__received_free(r);
    }
}

void sill__link_free(struct sill__link *link)
{
    for (unsigned i = 0; i < SILL__LANES; i++) {
        struct sill__lane *lane = &link->lanes[i];
        free_row(&lane->parked);
        free_row(&lane->placed);
        free_row(&lane->ready);
        sill__received_free(lane->partial);
        sill__ring_in_free(&lane->in);
    }
    sill__received_free(link->greeting);
    sill__link_free_loans(link);
    sill__free(link->spare);
    link->spare = NULL;
    for (unsigned i = 0; i < SILL__SEGMENTS_LIMIT; i++)
        if (link->peer_segments[i] != NULL)
            sill__peer_segment_unref(link->peer_segments[i]);
    sill__free(link->learn);
    sill__arena_destroy(link->arena);
    sill_region_close(link->peer_region);
    sill_region_close(link->own_region);
}

static bool settled(void *arg)
{
    struct sill__link *link = arg;
    return link->state == SILL__LINK_ENDED || sill__stream_settled(&link->stream);
}

void sill__link_close(struct sill__link *link, int64_t linger_ns)
{
    if (link->state != SILL__LINK_ENDED) {
        link->cancels.told = atomic_load(&link->cancels.asked); /* canceled calls are over */
        SILL__STEP(close_begin);
        const struct sill__frame close = {.type = SILL__FRAME_CLOSE};
        sill__link_control(link, &close, NULL, 0);
        if (!settled(link) && linger_ns > 0)
            sill__link_wait(link, settled, link, sill__now_ns() + linger_ns,
                            link->cancels.told);
        SILL__STEP(close_sent);
    }
    sill__link_end(link, SILL_CLOSED);
}

void sill__link_abandon(struct sill__link *link)
{
    link->state = SILL__LINK_ENDED;
    link->small_max = -1;
    link->own = NULL; /* the words are still the parent's */
    sill__stream_shut(&link->stream);
}

/* ---- handshake ---- */

int sill__link_new_region(struct sill__link *link, sill_region **out, size_t size)
{
    sill__conn *conn = link->stream.conn;
    char object[64];
    bool kept =
        conn != NULL && conn->ops->region_object != NULL && conn->ops->region_object(conn, object);
    return sill__region_create_passed(out, link->region_kind, size, kept ? object : NULL);
}

/* Makes the region with our control words and rings. Without it the link works, over the channel
 * alone. */
static int make_own_words(struct sill__link *link)
{
    if (link->policy.path == SILL_PATH_CHANNEL && !link->require_mapped)
        return 0;
    sill_region *region = NULL;
    size_t size = sizeof *link->own + (size_t)link->policy.ring_size;
    int rc = sill__link_new_region(link, &region, size);
    sill_handle handle;
    if (rc == 0)
        rc = sill_region_handle(region, &handle);
    if (rc != 0) {
        sill_region_close(region);
        return link->require_mapped ? rc : 0;
    }
    link->own_region = region;
    link->own = sill_region_data(region);
    link->own->slots = SILL__SLOTS;
    link->own->ring_size = (uint32_t)link->policy.ring_size;
    return 0;
}

static int send_greeting(struct sill__link *link, uint8_t type, uint16_t version, const void *data,
                         size_t size, int64_t deadline)
{
    unsigned char *body = sill__alloc(sizeof(struct sill__hello) + size);
    if (body == NULL)
        return sill__fail(SILL_NO_MEMORY, "no memory for a greeting");
    const struct sill__hello hello = {
        .magic = SILL__HELLO_MAGIC,
        .version = version,
        .oldest = type == SILL__FRAME_HELLO ? SILL__WIRE_OLDEST : version,
        .features = (link->own != NULL ? SILL__FEATURE_MAP : 0U) |
                    (sill__barrier_register() ? SILL__FEATURE_BARRIER : 0U),
        .ring_size = link->own != NULL ? (uint32_t)link->policy.ring_size : 0,
        .message_max = link->message_max,
    };
    memcpy(body, &hello, sizeof hello);
    if (size > 0)
        memcpy(body + sizeof hello, data, size);
    sill_handle handle = SILL_NO_HANDLE;
    if (link->own != NULL)
        sill_region_handle(link->own_region, &handle);
    const struct sill__frame head = {.type = type};
    int rc = sill__link_write(link, &head, body, sizeof hello + size, &handle,
                              link->own != NULL ? 1 : 0, deadline, link->cancels.told);
    sill__free(body);
    return rc;
}

int sill__link_hello(struct sill__link *link, const void *data, size_t size, int64_t deadline)
{
    int rc = make_own_words(link);
    if (rc != 0)
        return rc;
    link->state = SILL__LINK_GREETING;
    rc = send_greeting(link, SILL__FRAME_HELLO, SILL__WIRE_VERSION, data, size, deadline);
    if (rc == 0)
        SILL__STEP(connect_hello);
    return rc;
}

void sill__link_open(struct sill__link *link)
{
    link->state = SILL__LINK_OPEN;
    if ((link->can & SILL_CAN_INLINE) != 0 && (link->policy.path == SILL_PATH_AUTO ||
                                               link->policy.path == SILL_PATH_INLINE))
        link->small_max = (int64_t)link->policy.inline_max;
    sill__hub_heat(link->hub, &link->source);
}

int sill__link_welcome(struct sill__link *link, const void *data, size_t size, int64_t deadline)
{
    sill__link_open(link); /* what the client sends after it has the WELCOME is welcome */
    int rc = send_greeting(link, SILL__FRAME_WELCOME, SILL__WIRE_VERSION, data, size, deadline);
    if (rc == 0)
        SILL__STEP(accept_welcome);
    return rc;
}

void sill__link_refuse(struct sill__link *link, int status, const void *data, size_t size)
{
    if (link->state == SILL__LINK_ENDED)
        return;
    const struct sill__frame head = {.type = SILL__FRAME_REFUSE,
                                     .word = (uint64_t)(uint32_t)-status};
    sill__link_control(link, &head, data, size);
    SILL__STEP(refuse_sent);
    sill__link_end(link, SILL_CLOSED);
}

/* Maps the peer's control words and rings. PROTOCOL if they are not what they must be; other
 * failures only mean that nothing can be mapped. */
static int map_peer_words(struct sill__link *link, uint32_t ring_size, sill_handle handle)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = link->region_kind;
    options.read_only = 1;
    options.size = sizeof(struct sill__control) + ring_size;
    int rc = sill_region_open_handle(&link->peer_region, handle, &options);
    if (rc == SILL_NO_MEMORY || rc == SILL_LIMIT || rc == SILL_OS || rc == SILL_UNSUPPORTED)
        return link->require_mapped ? rc : 0;
    if (rc == SILL_NOT_FOUND)
        return sill__fail(SILL_DIED, "the peer's shared memory has gone with it");
    if (rc != 0)
        return rc == SILL_PROTOCOL
                   ? rc
                   : sill__fail(SILL_PROTOCOL, "the peer shared memory that is not as it must be");
    const struct sill__control *words = sill_region_data(link->peer_region);
    uint32_t slots = *(const volatile uint32_t *)&words->slots;
    if (slots != SILL__SLOTS)
        return sill__fail(SILL_PROTOCOL, "the peer's release table has %lu slots instead of %u",
                          (unsigned long)slots, SILL__SLOTS);
    link->peer_words = words;
    link->can |= SILL_CAN_MAP;
    sill__link_rings(link, link->policy.ring_size, ring_size);
    int kind = sill_region_kind_of(link->peer_region);
    link->trusted_peer = (sill_region_capabilities(kind) & SILL_REGION_SEALED) == 0;
    return 0;
}

int sill__link_learn(struct sill__link *link, const struct sill__hello *hello, sill_handle handle)
{
    link->peer_message_max = hello->message_max;
    bool maps = (hello->features & SILL__FEATURE_MAP) != 0;
    if (maps != (handle != SILL_NO_HANDLE))
        return sill__fail(SILL_PROTOCOL, "the peer's greeting contradicts itself");
    link->may_be_lazy = (hello->features & SILL__FEATURE_BARRIER) != 0 && sill__barrier_register();
    /* whoever is waited for on the only processor cannot run while we look */
    if (link->hub->spin_ns == 0 && sill__process_parallel(link->peer.pid))
        sill__hub_set_spin(link->hub, link->policy.spin_ns);
    if (link->own == NULL && link->state == SILL__LINK_SILENT && maps) {
        int rc = make_own_words(link);
        if (rc != 0)
            return rc;
    }
    if (maps && link->own != NULL)
        return map_peer_words(link, hello->ring_size, handle);
    if (link->require_mapped)
        return sill__fail(SILL_UNSUPPORTED, "the peer cannot share memory, and it is required");
    return 0;
}
