/* table.h (System V) - what a server has in the system's tables: semaphore sets, message queues,
 * and shared memory that is on its way.
 *
 * A server has one block or more, each a set of semaphores with 32 slots; a connection takes a
 * slot, and has two message queues, one for each way. The owner record says the key of the first
 * block, from which every other key follows:
 *
 *     block b             semget(key + b)
 *     slot s, to server   msgget(key + 2 * s)       s counts through all blocks
 *     slot s, to client   msgget(key + 2 * s + 1)
 *     slot s, segments    shmget(key + 8 * (2 * s + way) + n)   way 0: to server; n < 8
 *
 * So whatever a killed process leaves is found from the record, and there is no moment at which
 * something exists that cannot be found: the record is written before the first set is made, the
 * number of blocks before the next one, and a slot is marked as taken before its queues are made.
 *
 * A segment has its key from the moment it is made until its receiver has attached it and marks it
 * for removal, which makes the key free again. So it outlives its sender for just as long as it
 * must. Only if a receiver leaves all eight unread does the next one have no key, and go with its
 * sender.
 *
 * The semaphores of a block:
 *
 *     magic        set last: the block can be used. Whoever set it is the server
 *     blocks       how many there may be (first block)
 *     hash         of the name, in two parts: a key that merely collides is not taken for a server
 *     bell         the server sleeps on it (first block)
 *     ended        not 0: the server has ended, in order or not (first block)
 *   and of each slot:
 *     free         1: a client may take it, by taking it down
 *     rang         not 0: the client has rung, for the first time with its request to connect
 *     client end   1: the client has died; 2: it has closed
 *     server end   the same of the server's end of this connection
 *     client bell  the client sleeps on it
 *     client wants the client waits for room in its queue
 *     server wants the same of the server
 *
 * Death: each side prepays. It adds 1 to "its end" and to the other's bell and takes that away
 * again with SEM_UNDO, in one operation: nothing is seen of that, but when the process ends,
 * however it does, the kernel takes the second half back, and the other side wakes and sees why.
 * Orderly closing uses up what was prepaid. As long as somebody has prepaid a semaphore it is never
 * set (SETVAL would cancel that), only changed by semop.
 *
 * A forked child has paid nothing and is told apart by the caller.
 */
#ifndef SILL__SYSV_TABLE_H
#define SILL__SYSV_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sill/channel.h>

enum {
    SILL__SLOTS_OF_BLOCK = 32,
    SILL__BLOCKS = 256,     /* 8192 connections, 16384 queues: half of what Linux has by default */
    SILL__QUEUE_LEAST = 64, /* bytes that a queue, and a message in it, must be allowed to have */
    SILL__SEGMENT_KEYS = 8, /* of a slot and a way */
    SILL__KEY_FIRST =
        0x01000000, /* of first blocks; never IPC_PRIVATE, and room for what follows */
    SILL__KEY_LAST = 0x7dffffff,
};

enum sill__block_sem {
    SILL__SEM_MAGIC,
    SILL__SEM_BLOCKS,
    SILL__SEM_HASH_LOW,
    SILL__SEM_HASH_HIGH,
    SILL__SEM_BELL,
    SILL__SEM_ENDED,
    SILL__SEM_HEADER /* how many */
};

enum sill__slot_sem {
    SILL__SLOT_FREE,
    SILL__SLOT_RANG,
    SILL__SLOT_CLIENT_END,
    SILL__SLOT_SERVER_END,
    SILL__SLOT_CLIENT_BELL,
    SILL__SLOT_CLIENT_WANTS,
    SILL__SLOT_SERVER_WANTS,
    SILL__SLOT_SEMS /* how many */
};

/* 230: below the 250 that older systems allow in a set. */
enum { SILL__BLOCK_SEMS = SILL__SEM_HEADER + SILL__SLOTS_OF_BLOCK * SILL__SLOT_SEMS };
enum { SILL__END_DIED = 1, SILL__END_CLOSED = 2 };

struct sill__table {
    key_t key;
    unsigned blocks; /* sets[0..blocks) are known here */
    int sets[SILL__BLOCKS];
};

enum sill__way { SILL__TO_SERVER, SILL__TO_CLIENT };

/* A slot, by whoever has it. */
struct sill__seat {
    key_t key;     /* of the first block */
    int first;     /* set of the first block: the server's bell */
    int set;       /* set of its own block */
    unsigned slot; /* through all blocks */
};

