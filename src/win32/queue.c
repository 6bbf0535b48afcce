/* queue.c (Windows) - queues in a section, with a mutex and events beside it.
 *
 * The section holds a head, a short entry for each place of the queue, and the bytes of the places.
 * Everything in it is changed with the mutex held, which the system takes away from a thread that
 * ends with it (WAIT_ABANDONED). So every change is one that may stop anywhere:
 *
 *   put    SetEvent(ITEMS); the bytes, size, priority and number of a free place; `used` is 1 last
 *   take   SetEvent(ROOM); the bytes are copied; `used` is 0 last
 *
 * An event is set before the change that it tells of, by a thread that holds the mutex: whoever
 * wakes waits for the mutex and finds the change, or a thread that ended before it, and nothing. It
 * is reset, with the mutex, by who finds nothing. `items` and `room` in the head say whether the
 * events are set, which saves calls; they are 0 at most once too often.
 *
 * The first message is looked for among all places: queues are short.
 *
 * The others are told of the owner's close by `closed` in the head and by its events, of its death
 * by its process. They enter themselves into a list of users, for an owner that wants to know when
 * it is alone; who died is found by its process too, and removed from the list.
 *
 * Everything here is one user's, who could do worse things than to scribble over it. All the same
 * nothing in it is believed: what counts was read once, when the queue was opened, and checked
 * against the section's size; sizes and priorities are checked when a message is taken.
 */
#include "../queue_ops.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <windows.h>

#include "../clock.h"
#include "../memory.h"
#include "../region_ops.h"
#include "../status.h"
#include "../step.h"
#include "security.h"

extern const struct sill__queue_ops sill__win32_queue_ops;
extern const struct sill__region_ops sill__section_ops;

#define MAGIC       UINT32_C(0x57514c53) /* "SLQW" */
#define LAYOUT      1
#define USERS       256                 /* that have the queue open at the same time */
#define WATCHED     60                  /* of them, in one wait */
#define SIZE_LIMIT  (UINT64_C(1) << 30) /* of the section */
#define LOCK_MS     5000                /* for a mutex whose holder was stopped */
#define LOOK_NS     INT64_C(250000000)  /* between looks at users that cannot be watched */
#define OBJECT_NAME 80
#define RIGHTS      (SYNCHRONIZE | EVENT_MODIFY_STATE | READ_CONTROL)

struct user {
    uint32_t pid; /* 0: free */
    uint32_t reserved;
    uint64_t start;
};

struct entry {
    _Atomic uint32_t used; /* stored last */
    uint32_t priority;
    uint32_t size;
    uint32_t reserved;
    uint64_t number; /* by which those of one priority are told apart */
};

struct head {
    _Atomic uint32_t magic; /* stored last, when the queue is complete */
    uint32_t layout;
    uint32_t message_max;
    uint32_t depth;
    uint64_t next; /* number */
    _Atomic uint32_t closed;
    uint32_t ever;        /* others have had it open */
    uint32_t items, room; /* the events are set */
    struct user users[USERS];
};

_Static_assert(sizeof(struct entry) == 24 && sizeof(struct head) == 40 + 16 * USERS, "layout");

struct queue {
    sill__mail mail;
    sill__memory *memory;
    struct head *head;
    struct entry *entries;
    unsigned char *bytes;
    HANDLE lock, items, room, users;
    HANDLE cancel[2]; /* of the receiver, of the sender */
    HANDLE owner;     /* others': the owner's process */
    struct sill__process self;
    bool lost; /* the owner's: a user died since the last report */
};

static struct queue *queue_of(sill__mail *mail)
{
    return (struct queue *)mail;
}

/* ---- making and opening ---- */

static int bounds(struct sill__queue_bounds *out)
{
    *out = (struct sill__queue_bounds){SILL__QUEUE_MESSAGE, SILL__QUEUE_DEPTH, 0, 0};
    return SILL_OK;
}

static int object_name(char object[64], const char *record, const char *name, unsigned attempt)
{
    return sill__section_ops.object_name(object, record, name, attempt);
}

static uint64_t section_size(uint64_t message_max, uint64_t depth)
{
    return sizeof(struct head) + depth * (sizeof(struct entry) + message_max);
}

