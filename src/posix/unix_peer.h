/* unix_peer.h - who is at the other end of a Unix socket. */
#ifndef SILL__UNIX_PEER_H
#define SILL__UNIX_PEER_H

#include <sill/channel.h>

/* Fills `peer` from what the kernel noted when the connection was made, and sets *pidfd to a
 * descriptor that becomes readable when the peer's process ends, or -1 if there is none. */
int sill__unix_peer(int fd, sill_peer *peer, int *pidfd);

/* 1 the process lives, 0 it has ended, -1 not known. */
int sill__unix_peer_alive(const sill_peer *peer, int pidfd);

#endif
