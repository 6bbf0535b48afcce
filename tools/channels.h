/* channels.h - sill send and sill recv over a kind of channel instead of a port. */
#ifndef SILL_TOOLS_CHANNELS_H
#define SILL_TOOLS_CHANNELS_H

#include <stdint.h>

#include <sill.h>

#include "cli.h"
#include "ends.h"
#include "sink.h"

/* The member `channel` of the options of both. */
struct channel {
    int kind; /* enum sill_channel_kind; AUTO: none was asked for */
    uint64_t priority;
    int has_priority;
    int rounds;
    uint64_t message_max;
    uint64_t depth;
};

struct channel_send {
    const struct channel *channel;
    const struct ends *ends;
    int wait_ms;
    int timeout_ms; /* -1: no limit */
    int verbose;
};

struct channel_recv {
    const struct channel *channel;
    const struct ends *ends;
    struct sink *sink;
    uint64_t count; /* 0: no bound */
    int quiet;
    int verbose;
};

/* Whether the options fit the kind, and this system has it. -1, or an exit status after a message.
 */
int channel_check(const struct channel *channel, const struct ends *ends);
/* The arguments [NAME] [FILE] and, for a pipe, the command behind "--". An exit status. */
int channel_send(const struct channel_send *send, struct cli_arguments *arguments);
int channel_recv(const struct channel_recv *recv, struct cli_arguments *arguments);

/* ---- what both need ---- */

/* Says how a command ended that was run at the other end of a pipe. An exit status. */
int channel_command_end(sill_child *child, const char *name);
/* What follows "--" is arguments as all others, if it is not a command. */
void channel_join(struct cli_arguments *arguments);
/* A failure, or that Ctrl-C came. */
int channel_fail(int status);

#endif