/* Names of objects tell case apart, names of queues do not. */
static void part_name(const char *object, const char *part, wchar_t out[OBJECT_NAME])
{
    char text[OBJECT_NAME];
    size_t i = 0;
    snprintf(text, sizeof text, "Local\\%.63s.%s", object, part);
    do {
        bool upper = i >= sizeof "Local" && text[i] >= 'A' && text[i] <= 'Z';
        out[i] = (wchar_t)(upper ? text[i] - 'A' + 'a' : text[i]);
    } while (text[i++] != '\0');
}

/* An event (`manual` or not) or, without `event`, a mutex. FOREIGN: somebody has the name. */
static int make_part(HANDLE *out, const char *object, const char *part, bool event, bool manual)
{
    struct sill__security security;
    wchar_t name[OBJECT_NAME];
    part_name(object, part, name);
    int status = sill__security_make(&security, "");
    if (status != SILL_OK)
        return status;
    HANDLE made = event ? CreateEventW(&security.attributes, manual, FALSE, name)
                        : CreateMutexW(&security.attributes, FALSE, name);
    DWORD code = GetLastError();
    sill__security_free(&security);
    if (made != NULL && code != ERROR_ALREADY_EXISTS) {
        *out = made;
        return SILL_OK;
    }
    if (made != NULL)
        CloseHandle(made);
    if (made != NULL || code == ERROR_INVALID_HANDLE || code == ERROR_ACCESS_DENIED)
        return sill__fail(SILL_FOREIGN, "Something else has the name of a queue's %s.", part);
    return sill__fail_os("CreateEvent", code, "A part of a queue cannot be made");
}

static int open_part(HANDLE *out, const char *object, const char *part, bool event)
{
    wchar_t name[OBJECT_NAME];
    part_name(object, part, name);
    HANDLE found = event ? OpenEventW(RIGHTS, FALSE, name)
                         : OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE | READ_CONTROL, FALSE, name);
    if (found == NULL)
        return sill__fail_os("OpenEvent", GetLastError(), "A part of the queue cannot be opened");
    int status = sill__security_check_kernel_object(found, part);
    if (status != SILL_OK) {
        CloseHandle(found);
        return status;
    }
    *out = found;
    return SILL_OK;
}

static int blank(struct queue **out)
{
    struct queue *queue = sill__alloc_zeroed(sizeof *queue);
    if (queue == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a queue.");
    queue->mail.ops = &sill__win32_queue_ops;
    sill__process_self(&queue->self);
    for (int i = 0; i < 2; i++)
        queue->cancel[i] = CreateEventW(NULL, FALSE, FALSE, NULL);
    *out = queue;
    if (queue->cancel[0] == NULL || queue->cancel[1] == NULL)
        return sill__fail_os("CreateEvent", GetLastError(), "A queue's event cannot be made");
    return SILL_OK;
}

static void destroy(struct queue *queue)
{
    const HANDLE handles[] = {queue->lock,      queue->items,     queue->room, queue->users,
                              queue->cancel[0], queue->cancel[1], queue->owner};
    if (queue->head != NULL)
        sill__section_ops.unmap(queue->memory, queue->head);
    if (queue->memory != NULL)
        sill__section_ops.close(queue->memory);
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        if (handles[i] != NULL)
            CloseHandle(handles[i]);
    sill__free(queue);
}

static void set_layout(struct queue *queue, size_t message_max, uint64_t depth)
{
    queue->mail.message_max = message_max;
    queue->mail.depth = depth;
    queue->entries = (struct entry *)(queue->head + 1);
    queue->bytes = (unsigned char *)(queue->entries + depth);
}

static int map(struct queue *queue)
{
    void *base;
    int status = sill__section_ops.map(queue->memory, false, &base);
    if (status == SILL_OK)
        queue->head = base;
    return status;
}

static int make(struct queue *queue, const struct sill__queue_place *place, size_t message_max,
                uint64_t depth)
{
    int status = sill__section_ops.create(&queue->memory, place->object,
                                          (size_t)section_size(message_max, depth), false);
    if (status == SILL_EXISTS) /* of a dead owner's, which others have open still */
        status = SILL_FOREIGN;
    if (status == SILL_OK)
        status = map(queue);
    if (status == SILL_OK)
        status = make_part(&queue->lock, place->object, "lock", false, false);
    SILL__STEP(queue_object);
    if (status == SILL_OK)
        status = make_part(&queue->items, place->object, "items", true, true);
    if (status == SILL_OK)
        status = make_part(&queue->room, place->object, "room", true, true);
    if (status == SILL_OK)
        status = make_part(&queue->users, place->object, "users", true, false);
    if (status != SILL_OK)
        return status;
    queue->head->layout = LAYOUT;
    queue->head->message_max = (uint32_t)message_max;
    queue->head->depth = (uint32_t)depth;
    set_layout(queue, message_max, depth);
    atomic_store_explicit(&queue->head->magic, MAGIC, memory_order_release); /* pairs with attach */
    return SILL_OK;
}

static int create(sill__mail **out, const struct sill__queue_place *place, size_t message_max,
                  unsigned depth)
{
    struct queue *queue = NULL;
    uint64_t places = depth > 0 ? depth : SILL__QUEUE_DEPTH;
    if (message_max == 0)
        message_max = SILL__QUEUE_MESSAGE;
    if (section_size(message_max, places) > SIZE_LIMIT)
        return sill__fail(SILL_LIMIT,
                          "%u messages of %zu bytes are more than a queue may hold: %llu bytes.",
                          depth, message_max, (unsigned long long)SIZE_LIMIT);
    int status = blank(&queue);
    if (status == SILL_OK)
        status = make(queue, place, message_max, places);
    if (status != SILL_OK) {
        if (queue != NULL)
            destroy(queue);
        return status;
    }
    queue->mail.owner = true;
    *out = &queue->mail;
    return SILL_OK;
}

static bool lock(struct queue *queue)
{
    DWORD waited = WaitForSingleObject(queue->lock, LOCK_MS);
    return waited == WAIT_OBJECT_0 || waited == WAIT_ABANDONED;
}

static void unlock(struct queue *queue)
{
    ReleaseMutex(queue->lock);
}

static int lock_failed(void)
{
    return sill__fail(SILL_OS, "The queue is held by a process that was stopped.");
}

static bool user_alive(const struct user *user)
{
    const struct sill__process process = {.pid = user->pid, .start = user->start};
    return sill__process_alive(&process) != 0;
}

/* With the mutex: this process is one more of those that have the queue open. */
static int add_user(struct queue *queue)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < USERS; i++) {
            struct user *user = &queue->head->users[i];
            if (round == 1 && !user_alive(user))
                user->pid = 0;
            if (user->pid != 0)
                continue;
            user->start = queue->self.start;
            user->pid = queue->self.pid;
            queue->head->ever = 1;
            return SILL_OK;
        }
    }
    return sill__fail(SILL_LIMIT, "The queue is open in %d places, which is the most.", USERS);
}

