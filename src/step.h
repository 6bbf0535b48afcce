/* step.h - the places where tests stop a process and kill it.
 *
 * SILL__STEP(name) marks a point of the protocol at which a process may die. In a build with
 * SILL_STEPS, a process whose environment says SILL_STOP_AT=name (or name:n for the nth time)
 * stops there for ever: it writes one byte to the file that SILL_STOP_NOTICE names and sleeps
 * until it is killed. In every other build the mark is nothing. A test walks the table, so a step
 * that is added here is tested without further work.
 */
#ifndef SILL__STEP_H
#define SILL__STEP_H

#define SILL__STEP_TABLE(X)                                                                        \
    X(listen_claimed)    /* the name is ours, nothing listens yet */                               \
    X(listen_block)      /* System V: the first semaphores exist, half-made */                     \
    X(listen_bound)      /* the socket or pipe exists */                                           \
    X(connect_slot)      /* System V: the client has a slot, without queues */                     \
    X(connect_queues)    /* System V: it has its queues, the server was not rung */                \
    X(slot_emptied)      /* System V: an ended client's slot has no queues, is not free */         \
    X(connect_opened)    /* the client has a channel, HELLO is not sent */                         \
    X(connect_hello)     /* HELLO is sent, no answer yet */                                        \
    X(accept_begin)      /* the server decided, WELCOME is not sent */                             \
    X(accept_welcome)    /* WELCOME is sent */                                                     \
    X(refuse_sent)       /* REFUSE is sent, the channel is open */                                 \
    X(frame_half)        /* a part of a frame is in the channel */                                 \
    X(send_begin)        /* a message is about to be sent */                                       \
    X(send_done)         /* it is sent */                                                          \
    X(segment_made)      /* a segment exists, the peer does not know */                            \
    X(segment_announced) /* the peer was told */                                                   \
    X(mapped_soon)       /* the block is partly filled, a sleeping peer was rung */                \
    X(mapped_copied)     /* the block is filled, no descriptor is sent */                          \
    X(mapped_sent)       /* the descriptor is sent */                                              \
    X(rounds_piece)      /* a piece of a large message is sent, more are to come */                \
    X(record_written)    /* a record's body is in the ring, its word is not */                     \
    X(record_published)  /* its word is, the peer is not rung */                                   \
    X(bell_begin)        /* the peer sleeps and is to be rung */                                   \
    X(bell_done)         /* it was */                                                              \
    X(armed)             /* want is set, the last look is to come */                               \
    X(space_wanted)      /* want_space is set, likewise */                                         \
    X(position_told)     /* room in the ring was given back */                                     \
    X(receive_begin)     /* a frame has come, nothing is done with it */                           \
    X(receive_taken)     /* a message is handed to the caller */                                   \
    X(release_begin)     /* the caller is done, the block is not given back */                     \
    X(release_done)      /* the block is given back */                                             \
    X(call_waiting)      /* the request is sent, the caller waits */                               \
    X(reply_begin)       /* the reply is about to be sent */                                       \
    X(close_begin)       /* CLOSE is not sent yet */                                               \
    X(close_sent)        /* CLOSE is sent, the channel is open */                                  \
    X(queue_claimed)     /* a queue's name is ours, there is no object */                          \
    X(queue_object)      /* a part of its object exists */                                         \
    X(queue_made)        /* it exists */                                                           \
    X(queue_put)         /* a message lies in it, nobody was told */                               \
    X(queue_taken)       /* likewise, one was taken */                                             \
    X(queue_round)       /* a piece of a large message is sent */                                  \
    X(queue_fetched)     /* a piece of one has come */                                             \
    X(queue_removed)     /* the object is gone, its owner record is not */                         \
    X(pipe_claimed)      /* a pipe's name is ours, there is no object */                           \
    X(pipe_made)         /* the object exists */                                                   \
    X(pipe_opened)       /* the other end is claimed and open */                                   \
    X(pipe_half)         /* a part of what is written is in the pipe */                            \
    X(pipe_close)        /* its record is gone, its handle is not */                               \
    X(region_object)     /* a region's object exists, empty */                                     \
    X(region_sized)      /* it has its size, no header */                                          \
    X(region_published)  /* its header is valid */                                                 \
    X(region_resizing)   /* a smaller size is told, a larger one is not yet made */                \
    X(region_resized)    /* a larger one is made, and not told */                                  \
    X(region_removed)    /* the object is gone, its owner record is not */                         \
    X(sync_making)       /* a synchronisation object is claimed, its cells are not made */         \
    X(sync_set_made)     /* a semaphore set exists, without its values */                          \
    X(sync_made)         /* its cells are made, nobody is told */                                  \
    X(sync_set_removed)  /* a semaphore set was removed, its segment is not */                     \
    X(sync_locked)       /* a lock is ours, we have not said so */                                 \
    X(sync_owned)        /* we have */                                                             \
    X(sync_disowned)     /* we have said that it is not, it still is */                            \
    X(sync_gate)         /* a writer has the gate, readers may be inside */                        \
    X(sync_read)         /* a reader is inside */                                                  \
    X(sync_counted)      /* a broadcast is counted, nobody is woken */                             \
    X(pool_formatted)    /* a pool has its first block, and no magic */                            \
    X(pool_begun)        /* a block is noted as being allocated or freed */                        \
    X(pool_split)        /* the rest of a block has its header, in a block that is still whole */  \
    X(pool_taken)        /* a block is allocated, the lists do not know of the rest */             \
    X(pool_freed)        /* a block is free, in no list */                                         \
    X(pool_merged)       /* it is one with a neighbour */                                          \
    X(pool_done)         /* all is done, nothing is noted, the lock is held */                     \
    X(pool_repairing)    /* the books are empty, and being made anew */                            \
    X(pool_repaired)     /* they are made, nobody is told */                                       \
    X(pool_root)         /* a root has a name, and no offset */                                    \
    X(segments_begun)    /* a set of segments has its sizes, and no magic */                       \
    X(segments_making)   /* a slot is ours, its segment is not made */                             \
    X(segments_made)     /* it is made, the slot does not say so */                                \
    X(segments_taken)    /* a segment is ours, nobody has its id */                                \
    X(segments_given)    /* it is free, nobody is woken */                                         \
    X(segments_absent)   /* a slot is empty, its segment is not removed */                         \
    X(segments_removing) /* the segments of a set are removed, the set is not */                   \
    X(rounds_begun)      /* a message through a region is announced */                             \
    X(rounds_filled)     /* a piece of it is there, and not counted */                             \
    X(rounds_taken)      /* a piece is taken, and not counted */

#ifdef SILL_STEPS
enum sill__step {
#define SILL__STEP_ENUM(name) sill__step_##name,
    SILL__STEP_TABLE(SILL__STEP_ENUM)
#undef SILL__STEP_ENUM
    sill__step_count
};
void sill__step_reached(enum sill__step step);
#define SILL__STEP(name) sill__step_reached(sill__step_##name)
#else
#define SILL__STEP(name) ((void)0)
#endif

#endif
