/*
 * bell.pml: how one direction of a connection sleeps, wakes and ends.
 *
 * A producer puts records into a ring, a consumer takes them. Each of them sleeps where it cannot
 * go on, the other one rings a bell, and either may be killed between any two steps. README.md
 * beside this file says what is modelled and how the names here belong to those of the code;
 * `check` runs it.
 *
 * Shared words are written by one process alone, and no process loads a word of its own. Stores go
 * into the writer's store buffer (as on x86: first in, first out) and become visible one by one at
 * any later time. Every statement that touches a shared word or a channel is one step.
 */

/* Variations:
 * LAZY: who publishes makes no fence, who goes to sleep drains everybody's buffer instead;
 * TURNS: a side may turn lazy and back at any time, and says so in a word of its own;
 * MORE: a send may say that more is coming, and then its look for a sleeper is held back;
 * EARLY: before it publishes, a producer may ring, so that the consumer wakes up meanwhile;
 * READ_FIRST: a consumer that was woken reads the channel before it disarms, and not after;
 * LIVE: what must happen in the end is searched for, and not what must never be.
 * Every other name that is asked for with #if leaves out a rule; `check` has the list. */

/* Bounds. */
#ifndef SLOTS
#define SLOTS 3 /* records that the ring has place for, the header behind the last one included */
#endif
#ifndef MESSAGES
#define MESSAGES 4
#endif
#ifndef FRAMES
#define FRAMES 1 /* frames that a channel holds before it is full */
#endif
#ifndef BUFFER
#define BUFFER 4 /* stores that a store buffer holds; a store into a full one waits */
#endif

/* ---- memory: each group has one writer ------------------------------------------------------- */

byte header[SLOTS]; /* the producer's: 0, or the number of the message that lies there, from 1 */
byte want_space;    /* the producer's */
byte consumed;      /* the consumer's: how many messages are behind it */
byte want;          /* the consumer's */
bit lazy_p, lazy_c; /* that side's: it makes no fences */

chan stores_p = [BUFFER] of { byte }; /* the producer's store buffer: word * 16 + value */
chan stores_c = [BUFFER] of { byte };

#define WANT_SPACE SLOTS /* words 0 to SLOTS - 1 of the producer are headers */
#define LAZY_P (SLOTS + 1)
#define CONSUMED 0
#define WANT 1
#define LAZY_C 2

/* ---- the channel, a stream each way ---------------------------------------------------------- */

byte bells_p2c, bells_c2p; /* BELL frames that lie in it */
bit close_p2c, close_c2p;  /* a CLOSE frame lies in it, behind the bells */
bit gone_p, gone_c;        /* that process has closed its end, or the kernel has for it */

#define to_read_c (bells_p2c > 0 || close_p2c || gone_p)
#define to_read_p (bells_c2p > 0 || close_c2p || gone_c)

/* ---- what is only for the proof -------------------------------------------------------------- */

byte sent;                 /* messages that the producer has published, visible or not */
byte taken;                /* messages that the consumer has taken */
bit closed_p, closed_c;    /* that process has put its CLOSE into the channel */
bit asleep_p, asleep_c;    /* waits on the channel */
bit owes_p, owes_c;        /* has published, and has not looked for a sleeper since */
bit idle_p;                /* the producer's program calls no more, but lives on */
bit kill_p, kill_c;
byte rung, rung_space;     /* private words; global so that fresh epochs can be told */
byte seen, seen_space;     /* loaded from want and want_space, and still to be compared */

/* ---- store buffers --------------------------------------------------------------------------- */

inline apply_p(s)
{
    if
    :: (s >> 4) < SLOTS -> header[s >> 4] = s & 15
    :: (s >> 4) == WANT_SPACE -> want_space = s & 15
    :: else -> lazy_p = s & 15
    fi
}

inline apply_c(s)
{
    if
    :: (s >> 4) == CONSUMED -> consumed = s & 15
    :: (s >> 4) == WANT -> want = s & 15
    :: else -> lazy_c = s & 15
    fi
}

