/* pipe.c - byte streams: names, deadlines, and how a stream ended. See sill/pipe.h.
 *
 * A named pipe has two owner records, the creator's (SILL__OWNER_PIPE) and that of the one who
 * opened it (SILL__OWNER_PIPE_PEER); holding it means to have that end, so nobody else gets it.
 * Closing in order takes the record away first and closes the end second. So whoever meets the end
 * of the stream looks at the peer's record: it is gone, then the peer closed; it is stale, then it
 * died. A process that is being killed may have closed its end while its record still counts as
 * living, which lasts only for a moment.
 */
#include "pipe_ends.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "channel_ops.h"
#include "clock.h"
#include "memory.h"
#include "status.h"
#include "step.h"

#define DIRECTORY_SIZE 1024
#define DYING_NS       INT64_C(2000000000) /* how long a process may be about to end */
#define ARRIVAL_NS     INT64_C(1000000000)
#define FIRST_PAUSE_NS INT64_C(200000)
#define MOST_PAUSE_NS  INT64_C(20000000)

struct sill_pipe {
    sill__end *end;
    sill__owner *owner; /* NULL: an anonymous one */
    uint32_t generation;
    bool writer;
    bool creator;
    bool met;                /* creator: it has looked who opened the other end */
    int ended;               /* with what; 0: not yet */
    atomic_uint asked, told; /* cancels: asked for, and told to a caller */
    char name[SILL__NAME_MAX + 1];
    char *directory;
    struct sill__process peer; /* pid 0: not known */
};

/* ---- records ---- */

/* The record of `kind` under the pipe's name. NOT_FOUND. */
static int find_record(const sill_pipe *pipe, enum sill__owner_kind kind,
                       struct sill__owner_info *info)
{
    sill__owner *held;
    int status = sill__owner_join(&held, pipe->directory, kind, pipe->name, info);
    if (status == SILL_OK)
        sill__owner_release(held, false);
    return status;
}

int sill__pipe_remove_object(void *directory, const struct sill__owner_info *info)
{
    struct sill__pipe_place place = {.name = info->name, .directory = directory};
    if (info->kind == SILL__OWNER_PIPE_PEER)
        return SILL_OK;
    sill__owner_file_name(SILL__OWNER_PIPE, info->name, place.file);
    memcpy(place.object, info->object, sizeof place.object);
    return sill__end_remove(&place);
}

static int claim(sill_pipe *pipe, enum sill__owner_kind kind, const char *object)
{
    struct sill__owner_info info = {.kind = kind};
    sill_error before = *sill_last_error();
    memcpy(info.name, pipe->name, sizeof info.name);
    snprintf(info.object, sizeof info.object, "%s", object);
    int status = sill__owner_remove_stale(pipe->directory, kind, pipe->name,
                                          sill__pipe_remove_object, pipe->directory);
    if (status != SILL_OK && status != SILL_NOT_FOUND)
        return status;
    sill__error_restore(&before); /* that there was nothing is no failure */
    return sill__owner_claim(&pipe->owner, pipe->directory, &info, NULL);
}

/* ---- making ---- */

static int check_end(int end)
{
    if (end == SILL_PIPE_READ || end == SILL_PIPE_WRITE)
        return SILL_OK;
    return sill__fail(SILL_INVALID, "The end %d is neither SILL_PIPE_READ nor SILL_PIPE_WRITE.",
                      end);
}

