/* family.h - which family of parts a port runs on. */
#ifndef SILL__FAMILY_H
#define SILL__FAMILY_H

#include <sill/policy.h>

#include "channel_ops.h"

/* The channel of the family that is `asked` for, or that the policy says, or the environment. *out
 * NULL: nobody says. 0; INVALID; UNSUPPORTED (not on this system);
 * NO_MEMORY. */
int sill__family_choose(int asked, int by_policy, const struct sill__channel_ops **out);

#endif
