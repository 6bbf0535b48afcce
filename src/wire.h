/* wire.h - everything that one side writes and the other must parse: frames, handshake, block
 * descriptors, bodies of records, and the page of control words in shared memory. Pure functions,
 * no I/O. (The records themselves: ring.h.)
 *
 * All numbers are in the machine's own byte order (both sides are on one machine), of fixed width
 * and at fixed offsets, the same for 32-bit and 64-bit processes and for every compiler. A change
 * of anything here changes SILL__WIRE_VERSION. docs/shared-layout.md tells the same in prose.
 *
 * A frame on a channel is
 *
 *     head (32 bytes) | handles * 8 bytes | body (head.size bytes) | one byte, the commit
 *
 * The commit byte is 1 if the frame counts and 0 if it does not. A sender whose time runs out in
 * the middle of a frame fills up the body with zeros and ends it with 0: the peer throws the frame
 * away, the stream stays in step, and "timed out" always means "not delivered".
 */
#ifndef SILL__WIRE_H
#define SILL__WIRE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sill/channel.h>

#define SILL__WIRE_VERSION 2
#define SILL__WIRE_OLDEST  2

#define SILL__FRAME_HEAD     32
#define SILL__CHUNK_MAX      (128 * 1024) /* body of a message's frame, bytes */
#define SILL__DATA_MAX       (64 * 1024)  /* data of connect, accept and refuse, bytes */
#define SILL__SEGMENTS_LIMIT 64           /* segments that a side may announce at once */

enum sill__frame_type {
    SILL__FRAME_DATA = 1, /* a bare channel's frame */
    SILL__FRAME_CLOSE,    /* orderly end; nothing follows */
    SILL__FRAME_TAKEN,    /* word handles of the receiver were imported (see channel_ops.h) */
    SILL__FRAME_HELLO,    /* client: struct sill__hello, connect data; handle: control region */
    SILL__FRAME_WELCOME,  /* server: the same in answer */
    SILL__FRAME_REFUSE,   /* server: word is the status, body the server's data */
    SILL__FRAME_MESSAGE,  /* a message or its first chunk: kind, id, total */
    SILL__FRAME_MORE,     /* the next chunk of the message that has begun */
    SILL__FRAME_ABORT,    /* the message that has begun is taken back */
    SILL__FRAME_SEGMENT,  /* segment number id of total bytes exists; handle: the region */
    SILL__FRAME_DROP,     /* segment number id will not be used again */
    SILL__FRAME_BELL,     /* look at the shared words again */
    SILL__FRAME_CANCEL,   /* nobody waits for the reply to request id any more */
    SILL__FRAME_TYPES
};

enum sill__frame_flag {
    SILL__FRAME_DESCRIBED = 1, /* the body is a struct sill__descriptor, not the bytes */
    SILL__FRAME_LOANED = 2,    /* the bytes were built in place: the sender copied nothing */
    SILL__FRAME_REFUSED = 4,   /* of a reply: the request is refused */
    SILL__FRAME_URGENT = 16,   /* belongs to the urgent lane */
    SILL__FRAME_PLACED = 64    /* of a request or datagram: it needs no record; its place is behind
                                  the records of its lane before position `word` */
};

struct sill__frame {
    uint32_t size;   /* bytes of body */
    uint8_t type;    /* enum sill__frame_type */
    uint8_t kind;    /* of MESSAGE: SILL_REQUEST, SILL_REPLY, SILL_DATAGRAM; else 0 */
    uint8_t flags;   /* enum sill__frame_flag */
    uint8_t handles; /* values that follow the head, 0 to SILL_HANDLES_MAX */
    uint64_t id;
    uint64_t total; /* of MESSAGE: bytes of the whole message */
    uint64_t word;
};
static_assert(sizeof(struct sill__frame) == SILL__FRAME_HEAD, "frame head");
static_assert(offsetof(struct sill__frame, id) == 8, "frame head");
static_assert(offsetof(struct sill__frame, word) == 24, "frame head");

/* Checks a head that was read: type, flags, kind, handles, and that the body's size is one that
 * the type can have (`data_max`: the largest DATA). 0 or SILL_PROTOCOL with a sentence. */
int sill__frame_check(const struct sill__frame *frame, uint64_t data_max);

#define SILL__HELLO_MAGIC UINT32_C(0x6c6c6973) /* "sill" in memory on a little-endian machine */

#define SILL__RING_MIN 4096 /* bytes; sizes are powers of two */
#define SILL__RING_MAX (256 * 1024 * 1024)

