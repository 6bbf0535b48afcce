/* stream.h - frames over a connection's bytes: what ports and public channels share.
 *
 * Nothing here blocks and nothing is locked: the owner holds its own lock around each call and
 * sleeps (hub.h) where AGAIN is said. One frame at a time is written and one is read.
 */
#ifndef SILL__STREAM_H
#define SILL__STREAM_H

#include "channel_ops.h"
#include "wire.h"

/* What the owner does with frames that come. Both functions return 0, or a status that ends the
 * stream with it. */
struct sill__stream_user {
    /* A checked head has come. Sets *body to where head->size bytes go (left alone if it is 0),
     * which must stay until `end`. */
    int (*begin)(void *arg, const struct sill__frame *head, void **body);
    /* The frame is complete. `good` is false for a frame that its sender took back. The handles
     * (head->handles of them) are the callee's now. */
    int (*end)(void *arg, const struct sill__frame *head, const sill_handle *handles, bool good);
    void *arg;
};

struct sill__stream {
    sill__conn *conn; /* owned; NULL once shut */
    struct sill__stream_user user;
    uint64_t data_max;

    /* What could not be written yet: control frames, the rest of a frame that was taken back.
     * Goes out before the next frame begins. Bytes [out_from, out_size). */
    unsigned char *out;
    size_t out_from, out_size, out_capacity;
    bool writing; /* a frame of the owner's is begun and not finished: `out` waits behind it */

    /* The frame that is being read. */
    unsigned char head[SILL__FRAME_HEAD + 8 * SILL_HANDLES_MAX];
    size_t head_have;
    struct sill__frame frame;
    void *body;
    size_t body_have;
    bool begun;        /* the head is complete and `begin` was called */
    unsigned completed; /* frames read, ever (wraps) */
};

/* A frame that is being written. Lives with the caller until push says something but AGAIN, or
 * until sill__stream_take_back. */
struct sill__writing {
    unsigned char head[SILL__FRAME_HEAD + 8 * SILL_HANDLES_MAX];
    size_t head_size;
    sill_handle handles[SILL_HANDLES_MAX];
    unsigned handle_count;
    const void *body;
    size_t body_size;
    unsigned char commit;
    size_t done; /* bytes of the whole frame that the OS has */
};

/* Whether the peer would still get all that was written, with or without the handles, if this
 * process ended now, or nothing more can be done about it. On Windows it takes a moment; the peer
 * may even have to read first. So the owner waits for it behind each frame, with a struct
 * sill__arrival as the argument, for a while: afterwards it is sent all the same. */
struct sill__arrival {
    struct sill__stream *stream;
    const bool *peer_dead; /* the owner's */
    bool handles;
};
bool sill__stream_arrived(void *arrival);
int64_t sill__arrival_deadline(int64_t deadline);
/* The same of everything, what is queued too, if this process ended now; writes what it can. Also
 * true when nothing more can be done about it. */
bool sill__stream_settled(struct sill__stream *s);

/* Takes the connection over. */
void sill__stream_init(struct sill__stream *s, sill__conn *conn,
                       const struct sill__stream_user *user, uint64_t data_max);
/* Closes the connection and frees everything but *s itself; handles of a half-read frame are
 * closed. Twice is fine. The body of a half-read frame belongs to the user. */
void sill__stream_shut(struct sill__stream *s);

/* Reads and hands over frames until `frames` of them were completed (0), nothing is left (AGAIN)
 * or the stream has ended (DIED: the end of the bytes; PROTOCOL; what the user said; else).
 * `scratch` is the caller's, for any use; larger is faster. */
int sill__stream_read(struct sill__stream *s, unsigned frames, void *scratch, size_t scratch_size);

/* Prepares a frame: head->size and head->handles are set from the arguments. The body stays the
 * caller's and is read during push. 0, or why a handle cannot be passed. */
int sill__stream_prepare(struct sill__stream *s, struct sill__writing *w,
                         const struct sill__frame *head, const void *body, size_t size,
                         const sill_handle *handles, unsigned handle_count);
/* Writes on. 0: all of it is with the OS. AGAIN: call again when the channel is writable; no other
 * frame may be pushed before. Else the stream has ended. */
int sill__stream_push(struct sill__stream *s, struct sill__writing *w);
/* Gives up a frame that was begun. If a part of it is with the OS already, the rest is queued as
 * zeros with a commit of 0. 0; NO_MEMORY: the stream must be ended; else as flush. */
int sill__stream_take_back(struct sill__stream *s, struct sill__writing *w);

/* Queues a small frame without handles and writes what can be written now. 0, AGAIN (queued,
 * will go out with the next flush), PROTOCOL (the peer leaves too much unread), else as push. */
int sill__stream_control(struct sill__stream *s, const struct sill__frame *head, const void *body,
                         size_t size);
/* Writes what is queued. 0 or AGAIN or else. */
int sill__stream_flush(struct sill__stream *s);
/* Bytes queued. */
size_t sill__stream_queued(const struct sill__stream *s);

#endif
