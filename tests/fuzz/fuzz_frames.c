/* fuzz_frames.c - an open link and a peer that sends anything: messages, pieces, segments,
 * descriptors, handles. It must end in order, whatever comes, and give back all that it took.
 */
#include "fuzz_link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_link(SILL__LINK_OPEN, data, size);
    return 0;
}