inline drain_p(s)
{
    d_step {
        do
        :: stores_p ? s -> apply_p(s)
        :: empty(stores_p) -> break
        od;
        s = 0
    }
}

inline drain_c(s)
{
    d_step {
        do
        :: stores_c ? s -> apply_c(s)
        :: empty(stores_c) -> break
        od;
        s = 0
    }
}

active proctype memory_p()
{
    byte s;
end:
    do
    :: d_step { stores_p ? s -> apply_p(s); s = 0 }
    od
}

active proctype memory_c()
{
    byte s;
end:
    do
    :: d_step { stores_c ? s -> apply_c(s); s = 0 }
    od
}

/* The fences: of who has published and looks for a sleeper, and of who goes to sleep. */
#if defined(TURNS)
#define published_fence_p(s) if :: lazily -> skip :: else -> drain_p(s) fi
#define published_fence_c(s) if :: lazily -> skip :: else -> drain_c(s) fi
#else
#if defined(LAZY) || defined(NO_FENCE)
#define published_fence_p(s) skip
#else
#define published_fence_p(s) drain_p(s)
#endif
#if defined(LAZY) || defined(NO_FENCE_SPACE)
#define published_fence_c(s) skip
#else
#define published_fence_c(s) drain_c(s)
#endif
#endif

#if defined(SLEEPER_NO_FENCE)
#define sleeper_fence_c(s) skip
#elif defined(BARRIER_MISSING)
#define sleeper_fence_c(s) drain_c(s)
#elif defined(LAZY)
#define sleeper_fence_c(s) drain_c(s); drain_p(s)
#elif defined(ASKED_TOO_EARLY)
#define sleeper_fence_c(s) if :: lazy_p -> drain_c(s); drain_p(s) :: else -> drain_c(s) fi
#elif defined(TURNS)
#define sleeper_fence_c(s) drain_c(s); if :: lazy_p -> drain_p(s) :: else fi
#else
#define sleeper_fence_c(s) drain_c(s)
#endif

#if defined(SLEEPER_NO_FENCE_SPACE)
#define sleeper_fence_p(s) skip
#elif defined(BARRIER_MISSING_SPACE)
#define sleeper_fence_p(s) drain_p(s)
#elif defined(LAZY)
#define sleeper_fence_p(s) drain_p(s); drain_c(s)
#elif defined(ASKED_TOO_EARLY_SPACE)
#define sleeper_fence_p(s) if :: lazy_c -> drain_p(s); drain_c(s) :: else -> drain_p(s) fi
#elif defined(TURNS)
#define sleeper_fence_p(s) drain_p(s); if :: lazy_c -> drain_c(s) :: else fi
#else
#define sleeper_fence_p(s) drain_p(s)
#endif

/* Who rings makes fences again from then on; who need not may turn lazy: it says so, makes one more
 * fence, and then none. */
#ifdef TURNS
#define may_turn if :: !lazily -> turn = 1 :: skip fi
#else
#define may_turn skip
#endif

/* ---- epochs ---------------------------------------------------------------------------------- */

/* A new epoch is any value that stands nowhere: only equality is ever asked, so this is the same as
 * a counter that never comes round, and keeps the model finite with time-outs without end. An epoch
 * that was rung for and stands nowhere else can never be met again, so it is forgotten. */
inline fresh_want(e)
{
    e = 1;
#ifndef REUSE_EPOCH
    if
    :: rung != want && rung != seen && !(stores_c ?? [eval(WANT * 16 + rung)]) -> rung = 0
    :: else
    fi;
    do
    :: e == want || e == rung || e == seen || stores_c ?? [eval(WANT * 16 + e)] -> e++
    :: else -> break
    od;
    assert(e < 16)
#endif
}

