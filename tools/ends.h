/* ends.h - what a server and a client have in common: the options of an end, and messages. */
#ifndef SILL_TOOLS_ENDS_H
#define SILL_TOOLS_ENDS_H

#include <sill.h>

#include "cli.h"
#include "files.h"

/* The first member, `ends`, of each such subcommand's options. */
struct ends {
    const char *directory;
    const char *policy;
    int path;
    int family;
    int access;
    int any_server;
    int require_mapped;
};

/* clang-format off */
#define ENDS_OPTIONS(type)                                                                         \
    {0, CLI_PATH, "path", "PATH", offsetof(type, ends.path), 0,                                    \
     "auto, channel, mapped or rounds (default: the policy's)"},                                   \
    {0, CLI_FAMILY, "family", "F", offsetof(type, ends.family), 0,                                 \
     "run on posix, sysv or win32 (default: the policy's, the system's)"},                         \
    {0, CLI_TEXT, "policy", "FILE", offsetof(type, ends.policy), 0,                                \
     "the policy file to use"},                                                                    \
    {0, CLI_FLAG, "require-mapped", NULL, offsetof(type, ends.require_mapped), 0,                  \
     "fail if shared memory cannot be had"},                                                       \
    {0, CLI_TEXT, "directory", "DIR", offsetof(type, ends.directory), 0,                           \
     "runtime directory (default: the user's)"}

#define ENDS_SERVER_OPTIONS(type)                                                                  \
    ENDS_OPTIONS(type),                                                                            \
    {0, CLI_ACCESS, "access", "WHO", offsetof(type, ends.access), 0,                               \
     "who may connect: user (default) or all"}

#define ENDS_CLIENT_OPTIONS(type)                                                                  \
    ENDS_OPTIONS(type),                                                                            \
    {0, CLI_FLAG, "any-server", NULL, offsetof(type, ends.any_server), 0,                          \
     "also believe a server of another user"}

/* clang-format on */

/* ---- server ---- */

/* Listens. From here Ctrl-C cancels the server. -1, or an exit status after a message. */
int ends_listen(sill_server **server, const char *name, const struct ends *ends);
/* Waits for the next message; goes on after want of descriptors or memory, which it says once.
 * -1: there is one. CLI_FINE: Ctrl-C. CLI_FAILED after a message. */
int ends_receive(sill_server *server, sill_message *message);
/* Takes Ctrl-C back and closes. */
void ends_close_server(sill_server *server);

/* ---- client ---- */

/* The arguments NAME [FILE|-]: checks the name and reads the file, to be freed with input_free. -1,
 * or an exit status after a message. */
int ends_name_and_file(const struct cli_arguments *arguments, struct input *input);
/* Connects; wait_ms > 0 waits for a server to appear, otherwise timeout_ms (0: no limit) is for
 * the server's decision. From here Ctrl-C cancels the port. -1, or an exit status. */
int ends_connect(sill_port **port, const char *name, const struct ends *ends, int wait_ms,
                 int timeout_ms);
/* Says why a call or send failed; `data` is what came with a refusal. An exit status. */
int ends_fail(int status, const sill_message *data, int timeout_ms);
/* Takes Ctrl-C back and closes. */
void ends_close_port(sill_port *port);

/* How one message was sent: from the statistics before and after it. */
struct ends_sent {
    int path;
    unsigned copies;
};
int ends_statistics(sill_port *port, sill_port_statistics *statistics);
struct ends_sent ends_sent(const sill_port_statistics *before, const sill_port_statistics *after);

#endif
