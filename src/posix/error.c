/* error.c - errno as a status and as text.
 *
 * Codes that no status fits become SILL_OS; the code itself is kept in sill_last_error().
 */
#undef _GNU_SOURCE /* strerror_r: the POSIX one on every C library */
#define _POSIX_C_SOURCE 200809L
#include "../status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code;
    int status;
} table[] = {
    {EAGAIN, SILL_AGAIN},
    {ETIMEDOUT, SILL_TIMEOUT},
    {EPIPE, SILL_DIED},
    {ECONNRESET, SILL_DIED},
    {ECANCELED, SILL_CANCELED},
    {EACCES, SILL_DENIED},
    {EPERM, SILL_DENIED},
    {EROFS, SILL_DENIED},
    {ELOOP, SILL_DENIED}, /* a symbolic link where none is followed */
    {EEXIST, SILL_EXISTS},
    {EADDRINUSE, SILL_EXISTS},
    {ENOENT, SILL_NOT_FOUND},
    {ENOTDIR, SILL_NOT_FOUND},
    {ESRCH, SILL_NOT_FOUND},
    {ECONNREFUSED, SILL_NOT_FOUND},
    {EIDRM, SILL_NOT_FOUND},
    {ENOSPC, SILL_NO_SPACE},
    {EDQUOT, SILL_NO_SPACE},
    {EMFILE, SILL_LIMIT},
    {ENFILE, SILL_LIMIT},
    {ENOLCK, SILL_LIMIT},
    {ENAMETOOLONG, SILL_LIMIT},
    {EMLINK, SILL_LIMIT},
#ifdef ETOOMANYREFS
    {ETOOMANYREFS, SILL_LIMIT},
#endif
    {E2BIG, SILL_TOO_BIG},
    {EFBIG, SILL_TOO_BIG},
    {EMSGSIZE, SILL_TOO_BIG},
    {EOVERFLOW, SILL_TOO_BIG},
    {EPROTO, SILL_PROTOCOL},
    {ENOSYS, SILL_UNSUPPORTED},
    {ENOTSUP, SILL_UNSUPPORTED},
    {EAFNOSUPPORT, SILL_UNSUPPORTED},
    {EPROTONOSUPPORT, SILL_UNSUPPORTED},
    {ENOMEM, SILL_NO_MEMORY},
    {ENOBUFS, SILL_NO_MEMORY},
};

int sill__os_status(int64_t code)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].code == code)
            return table[i].status;
    return SILL_OS;
}

void sill__os_text(int64_t code, char *out, unsigned size)
{
    if (size == 0)
        return;
    if (strerror_r((int)code, out, size) != 0)
        snprintf(out, size, "error %lld", (long long)code);
}
