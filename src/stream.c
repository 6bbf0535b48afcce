/* stream.c - frames over a connection's bytes. See stream.h, and wire.h for the frame.
 *
 * Writing: at most one frame of the owner's is under way (`writing`). Control frames that come up
 * meanwhile wait in `out` and go behind it; everything in `out` goes before the next frame. So
 * frames never mix, and two threads of the owner need only agree on who writes a frame.
 *
 * Reading: bytes come into the caller's scratch memory and are fed to a small machine that fills
 * the head, the body (in place, wherever the user wants it) and the commit byte. What is missing
 * of a large body is read straight to its place. Nothing of a frame is kept but what is in *s.
 */
#include "stream.h"

#include <string.h>

#include "clock.h"
#include "memory.h"
#include "status.h"
#include "step.h"

/* A body of which more than this is missing is read in place, not through the scratch memory. */
#define DIRECT_MIN 16384

/* What a sender waits for at most until the peer has read on, when it has sent all. */
#define ARRIVAL_NS INT64_C(1000000000)

/* Answers that nobody waits to write (bells, refusals, TAKEN) can be called for by a peer that
 * never reads them. One that keeps the rules leaves a few unread for each of its threads. */
#define CONTROL_MAX (1024 * 1024)

void sill__stream_init(struct sill__stream *s, sill__conn *conn,
                       const struct sill__stream_user *user, uint64_t data_max)
{
    memset(s, 0, sizeof *s);
    s->conn = conn;
    s->user = *user;
    s->data_max = data_max;
}

void sill__stream_shut(struct sill__stream *s)
{
    if (s->conn != NULL)
        s->conn->ops->close(s->conn);
    s->conn = NULL;
    sill__free(s->out);
    s->out = NULL;
    s->out_from = s->out_size = s->out_capacity = 0;
}

/* ---- writing ---- */

size_t sill__stream_queued(const struct sill__stream *s)
{
    return s->out_size - s->out_from;
}

/* Appends to `out`; data NULL for zeros. */
static int queue_bytes(struct sill__stream *s, const void *data, size_t size)
{
    if (s->out_from > s->out_size / 2 || s->out_from == s->out_size) {
        s->out_size -= s->out_from;
        if (s->out_size > 0)
            memmove(s->out, s->out + s->out_from, s->out_size);
        s->out_from = 0;
    }
    if (s->out_capacity - s->out_size < size) {
        size_t capacity = s->out_size + size + s->out_size / 2 + 512;
        unsigned char *out = sill__realloc(s->out, capacity);
        if (out == NULL)
            return sill__fail(SILL_NO_MEMORY, "no memory to queue a frame of %zu bytes", size);
        s->out = out;
        s->out_capacity = capacity;
    }
    if (data != NULL)
        memcpy(s->out + s->out_size, data, size);
    else
        memset(s->out + s->out_size, 0, size);
    s->out_size += size;
    return 0;
}

int sill__stream_flush(struct sill__stream *s)
{
    if (s->conn == NULL)
        return SILL_DIED;
    if (s->writing)
        return SILL_AGAIN;
    while (s->out_from < s->out_size) {
        struct sill__bytes part = {s->out + s->out_from, s->out_size - s->out_from};
        size_t sent = 0;
        int rc = s->conn->ops->send(s->conn, &part, 1, NULL, 0, &sent);
        if (rc != 0)
            return rc;
        s->out_from += sent;
    }
    return 0;
}

/* The first `count` handles of the frame were exported and will not be sent. */
static void unexport(struct sill__stream *s, const struct sill__writing *w, unsigned count)
{
    uint64_t values[SILL_HANDLES_MAX];
    if (count == 0 || s->conn == NULL || s->conn->ops->unexport == NULL)
        return;
    memcpy(values, w->head + SILL__FRAME_HEAD, 8 * (size_t)count);
    s->conn->ops->unexport(s->conn, values, count);
}

static bool has_arrived(const struct sill__stream *s, bool handles)
{
    if (s->conn == NULL)
        return true;
    if (s->conn->ops->under_way != NULL && s->conn->ops->under_way(s->conn))
        return false;
    return !handles || s->conn->ops->untaken == NULL || s->conn->ops->untaken(s->conn) == 0;
}

bool sill__stream_arrived(void *arrival)
{
    const struct sill__arrival *a = arrival;
    return has_arrived(a->stream, a->handles) || *a->peer_dead;
}

int64_t sill__arrival_deadline(int64_t deadline)
{
    return sill__earlier(deadline, sill__now_ns() + ARRIVAL_NS);
}

bool sill__stream_settled(struct sill__stream *s)
{
    int rc = sill__stream_flush(s);
    if (rc != 0)
        return rc != SILL_AGAIN;
    return has_arrived(s, true);
}