inline fresh_space(e)
{
    e = 1;
#ifndef REUSE_SPACE_EPOCH
    if
    :: rung_space != want_space && rung_space != seen_space &&
       !(stores_p ?? [eval(WANT_SPACE * 16 + rung_space)]) -> rung_space = 0
    :: else
    fi;
    do
    :: e == want_space || e == rung_space || e == seen_space ||
       stores_p ?? [eval(WANT_SPACE * 16 + e)] -> e++
    :: else -> break
    od;
    assert(e < 16)
#endif
}

/* ---- the producer ---------------------------------------------------------------------------- */

/* The record that is published zeroes the header behind it, so that header must be free as well. */
#ifdef FILL_RING
#define ROOM SLOTS
#else
#define ROOM (SLOTS - 1)
#endif
#define room (sent - free_to < ROOM)

/* Looks whether the consumer sleeps, and wakes it. */
inline look_p()
{
    atomic {
        published_fence_p(x);
        seen = want;
        if
        :: seen != 0 && seen != rung -> rung = seen; ring = 1
        :: else -> owes_p = 0; may_turn
        fi;
        seen = 0
    };
#ifdef TURNS
    if
    :: atomic { ring && lazily -> stores_p ! LAZY_P * 16; lazily = 0 }
    :: atomic { turn -> stores_p ! LAZY_P * 16 + 1 };
#ifndef TURN_NO_FENCE
        drain_p(x);
#endif
        atomic { lazily = 1; turn = 0 }
    :: else
    fi;
#endif
    if
    :: atomic {
           ring -> ring = 0; owes_p = 0;
           if
           :: bells_p2c < FRAMES && !gone_c -> bells_p2c++
           :: else /* full, or nobody is there: no error */
           fi
       }
    :: else
    fi
}

active proctype producer()
{
    byte x, free_to;
    bit more, early, ring, armed, timed, late, ended;
    bit lazily, turn;

    {
        skip;
next_send:
        atomic {
            if
            :: sent < MESSAGES ->
#ifdef MORE
                if
                :: more = 1
                :: more = 0
                fi
#else
                skip
#endif
            :: goto finish
            fi;
            if
            :: room -> goto put
            :: else -> free_to = consumed
            fi
        };
wait_for_room:
        if
        :: room -> goto put
        :: else
        fi;
#ifndef HOLD_OVER_SLEEP
        /* What was held back is done before any sleep: the consumer may sleep too. */
        if
        :: owes_p -> look_p()
        :: else
        fi;
#endif
        atomic { fresh_space(x); armed = 1; stores_p ! WANT_SPACE * 16 + x; x = 0 };
        sleeper_fence_p(x);
        atomic {
#ifndef SPACE_NO_RELOOK
            free_to = consumed;
            if
            :: room -> goto put
            :: else
            fi;
#endif
            asleep_p = 1;
            if
            :: timed = 1
            :: timed = 0
            fi
        };
        if
        :: atomic { to_read_p -> asleep_p = 0; timed = 0 }
        :: atomic { timed && !to_read_p -> asleep_p = 0; timed = 0; late = 1 }
        fi;
        do
        :: atomic { bells_c2p > 0 -> bells_c2p-- }
        :: atomic {
               bells_c2p == 0 && close_c2p -> close_c2p = 0; ended = 1; assert(closed_c); break
           }
        :: atomic { bells_c2p == 0 && !close_c2p && gone_c -> ended = 1; break }
        :: atomic { !to_read_p -> break }
        od;
        atomic {
            if
            :: ended -> goto close
            :: else -> free_to = consumed
            fi;
            if
            :: room || !late -> late = 0; goto wait_for_room
            :: else -> late = 0
            fi
        };
        /* TIMEOUT: the program tries again, or ends. */
        atomic { stores_p ! WANT_SPACE * 16; armed = 0; goto next_send };

put:
#ifdef EARLY
        if
        :: look_p(); early = 1
        :: skip
        fi;
#endif
        if
        :: atomic { armed -> stores_p ! WANT_SPACE * 16; armed = 0 }
        :: else
        fi;
#ifndef NO_ZERO
        stores_p ! ((sent + 1) % SLOTS) * 16;
#endif
        atomic { stores_p ! (sent % SLOTS) * 16 + sent + 1; sent++; owes_p = 1 };
        if
        :: more -> more = 0
#ifdef EARLY_IS_ENOUGH
        :: !more && early -> owes_p = 0
        :: !more && !early -> look_p()
#else
        :: else -> look_p()
#endif
        fi;
        early = 0;
        goto next_send;

finish:
        if
        :: goto close
        :: skip
        fi;
#ifndef HOLD_OVER_IDLE
        /* A program that said "more" and goes away without more must make this side look. */
        if
        :: owes_p -> look_p()
        :: else
        fi;
#endif
        atomic { idle_p = 1; free_to = 0 };
end_idle:
        false;

close:
        /* The kernel's locks drain the buffer, as a fence would. */
        atomic {
            drain_p(x);
            if
            :: bells_p2c < FRAMES -> close_p2c = 1; closed_p = 1
            :: skip /* the channel stays full for too long, or the consumer is gone */
            fi
        }
    } unless {
        kill_p
    };
    /* The end, or death: the kernel drains the buffer and closes this end of the channel. */
    atomic { drain_p(x); gone_p = 1; asleep_p = 0; idle_p = 0; owes_p = 0; armed = 0; free_to = 0;
             more = 0; early = 0; late = 0; timed = 0; ring = 0; ended = 0;
             lazily = 0; turn = 0 }
}

