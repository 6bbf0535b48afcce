/* stream_rig.h - numbered messages that tell whether they are whole, by every way there is.
 */
#ifndef STREAM_RIG_H
#define STREAM_RIG_H

#include <stdatomic.h>

#include <sill.h>

#include "support.h"

enum { STREAM_PLAIN, STREAM_URGENT, STREAM_LANES };

struct stream_head {
    uint32_t lane;
    uint32_t size;
    uint64_t number;
};

static inline uint32_t stream_random(uint32_t *x)
{
    *x = *x * 1664525u + 1013904223u;
    return *x >> 8;
}

static inline uint64_t stream_word(uint64_t number, size_t at)
{
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ at * UINT64_C(0xc2b2ae3d27d4eb4f);
}

/* A message of at least 16 bytes. */
static inline void stream_fill(void *bytes, size_t size, unsigned lane, uint64_t number)
{
    const struct stream_head head = {lane, (uint32_t)size, number};
    size_t at = sizeof head;
    memcpy(bytes, &head, sizeof head);
    for (; at < size; at += 8) {
        uint64_t word = stream_word(number, at);
        memcpy((char *)bytes + at, &word, size - at < 8 ? size - at : 8);
    }
}

/* Whether every byte is as it was sent. */
static inline bool stream_whole(const void *bytes, size_t size, struct stream_head *head)
{
    if (size < sizeof *head)
        return false;
    memcpy(head, bytes, sizeof *head);
    if (head->size != size || head->lane >= STREAM_LANES)
        return false;
    for (size_t at = sizeof *head; at < size; at += 8) {
        uint64_t word = stream_word(head->number, at);
        if (memcmp((const char *)bytes + at, &word, size - at < 8 ? size - at : 8) != 0)
            return false;
    }
    return true;
}

/* What was received of a stream; in order and without gaps. */
struct stream_in {
    uint64_t next[STREAM_LANES];
    const char *wrong; /* NULL: nothing is */
};

static inline void stream_take(struct stream_in *in, const sill_message *m)
{
    struct stream_head head;
    if (!stream_whole(m->data, m->size, &head))
        in->wrong = "a message is not as it was sent";
    else if (head.number < in->next[head.lane])
        in->wrong = "a message came twice, or late";
    else if (head.number > in->next[head.lane])
        in->wrong = "a message is missing";
    else
        in->next[head.lane]++;
}

/* The ways of a message. LOAN stands beside the paths of sill. */
enum { STREAM_LOAN = SILL_PATH_COUNT };

static const struct stream_way {
    int path;
    unsigned flags;
    size_t least, most;
    unsigned odds; /* of 64 */
} stream_ways[] = {
    {SILL_PATH_AUTO, 0, 16, 300, 30},
    {SILL_PATH_AUTO, SILL_SEND_MORE, 16, 300, 8},
    {SILL_PATH_AUTO, 0, 16, 20000, 6},
    {SILL_PATH_CHANNEL, 0, 16, 5000, 4},
    {SILL_PATH_CHANNEL, 0, 130000, 200000, 1},
    {SILL_PATH_MAPPED, 0, 16, 100000, 3},
    {SILL_PATH_ROUNDS, 0, 100000, 400000, 1},
    {STREAM_LOAN, 0, 16, 50000, 4},
    {SILL_PATH_AUTO, SILL_SEND_URGENT, 16, 200, 5},
    {SILL_PATH_AUTO, SILL_SEND_URGENT, 300, 20000, 2},
};
enum { STREAM_MOST = 400000 };

/* Small enough for everything to run full and wrap. */
static inline sill_policy stream_policy(void)
{
    sill_policy policy = SILL_POLICY_INIT;
    sill_policy_defaults(&policy);
    policy.segment_size = 1 << 18;
    policy.mapped_max = 1 << 20;
    return policy;
}

struct stream_out {
    sill_port *port;
    uint32_t random;
    uint64_t next[STREAM_LANES];
    unsigned char *bytes; /* STREAM_MOST */
    unsigned lane;        /* of the last one */
};

static inline int stream_send_loan(struct stream_out *out, size_t size, int timeout_ms)
{
    void *block = NULL;
    int rc = sill_loan_wait(out->port, size, &block, timeout_ms);
    if (rc != 0)
        return rc;
    stream_fill(block, size, STREAM_PLAIN, out->next[STREAM_PLAIN]);
    rc = sill_send_loan(out->port, block, size, timeout_ms);
    if (rc != 0)
        sill_loan_cancel(out->port, block);
    return rc;
}

/* Sends the next message, by any way; counts it if that succeeds. */
static inline int stream_send(struct stream_out *out, int timeout_ms)
{
    uint32_t r = stream_random(&out->random);
    unsigned which = r % 64, i = 0;
    while (which >= stream_ways[i].odds)
        which -= stream_ways[i++].odds;
    const struct stream_way *way = &stream_ways[i];
    size_t size = way->least + stream_random(&out->random) % (way->most - way->least + 1);
    out->lane = (way->flags & SILL_SEND_URGENT) != 0 ? STREAM_URGENT : STREAM_PLAIN;
    int rc;
    if (way->path == STREAM_LOAN) {
        rc = stream_send_loan(out, size, timeout_ms);
    } else {
        sill_send_options options = SILL_SEND_OPTIONS_INIT;
        options.path = way->path;
        options.flags = way->flags;
        stream_fill(out->bytes, size, out->lane, out->next[out->lane]);
        rc = sill_send_with(out->port, out->bytes, size, &options, timeout_ms);
    }
    if (rc == 0)
        out->next[out->lane]++;
    return rc;
}

/* A call with a numbered request that must come back as it is. */
static inline int stream_call(sill_port *port, unsigned char *bytes, uint32_t *random,
                              int timeout_ms)
{
    uint32_t r = stream_random(random);
    size_t size = r % 32 == 0 ? 100000 : r % 8 == 0 ? 6000 : 16 + r % 300;
    struct stream_head head;
    sill_message reply = SILL_MESSAGE_INIT;
    stream_fill(bytes, size, STREAM_PLAIN, r);
    int rc = sill_call(port, bytes, size, &reply, timeout_ms);
    if (rc == 0 && (!stream_whole(reply.data, reply.size, &head) || head.number != r))
        rc = SILL_OS;
    sill_release(&reply);
    return rc;
}

#endif