int sill__stream_prepare(struct sill__stream *s, struct sill__writing *w,
                         const struct sill__frame *head, const void *body, size_t size,
                         const sill_handle *handles, unsigned handle_count)
{
    if (s->conn == NULL)
        return SILL_DIED;
    struct sill__frame f = *head;
    f.size = (uint32_t)size;
    f.handles = (uint8_t)handle_count;
    memcpy(w->head, &f, sizeof f);
    for (unsigned i = 0; i < handle_count; i++) {
        uint64_t value = 0;
        int rc = s->conn->ops->export_handle(s->conn, handles[i], &value);
        if (rc != 0) {
            unexport(s, w, i);
            return rc;
        }
        memcpy(w->head + SILL__FRAME_HEAD + 8 * i, &value, 8);
        w->handles[i] = handles[i];
    }
    w->head_size = SILL__FRAME_HEAD + 8 * handle_count;
    w->handle_count = handle_count;
    w->body = body;
    w->body_size = size;
    w->commit = 1;
    w->done = 0;
    return 0;
}

/* The parts of the frame that the OS does not have yet. */
static unsigned parts_left(const struct sill__writing *w, struct sill__bytes parts[3])
{
    const struct sill__bytes all[3] = {
        {w->head, w->head_size}, {w->body, w->body_size}, {&w->commit, 1}};
    unsigned count = 0;
    size_t skip = w->done;
    for (unsigned i = 0; i < 3; i++) {
        if (skip >= all[i].size) {
            skip -= all[i].size;
            continue;
        }
        parts[count].data = (const unsigned char *)all[i].data + skip;
        parts[count].size = all[i].size - skip;
        skip = 0;
        count++;
    }
    return count;
}

int sill__stream_push(struct sill__stream *s, struct sill__writing *w)
{
    if (s->conn == NULL)
        return SILL_DIED;
    if (w->done == 0) {
        int rc = sill__stream_flush(s);
        if (rc != 0)
            return rc;
    }
    struct sill__bytes parts[3];
    unsigned count;
    while ((count = parts_left(w, parts)) > 0) {
        size_t sent = 0;
        unsigned handles = w->done == 0 ? w->handle_count : 0;
        int rc = s->conn->ops->send(s->conn, parts, count, w->handles, handles, &sent);
        if (rc != 0)
            return rc;
        w->done += sent;
        s->writing = true;
        if (w->done < w->head_size + w->body_size + 1)
            SILL__STEP(frame_half);
    }
    s->writing = false;
    int rc = sill__stream_flush(s); /* what came up meanwhile; the frame itself is away */
    return rc == SILL_AGAIN ? 0 : rc;
}

int sill__stream_take_back(struct sill__stream *s, struct sill__writing *w)
{
    s->writing = false;
    if (w->done == 0) {
        unexport(s, w, w->handle_count);
        return 0;
    }
    /* The rest of the frame goes before what is queued already. */
    size_t all = w->head_size + w->body_size + 1, rest = all - w->done;
    size_t behind = s->out_size - s->out_from;
    int rc = queue_bytes(s, NULL, rest);
    if (rc != 0)
        return rc;
    unsigned char *start = s->out + s->out_from;
    memmove(start + rest, start, behind);
    memset(start, 0, rest);
    if (w->done < w->head_size)
        memcpy(start, w->head + w->done, w->head_size - w->done);
    rc = sill__stream_flush(s);
    return rc == SILL_AGAIN ? 0 : rc;
}

int sill__stream_control(struct sill__stream *s, const struct sill__frame *head, const void *body,
                         size_t size)
{
    if (s->conn == NULL)
        return SILL_DIED;
    struct sill__frame f = *head;
    f.size = (uint32_t)size;
    f.handles = 0;
    const unsigned char commit = 1;
    size_t old_size = sill__stream_queued(s);
    if (old_size > CONTROL_MAX)
        return sill__fail(SILL_PROTOCOL, "the peer does not read: %zu bytes wait for it", old_size);
    int rc = queue_bytes(s, &f, sizeof f);
    if (rc == 0 && size > 0)
        rc = queue_bytes(s, body, size);
    if (rc == 0)
        rc = queue_bytes(s, &commit, 1);
    if (rc != 0) {
        s->out_size = s->out_from + old_size; /* no half frame stays */
        return rc;
    }
    return sill__stream_flush(s);
}

/* ---- reading ---- */

/* What the frame under way still needs, in order: head and values, body, commit. */
static size_t head_size(const struct sill__stream *s)
{
    return s->head_have < SILL__FRAME_HEAD
               ? SILL__FRAME_HEAD
               : SILL__FRAME_HEAD + 8 * (size_t)s->frame.handles;
}