/* ---- the consumer ---------------------------------------------------------------------------- */

/* Looks whether the producer sleeps, and wakes it. */
inline look_c()
{
    atomic {
        published_fence_c(x);
        seen_space = want_space;
        if
        :: seen_space != 0 && seen_space != rung_space -> rung_space = seen_space; ring = 1
        :: else -> owes_c = 0; may_turn
        fi;
        seen_space = 0
    };
#ifdef TURNS
    if
    :: atomic { ring && lazily -> stores_c ! LAZY_C * 16; lazily = 0 }
    :: atomic { turn -> stores_c ! LAZY_C * 16 + 1 };
#ifndef TURN_NO_FENCE_SPACE
        drain_c(x);
#endif
        atomic { lazily = 1; turn = 0 }
    :: else
    fi;
#endif
    if
    :: atomic {
           ring -> ring = 0; owes_c = 0;
           if
           :: bells_c2p < FRAMES && !gone_p -> bells_c2p++
           :: else
           fi
       }
    :: else
    fi
}

inline drain_channel_c()
{
    do
    :: atomic { bells_p2c > 0 -> bells_p2c-- }
    :: atomic { bells_p2c == 0 && close_p2c -> close_p2c = 0; ended = 1; assert(closed_p); break }
    :: atomic { bells_p2c == 0 && !close_p2c && gone_p -> ended = 1; break }
    :: atomic { !to_read_c -> break }
    od
}

#define HEAD header[taken % SLOTS]
#define LAST header[(taken + SLOTS - 1) % SLOTS]

