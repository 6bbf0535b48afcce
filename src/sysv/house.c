/* house.c (System V) - a server's side: its blocks, the clients that come, and those that have
 * gone.
 *
 * A client takes a slot, makes its queues and rings; it is connected then, though nobody may have
 * accepted it yet. So a slot that is taken is in one of four states here:
 *
 *     nobody, has not rung   a client is just coming. If it has ended: reclaimed
 *     nobody, has rung       waits to be accepted
 *     a connection           is served
 *     GONE                   this end was closed; when the client's end has ended too: reclaimed
 *
 * The bell says that somebody rang, the slots say who: all blocks are read through, 230 numbers by
 * one call each. What rang is cleared before it is reported, and whoever gets the report works
 * until there is nothing, so what comes in between is not missed.
 *
 * Shared between threads: everything, under `lock`, for the wait set collects without the hub's.
 */
#include "conn.h"

#include <errno.h>
#include <stdio.h>

#include "../memory.h"
#include "../process.h"
#include "../status.h"
#include "../step.h"
#include "../thread.h"
#include "wait_sysv.h"

struct sill__house {
    sill__listen base;
    sill__mutex lock;
    unsigned references; /* the listener, each connection */
    unsigned watched;    /* the listener and connections that the wait set reports of; not under the
                            lock, see watch_one */
    uint32_t generation;
    sill__wait *wait; /* all that is watched is watched there; likewise */
    void *key;        /* of the listener; NULL: it is not watched */
    char name[SILL__NAME_MAX + 1];
    struct sill__table table;
    unsigned capacity;           /* of the next */
    struct sill__sysv_conn **at; /* by slot: NULL, GONE or a connection */
};

static struct sill__sysv_conn gone;
#define GONE (&gone) /* stands for a connection that was closed */

static struct sill__house *house_of(sill__listen *listen)
{
    return (struct sill__house *)listen;
}

/* ---- life ---- */

/* The lock is held, and is released. */
static void unref_and_unlock(struct sill__house *house)
{
    bool last = --house->references == 0;
    sill__unlock(&house->lock);
    if (!last)
        return;
    sill__mutex_destroy(&house->lock);
    sill__free(house->at);
    sill__free(house);
}

/* In a forked child: another thread of the parent may have held the lock. */
static void forget(struct sill__house *house)
{
    if (--house->references > 0)
        return;
    sill__free(house->at);
    sill__free(house);
}

static bool is_ours(const struct sill__house *house)
{
    return house->generation == sill__fork_generation();
}

