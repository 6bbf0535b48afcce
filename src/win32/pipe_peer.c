/* pipe_peer.c - who is at the other end of a pipe.
 *
 * The system tells the pid; a pid alone is never believed. The process is opened by its pid, and
 * after that the pipe is looked at: if the other end is still open, its process lives, so nobody
 * else can have had its pid meanwhile, and what was opened is the peer. A peer that closed its end
 * before this cannot be proven to be anybody, and is nobody.
 *
 * Impersonation is not used: it would tell the same, later, and not everywhere.
 */
#include "pipe_win32.h"

#include <string.h>

/* Whether the other end is still open. Data that waits to be read makes no difference. */
static bool connected(HANDLE pipe)
{
    DWORD available;
    return PeekNamedPipe(pipe, NULL, 0, NULL, &available, NULL) != 0;
}

static HANDLE open_process(DWORD pid, bool server, bool *may_duplicate)
{
    const DWORD look = PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE;
    *may_duplicate = false;
    if (server) {
        HANDLE process = OpenProcess(look | PROCESS_DUP_HANDLE, FALSE, pid);
        *may_duplicate = process != NULL;
        if (process != NULL)
            return process;
    }
    return OpenProcess(look, FALSE, pid);
}

void sill__pipe_peer(HANDLE pipe, bool server, struct sill__pipe_peer *out)
{
    ULONG pid = 0;
    memset(out, 0, sizeof *out);
    out->peer.uid = out->peer.gid = UINT32_MAX;
    if (!(server ? GetNamedPipeClientProcessId(pipe, &pid)
                 : GetNamedPipeServerProcessId(pipe, &pid))) {
        out->gone = !connected(pipe);
        return;
    }
    out->peer.pid = pid;
    out->process = open_process(pid, server, &out->may_duplicate);
    out->gone = !connected(pipe);
    if (out->process == NULL)
        return;
    if (out->gone) {
        CloseHandle(out->process);
        out->process = NULL;
        out->may_duplicate = false;
        return;
    }
    out->peer.exact = 1;
    if (sill__sid_of_process(out->process, out->peer.sid) != SILL_OK)
        out->peer.sid[0] = '\0'; /* the process may be opened, its token may not */
}
