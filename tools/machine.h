/* machine.h - which machine this is, as far as it bears on what messages cost. */
#ifndef SILL_TOOLS_MACHINE_H
#define SILL_TOOLS_MACHINE_H

#include <stdint.h>

enum { MACHINE_TEXT = 128 };

struct machine {
    char processor[MACHINE_TEXT];
    char system[MACHINE_TEXT]; /* "Linux 6.1.0", "Windows 10.0.19045", "Wine 8.0" */
    unsigned cores;            /* that this process may use */
    uint64_t page_size;
};

void machine_read(struct machine *machine);
/* What of `then` is not as `now`, as words such as "the processor"; NULL if measurements made then
 * hold now. A new version of the same system is no difference. */
const char *machine_difference(const struct machine *then, const struct machine *now);

#endif