enum sill__feature {
    SILL__FEATURE_MAP = 1,    /* the control region, with its rings, is passed and maps */
    SILL__FEATURE_BARRIER = 2 /* barrier.h: who sleeps pays, who publishes need not */
};

struct sill__hello {
    uint32_t magic;
    uint16_t version; /* HELLO: the newest that the client speaks; WELCOME: the one to be used */
    uint16_t oldest;  /* HELLO: the oldest; WELCOME: the same as version */
    uint32_t features;
    uint32_t ring_size;   /* bytes of the writer's ring; with FEATURE_MAP */
    uint64_t message_max; /* the largest message that the sender of this takes, bytes */
    uint64_t reserved;
};
static_assert(sizeof(struct sill__hello) == 32, "hello");

/* Parses the body of HELLO or WELCOME. The data behind it is at body + 32, size - 32 bytes.
 * 0; PROTOCOL; VERSION. A HELLO: *version is set to the newest that both speak. */
int sill__hello_parse(const void *body, size_t size, struct sill__hello *out, uint16_t *version);

/* Where the bytes of a mapped message, or of a piece of one, lie: in the sender's segment. */
struct sill__descriptor {
    uint32_t segment;
    uint32_t slot;       /* index into the receiver's release table */
    uint32_t generation; /* what the receiver writes there when it is done */
    uint32_t serial;     /* of the segment, as announced: numbers are used again, serials not */
    uint64_t offset; /* from the beginning of the segment's data, bytes; a multiple of 64 */
    uint64_t size;   /* bytes */
};
static_assert(sizeof(struct sill__descriptor) == 32, "descriptor");

/* 0, or PROTOCOL if it is not within `segment_size` or larger than `left`. */
int sill__descriptor_check(const struct sill__descriptor *d, uint64_t segment_size, uint64_t left);

/* The body of a record that describes: a mapped message, or a piece of one. */
struct sill__described {
    uint64_t id;
    uint64_t total; /* bytes of the whole message; of MORE 0 */
    struct sill__descriptor block;
    uint32_t released_slot; /* the block of the reader's that the writer released last, which its
                               table says as well: so the reader need not fetch that */
    uint32_t released_generation; /* 0: none */
};
static_assert(sizeof(struct sill__described) == 56, "described record");

/* Messages travel in two lanes, each with a ring of its own; what is in the urgent one overtakes
 * what waits in the other. */
enum sill__lane_number { SILL__LANE_PLAIN, SILL__LANE_URGENT, SILL__LANES };

/* One side's control words and rings, in a region of its own that the peer maps read-only. Every
 * word has one writer, the owner of the region. What is written at different times lies 128 bytes
 * apart, since processors fetch lines in pairs; with the region's header before it, the plain ring
 * begins a page. */
#define SILL__SLOTS       512
#define SILL__URGENT_RING 1024 /* bytes */

struct sill__control {
    uint32_t slots;     /* SILL__SLOTS */
    uint32_t ring_size; /* as in the greeting */
    _Atomic uint32_t lazy; /* not 0: the owner publishes and releases without a fence, so that the
                              peer, before it sleeps, must have barriers made (barrier.h) */
    _Atomic uint32_t soon; /* not 0: the owner is about to publish; the peer had better not sleep */
    uint32_t reserved[12];

    _Atomic uint32_t want; /* not 0: the owner sleeps until something is published; the peer rings
                              once for each new value. Odd: also if something will be soon */
    uint32_t apart_want[31];

    _Atomic uint32_t consumed[SILL__LANES]; /* position in the peer's ring up to which it is free */
    uint32_t apart_consumed[30];

    _Atomic uint32_t want_space; /* as want: the owner sleeps until the peer releases something */
    uint32_t apart_space[31];

    _Atomic uint32_t released[SILL__SLOTS]; /* [slot]: generation of the peer's block that the
                                               owner has last released there */
    uint32_t apart_released[128];
    unsigned char urgent[SILL__URGENT_RING];
    unsigned char ring[]; /* ring_size bytes */
};
static_assert(sizeof(_Atomic uint32_t) == 4, "atomics are plain words");
static_assert(offsetof(struct sill__control, want) == 64, "control words");
static_assert(offsetof(struct sill__control, consumed) == 192, "control words");
static_assert(offsetof(struct sill__control, want_space) == 320, "control words");
static_assert(offsetof(struct sill__control, released) == 448, "control words");
static_assert(offsetof(struct sill__control, urgent) == 3008, "control words");
static_assert(offsetof(struct sill__control, ring) == 4032, "control words");

#endif
