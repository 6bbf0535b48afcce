/* runtime.h - the lock file of a runtime directory: who may change it, and who lives.
 *
 * Windows has no lock that belongs to a file's inode and outlives the file's name, and a named
 * mutex is either of one session or open to be taken by other users. Byte-range locks of one file
 * in the user's own directory have neither fault: they hold for the whole machine, whatever the
 * session, belong to a handle and not to a thread, and go with the process. Byte 0 is the
 * directory's lock; each record has a byte of its own far behind the (empty) file's end.
 */
#ifndef SILL__WIN32_RUNTIME_H
#define SILL__WIN32_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>

#include <windows.h>

#define SILL__LOCK_DIRECTORY UINT64_C(0)

/* Opens the lock file of the wide path `directory`, making it if need be. Every handle is an owner
 * of locks by itself. Close with CloseHandle, after unlocking. */
int sill__lock_open(const wchar_t *directory, HANDLE *out);

/* Takes byte `at` at once or says false. Not recursive: one handle, one lock of a byte. */
bool sill__lock_try(HANDLE file, uint64_t at, bool exclusive);
void sill__lock_drop(HANDLE file, uint64_t at);

/* Takes the directory's lock, waiting a bounded time. TIMEOUT. */
int sill__lock_directory(HANDLE file);

#endif
