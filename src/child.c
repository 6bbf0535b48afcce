/* child.c - child processes: their standard streams, and lines of them. See sill/pipe.h.
 *
 * What a child gets is decided here and handed to the system's part as plain handles. Those that
 * were made for it are closed as soon as it has them: a pipe ends when its last writer does.
 */
#include "pipe_ends.h"

#include <string.h>

#include "channel_ops.h"
#include "clock.h"
#include "memory.h"
#include "process.h"
#include "status.h"

struct sill_child {
    struct sill__running running;
    uint32_t generation;
    bool ended;
    int code;
};

/* The handles that were made for one child. */
struct streams {
    sill_handle made[3]; /* SILL_NO_HANDLE: none */
    sill_pipe *pipes[3];
};

static const sill_child_io *io_of(const sill_child_options *options, int stream)
{
    return stream == 0 ? &options->in : stream == 1 ? &options->out : &options->err;
}

/* Looked at before anything is made: one that is not open could soon be one of ours. */
static int check_handle(sill_handle handle)
{
    return sill__child_has(handle)
               ? SILL_OK
               : sill__fail(SILL_INVALID, "The handle %lld for the child is not open.",
                            (long long)handle);
}

static int check_options(const char *const *arguments, const sill_child_options *options)
{
    static const char *const names[] = {"in", "out", "err"};
    if (arguments == NULL || arguments[0] == NULL || arguments[0][0] == '\0')
        return sill__fail(SILL_INVALID, "There is no program to start.");
    if (options->struct_size != sizeof *options)
        return sill__fail(SILL_INVALID, "The options are not set to SILL_CHILD_OPTIONS_INIT.");
    if (options->handle_count > SILL_CHILD_HANDLES_MAX ||
        (options->handle_count > 0 && options->handles == NULL))
        return sill__fail(SILL_INVALID,
                          "%u further handles are too many, or not there: at most %d.",
                          options->handle_count, SILL_CHILD_HANDLES_MAX);
    for (int i = 0; i < 3; i++) {
        const sill_child_io *io = io_of(options, i);
        int most = i == 2 ? SILL_CHILD_TO_OUT : SILL_CHILD_HANDLE;
        if (io->how < SILL_CHILD_INHERIT || io->how > most)
            return sill__fail(SILL_INVALID, "The option %s.how is %d, which is none.", names[i],
                              io->how);
        if (io->how == SILL_CHILD_HANDLE && io->handle == SILL_NO_HANDLE)
            return sill__fail(SILL_INVALID, "The option %s names no handle.", names[i]);
    }
    int status = SILL_OK;
    for (int i = 0; i < 3 && status == SILL_OK; i++)
        if (io_of(options, i)->how == SILL_CHILD_HANDLE)
            status = check_handle(io_of(options, i)->handle);
    for (unsigned i = 0; i < options->handle_count && status == SILL_OK; i++)
        status = check_handle(options->handles[i]);
    return status;
}

static void streams_close(struct streams *streams, bool pipes)
{
    for (int i = 0; i < 3; i++) {
        if (streams->made[i] != SILL_NO_HANDLE)
            sill__handle_close(streams->made[i]);
        if (pipes)
            sill_pipe_close(streams->pipes[i]);
    }
}

static int streams_make(struct streams *streams, struct sill__child_plan *plan,
                        const sill_child_options *options)
{
    for (int i = 0; i < 3; i++)
        streams->made[i] = SILL_NO_HANDLE;
    for (int i = 0; i < 3; i++) {
        const sill_child_io *io = io_of(options, i);
        plan->stream[i] = io->how == SILL_CHILD_HANDLE ? io->handle : SILL_NO_HANDLE;
        plan->inherit[i] = io->how == SILL_CHILD_INHERIT;
        plan->err_to_out = plan->err_to_out || io->how == SILL_CHILD_TO_OUT;
        if (io->how != SILL_CHILD_PIPE)
            continue;
        int status = sill_pipe_anonymous(
            &streams->pipes[i], i == 0 ? SILL_PIPE_WRITE : SILL_PIPE_READ, &streams->made[i]);
        if (status != SILL_OK) {
            streams_close(streams, true);
            return status;
        }
        plan->stream[i] = streams->made[i];
    }
    return SILL_OK;
}

