/* fuzz_owner.c - the parser of owner records: whatever the bytes, it says what they are, touches
 * nothing on failure, and what it accepts is written back byte for byte.
 *
 * Half of the inputs are a record's fields to which a good checksum is added, since no fuzzer
 * guesses one and everything behind it would stay untried.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "owner.h"
#include "status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void parse(const char *text, size_t size)
{
    struct sill__owner_info info, untouched;
    memset(&info, 0x33, sizeof info);
    memset(&untouched, 0x33, sizeof untouched);
    int status = sill__owner_parse(text, size, &info);
    if (status != SILL_OK) {
        require(status == SILL_FOREIGN || status == SILL_VERSION || status == SILL__TORN);
        require(memcmp(&info, &untouched, sizeof info) == 0);
        return;
    }
    char again[SILL__OWNER_TEXT + 1], file[100];
    require(sill__owner_format(&info, again, sizeof again) == size);
    require(memcmp(text, again, size) == 0);
    require(sill__name_check(info.name) == SILL_OK);
    sill__owner_file_name(info.kind, info.name, file);
    require(strlen(file) <= 96 && strchr(file, '/') == NULL);
}

static void parse_signed(const uint8_t *data, size_t size)
{
    static const char first[] = "sill-owner 1\n";
    char text[SILL__OWNER_TEXT];
    size_t begin = sizeof first - 1;
    char check[32];
    if (size > sizeof text - begin - sizeof check)
        return;
    memset(text, '\n', sizeof text);
    memcpy(text, first, begin);
    memcpy(text + begin, data, size);
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < begin + size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    int length = snprintf(check, sizeof check, "check=%08x%08x", (unsigned)(hash >> 32),
                          (unsigned)(hash & 0xffffffff));
    memcpy(text + begin + size, check, (size_t)length);
    parse(text, sizeof text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of the exact size, so that reading behind it is seen. */
    char *text = malloc(size > 0 ? size : 1);
    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    parse(text, size);
    parse_signed(data, size);
    if (size > 0 && memchr(text, '\0', size) != NULL)
        sill__name_check(text);
    free(text);
    return 0;
}
