/* wire.c - checks of what a peer wrote. Pure functions over private copies: the caller has read
 * each byte once, from the channel, and nobody else can change it any more.
 */
#include "wire.h"

#include <string.h>

#include <sill/port.h>

#include "status.h"

/* What a frame of each type may look like. */
static const struct rule {
    uint64_t size_min;
    uint64_t size_max; /* UINT64_MAX: the caller's data_max */
    uint8_t flags;
    uint8_t handles_min;
    uint8_t handles_max;
} rules[SILL__FRAME_TYPES] = {
    [SILL__FRAME_DATA] = {0, UINT64_MAX, 0, 0, SILL_HANDLES_MAX},
    [SILL__FRAME_CLOSE] = {0, 0, 0, 0, 0},
    [SILL__FRAME_TAKEN] = {0, 0, 0, 0, 0},
    [SILL__FRAME_HELLO] = {sizeof(struct sill__hello), sizeof(struct sill__hello) + SILL__DATA_MAX,
                           0, 0, 1},
    [SILL__FRAME_WELCOME] = {sizeof(struct sill__hello),
                             sizeof(struct sill__hello) + SILL__DATA_MAX, 0, 0, 1},
    [SILL__FRAME_REFUSE] = {0, SILL__DATA_MAX, 0, 0, 0},
    [SILL__FRAME_MESSAGE] = {0, SILL__CHUNK_MAX,
                             SILL__FRAME_DESCRIBED | SILL__FRAME_LOANED | SILL__FRAME_REFUSED |
                                 SILL__FRAME_URGENT | SILL__FRAME_PLACED,
                             0, SILL_HANDLES_MAX},
    [SILL__FRAME_MORE] = {1, SILL__CHUNK_MAX, SILL__FRAME_DESCRIBED | SILL__FRAME_URGENT, 0, 0},
    [SILL__FRAME_ABORT] = {0, 0, SILL__FRAME_URGENT, 0, 0},
    [SILL__FRAME_SEGMENT] = {0, 0, 0, 1, 1},
    [SILL__FRAME_DROP] = {0, 0, 0, 0, 0},
    [SILL__FRAME_BELL] = {0, 0, 0, 0, 0},
    [SILL__FRAME_CANCEL] = {0, 0, 0, 0, 0},
};

static bool kind_fits(const struct sill__frame *f)
{
    if (f->type != SILL__FRAME_MESSAGE)
        return f->kind == 0;
    if (f->kind == SILL_REPLY && (f->flags & SILL__FRAME_PLACED) != 0)
        return false;
    if (f->kind == SILL_DATAGRAM)
        return f->id == 0 && !(f->flags & SILL__FRAME_REFUSED);
    if (f->kind == SILL_REQUEST)
        return f->id != 0 && !(f->flags & SILL__FRAME_REFUSED);
    return f->kind == SILL_REPLY && f->id != 0;
}

int sill__frame_check(const struct sill__frame *f, uint64_t data_max)
{
    if (f->type == 0 || f->type >= SILL__FRAME_TYPES)
        return sill__fail(SILL_PROTOCOL, "the peer sent a frame of an unknown type (%u)", f->type);
    const struct rule *rule = &rules[f->type];
    uint64_t size_max = rule->size_max == UINT64_MAX ? data_max : rule->size_max;
    if (f->size < rule->size_min || f->size > size_max)
        return sill__fail(SILL_PROTOCOL,
                          "the peer sent a frame of type %u with %lu bytes, allowed are %lu to %lu",
                          f->type, (unsigned long)f->size, (unsigned long)rule->size_min,
                          (unsigned long)size_max);
    if ((f->flags & ~rule->flags) != 0 || f->handles < rule->handles_min ||
        f->handles > rule->handles_max || !kind_fits(f))
        return sill__fail(SILL_PROTOCOL,
                          "the peer sent a frame of type %u with flags %u, kind %u and %u handles",
                          f->type, f->flags, f->kind, f->handles);
    if ((f->flags & SILL__FRAME_DESCRIBED) != 0 && f->size != sizeof(struct sill__descriptor))
        return sill__fail(SILL_PROTOCOL, "the peer sent a block descriptor of %lu bytes",
                          (unsigned long)f->size);
    if ((f->flags & SILL__FRAME_LOANED) != 0 && (f->flags & SILL__FRAME_DESCRIBED) == 0)
        return sill__fail(SILL_PROTOCOL, "the peer sent a loan that lies in no block");
    return 0;
}

int sill__hello_parse(const void *body, size_t size, struct sill__hello *out, uint16_t *version)
{
    if (size < sizeof *out)
        return sill__fail(SILL_PROTOCOL, "the peer's greeting is too short");
    memcpy(out, body, sizeof *out);
    if (out->magic != SILL__HELLO_MAGIC || out->oldest > out->version || out->version == 0)
        return sill__fail(SILL_PROTOCOL, "the peer's greeting is not sill's");
    if (out->oldest > SILL__WIRE_VERSION || out->version < SILL__WIRE_OLDEST)
        return sill__fail(SILL_VERSION,
                          "the peer speaks versions %u to %u of the protocol, this sill %u to %u",
                          out->oldest, out->version, SILL__WIRE_OLDEST, SILL__WIRE_VERSION);
    if ((out->features & SILL__FEATURE_MAP) != 0 &&
        (out->ring_size < SILL__RING_MIN || out->ring_size > SILL__RING_MAX ||
         (out->ring_size & (out->ring_size - 1)) != 0))
        return sill__fail(SILL_PROTOCOL, "the peer's ring has an impossible size (%lu bytes)",
                          (unsigned long)out->ring_size);
    *version = out->version < SILL__WIRE_VERSION ? out->version : SILL__WIRE_VERSION;
    return 0;
}

int sill__descriptor_check(const struct sill__descriptor *d, uint64_t segment_size, uint64_t left)
{
    if (d->slot >= SILL__SLOTS || d->offset % 64 != 0 || d->size == 0 ||
        d->size > left || d->offset > segment_size || d->size > segment_size - d->offset)
        return sill__fail(SILL_PROTOCOL, "the peer described a block that cannot be: %llu bytes at "
                          "%llu of a segment of %llu, %llu expected",
                          (unsigned long long)d->size, (unsigned long long)d->offset,
                          (unsigned long long)segment_size, (unsigned long long)left);
    return 0;
}
