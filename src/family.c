/* family.c - the families of parts: their names, and which one a port is to run on.
 *
 * The caller's option comes first, then the policy's key, then the environment variable
 * SILL_FAMILY. Where none of them says, a server takes the system's own and a client asks for the
 * server's.
 */
#include "family.h"

#include <string.h>

#include "backends.h"
#include "files.h"
#include "memory.h"
#include "status.h"

const char *sill_family_name(int family)
{
    switch (family) {
#define NAME(name, value, text)                                                                    \
    case value:                                                                                    \
        return text;
        SILL_FAMILY_TABLE(NAME)
#undef NAME
    default:
        return "?";
    }
}

int sill_family_parse(const char *text)
{
    if (text == NULL)
        return -1;
    for (int family = 0; family < SILL_FAMILY_COUNT; family++)
        if (strcmp(text, sill_family_name(family)) == 0)
            return family;
    return -1;
}

static int from_environment(int *out)
{
    char *text;
    int rc = sill__env("SILL_FAMILY", &text);
    if (rc != 0 || text == NULL)
        return rc;
    int family = sill_family_parse(text);
    if (family >= 0)
        *out = family;
    else
        rc = sill__fail(SILL_INVALID,
                        "SILL_FAMILY is \"%.40s\", but must be \"auto\", \"posix\", \"sysv\" or "
                        "\"win32\".",
                        text);
    sill__free(text);
    return rc;
}

int sill__family_choose(int asked, int by_policy, const struct sill__channel_ops **out)
{
    int family = asked != SILL_FAMILY_AUTO ? asked : by_policy;
    if (family < 0 || family >= SILL_FAMILY_COUNT)
        return sill__fail(SILL_INVALID, "There is no family number %d.", family);
    int rc = family == SILL_FAMILY_AUTO ? from_environment(&family) : 0;
    if (rc != 0)
        return rc;
    const struct sill__channel_ops *ops = sill__channel_of_family(family);
    if (ops == NULL && family != SILL_FAMILY_AUTO)
        return sill__fail(SILL_UNSUPPORTED,
                          "Ports of the family %s do not exist on this system, whose own is %s.",
                          sill_family_name(family), sill_family_name(sill__channels[0]->family));
    *out = ops;
    return 0;
}
