/* fuzz_policy.c - any bytes as a policy file: they are refused with a place, or they are a policy
 * that is valid and comes back the same from its own text.
 */
#include <sill/policy.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* "f:LINE:COLUMN: sentence", within the text, on one line and ended by a full stop. */
static void check_sentence(const char *message, size_t size)
{
    unsigned line = 0, column = 0;
    int used = 0;
    REQUIRE(sscanf(message, "f:%u:%u: %n", &line, &column, &used) == 2 && used > 0);
    REQUIRE(line >= 1 && line <= size + 1 && column >= 1 && column <= size + 1);
    REQUIRE(message[used] != '\0' && strchr(message, '\n') == NULL);
    REQUIRE(message[strlen(message) - 1] == '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sill_policy policy = SILL_POLICY_INIT, again = SILL_POLICY_INIT;
    int status = sill_policy_parse(&policy, (const char *)data, size, "f");
    if (status != SILL_OK) {
        REQUIRE(status == SILL_INVALID || (status == SILL_TOO_BIG && size > 1 << 20));
        if (status == SILL_INVALID)
            check_sentence(sill_last_error()->message, size);
        return 0;
    }
    REQUIRE(sill_policy_validate(&policy) == SILL_OK);
    char *text = NULL;
    REQUIRE(sill_policy_format(&policy, &text) == SILL_OK);
    REQUIRE(sill_policy_parse(&again, text, strlen(text), "again") == SILL_OK);
    REQUIRE(memcmp(&policy, &again, sizeof policy) == 0);
    sill_policy_free_text(text);
    int path = sill_policy_pick(&policy, size, SILL_CAN_INLINE | SILL_CAN_MAP, NULL);
    REQUIRE(path > SILL_PATH_AUTO && path < SILL_PATH_COUNT);
    return 0;
}