static int pipe_blank(sill_pipe **out, int end)
{
    sill_pipe *pipe = sill__alloc_zeroed(sizeof *pipe);
    if (pipe == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a pipe.");
    pipe->generation = sill__fork_generation();
    pipe->writer = end == SILL_PIPE_WRITE;
    *out = pipe;
    return SILL_OK;
}

static void pipe_free(sill_pipe *pipe)
{
    sill__free(pipe->directory);
    sill__free(pipe);
}

/* One with a name, which is checked, and the place that belongs to it. */
static int pipe_named(sill_pipe **out, struct sill__pipe_place *place, const char *name, int end,
                      const char *directory)
{
    char path[DIRECTORY_SIZE];
    sill_pipe *pipe;
    if (out == NULL || name == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the pipe, or no name.");
    int status = check_end(end);
    if (status == SILL_OK)
        status = sill__name_check(name);
    if (status == SILL_OK)
        status = sill__runtime_directory(directory, path, sizeof path);
    if (status == SILL_OK)
        status = pipe_blank(&pipe, end);
    if (status != SILL_OK)
        return status;
    snprintf(pipe->name, sizeof pipe->name, "%s", name);
    pipe->directory = sill__strdup(path);
    if (pipe->directory == NULL) {
        pipe_free(pipe);
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a pipe.");
    }
    *place = (struct sill__pipe_place){.name = pipe->name, .directory = pipe->directory};
    sill__owner_file_name(SILL__OWNER_PIPE, name, place->file);
    *out = pipe;
    return SILL_OK;
}

int sill_pipe_create(sill_pipe **pipe, const char *name, int end, const char *directory)
{
    struct sill__pipe_place place;
    sill_pipe *made = NULL;
    int status = pipe == NULL ? sill__fail(SILL_INVALID, "There is no place for the pipe.")
                              : pipe_named(&made, &place, name, end, directory);
    if (status != SILL_OK)
        return status;
    made->creator = true;
    status = sill__end_object(place.object, made->writer);
    if (status == SILL_OK)
        status = claim(made, SILL__OWNER_PIPE, place.object);
    if (status != SILL_OK)
        goto fail;
    SILL__STEP(pipe_claimed);
    status = sill__end_make(&made->end, &place, made->writer);
    if (status != SILL_OK)
        goto fail_record;
    SILL__STEP(pipe_made);
    *pipe = made;
    return SILL_OK;

fail_record:
    sill__owner_release(made->owner, true);
fail:
    pipe_free(made);
    return status;
}

/* The creator's record, of one that lives. */
static int read_creator(sill_pipe *pipe, struct sill__pipe_place *place)
{
    struct sill__owner_info info;
    int status = find_record(pipe, SILL__OWNER_PIPE, &info);
    if (status != SILL_OK && status != SILL_NOT_FOUND)
        return status;
    if (status == SILL_NOT_FOUND || sill__process_alive(&info.process) == 0)
        return sill__fail(SILL_NOT_FOUND, "There is no pipe \"%s\".", pipe->name);
    memcpy(place->object, info.object, sizeof place->object);
    pipe->peer = info.process;
    if ((place->object[0] == 'w') == pipe->writer)
        return sill__fail(SILL_INVALID, "The creator of the pipe \"%s\" %s it.", pipe->name,
                          pipe->writer ? "writes" : "reads");
    return SILL_OK;
}

/* Takes the peer's record. Of a stream that had its peer it is left alone, since the creator looks
 * there for how that one ended. */
static int claim_peer(sill_pipe *pipe, const struct sill__pipe_place *place)
{
    struct sill__owner_info info;
    int status = SILL_EXISTS;
    if (sill__end_waits(place))
        status = claim(pipe, SILL__OWNER_PIPE_PEER, "");
    else if (find_record(pipe, SILL__OWNER_PIPE_PEER, &info) != SILL_OK)
        return sill__fail(SILL_NOT_FOUND, "The pipe \"%s\" has been used.", pipe->name);
    if (status == SILL_EXISTS)
        return sill__fail(SILL_DENIED, "The pipe \"%s\" has been opened by somebody else.",
                          pipe->name);
    return status;
}

int sill_pipe_open(sill_pipe **pipe, const char *name, int end, const char *directory)
{
    struct sill__pipe_place place;
    sill_pipe *made = NULL;
    int status = pipe == NULL ? sill__fail(SILL_INVALID, "There is no place for the pipe.")
                              : pipe_named(&made, &place, name, end, directory);
    if (status != SILL_OK)
        return status;
    status = read_creator(made, &place);
    if (status == SILL_OK)
        status = claim_peer(made, &place);
    if (status != SILL_OK)
        goto fail;
    status = sill__end_open(&made->end, &place, made->writer);
    if (status != SILL_OK)
        goto fail_record;
    sill__end_set_peer(made->end, &made->peer);
    SILL__STEP(pipe_opened);
    *pipe = made;
    return SILL_OK;

fail_record:
    sill__owner_release(made->owner, true);
fail:
    pipe_free(made);
    return status;
}

int sill_pipe_anonymous(sill_pipe **pipe, int end, sill_handle *other)
{
    sill_pipe *made;
    if (pipe == NULL || other == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the pipe or its other end.");
    int status = check_end(end);
    if (status == SILL_OK)
        status = pipe_blank(&made, end);
    if (status != SILL_OK)
        return status;
    status = sill__end_anonymous(&made->end, made->writer, other);
    if (status != SILL_OK) {
        pipe_free(made);
        return status;
    }
    *pipe = made;
    return SILL_OK;
}

int sill_pipe_pair(sill_handle *reader, sill_handle *writer)
{
    if (reader == NULL || writer == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the two ends.");
    return sill__pipe_plain(reader, writer);
}

/* ---- the end ---- */

static int say_ended(const sill_pipe *pipe)
{
    if (pipe->ended == SILL_DIED)
        return sill__fail(SILL_DIED, "The %s of the pipe ended without closing it.",
                          pipe->writer ? "reader" : "writer");
    return sill__fail(SILL_CLOSED, "The %s closed the pipe.", pipe->writer ? "reader" : "writer");
}

/* The stream is over: whether the peer closed it or died. */
static int judge_end(sill_pipe *pipe)
{
    enum sill__owner_kind kind = pipe->creator ? SILL__OWNER_PIPE_PEER : SILL__OWNER_PIPE;
    int64_t deadline = sill__now_ns() + DYING_NS;
    int64_t pause = FIRST_PAUSE_NS;
    struct sill__owner_info info;
    if (pipe->owner == NULL)
        return SILL_CLOSED;
    for (;;) {
        int status = find_record(pipe, kind, &info);
        if (status != SILL_OK)
            return status == SILL_NOT_FOUND ? SILL_CLOSED : status;
        if (pipe->peer.pid != 0 &&
            (info.process.pid != pipe->peer.pid || info.process.start != pipe->peer.start))
            return SILL_CLOSED;
        if (sill__process_alive(&info.process) == 0 || sill__now_ns() >= deadline)
            return SILL_DIED;
        sill__sleep_ns(pause);
        pause = pause * 2 < MOST_PAUSE_NS ? pause * 2 : MOST_PAUSE_NS;
    }
}

static int end_pipe(sill_pipe *pipe)
{
    int status = judge_end(pipe);
    if (status != SILL_CLOSED && status != SILL_DIED)
        return status;
    pipe->ended = status;
    return say_ended(pipe);
}

/* ---- reading and writing ---- */

static int check_use(const sill_pipe *pipe, bool writer)
{
    if (pipe == NULL)
        return sill__fail(SILL_INVALID, "There is no pipe.");
    if (pipe->generation != sill__fork_generation())
        return sill__fail(SILL_INVALID, "The pipe belongs to the parent process.");
    if (pipe->writer != writer)
        return sill__fail(SILL_INVALID, "This end of the pipe is for %s.",
                          pipe->writer ? "writing" : "reading");
    return pipe->ended != 0 ? say_ended(pipe) : SILL_OK;
}

/* Once, when the other end has been opened: from its record the system can watch the
 * process. */
static void meet_peer(sill_pipe *pipe)
{
    struct sill__owner_info info;
    sill_error before = *sill_last_error();
    if (!pipe->creator || pipe->met || !sill__end_wants_peer(pipe->end))
        return;
    pipe->met = true;
    if (find_record(pipe, SILL__OWNER_PIPE_PEER, &info) != SILL_OK) {
        sill__error_restore(&before); /* it has closed already */
        return;
    }
    pipe->peer = info.process;
    sill__end_set_peer(pipe->end, &pipe->peer);
}

static int await(sill_pipe *pipe, int64_t deadline, unsigned seen)
{
    unsigned asked = atomic_load(&pipe->asked);
    if (asked != seen) {
        atomic_store(&pipe->told, asked);
        return SILL_CANCELED;
    }
    meet_peer(pipe);
    return sill__end_wait(pipe->end, deadline);
}

int sill_pipe_read(sill_pipe *pipe, void *buffer, size_t capacity, size_t *size, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    int status = check_use(pipe, false);
    if (status != SILL_OK)
        return status;
    if (size == NULL || buffer == NULL || capacity == 0)
        return sill__fail(SILL_INVALID, "There is no place for bytes or their number.");
    unsigned seen = atomic_load(&pipe->told);
    while ((status = sill__end_read(pipe->end, buffer, capacity, size)) == SILL_AGAIN) {
        status = await(pipe, deadline, seen);
        if (status != SILL_OK)
            return status == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : status;
    }
    meet_peer(pipe);
    return status == SILL_CLOSED ? end_pipe(pipe) : status;
}

/* Everything is written. That our death cannot take it back is waited for too, for a while. */
static void await_arrival(sill_pipe *pipe, int64_t deadline, unsigned seen)
{
    int status = SILL_OK;
    if (!sill__end_under_way(pipe->end))
        return;
    deadline = sill__earlier(deadline, sill__now_ns() + ARRIVAL_NS);
    while (status == SILL_OK && sill__end_under_way(pipe->end))
        status = await(pipe, deadline, seen);
    if (status == SILL_CANCELED)
        atomic_store(&pipe->told, seen); /* the next call is canceled */
}

int sill_pipe_write(sill_pipe *pipe, const void *data, size_t size, size_t *written, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    size_t none, put;
    size_t *done = written != NULL ? written : &none;
    *done = 0;
    int status = check_use(pipe, true);
    if (status != SILL_OK)
        return status;
    if (data == NULL && size > 0)
        return sill__fail(SILL_INVALID, "There is no data.");
    unsigned seen = atomic_load(&pipe->told);
    while (*done < size) {
        status = sill__end_write(pipe->end, (const char *)data + *done, size - *done, &put);
        if (status == SILL_OK) {
            *done += put;
            if (*done < size)
                SILL__STEP(pipe_half);
            continue;
        }
        if (status == SILL_AGAIN)
            status = await(pipe, deadline, seen);
        if (status == SILL_CLOSED)
            return end_pipe(pipe);
        if (status != SILL_OK)
            return status == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : status;
    }
    await_arrival(pipe, deadline, seen);
    return SILL_OK;
}

void sill_pipe_cancel(sill_pipe *pipe)
{
    if (pipe == NULL || pipe->generation != sill__fork_generation())
        return;
    atomic_fetch_add(&pipe->asked, 1);
    sill__end_wake(pipe->end);
}

int sill_pipe_pollable(sill_pipe *pipe, sill_handle *handle)
{
    if (handle == NULL || pipe == NULL || pipe->generation != sill__fork_generation())
        return sill__fail(SILL_INVALID, "There is no pipe of this process, or no place for the "
                                        "handle.");
    if (pipe->writer)
        return sill__fail(SILL_UNSUPPORTED, "The writing end of a pipe has no handle to wait on.");
    return sill__end_pollable(pipe->end, handle);
}

void sill_pipe_close(sill_pipe *pipe)
{
    if (pipe == NULL)
        return;
    bool ours = pipe->generation == sill__fork_generation();
    if (ours)
        sill__end_unname(pipe->end);
    sill__owner_release(pipe->owner, ours); /* before the end: see above */
    if (ours)
        SILL__STEP(pipe_close);
    sill__end_close(pipe->end);
    pipe_free(pipe);
}

void sill_handle_close(sill_handle handle)
{
    sill__handle_close(handle);
}
