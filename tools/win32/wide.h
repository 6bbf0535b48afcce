/* wide.h - UTF-8 to what Windows takes. */
#ifndef SILL_TOOLS_WIDE_H
#define SILL_TOOLS_WIDE_H

#include <windows.h>

/* Freed by the caller; NULL with errno set. */
wchar_t *os_widen(const char *text);

#endif
