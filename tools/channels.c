/* channels.c - what sill send and sill recv need of a kind of channel alike. See channels.h. */
#include "channels.h"

#include "os.h"

int channel_check(const struct channel *channel, const struct ends *ends)
{
    const char *name = sill_channel_kind_name(channel->kind);
    sill_channel_traits traits = {.struct_size = sizeof traits};
    int queue = channel->kind == SILL_CHANNEL_MQUEUE || channel->kind == SILL_CHANNEL_SYSV ||
                channel->kind == SILL_CHANNEL_QUEUE;

    if (channel->kind == SILL_CHANNEL_AUTO) {
        if (channel->has_priority || channel->rounds || channel->message_max || channel->depth)
            return cli_wrong("--priority, --rounds, --message-max and --depth are for the queues "
                             "that --channel names");
        return -1;
    }
    if (ends->path != SILL_PATH_AUTO || ends->family != SILL_FAMILY_AUTO || ends->policy ||
        ends->require_mapped)
        return cli_wrong("--path, --family, --policy and --require-mapped are for ports, not for "
                         "--channel");
    if (!queue &&
        (channel->has_priority || channel->rounds || channel->message_max || channel->depth))
        return cli_wrong("a %s has no priorities and no limits to set: that is for queues (mqueue, "
                         "sysv, queue)",
                         name);
    if (channel->priority > SILL_PRIORITY_MAX)
        return cli_wrong("--priority: it must be from 0 to %d", SILL_PRIORITY_MAX);
    if (channel->depth > UINT32_MAX || channel->message_max > INT32_MAX)
        return cli_wrong("--depth or --message-max is too large");
    if (sill_channel_get_traits(channel->kind, &traits) != SILL_OK || !traits.available)
        return cli_fail("this system has no channels of the kind %s [SILL_UNSUPPORTED]", name);
    return -1;
}

int channel_fail(int status)
{
    if (os_interrupted())
        return CLI_INTERRUPTED;
    return cli_fail_sill(status);
}

void channel_join(struct cli_arguments *arguments)
{
    int i;

    for (i = 0; i < arguments->rest_count; i++)
        arguments->given[arguments->count++] = arguments->rest[i];
    arguments->rest = NULL;
    arguments->rest_count = 0;
}

int channel_command_end(sill_child *child, const char *name)
{
    int code = 0;
    int status = sill_child_wait(child, &code, -1);

    if (status != SILL_OK)
        return channel_fail(status);
    if (code < 0)
        return cli_fail("%s was ended by signal %d", name, -code);
    if (code > 0)
        return cli_fail("%s ended with status %d", name, code);
    return CLI_FINE;
}
