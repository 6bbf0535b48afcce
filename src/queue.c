/* queue.c - public queues: names, messages, deadlines. See sill/queue.h and queue.h.
 *
 * A creator clears away what a dead owner left under the name, claims the record, writes into it
 * how the object will be called, and makes the object. So the record precedes the object, names it
 * and outlives it, and whatever a kill leaves is found by sill_clean. Openers only read the record.
 *
 * What was received and did not fit its buffer stays here (`held`): a system's queue gives a
 * message once.
 */
#include "queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends.h"
#include "clock.h"
#include "memory.h"
#include "status.h"
#include "step.h"

#define DIRECTORY_SIZE    1024
#define ATTEMPTS          8
#define RECEIVE_MAX_USUAL ((size_t)64 << 20)

/* ---- making ---- */

static int read_options(const sill_queue_options *options, sill_queue_options *out,
                        const struct sill__queue_ops **ops)
{
    sill_queue_options result = SILL_QUEUE_OPTIONS_INIT;
    if (options != NULL) {
        if (options->struct_size != sizeof *options)
            return sill__fail(SILL_INVALID, "The options are not set to SILL_QUEUE_OPTIONS_INIT.");
        result = *options;
    }
    if (result.kind == SILL_CHANNEL_AUTO)
        result.kind = sill__queues[0]->kind;
    if (result.kind != SILL_CHANNEL_MQUEUE && result.kind != SILL_CHANNEL_SYSV &&
        result.kind != SILL_CHANNEL_QUEUE)
        return sill__fail(SILL_INVALID, "The kind %d is not one of a queue.", result.kind);
    *ops = sill__queue_ops_of(result.kind);
    if (*ops == NULL)
        return sill__fail(SILL_UNSUPPORTED, "This system has no queues of the kind %s.",
                          sill_channel_kind_name(result.kind));
    if (result.message_max > INT32_MAX - sizeof(struct sill__queue_head))
        return sill__fail(SILL_INVALID, "message_max is %zu bytes, allowed are 1 to %ld.",
                          result.message_max, (long)(INT32_MAX - sizeof(struct sill__queue_head)));
    if (result.receive_max == 0)
        result.receive_max = RECEIVE_MAX_USUAL;
    *out = result;
    return SILL_OK;
}

/* What is to be made or opened. */
struct request {
    sill_queue_options options;
    const struct sill__queue_ops *ops;
    char directory[DIRECTORY_SIZE];
    struct sill__queue_place place;
};

