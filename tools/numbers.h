/* numbers.h - numbers as people write them: digits alone, and sizes with a unit. */
#ifndef SILL_TOOLS_NUMBERS_H
#define SILL_TOOLS_NUMBERS_H

#include <stdint.h>

/* Decimal digits from *text on; *text is moved past them. -1: no digit, or more than 64 bits. */
int numbers_digits(const char **text, uint64_t *number);
/* The same for a size, such as 4096, 64K or 1G. On -1 *why is set to what is wrong. */
int numbers_size(const char **text, uint64_t *size, const char **why);

#endif
