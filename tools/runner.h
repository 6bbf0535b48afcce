/* runner.h - runs a command for each request, several at a time. */
#ifndef SILL_TOOLS_RUNNER_H
#define SILL_TOOLS_RUNNER_H

#include <stddef.h>
#include <stdint.h>

#include <sill.h>

struct runner;

/* A runner of `argv` (ends with NULL, must outlive it), at most `jobs` at a time; output of more
 * than reply_max bytes is a failure. NULL: out of memory or threads. */
struct runner *runner_new(char **argv, unsigned jobs, uint64_t reply_max);
/* What the server is to give to sill_accept as the context of a new client. NULL: out of memory. */
void *runner_client_new(struct runner *runner);
/* Takes over a SILL_REQUEST of such a client: it is answered or refused in time. */
void runner_request(struct runner *runner, sill_message *message);
/* The client has gone: ends what runs for it. Takes over its last message, which is kept until
 * nothing of the client is left (an empty one if it was never accepted). */
void runner_client_gone(struct runner *runner, void *context, sill_message *message);
/* Ends everything that runs, leaves the rest unanswered, frees the runner. NULL is fine. */
void runner_free(struct runner *runner);

#endif