static void drop_user(struct queue *queue)
{
    for (int i = 0; i < USERS; i++) {
        struct user *user = &queue->head->users[i];
        if (user->pid != queue->self.pid || user->start != queue->self.start)
            continue;
        user->pid = 0;
        break;
    }
}

static int attach(struct queue *queue, const struct sill__queue_place *place)
{
    int status = sill__section_ops.open(&queue->memory, place->object, false);
    if (status == SILL_OK)
        status = map(queue);
    if (status != SILL_OK)
        return status;
    /* Pairs with make. */
    if (queue->memory->size < sizeof(struct head) ||
        atomic_load_explicit(&queue->head->magic, memory_order_acquire) != MAGIC)
        return sill__fail(SILL_NOT_FOUND, "The queue \"%s\" is not made yet.", place->name);
    uint32_t layout = queue->head->layout, most = queue->head->message_max;
    uint32_t depth = queue->head->depth;
    if (layout != LAYOUT)
        return sill__fail(SILL_VERSION, "The queue \"%s\" was made by a later sill.", place->name);
    if (depth == 0 || depth > SIZE_LIMIT || most > SIZE_LIMIT || /* so that nothing overflows */
        section_size(most, depth) > queue->memory->size)
        return sill__fail(SILL_FOREIGN, "The queue \"%s\" is damaged.", place->name);
    set_layout(queue, most, depth);
    status = open_part(&queue->lock, place->object, "lock", false);
    if (status == SILL_OK)
        status = open_part(&queue->items, place->object, "items", true);
    if (status == SILL_OK)
        status = open_part(&queue->room, place->object, "room", true);
    if (status == SILL_OK)
        status = open_part(&queue->users, place->object, "users", true);
    if (status != SILL_OK)
        return status;
    queue->owner = OpenProcess(SYNCHRONIZE, FALSE, place->owner.pid);
    if (queue->owner == NULL || sill__process_alive(&place->owner) == 0)
        return sill__fail(SILL_NOT_FOUND, "The owner of the queue \"%s\" has ended.", place->name);
    if (!lock(queue))
        return lock_failed();
    status = add_user(queue);
    unlock(queue);
    return status;
}

