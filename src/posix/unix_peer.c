/* unix_peer.c - the peer's identity and a handle of its process, as the kernel tells them.
 *
 * SO_PEERPIDFD (Linux 6.5) names the very process, for which `exact` is 1. Older kernels give only
 * its pid, and what pidfd_open makes of that may be a later process of the same number. Its end
 * still proves the peer's end (a pid is given again only after its process has gone), but its life
 * proves nothing: `exact` is 0 and "alive" is not claimed. For a process that has gone already an
 * eventfd that stays readable stands in, so that its end is reported like any other.
 */
#include "unix_peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../channel.h"
#include "../status.h"

#if !defined(SO_PEERPIDFD) && !defined(__hppa__) && !defined(__sparc__)
#define SO_PEERPIDFD 77
#endif

#define GONE (-2) /* in place of a pidfd: the process has gone already */

/* A pidfd, -1, or GONE. */
static int exact_pidfd(int fd)
{
#ifdef SO_PEERPIDFD
    int pidfd;
    socklen_t size = sizeof pidfd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
        return pidfd;
    return errno == ESRCH ? GONE : -1;
#else
    (void)fd;
    return -1;
#endif
}

static int likely_pidfd(pid_t pid)
{
    if (pid <= 0)
        return -1;
    long pidfd = syscall(SYS_pidfd_open, pid, 0);
    if (pidfd >= 0)
        return (int)pidfd;
    return errno == ESRCH ? GONE : -1;
}

int sill__unix_peer(int fd, sill_peer *peer, int *pidfd)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return sill__fail_os("getsockopt", errno, "The system does not say who the peer is.");
    memset(peer, 0, sizeof *peer);
    peer->pid = (uint32_t)credentials.pid;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    int found = exact_pidfd(fd);
    if (found != -1)
        peer->exact = 1;
    else
        found = likely_pidfd(credentials.pid);
    *pidfd = found == GONE ? eventfd(1, EFD_CLOEXEC) : found;
    return SILL_OK;
}

int sill__unix_peer_alive(const sill_peer *peer, int pidfd)
{
    if (pidfd < 0)
        return -1;
    struct pollfd look = {pidfd, POLLIN, 0};
    int ready;
    do
        ready = poll(&look, 1, 0);
    while (ready < 0 && errno == EINTR);
    if (ready > 0)
        return 0;
    return ready == 0 && peer->exact ? 1 : -1;
}

bool sill__peer_trusted(const sill_peer *peer)
{
    return peer->uid == geteuid() || peer->uid == 0;
}
