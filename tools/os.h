/* os.h - what the command needs of an operating system: posix/ and win32/ hold the same files with
 * the same functions.
 *
 * Files are C file descriptors on every system. Functions that give an int give 0, or -1 with
 * errno set, if nothing else is said. All text is UTF-8, file names and arguments too.
 */
#ifndef SILL_TOOLS_OS_H
#define SILL_TOOLS_OS_H

#include <stddef.h>
#include <stdint.h>

/* Called first: arguments in UTF-8, standard streams binary, no death by a closed pipe. */
int os_begin(int *argc, char ***argv);

/* A clock that only goes forward. */
uint64_t os_now_ns(void);
void os_sleep_ms(unsigned ms);
/* Processors this process may use, at least 1. */
unsigned os_processors(void);
/* Is the descriptor a terminal? */
int os_terminal(int file);

/* ---- Ctrl-C and its like ---- */

/* From now on the first Ctrl-C (and SIGTERM, SIGHUP, closing of the console) sets os_interrupted
 * and calls act(arg), from a signal handler or from another thread; a second one ends the process
 * at once. Before, the first one does. */
void os_interrupt_begin(void (*act)(void *), void *arg);
/* `act` is not called any more, nor is it being called. */
void os_interrupt_end(void);
int os_interrupted(void);
/* Ends the process the way the interruption would have; comes back where that cannot be. */
void os_interrupt_die(void);

/* ---- files ---- */

int os_open_read(const char *path);                 /* the descriptor, or -1 */
int os_create_new(const char *path, unsigned mode); /* it must not exist */
int os_open_write(const char *path);                /* an existing one, cut to 0 */
/* Bytes read, 0 at the end, -1. */
long os_read(int file, void *buffer, size_t size);
int os_write(int file, const void *data, size_t size); /* all of it */
int os_close(int file);
int os_rename(const char *from, const char *to); /* replaces `to` */
int os_remove(const char *path);
/* A regular file's size, or -1 for everything else. */
int64_t os_size(int file);

enum os_kind { OS_NOTHING, OS_REGULAR, OS_DIRECTORY, OS_OTHER };
/* What stands at `path`; *mode (POSIX) its permissions. */
enum os_kind os_kind_of(const char *path, unsigned *mode);
/* `path` with symbolic links followed; freed by the caller; NULL if it cannot be told. */
char *os_resolve(const char *path);
unsigned os_process_number(void);

/* ---- threads ---- */

typedef struct os_mutex os_mutex;
typedef struct os_thread os_thread;

/* A lock and a condition in one. NULL: out of memory. */
os_mutex *os_mutex_new(void);
void os_mutex_free(os_mutex *mutex);
void os_lock(os_mutex *mutex);
void os_unlock(os_mutex *mutex);
/* Locked: waits until os_wake_all, or for no reason. */
void os_wait(os_mutex *mutex);
void os_wake_all(os_mutex *mutex);

/* NULL: it could not be started. */
os_thread *os_thread_start(void (*run)(void *), void *arg);
/* Waits for its end and frees it. NULL is fine. */
void os_thread_join(os_thread *thread);

/* ---- processes ---- */

typedef struct os_process os_process;

/* Checks that a program of this name can be run. 0, or -1. */
int os_process_find(const char *name);
/* Starts argv[0] with argv, looked for on PATH, with pipes for its standard streams: *in to write
 * to, *out and *err to read from. It leads a group of its own, which os_process_kill ends. */
os_process *os_process_start(char **argv, int *in, int *out, int *err);
/* Ends the process and those it started. Any thread, until os_process_free. */
void os_process_kill(os_process *process);
/* Waits for its end and tells of it: *code is the exit status, or with 1 as the result, the number
 * of the signal that ended it. */
int os_process_wait(os_process *process, int *code);
void os_process_free(os_process *process);

#endif