static int open_queue(sill__mail **out, const struct sill__queue_place *place)
{
    struct queue *queue = NULL;
    int status = blank(&queue);
    if (status == SILL_OK)
        status = attach(queue, place);
    if (status != SILL_OK) {
        if (queue != NULL)
            destroy(queue);
        return status;
    }
    *out = &queue->mail;
    return SILL_OK;
}

/* ---- messages, with the mutex ---- */

static void set(HANDLE event, uint32_t *is_set)
{
    if (*is_set)
        return;
    SetEvent(event);
    *is_set = 1;
}

/* Nothing of the kind is there. Once the owner has closed, its events stay. */
static void reset(struct queue *queue, HANDLE event, uint32_t *is_set)
{
    if (atomic_load_explicit(&queue->head->closed, memory_order_relaxed) != 0)
        return;
    *is_set = 0;
    ResetEvent(event);
}

static bool is_used(const struct entry *entry)
{
    return atomic_load_explicit(&entry->used, memory_order_acquire) != 0;
}

/* NULL: none is free. */
static struct entry *find_free(const struct queue *queue)
{
    for (uint64_t i = 0; i < queue->mail.depth; i++)
        if (!is_used(&queue->entries[i]))
            return &queue->entries[i];
    return NULL;
}

static struct entry *find_first(const struct queue *queue)
{
    struct entry *best = NULL;
    for (uint64_t i = 0; i < queue->mail.depth; i++) {
        struct entry *entry = &queue->entries[i];
        if (is_used(entry) && (best == NULL || entry->priority > best->priority ||
                               (entry->priority == best->priority && entry->number < best->number)))
            best = entry;
    }
    return best;
}

static unsigned char *bytes_of(const struct queue *queue, const struct entry *entry)
{
    return queue->bytes + (size_t)(entry - queue->entries) * queue->mail.message_max;
}

static int put(sill__mail *mail, unsigned char *message, size_t size, unsigned priority)
{
    struct queue *queue = queue_of(mail);
    int status = SILL_AGAIN;
    if (!lock(queue))
        return lock_failed();
    struct entry *entry = find_free(queue);
    if (entry == NULL) {
        reset(queue, queue->room, &queue->head->room);
    } else {
        set(queue->items, &queue->head->items);
        memcpy(bytes_of(queue, entry), message, size);
        entry->size = (uint32_t)size;
        entry->priority = priority;
        entry->number = queue->head->next++;
        atomic_store_explicit(&entry->used, 1, memory_order_release);
        SILL__STEP(queue_put);
        status = SILL_OK;
    }
    unlock(queue);
    return status;
}

static int take(sill__mail *mail, unsigned char *message, size_t *size, unsigned *priority)
{
    struct queue *queue = queue_of(mail);
    int status = SILL_AGAIN;
    if (!lock(queue))
        return lock_failed();
    struct entry *entry = find_first(queue);
    if (entry == NULL) {
        reset(queue, queue->items, &queue->head->items);
    } else {
        uint32_t bytes = *(volatile uint32_t *)&entry->size;
        set(queue->room, &queue->head->room);
        status = SILL_OK;
        if (bytes > mail->message_max) {
            status = sill__fail(SILL_PROTOCOL, "A message in the queue is damaged; it is dropped.");
        } else {
            memcpy(message, bytes_of(queue, entry), bytes);
            *size = bytes;
            *priority = entry->priority;
        }
        atomic_store_explicit(&entry->used, 0, memory_order_release);
        SILL__STEP(queue_taken);
    }
    unlock(queue);
    return status;
}

static int count(sill__mail *mail, uint64_t *messages)
{
    struct queue *queue = queue_of(mail);
    uint64_t found = 0;
    if (!lock(queue))
        return lock_failed();
    for (uint64_t i = 0; i < mail->depth; i++)
        found += is_used(&queue->entries[i]);
    unlock(queue);
    *messages = found;
    return SILL_OK;
}

/* ---- waiting ---- */

static int state(sill__mail *mail)
{
    struct queue *queue = queue_of(mail);
    if (mail->owner)
        return SILL_OK;
    bool ended = WaitForSingleObject(queue->owner, 0) == WAIT_OBJECT_0;
    if (atomic_load(&queue->head->closed) != 0) /* asked second: it may have closed and ended */
        return SILL_CLOSED;
    return ended ? SILL_DIED : SILL_OK;
}

