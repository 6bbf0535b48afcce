/* fuzz_handshake.c - a greeting from anybody: what a server hears first from a client, and a client
 * from a server.
 */
#include "fuzz_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    run_link((data[0] & 2) != 0 ? SILL__LINK_SILENT : SILL__LINK_GREETING, data, size);
    return 0;
}
