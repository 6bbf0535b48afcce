/* system.h - the part of the support that differs between systems: posix.c, win32.c. */
#ifndef SUPPORT_SYSTEM_H
#define SUPPORT_SYSTEM_H

#include "support.h"

struct support__streams {
    const char *in, *out, *error; /* files to use instead of pipes; error NULL: as this process */
};

/* The system's half of a process; NULL on failure, with the system's code for it. */
struct support__child;
struct support__child *support__spawn(const char *const *arguments, const char *const *environment,
                                      const struct support__streams *files, unsigned long *code);
bool support__write(struct support__child *child, const char *data, size_t size);
void support__close_input(struct support__child *child);
/* 1: got bytes; 0: the end; -1: the time is over. */
int support__read(struct support__child *child, char *buffer, size_t capacity, size_t *got,
                  int timeout_ms);
bool support__wait(struct support__child *child, int timeout_ms, int *status);
void support__kill(struct support__child *child);
uint32_t support__pid(const struct support__child *child);
void support__forget(struct support__child *child); /* it has ended */

/* The same three results, from this process's standard input. */
int support__read_stdin(char *buffer, size_t capacity, size_t *got, int timeout_ms);
void support__prepare_role(void);

/* What a test program needs before anything else: room for many descriptors. */
void support__prepare_program(void);

uint32_t support__own_pid(void);
bool support__own_path(char *path, size_t size, const char *argv0);
bool support__make_directory(char *path, size_t size);
void support__remove_directory(const char *path);
unsigned support__count_entries(const char *path, const char *but);

#endif
