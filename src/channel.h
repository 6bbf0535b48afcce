/* channel.h - opening channels by name: what public channels and ports share.
 *
 * A name belongs to the process that holds its owner record (owner.h). A listener claims the
 * record first and makes the object second, so whatever lies there already is stale; it lets go in
 * the opposite order. A client believes who the operating system says is at the other end, not who
 * owns the record.
 */
#ifndef SILL__CHANNEL_H
#define SILL__CHANNEL_H

#include "channel_ops.h"

/* A listener and the name it holds. */
struct sill__named_listen {
    const struct sill__channel_ops *ops;
    sill__listen *listen;
    sill__owner *owner;
};

/* Which server a client believes. All zero: one of the same user or of the superuser. */
struct sill__expect {
    int any_server;
    const char *server_sid; /* NULL: not asked for */
    int64_t server_uid;
    int server_uid_set;
};

/* Claims the name and listens on such a channel. `directory` as in sill_channel_options,
 * `access` an enum sill_access. EXISTS, INVALID, DENIED, LIMIT, NO_SPACE, NO_MEMORY, UNSUPPORTED,
 * OS. */
int sill__listener_open(struct sill__named_listen *out, const struct sill__channel_ops *ops,
                        const char *name, const char *directory, int access);
/* Stops listening; with `remove` the object and the record go. Without it (a forked child) they
 * stay the parent's. */
void sill__listener_shut(struct sill__named_listen *listen, bool remove);

/* Connects by such a channel (NULL: the one that the server has) and checks who answered.
 * NOT_FOUND, TIMEOUT, DENIED, INVALID, LIMIT, NO_MEMORY, OS. */
int sill__client_open(sill__conn **out, const struct sill__channel_ops *ops, const char *name,
                      const char *directory, const struct sill__expect *expect, int64_t deadline);

/* ---- public channels: what listener.c needs of channel.c ---- */

/* The options with the defaults filled in. INVALID. */
int sill__channel_options(const sill_channel_options *options, sill_channel_options *out);

/* A channel without a connection: everything that can be short is had before a client is taken. */
int sill__channel_blank(sill_channel **out, size_t frame_max);
/* Gives it its connection, which it owns afterwards. On failure both are gone. */
int sill__channel_attach(sill_channel *channel, sill__conn *conn);
/* Frees it and closes what it has, without a word to the peer. */
void sill__channel_drop(sill_channel *channel);

/* Whether the peer runs as this process's user or as one from whom nothing is hidden anyway (the
 * superuser, the system). One per OS: posix/unix_peer.c, win32/peer.c. */
bool sill__peer_trusted(const sill_peer *peer);

#endif