static int read_request(struct request *request, sill_queue **queue, const char *name,
                        const sill_queue_options *options)
{
    if (queue == NULL || name == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the queue, or no name.");
    int status = read_options(options, &request->options, &request->ops);
    if (status == SILL_OK)
        status = sill__name_check(name);
    if (status == SILL_OK)
        status = sill__runtime_directory(request->options.directory, request->directory,
                                         sizeof request->directory);
    if (status != SILL_OK)
        return status;
    request->place = (struct sill__queue_place){.name = name, .directory = request->directory};
    sill__owner_file_name(request->ops->owner, name, request->place.file);
    return SILL_OK;
}

int sill__queue_remove_object(void *arg, const struct sill__owner_info *info)
{
    const struct sill__queue_ops *ops = sill__queue_ops_of_owner(info->kind);
    struct sill__queue_place place = {.name = info->name, .directory = arg, .owner = info->process};
    if (ops == NULL)
        return SILL_OK;
    sill__owner_file_name(info->kind, info->name, place.file);
    memcpy(place.object, info->object, sizeof place.object);
    int status = ops->remove(&place);
    bool done = status == SILL_NOT_FOUND || status == SILL_FOREIGN || status == SILL_DENIED;
    return done ? SILL_OK : status;
}

/* Everything of a queue but its object. */
static int queue_blank(sill_queue **out, const struct request *request)
{
    sill_queue *queue = sill__alloc_zeroed(sizeof *queue);
    if (queue != NULL)
        queue->directory = sill__strdup(request->directory);
    if (queue == NULL || queue->directory == NULL) {
        sill__free(queue);
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a queue.");
    }
    queue->ops = request->ops;
    queue->generation = sill__fork_generation();
    queue->receive_max = request->options.receive_max;
    queue->rounds = request->options.rounds != 0;
    queue->until_alone = request->options.until_alone != 0;
    *out = queue;
    return SILL_OK;
}

static void queue_free(sill_queue *queue)
{
    sill__free(queue->directory);
    sill__free(queue->out);
    sill__free(queue->in);
    sill__free(queue->fetched);
    sill__free(queue);
}

/* The buffers, once it is known how large messages are. */
static int queue_buffers(sill_queue *queue)
{
    size_t size = SILL__QUEUE_FRONT + queue->mail->message_max;
    if (queue->mail->message_max <= sizeof(struct sill__queue_head))
        return sill__fail(SILL_FOREIGN, "A queue for messages of %zu bytes is none of sill's.",
                          queue->mail->message_max);
    queue->out = sill__alloc(size);
    queue->in = sill__alloc(size);
    if (queue->out == NULL || queue->in == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for messages of %zu bytes.",
                          queue->mail->message_max);
    return SILL_OK;
}

/* Finds a name for the object that is free, notes it in the record, makes the object. */
static int make_object(sill_queue *queue, struct request *request, struct sill__owner_info *info)
{
    struct sill__queue_place *place = &request->place;
    const sill_queue_options *options = &request->options;
    char record[DIRECTORY_SIZE + sizeof place->file + 1];
    size_t head = options->message_max > 0 ? sizeof(struct sill__queue_head) : 0;
    int status = SILL_FOREIGN;
    snprintf(record, sizeof record, "%s/%s", place->directory, place->file);
    for (unsigned attempt = 0; attempt < ATTEMPTS && status == SILL_FOREIGN; attempt++) {
        status = queue->ops->object_name(place->object, record, place->name, attempt);
        memcpy(info->object, place->object, sizeof info->object);
        if (status == SILL_OK)
            status = sill__owner_update(queue->owner, info);
        if (status == SILL_OK)
            status = queue->ops->create(&queue->mail, place, options->message_max + head,
                                        options->depth);
    }
    if (status != SILL_OK)
        return status;
    info->size = queue->mail->depth * queue->mail->message_max;
    status = queue_buffers(queue);
    if (status == SILL_OK)
        status = sill__owner_update(queue->owner, info);
    if (status != SILL_OK)
        queue->ops->close(queue->mail, true, true);
    return status;
}

/* Claims the name; what a dead owner left under it goes first. */
static int claim(sill_queue *queue, const struct sill__owner_info *info)
{
    sill_error before = *sill_last_error();
    int status = sill__owner_remove_stale(queue->directory, info->kind, info->name,
                                          sill__queue_remove_object, queue->directory);
    if (status != SILL_OK && status != SILL_NOT_FOUND)
        return status;
    sill__error_restore(&before); /* that there was nothing is no failure */
    status = sill__owner_claim(&queue->owner, queue->directory, info, NULL);
    if (status == SILL_OK)
        SILL__STEP(queue_claimed);
    return status;
}

int sill_queue_create(sill_queue **queue, const char *name, const sill_queue_options *options)
{
    struct request request;
    sill_queue *made;
    int status = read_request(&request, queue, name, options);
    if (status == SILL_OK)
        status = queue_blank(&made, &request);
    if (status != SILL_OK)
        return status;
    struct sill__owner_info info = {.kind = request.ops->owner};
    snprintf(info.name, sizeof info.name, "%s", name);
    status = claim(made, &info);
    if (status != SILL_OK)
        goto fail;
    status = make_object(made, &request, &info);
    if (status != SILL_OK)
        goto fail_record;
    SILL__STEP(queue_made);
    *queue = made;
    return SILL_OK;

fail_record:
    sill__owner_release(made->owner, true);
fail:
    queue_free(made);
    return status;
}

/* What the record says of a queue that lives. */
static int read_record(struct sill__queue_place *place, const struct sill__queue_ops *ops)
{
    struct sill__owner_info info;
    sill__owner *user;
    int status = sill__owner_join(&user, place->directory, ops->owner, place->name, &info);
    if (status == SILL_NOT_FOUND)
        return sill__fail(SILL_NOT_FOUND, "There is no queue \"%s\" of the kind %s.", place->name,
                          sill_channel_kind_name(ops->kind));
    if (status != SILL_OK)
        return status;
    sill__owner_release(user, false);
    if (info.object[0] == '\0' || sill__process_alive(&info.process) == 0)
        return sill__fail(SILL_NOT_FOUND,
                          "The queue \"%s\" is not made yet, or its owner has ended.", place->name);
    memcpy(place->object, info.object, sizeof place->object);
    place->owner = info.process;
    return SILL_OK;
}

int sill_queue_open(sill_queue **queue, const char *name, const sill_queue_options *options)
{
    struct request request;
    sill_queue *made;
    int status = read_request(&request, queue, name, options);
    if (status == SILL_OK)
        status = read_record(&request.place, request.ops);
    if (status == SILL_OK)
        status = queue_blank(&made, &request);
    if (status != SILL_OK)
        return status;
    status = made->ops->open(&made->mail, &request.place);
    if (status != SILL_OK)
        goto fail;
    status = queue_buffers(made);
    if (status != SILL_OK)
        goto fail_mail;
    *queue = made;
    return SILL_OK;

fail_mail:
    made->ops->close(made->mail, false, true);
fail:
    queue_free(made);
    return status;
}

/* ---- waiting ---- */

static int check_ours(const sill_queue *queue)
{
    if (queue == NULL)
        return sill__fail(SILL_INVALID, "There is no queue.");
    if (queue->generation != sill__fork_generation())
        return sill__fail(SILL_INVALID, "The queue belongs to the parent process.");
    return SILL_OK;
}

static int say_end(int status)
{
    if (status == SILL_CLOSED)
        return sill__fail(status, "The other side closed the queue.");
    if (status == SILL_DIED)
        return sill__fail(status, "The other side of the queue ended without closing it.");
    return status;
}

static int check_cancel(sill_queue *queue, unsigned seen)
{
    unsigned asked = atomic_load(&queue->asked);
    if (asked == seen)
        return SILL_OK;
    atomic_store(&queue->told, asked);
    return SILL_CANCELED;
}

int sill__queue_go_on(sill_queue *queue, int64_t deadline, unsigned seen)
{
    int status = check_cancel(queue, seen);
    if (status == SILL_OK && sill__timeout(deadline) == 0)
        status = SILL_TIMEOUT;
    return status == SILL_OK ? say_end(queue->ops->state(queue->mail)) : status;
}

static int await(sill_queue *queue, struct sill__queue_wait *wait)
{
    int status = check_cancel(queue, wait->seen);
    if (status != SILL_OK)
        return status;
    return say_end(queue->ops->wait(queue->mail, wait));
}

/* ---- sending ---- */

int sill__queue_post(sill_queue *queue, uint32_t type, size_t size, unsigned priority,
                     int64_t deadline, unsigned seen)
{
    const struct sill__queue_head head = {SILL__QUEUE_MAGIC, type};
    unsigned char *message = queue->out + SILL__QUEUE_FRONT;
    memcpy(message, &head, sizeof head);
    size += sizeof head;
    struct sill__queue_wait wait = {.room = true,
                                    .size = size,
                                    .alone = queue->until_alone,
                                    .deadline = deadline,
                                    .asked = &queue->asked,
                                    .seen = seen};
    for (;;) {
        int status = say_end(queue->ops->state(queue->mail));
        if (status == SILL_OK)
            status = queue->ops->put(queue->mail, message, size, priority);
        if (status == SILL_AGAIN)
            status = await(queue, &wait);
        else
            return say_end(status);
        if (status != SILL_OK)
            return status;
    }
}

int sill_queue_send(sill_queue *queue, const void *data, size_t size, unsigned priority,
                    int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    int status = check_ours(queue);
    if (status != SILL_OK)
        return status;
    if (data == NULL && size > 0)
        return sill__fail(SILL_INVALID, "There is no data.");
    if (priority > SILL_PRIORITY_MAX)
        return sill__fail(SILL_INVALID, "The priority %u is none: there are 0 to %d.", priority,
                          SILL_PRIORITY_MAX);
    unsigned seen = atomic_load(&queue->told);
    size_t most = queue->mail->message_max - sizeof(struct sill__queue_head);
    if (size <= most) {
        if (size > 0)
            memcpy(queue->out + SILL__QUEUE_FRONT + sizeof(struct sill__queue_head), data, size);
        status = sill__queue_post(queue, SILL__QUEUE_PLAIN, size, priority, deadline, seen);
    } else if (queue->rounds) {
        status = sill__rounds_send(queue, data, size, priority, deadline, seen);
    } else {
        return sill__fail(SILL_TOO_BIG,
                          "The message has %zu bytes, and the queue takes %zu; larger ones go with "
                          "the option rounds.",
                          size, most);
    }
    return status == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : status;
}

/* ---- receiving ---- */

/* Looks at what was taken into queue->in. 0: it is held, or is being fetched. AGAIN: as if there
 * had been nothing. */
static int open_message(sill_queue *queue, size_t size, unsigned priority)
{
    struct sill__queue_head head;
    const unsigned char *message = queue->in + SILL__QUEUE_FRONT;
    if (size >= sizeof head)
        memcpy(&head, message, sizeof head);
    if (size < sizeof head || head.magic != SILL__QUEUE_MAGIC ||
        (head.type != SILL__QUEUE_PLAIN && head.type != SILL__QUEUE_ROUNDS))
        return sill__fail(
            SILL_PROTOCOL,
            "A message of %zu bytes in the queue was not sent by sill; it is dropped.", size);
    queue->held_priority = priority <= SILL_PRIORITY_MAX ? priority : SILL_PRIORITY_MAX;
    if (head.type == SILL__QUEUE_ROUNDS)
        return sill__rounds_begin(queue, size);
    queue->held = message + sizeof head;
    queue->held_size = size - sizeof head;
    return SILL_OK;
}

/* Takes the next message, or goes on with one in rounds. AGAIN: there is none. */
static int next_message(sill_queue *queue, int64_t deadline, unsigned seen)
{
    for (;;) {
        size_t size;
        unsigned priority;
        int status = SILL_AGAIN;
        if (queue->fetching != NULL)
            status = sill__rounds_fetch(queue, deadline, seen);
        if (status != SILL_AGAIN)
            return status;
        status = queue->ops->take(queue->mail, queue->in + SILL__QUEUE_FRONT, &size, &priority);
        if (status == SILL_OK)
            status = open_message(queue, size, priority);
        else
            return status;
        if (queue->held != NULL || (status != SILL_OK && status != SILL_AGAIN))
            return status;
    }
}

/* Until something is held. */
static int await_message(sill_queue *queue, int64_t deadline, unsigned seen)
{
    struct sill__queue_wait wait = {
        .alone = queue->until_alone, .deadline = deadline, .asked = &queue->asked, .seen = seen};
    int end = SILL_OK;
    while (queue->held == NULL) {
        int status = next_message(queue, deadline, seen);
        if (status == SILL_OK)
            break;
        if (status != SILL_AGAIN)
            return say_end(status);
        if (end != SILL_OK)
            return say_end(end);
        status = await(queue, &wait);
        if (status == SILL_CLOSED || status == SILL_DIED)
            end = status; /* what came before it is still there: one more look */
        else if (status != SILL_OK)
            return status;
    }
    return SILL_OK;
}

int sill_queue_receive(sill_queue *queue, void *buffer, size_t capacity, size_t *size,
                       unsigned *priority, int timeout_ms)
{
    int64_t deadline = sill__deadline(timeout_ms);
    int status = check_ours(queue);
    if (status != SILL_OK)
        return status;
    if (size == NULL || (buffer == NULL && capacity > 0))
        return sill__fail(SILL_INVALID, "There is no place for the message or its size.");
    status = await_message(queue, deadline, atomic_load(&queue->told));
    if (status != SILL_OK)
        return status == SILL_TIMEOUT && timeout_ms == 0 ? SILL_AGAIN : status;
    *size = queue->held_size;
    if (queue->held_size > capacity)
        return sill__fail(SILL_TOO_BIG, "The message has %zu bytes, the buffer %zu.",
                          queue->held_size, capacity);
    if (queue->held_size > 0)
        memcpy(buffer, queue->held, queue->held_size);
    if (priority != NULL)
        *priority = queue->held_priority;
    queue->held = NULL;
    sill__free(queue->fetched);
    queue->fetched = NULL;
    return SILL_OK;
}

/* ---- the rest ---- */

int sill_queue_get_limits(sill_queue *queue, sill_queue_limits *limits)
{
    struct sill__queue_bounds bounds = {0};
    sill_queue_limits result = {.struct_size = sizeof result};
    int status = check_ours(queue);
    if (status != SILL_OK)
        return status;
    if (limits == NULL || limits->struct_size != sizeof *limits)
        return sill__fail(SILL_INVALID,
                          "There is no place for the limits, or its size is not set.");
    status = queue->ops->bounds(&bounds);
    if (status == SILL_OK)
        status = say_end(queue->ops->count(queue->mail, &result.messages));
    if (status != SILL_OK)
        return status;
    result.kind = queue->ops->kind;
    result.message_max = queue->mail->message_max - sizeof(struct sill__queue_head);
    result.depth = queue->mail->depth;
    result.bytes = queue->mail->bytes;
    result.user_bytes = bounds.user_bytes;
    *limits = result;
    return SILL_OK;
}

void sill_queue_cancel(sill_queue *queue)
{
    if (queue == NULL || queue->generation != sill__fork_generation())
        return;
    atomic_fetch_add(&queue->asked, 1);
    queue->ops->wake(queue->mail);
}

int sill_queue_pollable(sill_queue *queue, sill_handle *handle)
{
    int status = check_ours(queue);
    if (status != SILL_OK)
        return status;
    if (handle == NULL)
        return sill__fail(SILL_INVALID, "There is no place for the handle.");
    return queue->ops->pollable(queue->mail, handle);
}

void sill_queue_close(sill_queue *queue)
{
    if (queue == NULL)
        return;
    bool ours = queue->generation == sill__fork_generation();
    bool owner = queue->owner != NULL;
    if (queue->fetching != NULL)
        sill__rounds_drop(queue);
    queue->ops->close(queue->mail, owner && ours, ours);
    if (owner && ours)
        SILL__STEP(queue_removed);
    sill__owner_release(queue->owner, ours);
    queue_free(queue);
}
