/* facts_try.c - trying region kinds, channels, synchronisation objects and ports, for sill_facts.
 *
 * Everything is done through the public API, under names of this process, and whatever a try made
 * is removed before it returns.
 */
#include "facts.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <sill/channel.h>
#include <sill/pipe.h>
#include <sill/port.h>
#include <sill/queue.h>
#include <sill/region.h>
#include <sill/sync.h>

#include "process.h"
#include "status.h"

#define TRY_SIZE 4096
#define TRY_MS   2000

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

int sill__try_region(int kind, const char *directory)
{
    char own[60], path[1100];
    unsigned capabilities = sill_region_capabilities(kind);
    const char *name = NULL;
    own_name(own, sizeof own);
    snprintf(path, sizeof path, "%s/%s", directory, own);
    if (kind == SILL_REGION_FILE)
        name = path;
    else if ((capabilities & SILL_REGION_NAMED) != 0)
        name = own;
    return try_region(name, kind, capabilities);
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

static int try_frames(void)
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

static int check_byte(int status, size_t size, char byte)
{
    if (status == SILL_OK && (size != 1 || byte != 's'))
        return sill__fail(SILL_OS, "What was received is not what was sent.");
    return status;
}

static int try_fifo(void)
{
    char name[60], byte = 0;
    sill_pipe *reader, *writer = NULL;
    size_t size = 0;
    own_name(name, sizeof name);
    int status = sill_pipe_create(&reader, name, SILL_PIPE_READ, NULL);
    if (status != SILL_OK)
        return status;
    status = sill_pipe_open(&writer, name, SILL_PIPE_WRITE, NULL);
    if (status == SILL_OK)
        status = sill_pipe_write(writer, "s", 1, NULL, TRY_MS);
    if (status == SILL_OK)
        status = sill_pipe_read(reader, &byte, 1, &size, TRY_MS);
    sill_pipe_close(writer);
    sill_pipe_close(reader);
    return check_byte(status, size, byte);
}

/* The other end goes at once, so what is read is the end. */
static int try_pipe(void)
{
    char byte = 0;
    sill_pipe *reader;
    sill_handle other;
    size_t size = 0;
    int status = sill_pipe_anonymous(&reader, SILL_PIPE_READ, &other);
    if (status != SILL_OK)
        return status;
    sill_handle_close(other);
    status = sill_pipe_read(reader, &byte, 1, &size, TRY_MS);
    sill_pipe_close(reader);
    if (status == SILL_OK)
        return sill__fail(SILL_OS, "A pipe to which nothing was written gave something.");
    return status == SILL_CLOSED ? SILL_OK : status;
}

static int try_queue(int kind)
{
    char name[60], byte = 0;
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    sill_queue *queue;
    size_t size = 0;
    own_name(name, sizeof name);
    options.kind = kind;
    options.depth = 1;
    int status = sill_queue_create(&queue, name, &options);
    if (status != SILL_OK)
        return status;
    status = sill_queue_send(queue, "s", 1, 1, TRY_MS);
    if (status == SILL_OK)
        status = sill_queue_receive(queue, &byte, 1, &size, NULL, TRY_MS);
    sill_queue_close(queue);
    return check_byte(status, size, byte);
}

int sill__try_channel(int kind)
{
    switch (kind) {
    case SILL_CHANNEL_PIPE:
        return try_pipe();
    case SILL_CHANNEL_FIFO:
        return try_fifo();
    case SILL_CHANNEL_MQUEUE:
    case SILL_CHANNEL_SYSV:
    case SILL_CHANNEL_QUEUE:
        return try_queue(kind);
    default:
        return try_frames();
    }
}

/* ---- synchronisation objects ---- */

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

int sill__try_sync(int family)
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

/* ---- ports ---- */

int sill__try_port(int family)
{
    char name[60];
    sill_server *server;
    sill_policy policy = SILL_POLICY_INIT;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_policy_defaults(&policy);
    options.policy = &policy;
    options.family = family;
    own_name(name, sizeof name);
    int status = sill_listen(&server, name, &options);
    if (status == SILL_OK)
        sill_server_close(server);
    return status;
}
