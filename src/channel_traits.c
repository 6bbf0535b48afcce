/* channel_traits.c - the kinds of channels, and what each can do on this system.
 *
 * Facts come from the registry (backends.h) and the queues' own bounds; what all systems have alike
 * stands here.
 */
#include <sill/channel.h>

#include <string.h>

#include "backends.h"
#include "queue.h"
#include "status.h"

#define FRAME_MAX INT32_MAX

static const struct {
    int kind;
    const char *text;
} kinds[] = {
#define KIND(name, value, text) {value, text},
    SILL_CHANNEL_KIND_TABLE(KIND)
#undef KIND
};
#define KINDS (sizeof kinds / sizeof kinds[0])

const char *sill_channel_kind_name(int kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind)
            return kinds[i].text;
    return "?";
}

int sill_channel_kind_parse(const char *text)
{
    for (size_t i = 0; text != NULL && i < KINDS; i++)
        if (strcmp(kinds[i].text, text) == 0)
            return kinds[i].kind;
    return -1;
}

static void tell_frames(sill_channel_traits *traits, const struct sill__channel_ops *ops)
{
    traits->available = 1;
    traits->boundaries = traits->duplex = traits->identity = traits->death = 1;
    traits->pollable = traits->named = 1;
    traits->priorities = 1;
    traits->handles = (ops->caps & SILL__CHANNEL_HANDLES) != 0;
    traits->message_max = FRAME_MAX;
}

static void tell_bytes(sill_channel_traits *traits, int kind)
{
    traits->available = 1;
    traits->priorities = 1;
    traits->pollable = 1;
    traits->named = traits->death = kind == SILL_CHANNEL_FIFO;
}

static void tell_queue(sill_channel_traits *traits, const struct sill__queue_ops *ops)
{
    struct sill__queue_bounds bounds;
    sill_error before = *sill_last_error();
    if (ops->bounds(&bounds) != SILL_OK) {
        sill__error_restore(&before); /* that it is not available is an answer */
        return;
    }
    traits->available = 1;
    traits->boundaries = traits->duplex = traits->death = traits->named = 1;
    traits->priorities = SILL_PRIORITY_MAX + 1;
    traits->pollable = ops->pollable_kind;
    traits->message_max = bounds.message_max - sizeof(struct sill__queue_head);
    traits->depth = bounds.depth;
    traits->bytes = bounds.bytes;
    traits->user_bytes = bounds.user_bytes;
}

int sill_channel_get_traits(int kind, sill_channel_traits *traits)
{
    sill_channel_traits result = {.struct_size = sizeof result};
    if (traits == NULL || traits->struct_size != sizeof *traits)
        return sill__fail(SILL_INVALID,
                          "There is no place for the traits, or its size is not set.");
    if (strcmp(sill_channel_kind_name(kind), "?") == 0)
        return sill__fail(SILL_INVALID, "The kind %d is none of a channel.", kind);
    const struct sill__queue_ops *queue = sill__queue_ops_of(kind);
    if (kind == SILL_CHANNEL_AUTO || kind == sill__channels[0]->kind)
        tell_frames(&result, sill__channels[0]);
    else if (kind == SILL_CHANNEL_PIPE || kind == SILL_CHANNEL_FIFO)
        tell_bytes(&result, kind);
    else if (queue != NULL)
        tell_queue(&result, queue);
    *traits = result;
    return SILL_OK;
}
