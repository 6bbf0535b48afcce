/* conn.h (System V) - what both ends of a connection by message queues share. See conn.c. */
#ifndef SILL__SYSV_CONN_H
#define SILL__SYSV_CONN_H

#include <stdatomic.h>

#include "../channel_ops.h"
#include "table.h"

enum { SILL__SYSV_CHUNK = 8192 }; /* bytes of a message at most: what Linux takes by default */

struct sill__house; /* the server's side: house.c */

/* Who a client has to tidy up after, should it be the last. */
struct sill__sysv_server {
    char *directory;
    char name[SILL__NAME_MAX + 1];
    key_t key;
};

struct sill__sysv_conn {
    sill__conn base;
    struct sill__house *house;       /* server's end; NULL: the client's */
    struct sill__sysv_server server; /* of the client's end */
    struct sill__seat seat;
    int in, out;         /* queues */
    size_t chunk;        /* bytes of a message that is sent, at most */
    uint32_t generation; /* sill__fork_generation of whose it is */
    sill_peer peer;
    atomic_uint untaken; /* exported handles that the peer has not taken yet */
    atomic_uint unkept;  /* so many of them, or fewer, would go with this process */
    atomic_bool ended;   /* the peer's end was seen to have ended */
    sill__wait *wait;    /* NULL: not watched */
    void *key;           /* what is reported */
    bool told_end;       /* its end was reported */
    /* what was received and found no room: */
    size_t from, size;
    char rest[SILL__SYSV_CHUNK];
};

extern const struct sill__channel_ops sill__sysv_channel_ops;

/* A connection over the slot, whose queues exist. */
int sill__sysv_conn_make(struct sill__sysv_conn **out, const struct sill__seat *seat, int in,
                         int out_queue);
/* What the wait set is to hear of it; `rang`: it was rung for. 0: nothing. */
unsigned sill__sysv_events(struct sill__sysv_conn *conn, bool rang);
/* 0: it has not ended; SILL__END_DIED, SILL__END_CLOSED. */
int sill__sysv_peer_end(const struct sill__sysv_conn *conn);

/* ---- house.c ---- */

int sill__house_object(char object[64], const struct sill__place *place);
int sill__house_listen(sill__listen **out, const struct sill__place *place);
int sill__house_accept(sill__listen *listen, sill__conn **out);
bool sill__house_unlisten(sill__listen *listen, bool remove);
int sill__house_remove_stale(const struct sill__place *place);
int sill__house_watch_listen(sill__listen *listen, sill__wait *wait, void *key);
void sill__house_unwatch_listen(sill__listen *listen);
/* Of the connections that it has accepted. */
int sill__house_watch(struct sill__sysv_conn *conn, sill__wait *wait, void *key);
void sill__house_unwatch(struct sill__sysv_conn *conn);
/* Ends the server's end and frees it. */
void sill__house_close(struct sill__sysv_conn *conn);

#endif