active proctype consumer()
{
    byte x;
    bit pending; /* something is released and not yet told */
    bit kept;    /* the last record is not released yet */
    bit cold;    /* want is armed, and no bell was read since */
    bit ring, timed, ended;
    bit lazily, turn;

    {
        skip;
next_receive:
        atomic {
            if
            :: skip
            :: goto close /* the program has had enough */
            fi;
            if
            :: HEAD != 0 -> assert(HEAD == taken + 1)
            :: HEAD == 0 && ended -> goto told
            :: HEAD == 0 && !ended && !cold -> goto arm
            :: HEAD == 0 && !ended && cold -> goto sleep /* the peer will ring */
            fi
        };
take:
        /* At most one is kept, so one that was is released first. */
        atomic {
            taken++;
            pending = pending | kept;
            if
            :: kept = 1
            :: kept = 0; goto release
            fi
        };
        if
        :: pending -> goto tell
        :: else -> goto next_receive
        fi;
release:
        /* The program has read in place until now: nobody has written over it. */
        atomic { assert(LAST == taken); kept = 0; pending = 1 };
tell:
        if
        :: /* a batch is full */
            atomic { stores_c ! CONSUMED * 16 + taken - kept; pending = 0; owes_c = 1 };
            look_c()
#ifndef COLD_BATCH
        :: !cold /* who is armed already may sleep without arming, so it is told at once */
#else
        :: skip
#endif
        fi;
        goto next_receive;

arm:
#ifndef NO_SLEEP_PUBLISH
        if
        :: pending ->
            atomic { stores_c ! CONSUMED * 16 + taken - kept; pending = 0; owes_c = 1 };
            look_c()
        :: else
        fi;
#endif
        atomic { fresh_want(x); stores_c ! WANT * 16 + x; x = 0 };
        sleeper_fence_c(x);
        atomic {
#ifndef NO_RELOOK
            if
            :: HEAD != 0 -> assert(HEAD == taken + 1); stores_c ! WANT * 16; goto take
            :: HEAD == 0
            fi;
#endif
#ifdef ARM_THEN_DRAIN
            drain_channel_c()
#else
            skip
#endif
        };
sleep:
        atomic {
            asleep_c = 1;
            if
            :: timed = 1
            :: !kept -> timed = 0 /* who keeps what it was given must not wait for ever */
            fi
        };
end_asleep:
        if
        :: atomic { to_read_c -> asleep_c = 0; timed = 0 }
        :: atomic {
               timed && !to_read_c -> asleep_c = 0; timed = 0; cold = 1;
               if
               :: kept -> goto release
               :: else -> goto next_receive
               fi
           }
        fi;
#ifdef READ_FIRST
        drain_channel_c();
        atomic { stores_c ! WANT * 16; cold = 0 };
#else
        atomic { stores_c ! WANT * 16; cold = 0 };
        drain_channel_c();
#endif
#ifdef NO_LAST_LOOK
        if
        :: ended -> goto told
        :: else
        fi;
#endif
        goto next_receive;

told:
        /* CLOSED or DIED. Nothing that was published is lost. */
        assert(taken == sent && (closed_p || gone_p));
close:
        atomic {
            drain_c(x);
            if
            :: bells_c2p < FRAMES -> close_c2p = 1; closed_c = 1
            :: skip
            fi
        }
    } unless {
        kill_c
    };
    atomic { drain_c(x); gone_c = 1; asleep_c = 0; owes_c = 0; pending = 0; kept = 0; cold = 0;
             ring = 0; timed = 0; ended = 0; lazily = 0; turn = 0 }
}

/* ---- death ----------------------------------------------------------------------------------- */

active proctype killer()
{
    if
    :: kill_p = 1
    :: kill_c = 1
    :: skip
    fi
}

/* ---- what must hold -------------------------------------------------------------------------- */

#ifdef LIVE

/* In the end the producer is through with its calls, and the consumer has everything; where one of
 * them has ended, the other one has been told. Processes are treated fairly, nothing else is. */
ltl live { <> [] ((gone_p || idle_p) && (gone_c || (idle_p && taken == sent))) }

#else

/* A sleeper that nobody will wake: there is what it waits for, for everybody to see, nothing can be
 * read on its channel, and the other one has done its look already. Where both sleep for want of
 * something that is not told, the search ends in an invalid end state. */
#define stuck_c (asleep_c && !to_read_c && HEAD != 0 && (!owes_p || idle_p))
#define stuck_p (asleep_p && !to_read_p && sent - consumed < ROOM && !owes_c)

active proctype monitor()
{
end:
    if
    :: atomic { stuck_c -> assert(!stuck_c) }
    :: atomic { stuck_p -> assert(!stuck_p) }
    fi
}

#endif