int sill_child_start(sill_child **child, const char *const *arguments, sill_child_options *options)
{
    sill_child_options none = SILL_CHILD_OPTIONS_INIT;
    sill_child_options *wanted = options != NULL ? options : &none;
    struct streams streams = {{0}, {0}};
    if (child == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the child.");
    int status = check_options(arguments, wanted);
    if (status != SILL_OK)
        return status;
    struct sill__child_plan plan = {.arguments = arguments,
                                    .handles = wanted->handles,
                                    .handle_count = wanted->handle_count,
                                    .environment = wanted->environment,
                                    .folder = wanted->folder};
    sill_child *made = sill__alloc_zeroed(sizeof *made);
    if (made == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a child process.");
    made->generation = sill__fork_generation();
    status = streams_make(&streams, &plan, wanted);
    if (status == SILL_OK) {
        status = sill__child_run(&made->running, &plan);
        streams_close(&streams, status != SILL_OK);
    }
    if (status != SILL_OK) {
        sill__free(made);
        return status;
    }
    wanted->in.pipe = streams.pipes[0];
    wanted->out.pipe = streams.pipes[1];
    wanted->err.pipe = streams.pipes[2];
    *child = made;
    return SILL_OK;
}

/* ---- lines of children ---- */

/* The options of one of them: `from` is what it reads of the one before, `to` what it writes to the
 * one behind. */
static sill_child_options options_of(const sill_child_options *all, sill_handle from,
                                     sill_handle to)
{
    sill_child_options one = *all;
    if (from != SILL_NO_HANDLE)
        one.in = (sill_child_io){SILL_CHILD_HANDLE, from, NULL};
    if (to != SILL_NO_HANDLE)
        one.out = (sill_child_io){SILL_CHILD_HANDLE, to, NULL};
    return one;
}

static void close_if(sill_handle handle)
{
    if (handle != SILL_NO_HANDLE)
        sill__handle_close(handle);
}

/* They were started for nothing. */
static void abandon(sill_child **children, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        sill_child_kill(children[i]);
        sill_child_wait(children[i], NULL, -1);
        sill_child_close(children[i]);
        children[i] = NULL;
    }
}

int sill_child_pipeline(sill_child **children, const char *const *const *commands, unsigned count,
                        sill_child_options *options)
{
    sill_child_options all = SILL_CHILD_OPTIONS_INIT;
    sill_handle from = SILL_NO_HANDLE;
    sill_pipe *in = NULL, *out = NULL;
    int status = SILL_OK;
    unsigned started = 0;
    if (children == NULL || commands == NULL || count < 2)
        return sill__fail(SILL_INVALID, "A line of children has at least two.");
    if (options != NULL)
        all = *options;
    if (all.struct_size == sizeof all && all.err.how == SILL_CHILD_PIPE)
        return sill__fail(SILL_INVALID, "The children of a line cannot share one pipe for errors.");
    while (status == SILL_OK && started < count) {
        sill_handle next = SILL_NO_HANDLE, to = SILL_NO_HANDLE;
        if (started + 1 < count)
            status = sill__pipe_plain(&next, &to);
        if (status == SILL_OK) {
            sill_child_options one = options_of(&all, from, to);
            status = sill_child_start(&children[started], commands[started], &one);
            if (status == SILL_OK && one.in.how == SILL_CHILD_PIPE)
                in = one.in.pipe;
            if (status == SILL_OK && one.out.how == SILL_CHILD_PIPE)
                out = one.out.pipe;
            started += status == SILL_OK;
        }
        close_if(from);
        close_if(to);
        from = next;
    }
    close_if(from);
    if (status != SILL_OK) {
        sill_error error = *sill_last_error();
        sill_pipe_close(in);
        abandon(children, started);
        sill__error_restore(&error);
        return status;
    }
    if (options != NULL) {
        options->in.pipe = in;
        options->out.pipe = out;
        options->err.pipe = NULL;
    }
    return SILL_OK;
}

/* ---- their end ---- */

static int check_ours(const sill_child *child)
{
    if (child == NULL)
        return sill__fail(SILL_INVALID, "There is no child.");
    if (child->generation != sill__fork_generation())
        return sill__fail(SILL_INVALID, "The child belongs to the parent process.");
    return SILL_OK;
}

int sill_child_wait(sill_child *child, int *code, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    int status = check_ours(child);
    if (status != SILL_OK)
        return status;
    if (!child->ended) {
        status = sill__child_await(&child->running, deadline, &child->code);
        if (status != SILL_OK)
            return status == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : status;
        child->ended = true;
    }
    if (code != NULL)
        *code = child->code;
    return SILL_OK;
}

int sill_child_kill(sill_child *child)
{
    int status = check_ours(child);
    if (status != SILL_OK || child->ended)
        return status;
    return sill__child_end(&child->running);
}

uint32_t sill_child_pid(const sill_child *child)
{
    return child != NULL ? child->running.pid : 0;
}

void sill_child_close(sill_child *child)
{
    if (child == NULL)
        return;
    if (child->generation == sill__fork_generation() && !child->ended)
        (void)sill__child_await(&child->running, 0, &child->code); /* if it has ended already */
    if (child->running.process != SILL_NO_HANDLE)
        sill__handle_close(child->running.process);
    sill__free(child);
}
