/* numbers.c - numbers as people write them. Nothing is skipped and no sign is known, so that what
 * is read is exactly what stands there. */
#include "numbers.h"

#include <string.h>

int numbers_digits(const char **text, uint64_t *number)
{
    const char *p = *text;
    uint64_t sum = 0;

    if (*p < '0' || *p > '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');

        if (sum > (UINT64_MAX - digit) / 10)
            return -1;
        sum = sum * 10 + digit;
    }
    *text = p;
    *number = sum;
    return 0;
}

int numbers_size(const char **text, uint64_t *size, const char **why)
{
    static const char letters[] = "KMGTkmgt";
    const char *p = *text;
    const char *letter;
    unsigned shift = 0;
    uint64_t number;

    *why = "it must be a number of bytes, perhaps followed by K, M, G or T (powers of 1024)";
    if (numbers_digits(&p, &number) != 0) {
        if (**text >= '0' && **text <= '9')
            *why = "it is too large";
        return -1;
    }
    if (*p && (letter = strchr(letters, *p))) {
        shift = 10 * (unsigned)((letter - letters) % 4 + 1);
        p++;
    }
    if (number > UINT64_MAX >> shift) {
        *why = "it is too large";
        return -1;
    }
    *text = p;
    *size = number << shift;
    return 0;
}