static int head_complete(struct sill__stream *s)
{
    if (s->head_have == SILL__FRAME_HEAD) {
        memcpy(&s->frame, s->head, SILL__FRAME_HEAD);
        int rc = sill__frame_check(&s->frame, s->data_max);
        if (rc != 0)
            return rc;
    }
    if (s->head_have < head_size(s))
        return 0; /* the handles' values are still to come */
    s->body = NULL;
    s->body_have = 0;
    int rc = s->user.begin(s->user.arg, &s->frame, &s->body);
    s->begun = rc == 0;
    return rc;
}

static int import_handles(struct sill__stream *s, sill_handle *handles)
{
    for (unsigned i = 0; i < s->frame.handles; i++) {
        uint64_t value;
        memcpy(&value, s->head + SILL__FRAME_HEAD + 8 * i, 8);
        int rc = s->conn->ops->import_handle(s->conn, value, &handles[i]);
        if (rc != 0) {
            while (i-- > 0)
                sill__conn_close_handle(s->conn->ops, handles[i]);
            return rc;
        }
    }
    return 0;
}

/* The user has dealt with the handles: only now may their sender rely on it. */
static int say_taken(struct sill__stream *s, const sill_handle *handles, unsigned count)
{
    if (s->conn == NULL || (s->conn->ops->caps & SILL__CHANNEL_TAKEN) == 0)
        return 0;
    if (s->conn->ops->imported != NULL)
        s->conn->ops->imported(s->conn, handles, count);
    const struct sill__frame taken = {.type = SILL__FRAME_TAKEN, .word = count};
    int rc = sill__stream_control(s, &taken, NULL, 0);
    return rc == SILL_AGAIN || rc == SILL_DIED ? 0 : rc;
}

static int frame_complete(struct sill__stream *s, unsigned char commit)
{
    if (commit > 1)
        return sill__fail(SILL_PROTOCOL, "the peer sent a frame that does not end as it must");
    sill_handle handles[SILL_HANDLES_MAX];
    int rc = import_handles(s, handles);
    if (rc != 0)
        return rc;
    struct sill__frame frame = s->frame;
    s->begun = false;
    s->head_have = 0;
    s->completed++;
    if (frame.type == SILL__FRAME_TAKEN && commit == 1 && s->conn->ops->taken != NULL) {
        if (frame.word > UINT32_MAX)
            return sill__fail(SILL_PROTOCOL, "the peer took more handles than there are");
        rc = s->conn->ops->taken(s->conn, (unsigned)frame.word);
    }
    int end = s->user.end(s->user.arg, &frame, handles, commit == 1);
    if (rc == 0)
        rc = end;
    return rc == 0 && frame.handles > 0 ? say_taken(s, handles, frame.handles) : rc;
}

/* Feeds bytes to the machine until they are used up or the stream has ended. */
static int feed(struct sill__stream *s, const unsigned char *bytes, size_t size)
{
    size_t at = 0;
    int rc = 0;
    while (at < size && rc == 0 && s->conn != NULL) {
        if (!s->begun) {
            size_t want = head_size(s) - s->head_have;
            size_t take = want < size - at ? want : size - at;
            memcpy(s->head + s->head_have, bytes + at, take);
            s->head_have += take;
            at += take;
            if (take == want)
                rc = head_complete(s);
        } else if (s->body_have < s->frame.size) {
            size_t want = s->frame.size - s->body_have;
            size_t take = want < size - at ? want : size - at;
            memcpy((unsigned char *)s->body + s->body_have, bytes + at, take);
            s->body_have += take;
            at += take;
        } else {
            rc = frame_complete(s, bytes[at++]);
        }
    }
    return rc;
}

/* Reads the missing part of a large body straight to its place. */
static int read_body(struct sill__stream *s)
{
    size_t got = 0;
    int rc = s->conn->ops->recv(s->conn, (unsigned char *)s->body + s->body_have,
                                s->frame.size - s->body_have, &got);
    if (rc == 0)
        s->body_have += got;
    return rc;
}

int sill__stream_read(struct sill__stream *s, unsigned frames, void *scratch, size_t scratch_size)
{
    unsigned before = s->completed;
    while (s->conn != NULL) {
        if (s->begun && s->frame.size - s->body_have > DIRECT_MIN) {
            int rc = read_body(s);
            if (rc != 0)
                return rc;
            continue;
        }
        if (s->completed - before >= frames)
            return 0;
        size_t got = 0;
        int rc = s->conn->ops->recv(s->conn, scratch, scratch_size, &got);
        if (rc != 0)
            return rc;
        /* All that was read is fed: frames beyond the number asked for cannot wait outside. */
        rc = feed(s, scratch, got);
        if (rc != 0)
            return rc;
    }
    return SILL_DIED;
}