static inline unsigned short sill__slot_sem(unsigned slot, enum sill__slot_sem which)
{
    return (unsigned short)(SILL__SEM_HEADER + slot % SILL__SLOTS_OF_BLOCK * SILL__SLOT_SEMS +
                            (unsigned)which);
}

/* ---- one semaphore ---- */

/* Its value, or -1: the set is gone (or cannot be read, which is the same to us). */
int sill__sem_value(int set, unsigned number);
/* For semaphores that nobody prepays. */
void sill__sem_set(int set, unsigned number, int value);
/* Adds 1, as far as it goes: a semaphore that is full rings as well. False: the set is gone. */
bool sill__sem_raise(int set, unsigned number);
/* Takes everything away. Its value before, or -1: the set is gone. */
int sill__sem_drain(int set, unsigned number);
/* All values of a block. False: the set is gone; to whoever asks, all its clients have died. */
bool sill__block_values(int set, unsigned short values[SILL__BLOCK_SEMS]);

/* ---- the server's side ---- */

/* "sysv-KEY" with a key that nothing has. 0 or OS. */
int sill__table_choose(char object[64]);
/* False if the record is of another channel. */
bool sill__table_parse(const char *object, key_t *key);
/* Makes the first block. 0; LIMIT, NO_SPACE, OS: nothing is left. */
int sill__table_create(struct sill__table *table, key_t key, const char *name);
/* Makes one more block; the same statuses. */
int sill__table_grow(struct sill__table *table);
/* The server ends its end of a connection: the client is told. */
void sill__seat_end_server(const struct sill__seat *seat);
/* Both ends have ended: removes queues and segments and makes the slot free again. */
void sill__seat_reclaim(const struct sill__seat *seat);
/* The server will never take another client, nor serve one. */
void sill__table_end(const struct sill__table *table);
/* Whether a client has a slot that has not ended its end. */
bool sill__table_in_use(const struct sill__table *table);
struct sill__seat sill__table_seat(const struct sill__table *table, unsigned slot);

/* Removes what belongs to a record, whole or half-made, and never what is another's: 0, or OS. With
 * `unused`, only if no client uses it: EXISTS otherwise. */
int sill__table_remove(key_t key, const char *name, bool unused);

/* ---- the client's side ---- */

/* Finds the first block of a living server. 0; NOT_FOUND; DENIED (another user's); OS. */
int sill__table_open(struct sill__table *table, key_t key, const char *name);
/* Takes a free slot, prepaid. 0; AGAIN (none is free); LIMIT; NOT_FOUND; OS. */
int sill__table_take(struct sill__table *table, struct sill__seat *out);
/* Gives it back, as if it had not been taken: its queues are gone and the server does not know. */
void sill__seat_give_back(const struct sill__seat *seat);
/* The client ends its end: the server is told. */
void sill__seat_end_client(const struct sill__seat *seat);

/* ---- both ---- */

/* Rings the other side. False: the sets are gone. */
bool sill__seat_ring_server(const struct sill__seat *seat);
bool sill__seat_ring_client(const struct sill__seat *seat);

/* Makes (client) or opens (server) both queues of a slot. 0; EXISTS (something else has a key);
 * NOT_FOUND, DENIED (not the client's own); LIMIT; NO_MEMORY; OS. On failure none is left. */
int sill__seat_queues_make(const struct sill__seat *seat, int *to_server, int *to_client);
int sill__seat_queues_open(const struct sill__seat *seat, int *to_server, int *to_client);

/* A key that a segment of this way can have. False: all are taken. */
bool sill__seat_segment_key(const struct sill__seat *seat, enum sill__way way, key_t *key);
/* Whether the segment has one, so that it will not go with its maker. */
bool sill__seat_segment_kept(const struct sill__seat *seat, enum sill__way way, int id);
/* Its receiver has it: it goes with the last of the two. */
void sill__seat_segment_taken(const struct sill__seat *seat, enum sill__way way, int id);

/* Removes the queues and the segments that are under way. */
void sill__seat_remove(const struct sill__seat *seat);

/* Who last changed the semaphore, as a peer whose user is the set's maker. OS if the set is gone.
 */
int sill__sem_peer(int set, unsigned number, sill_peer *peer);

#endif
