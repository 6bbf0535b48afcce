/* numbered.h - messages that tell by themselves whether they are whole and in order: a number, from
 * which size, path and bytes follow. What the tests of death and of long runs send.
 */
#ifndef NUMBERED_H
#define NUMBERED_H

#include <stdatomic.h>

#include <sill.h>

#include "support.h"

enum { NUMBERED_LANES = 2, NUMBERED_MAX = 1400000 };

struct numbered_head {
    uint64_t number;
    uint32_t lane; /* 1: urgent */
    uint32_t check;
};

static inline uint32_t numbered_mix(uint64_t number, uint32_t lane)
{
    uint64_t x = (number * 2 + lane + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(x >> 32 ^ x >> 11);
}

/* Every 7th is urgent in a stream of both lanes; the lanes count apart. */
static inline uint32_t numbered_lane_of(uint64_t position)
{
    return position % 7 == 3;
}

static inline int numbered_path(uint64_t number, uint32_t lane)
{
    uint32_t x = numbered_mix(number, lane) % 64;
    if (lane == 1)
        return SILL_PATH_INLINE;
    return x == 0 ? SILL_PATH_ROUNDS : x < 4 ? SILL_PATH_MAPPED : x < 7 ? SILL_PATH_CHANNEL
                                                                       : SILL_PATH_INLINE;
}

static inline size_t numbered_size(uint64_t number, uint32_t lane)
{
    uint32_t x = numbered_mix(number, lane) >> 6;
    size_t extra = 0;
    switch (numbered_path(number, lane)) {
    case SILL_PATH_ROUNDS:
        extra = 1100000 + x % 200000;
        break;
    case SILL_PATH_MAPPED:
        extra = 5000 + x % 90000;
        break;
    case SILL_PATH_CHANNEL:
        extra = x % 30000;
        break;
    default:
        extra = lane == 1 ? x % 200 : x % 8 == 0 ? x % 3800 : x % 120;
        break;
    }
    return sizeof(struct numbered_head) + extra;
}

/* Only some of a large message's bytes, or nothing else would be measured. */
static inline size_t numbered_step(size_t size)
{
    return size > 4096 ? 509 : 13;
}

static inline void numbered_fill(void *to, uint64_t number, uint32_t lane)
{
    size_t size = numbered_size(number, lane);
    unsigned char *bytes = to;
    const struct numbered_head head = {number, lane, numbered_mix(number, lane)};
    memcpy(to, &head, sizeof head);
    for (size_t at = sizeof head; at < size; at += numbered_step(size))
        bytes[at] = (unsigned char)(head.check + at);
    if (size > sizeof head)
        bytes[size - 1] = (unsigned char)(head.check + size - 1);
}

/* True if the message is whole and the next of its lane; counts it. */
static inline bool numbered_take(const sill_message *m, uint64_t next[NUMBERED_LANES])
{
    struct numbered_head head;
    const unsigned char *bytes = m->data;
    if (m->size < sizeof head)
        return false;
    memcpy(&head, m->data, sizeof head);
    if (head.lane >= NUMBERED_LANES || head.number != next[head.lane] ||
        head.check != numbered_mix(head.number, head.lane) ||
        m->size != numbered_size(head.number, head.lane))
        return false;
    size_t size = m->size;
    for (size_t at = sizeof head; at < size; at += numbered_step(size))
        if (bytes[at] != (unsigned char)(head.check + at))
            return false;
    next[head.lane]++;
    return size == sizeof head || bytes[size - 1] == (unsigned char)(head.check + size - 1);
}

/* Sends the message at a position of a stream of both lanes: some of them as loans. */
static inline int numbered_send(sill_port *port, uint64_t position, uint64_t next[NUMBERED_LANES],
                                void *buffer, int timeout_ms)
{
    uint32_t lane = numbered_lane_of(position);
    uint64_t number = next[lane];
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = numbered_path(number, lane);
    options.flags = lane == 1 ? SILL_SEND_URGENT : position % 5 == 0 ? SILL_SEND_MORE : 0;
    void *data = buffer;
    int rc = 0;
    if (options.path == SILL_PATH_MAPPED && position % 2 == 0) {
        rc = sill_loan_wait(port, numbered_size(number, lane), &data, timeout_ms);
        options.flags |= SILL_SEND_LOAN;
    }
    if (rc != 0)
        return rc;
    numbered_fill(data, number, lane);
    rc = sill_send_with(port, data, numbered_size(number, lane), &options, timeout_ms);
    if (rc == 0)
        next[lane]++;
    return rc;
}

#endif