/* What a wait sleeps on. */
struct handles {
    HANDLE at[MAXIMUM_WAIT_OBJECTS];
    DWORD count;
    DWORD own; /* how many at the beginning are not to be closed */
    bool more; /* there are users for whom there is no room */
};

static void watch_user(struct handles *handles, const struct user *user)
{
    HANDLE process = NULL;
    if (handles->count < handles->own + WATCHED)
        process = OpenProcess(SYNCHRONIZE, FALSE, user->pid);
    if (process != NULL)
        handles->at[handles->count++] = process;
    else
        handles->more = true;
}

/* Forgets the users that died, and watches the others. 0, or how it was that the last one went. */
static int watch_users(struct queue *queue, struct handles *handles)
{
    unsigned living = 0;
    if (!lock(queue))
        return lock_failed();
    bool ever = queue->head->ever != 0;
    for (int i = 0; i < USERS; i++) {
        struct user user = queue->head->users[i];
        if (user.pid == 0)
            continue;
        watch_user(handles, &user);
        if (user_alive(&user)) { /* asked behind: what is watched is that process */
            living++;
        } else {
            queue->head->users[i].pid = 0;
            queue->lost = true;
        }
    }
    unlock(queue);
    if (living > 0 || !ever)
        return SILL_OK;
    int status = queue->lost ? SILL_DIED : SILL_CLOSED;
    queue->lost = false;
    return status;
}

static int sleep_on(const struct handles *handles, int64_t deadline)
{
    int64_t until = deadline;
    if (handles->more && (until == SILL__FOREVER || until > sill__now_ns() + LOOK_NS))
        until = sill__now_ns() + LOOK_NS;
    int left = sill__timeout(until);
    DWORD waited = WaitForMultipleObjects(handles->count, handles->at, FALSE,
                                          left < 0 ? INFINITE : (DWORD)left);
    if (waited == WAIT_FAILED)
        return sill__fail_os("WaitForMultipleObjects", GetLastError(),
                             "The queue cannot be waited for");
    return waited == WAIT_TIMEOUT && until == deadline ? SILL_TIMEOUT : SILL_OK;
}

static int wait_queue(sill__mail *mail, const struct sill__queue_wait *wait)
{
    struct queue *queue = queue_of(mail);
    struct handles handles = {
        .at = {wait->room ? queue->room : queue->items, queue->cancel[wait->room ? 1 : 0]},
        .count = 2};
    if (!mail->owner)
        handles.at[handles.count++] = queue->owner;
    else if (wait->alone)
        handles.at[handles.count++] = queue->users;
    handles.own = handles.count;
    int status = mail->owner && wait->alone ? watch_users(queue, &handles) : state(mail);
    if (status == SILL_OK)
        status = sleep_on(&handles, wait->deadline);
    while (handles.count > handles.own)
        CloseHandle(handles.at[--handles.count]);
    return status;
}

static void wake(sill__mail *mail)
{
    SetEvent(queue_of(mail)->cancel[0]);
    SetEvent(queue_of(mail)->cancel[1]);
}

static int pollable(sill__mail *mail, sill_handle *out)
{
    *out = (sill_handle)queue_of(mail)->items;
    return SILL_OK;
}

/* ---- closing ---- */

static void close_queue(sill__mail *mail, bool remove, bool ours)
{
    struct queue *queue = queue_of(mail);
    (void)ours; /* there is no fork */
    bool locked = lock(queue);
    if (remove) {
        atomic_store(&queue->head->closed, 1);
        SetEvent(queue->items);
        SetEvent(queue->room);
    } else if (locked) {
        drop_user(queue);
        SetEvent(queue->users);
    }
    if (locked)
        unlock(queue);
    destroy(queue);
}

/* Everything goes with its last user. */
static int remove_queue(const struct sill__queue_place *place)
{
    (void)place;
    return SILL_OK;
}

const struct sill__queue_ops sill__win32_queue_ops = {
    .kind = SILL_CHANNEL_QUEUE,
    .owner = SILL__OWNER_QUEUE_WIN32,
    .pollable_kind = true,
    .bounds = bounds,
    .object_name = object_name,
    .create = create,
    .open = open_queue,
    .state = state,
    .put = put,
    .take = take,
    .wait = wait_queue,
    .wake = wake,
    .pollable = pollable,
    .count = count,
    .close = close_queue,
    .remove = remove_queue,
};
