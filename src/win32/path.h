/* path.h - paths between the API's UTF-8 and the system's UTF-16.
 *
 * Inside, a path is absolute and has the prefix that lifts the limit of 260 characters, which also
 * keeps the system from reading "nul" or a trailing dot in a name that is put behind it.
 */
#ifndef SILL__WIN32_PATH_H
#define SILL__WIN32_PATH_H

#include <stddef.h>
#include <wchar.h>

/* The wide, absolute, prefixed form of `path`; free with sill__free. INVALID (empty, not UTF-8, a
 * device), LIMIT (too long), NO_MEMORY, OS. */
int sill__path_wide(const char *path, wchar_t **out);

/* `directory` (wide), a backslash and the ASCII text `name`; free with sill__free. NO_MEMORY. */
int sill__path_join(const wchar_t *directory, const char *name, wchar_t **out);

/* The UTF-8 form of a wide path without its prefix, at most `size` bytes with its end. LIMIT,
 * INVALID (unpaired surrogates). */
int sill__path_text(const wchar_t *path, char *out, size_t size);

#endif
