/* peer.c - which peers are believed without being asked for by name: this user, and the system. */
#include "../channel.h"

#include <string.h>

#include "security.h"

bool sill__peer_trusted(const sill_peer *peer)
{
    char self[SILL__SID_TEXT];
    if (strcmp(peer->sid, "S-1-5-18") == 0) /* the local system */
        return true;
    return sill__sid_self(self) == SILL_OK && strcmp(peer->sid, self) == 0;
}
