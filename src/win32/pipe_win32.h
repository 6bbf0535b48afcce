/* pipe_win32.h - what the parts of the named pipe channel share: pipe.c (bytes and handles),
 * pipe_listen.c (listeners and accepting), pipe_place.c (names, access, opening), pipe_peer.c
 * (who is at the other end).
 */
#ifndef SILL__PIPE_WIN32_H
#define SILL__PIPE_WIN32_H

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

#include <windows.h>

#include "../channel_ops.h"
#include "security.h"
#include "wait_win32.h"

#define SILL__PIPE_TOKEN 32  /* hexadecimal digits */
#define SILL__PIPE_NAME  160 /* "\\.\pipe\sill.", a file name of at most 99, a dot, a token */

extern const struct sill__channel_ops sill__pipe_ops;

/* The process at the other end. */
struct sill__pipe_peer {
    sill_peer peer;
    HANDLE process;     /* NULL if it cannot be opened, or could not be proven to be the one */
    bool may_duplicate; /* handles can be copied out of it and into it */
    bool gone;          /* it closed its end, or ended, before it could be told who it is */
};

/* Asks who the peer is; `server`: this is the server's end. Never fails: what the system does not
 * tell stays empty. Close `process`. */
void sill__pipe_peer(HANDLE pipe, bool server, struct sill__pipe_peer *out);

/* A random token, and the name of the pipe at `place` that it makes. */
int sill__pipe_token(char token[SILL__PIPE_TOKEN + 1]);
void sill__pipe_name(const struct sill__place *place, const char *token,
                     wchar_t out[SILL__PIPE_NAME]);
/* Writes the token where clients look. The file goes when `*out` is closed. */
int sill__pipe_publish(const struct sill__place *place, const char token[SILL__PIPE_TOKEN + 1],
                       HANDLE *out);
/* Whether clients find it there; sees to it, as another process than the listener's, that no more
 * do. */
bool sill__pipe_published(const struct sill__place *place);
void sill__pipe_unpublish(const struct sill__place *place);
int sill__pipe_remove_stale(const struct sill__place *place);
/* The security descriptor of a listener's pipes. Free with sill__security_free. */
int sill__pipe_security(int access, struct sill__security *out);
/* Another instance for a client to connect to. `first`: there must be none yet. */
int sill__pipe_instance(const wchar_t *name, struct sill__security *security, bool first,
                        HANDLE *out);
int sill__pipe_open(const struct sill__place *place, int64_t deadline, HANDLE *out);

/* A connection of a connected pipe: takes over handle and peer, on success only. `bound`: the
 * thing whose port the handle is bound to, or NULL. */
int sill__pipe_conn(sill__conn **out, HANDLE handle, bool server,
                    const struct sill__pipe_peer *peer, const struct sill__watched *bound);

/* Listeners' part of the table. */
int sill__pipe_listen(sill__listen **out, const struct sill__place *place);
int sill__pipe_accept(sill__listen *listen, sill__conn **out);
bool sill__pipe_unlisten(sill__listen *listen, bool remove);
int sill__pipe_watch_listen(sill__listen *listen, sill__wait *wait, void *key);
void sill__pipe_unwatch_listen(sill__listen *listen);

#endif