static int make_room(struct sill__house *house, unsigned blocks)
{
    unsigned capacity = blocks * SILL__SLOTS_OF_BLOCK;
    if (capacity <= house->capacity)
        return SILL_OK;
    struct sill__sysv_conn **at =
        sill__realloc(house->at, capacity * sizeof *at); /* NOLINT(bugprone-sizeof-*) */
    if (at == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for more clients.");
    for (unsigned i = house->capacity; i < capacity; i++)
        at[i] = NULL;
    house->at = at;
    house->capacity = capacity;
    return SILL_OK;
}

int sill__house_object(char object[64], const struct sill__place *place)
{
    if (place->access != SILL_ACCESS_USER)
        return sill__fail(SILL_UNSUPPORTED,
                          "A server over System V serves its own user alone: its queues cannot be "
                          "opened to one client at a time.");
    return sill__table_choose(object);
}

int sill__house_listen(sill__listen **out, const struct sill__place *place)
{
    key_t key;
    if (!sill__table_parse(place->object, &key))
        return sill__fail(SILL_INVALID, "\"%s\" is not the key of a server.", place->object);
    struct sill__house *house = sill__alloc_zeroed(sizeof *house);
    if (house == NULL)
        return sill__fail(SILL_NO_MEMORY, "There is no memory for a listener.");
    house->base.ops = &sill__sysv_channel_ops;
    house->references = 1;
    house->generation = sill__fork_generation();
    snprintf(house->name, sizeof house->name, "%s", place->name);
    int status = make_room(house, 1);
    if (status == SILL_OK)
        status = sill__mutex_init(&house->lock);
    if (status != SILL_OK)
        goto fail;
    status = sill__table_create(&house->table, key, place->name);
    if (status != SILL_OK)
        goto fail_lock;
    SILL__STEP(listen_bound);
    *out = &house->base;
    return SILL_OK;

fail_lock:
    sill__mutex_destroy(&house->lock);
fail:
    sill__free(house->at);
    sill__free(house);
    return status;
}

bool sill__house_unlisten(sill__listen *listen, bool remove)
{
    struct sill__house *house = house_of(listen);
    if (!is_ours(house)) {
        forget(house);
        return false;
    }
    sill__house_unwatch_listen(listen);
    sill__lock(&house->lock);
    bool all = false;
    if (remove) {
        /* First the end, then the look: a client that closes looks the other way round, so one of
         * the two sees to what is left (conn.c). */
        sill__table_end(&house->table);
        all = !sill__table_in_use(&house->table) &&
              sill__table_remove(house->table.key, house->name, false) == SILL_OK;
    }
    unref_and_unlock(house);
    return all;
}

int sill__house_remove_stale(const struct sill__place *place)
{
    key_t key;
    if (!sill__table_parse(place->object, &key))
        return SILL_OK; /* killed before it had any */
    return sill__table_remove(key, place->name, false);
}

/* ---- slots, under the lock ---- */

/* What a block says of one slot. */
static unsigned short of(const unsigned short values[SILL__BLOCK_SEMS], unsigned slot,
                         enum sill__slot_sem which)
{
    return values[sill__slot_sem(slot, which)];
}

static void reclaim(struct sill__house *house, unsigned slot)
{
    struct sill__seat seat = sill__table_seat(&house->table, slot);
    house->at[slot] = NULL;
    sill__seat_reclaim(&seat);
}

/* Ends this end; the client's may have ended before. */
static void leave(struct sill__house *house, unsigned slot)
{
    struct sill__seat seat = sill__table_seat(&house->table, slot);
    house->at[slot] = GONE;
    sill__seat_end_server(&seat);
    int ended = sill__sem_value(seat.set, sill__slot_sem(slot, SILL__SLOT_CLIENT_END));
    if (ended > 0)
        reclaim(house, slot);
    else if (ended <
             0) /* somebody has removed the semaphores: nothing tells of the queues any more */
        sill__seat_remove(&seat);
}

/* ---- clients that come ---- */

static int take_client(struct sill__house *house, unsigned slot, struct sill__sysv_conn **out)
{
    struct sill__seat seat = sill__table_seat(&house->table, slot);
    struct sill__sysv_conn *conn;
    int in, to_client;
    int status = sill__seat_queues_open(&seat, &in, &to_client);
    if (status == SILL_OK)
        status = sill__sysv_conn_make(&conn, &seat, in, to_client);
    if (status != SILL_OK)
        return status;
    status = sill__sem_peer(seat.set, sill__slot_sem(slot, SILL__SLOT_FREE), &conn->peer);
    if (status != SILL_OK) {
        sill__free(conn);
        return status;
    }
    sill__sem_set(seat.set, sill__slot_sem(slot, SILL__SLOT_RANG), 0); /* it is read from now on */
    conn->house = house;
    house->references++;
    house->at[slot] = conn;
    *out = conn;
    return SILL_OK;
}

/* Finds one that waits, and counts the free slots. AGAIN: there is none. */
static int find_client(struct sill__house *house, struct sill__sysv_conn **out, unsigned *free)
{
    unsigned short values[SILL__BLOCK_SEMS] = {0};
    int status = SILL_AGAIN;
    for (unsigned slot = 0; slot < house->table.blocks * SILL__SLOTS_OF_BLOCK; slot++) {
        if (slot % SILL__SLOTS_OF_BLOCK == 0 &&
            !sill__block_values(house->table.sets[slot / SILL__SLOTS_OF_BLOCK], values) &&
            slot == 0)
            return sill__fail_os("semctl", errno, "The semaphores of this server are gone.");
        *free += of(values, slot, SILL__SLOT_FREE);
        if (status != SILL_AGAIN || house->at[slot] != NULL ||
            of(values, slot, SILL__SLOT_FREE) != 0 || of(values, slot, SILL__SLOT_RANG) == 0)
            continue;
        status = take_client(house, slot, out);
        if (status == SILL_OK || status == SILL_NO_MEMORY)
            continue;
        leave(house, slot); /* not what a client makes */
        status = SILL_AGAIN;
    }
    return status;
}

int sill__house_accept(sill__listen *listen, sill__conn **out)
{
    struct sill__house *house = house_of(listen);
    struct sill__sysv_conn *conn = NULL;
    unsigned free = 0;
    sill__lock(&house->lock);
    int status = find_client(house, &conn, &free);
    /* Before they run out; if there can be no more, clients wait for those that there are. */
    if (free < SILL__SLOTS_OF_BLOCK / 2 && make_room(house, house->table.blocks + 1) == SILL_OK)
        sill__table_grow(&house->table);
    sill__unlock(&house->lock);
    if (status == SILL_OK)
        *out = &conn->base;
    return status;
}

/* ---- reports ---- */

/* The slots of one block. True: there was no room for all. */
static bool collect_block(struct sill__house *house, unsigned block, struct sill__event *events,
                          size_t capacity, size_t *count, bool *waits)
{
    unsigned short values[SILL__BLOCK_SEMS] = {0};
    int set = house->table.sets[block];
    bool there = sill__block_values(set, values);
    for (unsigned i = 0; i < SILL__SLOTS_OF_BLOCK; i++) {
        unsigned slot = block * SILL__SLOTS_OF_BLOCK + i;
        struct sill__sysv_conn *conn = house->at[slot];
        bool rang = of(values, i, SILL__SLOT_RANG) > 0;
        bool ended = of(values, i, SILL__SLOT_CLIENT_END) > 0;
        if (of(values, i, SILL__SLOT_FREE) != 0)
            continue;
        if (conn == NULL && rang) {
            *waits = true;
        } else if (conn == NULL || conn == GONE) {
            if (ended && (there || conn == GONE))
                reclaim(house, slot);
        } else if (conn->wait != NULL && (rang || (ended && !conn->told_end))) {
            if (*count == capacity)
                return true;
            if (rang)
                sill__sem_set(set, sill__slot_sem(i, SILL__SLOT_RANG), 0);
            unsigned seen = sill__sysv_events(conn, rang);
            events[(*count)++] = (struct sill__event){conn->key, seen};
        }
    }
    return false;
}

static enum sill__collected collect(void *arg, bool is_gone, struct sill__event *events,
                                    size_t capacity, size_t *count)
{
    struct sill__house *house = arg;
    bool waits = false, more = false;
    if (is_gone) {
        sill__fail(SILL_OS, "The semaphores of this server were removed; nobody can reach it.");
        return SILL__COLLECT_FAILED;
    }
    sill__lock(&house->lock);
    for (unsigned block = 0; block < house->table.blocks && !more; block++)
        more = collect_block(house, block, events, capacity, count, &waits);
    if (waits && house->key != NULL && *count < capacity)
        events[(*count)++] = (struct sill__event){house->key, SILL__READABLE};
    else
        more = more || (waits && house->key != NULL);
    bool several = house->table.blocks > 1;
    sill__unlock(&house->lock);
    if (more)
        return SILL__COLLECT_MORE;
    return several ? SILL__COLLECT_AGAIN : SILL__COLLECTED_ALL;
}

/* ---- what is watched ---- */

/* The wait set's lock comes before this one's, since it calls `collect`. So it is bound and unbound
 * with this one's released; the caller sees to it that there is one watch or unwatch at a time. */

/* One more; all of them in one wait set. */
static int watch_one(struct sill__house *house, sill__wait *wait)
{
    const struct sill__bell bell = {house->table.sets[0], SILL__SEM_BELL, collect, house};
    int status = SILL_OK;
    if (house->watched == 0)
        status = sill__bell_bind(wait, &bell);
    else if (house->wait != wait)
        status =
            sill__fail(SILL_INVALID, "A server over System V and its clients are watched in one "
                                     "wait set.");
    if (status != SILL_OK)
        return status;
    house->watched++;
    house->wait = wait;
    return SILL_OK;
}

static void unwatch_one(struct sill__house *house)
{
    if (--house->watched > 0)
        return;
    sill__bell_unbind(house->wait, NULL);
    house->wait = NULL;
}

int sill__house_watch_listen(sill__listen *listen, sill__wait *wait, void *key)
{
    struct sill__house *house = house_of(listen);
    int status = watch_one(house, wait);
    if (status != SILL_OK)
        return status;
    sill__lock(&house->lock);
    house->key = key;
    sill__unlock(&house->lock);
    sill__bell_look(wait);
    return SILL_OK;
}

void sill__house_unwatch_listen(sill__listen *listen)
{
    struct sill__house *house = house_of(listen);
    if (!is_ours(house))
        return;
    sill__lock(&house->lock);
    bool watched = house->key != NULL;
    house->key = NULL;
    sill__unlock(&house->lock);
    if (watched)
        unwatch_one(house);
}

int sill__house_watch(struct sill__sysv_conn *conn, sill__wait *wait, void *key)
{
    struct sill__house *house = conn->house;
    int status = watch_one(house, wait);
    if (status != SILL_OK)
        return status;
    sill__lock(&house->lock);
    conn->wait = wait;
    conn->key = key;
    sill__unlock(&house->lock);
    sill__bell_look(wait); /* it may have rung since it was accepted */
    return SILL_OK;
}

void sill__house_unwatch(struct sill__sysv_conn *conn)
{
    struct sill__house *house = conn->house;
    if (!is_ours(house))
        return;
    sill__lock(&house->lock);
    bool watched = conn->wait != NULL;
    conn->wait = NULL;
    sill__unlock(&house->lock);
    if (watched)
        unwatch_one(house);
}

void sill__house_close(struct sill__sysv_conn *conn)
{
    struct sill__house *house = conn->house;
    if (!is_ours(house)) {
        forget(house);
        sill__free(conn);
        return;
    }
    sill__house_unwatch(conn);
    sill__lock(&house->lock);
    leave(house, conn->seat.slot);
    unref_and_unlock(house);
    sill__free(conn);
}
