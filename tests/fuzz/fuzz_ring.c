/* fuzz_ring.c - an open link with rings, and a peer that writes whatever it likes into its own
 * memory, between any two of our calls (and between the pieces of a message).
 *
 * The input is a program: operations of one byte with arguments behind it. Some write to the peer's
 * region (bytes anywhere, one control word, a record that is right or nearly so) or to the channel
 * (frames), the others do what users do: receive, wait for a reply, release in any order, answer,
 * send, call, end. Each message that is handed out must lie where the peer shares memory, or in
 * memory of our own, and every byte of it is read. What was taken must be given back at the end.
 */
#include "fuzz_link.h"

#include "memory.h"

enum {
    RING = 4096, /* bytes of the plain rings of both sides */
    IMAGE = sizeof(struct sill__control) + RING,
    HELD = 24,
    CALLS = 3,
    LARGEST = 20000
};

struct held {
    sill_message m;
    void *buffer; /* where sill_receive_into put it */
};

struct waiting {
    struct sill__call call;
    bool used;
};

static struct world {
    const uint8_t *at, *end; /* of the program */
    struct fake fake;
    uint8_t channel[1 << 16];
    sill_port *port;
    struct sill__link *link;
    struct sill__control *image;
    uint32_t tail[SILL__LANES]; /* where the peer's next record goes */
    struct held held[HELD];
    struct waiting waiting[CALLS];
    bool faults; /* allocations may fail */
} w;

static uint8_t next8(void)
{
    return w.at < w.end ? *w.at++ : 0;
}

static uint32_t next16(void)
{
    uint32_t low = next8();
    return low | (uint32_t)next8() << 8;
}

static void enter(void)
{
    sill__hub_enter(w.link->hub);
}

static void leave(void)
{
    sill__hub_leave(w.link->hub);
}

/* ---- what is handed out ---- */

static bool lies_in(const sill_message *m, const void *base, size_t size)
{
    uintptr_t at = (uintptr_t)m->data, start = (uintptr_t)base;
    return at >= start && at - start <= size && m->size <= size - (at - start);
}

static void check(const sill_message *m)
{
    const struct sill__received *r = m->internal;
    bool good = true;
    if (m->size == 0)
        return;
    if (sill__lane_of(m) != NULL)
        good = lies_in(m, w.image->ring, RING) ||
               lies_in(m, w.image->urgent, sizeof w.image->urgent);
    else if (m->path == SILL_PATH_MAPPED)
        good = lies_in(m, sill_region_data(r->segment->region), r->segment->size);
    if (!good || m->size > 1 << 20)
        abort();
    for (size_t i = 0; i < m->size; i++)
        sum += ((const volatile uint8_t *)m->data)[i];
}

static void let_go(struct held *held)
{
    sill_release(&held->m);
    free(held->buffer);
    held->buffer = NULL;
}

/* Keeps a message; without the lock. */
static void keep(const sill_message *m)
{
    check(m);
    for (unsigned i = 0; i < HELD; i++) {
        if (w.held[i].m.internal != NULL)
            continue;
        w.held[i].m = *m;
        return;
    }
    let_go(&w.held[0]);
    w.held[0].m = *m;
}

static struct held *one_held(void)
{
    return &w.held[next8() % HELD];
}

/* ---- what the peer writes ---- */

/* A record as the program says: right in most cases, or wrong in one respect. */
struct shape {
    uint8_t lane, kind, flags, size;
    uint8_t wrong, id, segment, slot;
    uint8_t generation, offset, block, more;
};

enum wrong {
    WRONG_POSITION = 200,
    WRONG_NO_END,
    WRONG_HUGE,
    WRONG_TOO_LONG,
    WRONG_PLACE,
    WRONG_RESET,
    WRONG_BODY,
    WRONG_OVERRUN,
    WRONG_SERIAL,
    WRONG_BLOCK,
    WRONG_TOTAL,
    WRONG_FLAGS
};

static unsigned kind_of(const struct shape *s)
{
    static const uint8_t kinds[16] = {SILL_DATAGRAM,     SILL_REQUEST,       SILL_REPLY,
                                      SILL_DATAGRAM,     SILL_REQUEST,       SILL_REPLY,
                                      SILL__RECORD_MORE, SILL__RECORD_ABORT, SILL__RECORD_MORE,
                                      SILL__RECORD_PAD,  SILL_DATAGRAM,      SILL_REQUEST,
                                      SILL_DATAGRAM,     SILL_REPLY,         0,
                                      SILL__RECORD_KINDS};
    return kinds[s->kind & 15];
}

static unsigned flags_of(const struct shape *s)
{
    static const uint8_t flags[16] = {0,
                                      SILL__FRAME_DESCRIBED,
                                      SILL__FRAME_DESCRIBED,
                                      SILL__FRAME_DESCRIBED | SILL__FRAME_LOANED,
                                      SILL__RECORD_CHANNEL,
                                      SILL__FRAME_REFUSED,
                                      SILL__RECORD_RETRACTED,
                                      0,
                                      0,
                                      SILL__FRAME_DESCRIBED | SILL__RECORD_RETRACTED,
                                      SILL__FRAME_DESCRIBED | SILL__FRAME_REFUSED,
                                      SILL__RECORD_CHANNEL,
                                      SILL__RECORD_CHANNEL | SILL__RECORD_RETRACTED,
                                      0,
                                      0,
                                      0};
    if (s->wrong == WRONG_FLAGS)
        return s->flags;
    if (kind_of(s) == SILL__RECORD_MORE)
        return SILL__FRAME_DESCRIBED;
    return kind_of(s) == SILL__RECORD_ABORT ? 0 : flags[s->flags & 15];
}

static uint64_t id_of(const struct shape *s)
{
    if (kind_of(s) == SILL_DATAGRAM)
        return s->wrong == WRONG_BODY ? s->id : 0;
    if (kind_of(s) == SILL_REPLY) /* of those that wait, or once did, or never will */
        return w.link->last_id + 1 - (s->id & 3) + (s->wrong == WRONG_BODY ? 7 : 0);
    return s->wrong == WRONG_BODY ? 0 : 1 + s->id;
}

static size_t describe(const struct shape *s, uint8_t *body)
{
    bool more = kind_of(s) == SILL__RECORD_MORE;
    uint64_t offset = (s->offset & 63) * 64, left = REGION_SIZE - offset;
    uint64_t size = 1 + (uint64_t)s->block * 17 % left;
    if (s->wrong == WRONG_BLOCK)
        size = left + 1 + (s->block & 1) * UINT64_C(0xffffffff00000000);
    const struct sill__described d = {
        .id = more ? 0 : id_of(s),
        .total = more ? 0 : size + (s->wrong == WRONG_TOTAL ? ~(uint64_t)s->more : s->more * 40U),
        .block = {.segment = s->segment < 250 ? s->segment & 3 : UINT32_MAX - s->segment,
                  .slot = s->slot < 250 ? s->slot : SILL__SLOTS - 2U + (s->slot & 3),
                  .generation = s->generation,
                  .serial = (s->segment & 3) + (s->wrong == WRONG_SERIAL ? s->id - 128U : 0),
                  .offset = offset + (s->wrong == WRONG_BLOCK ? s->id & 65 : 0),
                  .size = size},
        .released_slot = s->slot & 7,
        .released_generation = s->generation & 7};
    memcpy(body, &d, sizeof d);
    return sizeof d;
}

static size_t fill_record(const struct shape *s, uint8_t *body)
{
    unsigned flags = flags_of(s), kind = kind_of(s);
    if (s->wrong >= 212 && (s->wrong & 1) != 0)
        return s->size;
    if ((flags & SILL__FRAME_DESCRIBED) != 0)
        return describe(s, body);
    if ((flags & SILL__RECORD_CHANNEL) != 0 || kind == SILL__RECORD_ABORT)
        return 0;
    const uint64_t id = id_of(s);
    size_t fixed = kind == SILL_DATAGRAM ? 0 : sizeof id;
    memcpy(body, &id, fixed);
    memset(body + fixed, s->id, s->size);
    return fixed + (s->size & 7) * (s->size >> 3); /* small ones more often */
}

/* Padding to the end of the ring, if a record of so many units needs it. */
static void pad(unsigned char *ring, uint32_t units, uint32_t needed, uint32_t *tail)
{
    uint32_t before_end = units - *tail % units;
    if (needed <= before_end)
        return;
    struct sill__record_head *head = (void *)(ring + (size_t)(*tail % units) * SILL__UNIT);
    head->size = before_end * SILL__UNIT - (uint32_t)sizeof *head;
    atomic_store(&head->word, sill__record_word(SILL__RECORD_PAD, 0, *tail));
    *tail += before_end;
}

static void write_record(const struct shape *s)
{
    uint8_t body[600] = {0};
    unsigned lane = s->lane % 4 == 3;
    unsigned char *ring = lane != 0 ? w.image->urgent : w.image->ring;
    const struct sill__ring_in *in = &w.link->lanes[lane].in;
    uint32_t units = in->units, *tail = &w.tail[lane];
    if (s->wrong == WRONG_RESET)
        *tail = in->next;
    size_t size = fill_record(s, body), room;
    uint32_t needed = sill__record_units(size);
    if (*tail + 2 * needed + 1 - in->told > units && s->wrong != WRONG_OVERRUN)
        return;
    if (kind_of(s) == SILL__RECORD_PAD)
        needed = units - *tail % units + 1;
    pad(ring, units, needed, tail);
    if (kind_of(s) == SILL__RECORD_PAD)
        return;
    uint32_t at = (*tail + (s->wrong == WRONG_PLACE ? 1 : 0)) % units;
    struct sill__record_head *head = (void *)(ring + (size_t)at * SILL__UNIT);
    room = (size_t)(units - at) * SILL__UNIT - sizeof *head;
    if (s->wrong != WRONG_NO_END)
        memset(ring + (size_t)((*tail + needed) % units) * SILL__UNIT, 0, 4);
    memcpy(head + 1, body, size < room ? size : room);
    head->size = s->wrong == WRONG_HUGE       ? UINT32_MAX - s->size
                 : s->wrong == WRONG_TOO_LONG ? (uint32_t)room + 1
                                              : (uint32_t)size;
    atomic_store(&head->word, sill__record_word(kind_of(s), flags_of(s),
                                                *tail + (s->wrong == WRONG_POSITION ? 1 : 0)));
    *tail += needed;
}

static void op_record(void)
{
    struct shape s;
    uint8_t *bytes = (uint8_t *)&s;
    for (size_t i = 0; i < sizeof s; i++)
        bytes[i] = next8();
    write_record(&s);
}

static void op_scribble(void)
{
    size_t at = next16() % IMAGE, size = 1 + next8() % 32;
    for (size_t i = at; i < at + size && i < IMAGE; i++)
        ((volatile uint8_t *)w.image)[i] = next8();
}

/* The control words that our sending side reads, near what they may be. */
static void op_word(void)
{
    unsigned which = next8(), value = next8(), lane = which >> 7;
    const struct sill__ring_out *out = &w.link->lanes[lane].out;
    switch (which % 8) {
    case 0:
        atomic_store(&w.image->consumed[lane], out->tail);
        break;
    case 1:
        atomic_store(&w.image->consumed[lane], out->tail + value - 128);
        break;
    case 2:
        atomic_store(&w.image->consumed[lane], out->head + value % 64);
        break;
    case 3:
        atomic_store(&w.image->want, value);
        break;
    case 4:
        atomic_store(&w.image->want_space, value);
        break;
    case 5:
        atomic_store(&w.image->lazy, value & 1);
        break;
    case 6:
        atomic_store(&w.image->released[value], next8());
        break;
    default: /* everything that was ever sent */
        for (unsigned i = 0; i < 16; i++)
            atomic_store(&w.image->released[i], value);
        break;
    }
}

static void op_frame(void)
{
    struct recipe r;
    uint8_t *bytes = (uint8_t *)&r;
    for (size_t i = 0; i < sizeof r; i++)
        bytes[i] = next8();
    if (w.fake.at == w.fake.size)
        w.fake.at = w.fake.size = 0;
    w.fake.size = cook(&r, w.channel, sizeof w.channel, w.fake.size);
}

/* Between the pieces of a message, with the link's lock held. */
static void on_progress(void *arg, const sill_progress *progress)
{
    (void)arg;
    (void)progress;
    if ((next8() & 1) != 0)
        op_scribble();
}

/* ---- what users do ---- */

static void op_next(void)
{
    for (unsigned count = 1 + next8() % 8; count > 0; count--) {
        sill_message m = SILL_MESSAGE_INIT;
        enter();
        bool handed = sill__link_next(w.link, &m, 1) > 0;
        leave();
        if (!handed)
            return;
        keep(&m);
    }
}

static void op_receive(void)
{
    sill_message m = SILL_MESSAGE_INIT;
    if (sill_receive(w.port, &m, 0) == 0)
        keep(&m);
}

/* Takes over the reply that a call was given. */
static void take_reply(struct waiting *waiting)
{
    sill_message m = SILL_MESSAGE_INIT;
    struct sill__call *call = &waiting->call;
    if (!waiting->used || (call->reply == NULL && call->in_place.lane == NULL))
        return;
    enter();
    if (call->reply != NULL)
        sill__received_hand(call->reply, &m);
    else
        sill__in_ring_hand(&call->in_place, &m);
    leave();
    waiting->used = false;
    keep(&m);
}

static void op_pump(void)
{
    struct waiting *waiting = &w.waiting[next8() % CALLS];
    enter();
    if (!waiting->used) {
        memset(waiting, 0, sizeof *waiting);
        waiting->used = true;
        waiting->call.id = ++w.link->last_id;
        waiting->call.next = w.link->calls;
        w.link->calls = &waiting->call;
    }
    sill__link_pump(w.link);
    sum += sill__link_has(w.link);
    leave();
    for (unsigned i = 0; i < CALLS; i++)
        take_reply(&w.waiting[i]);
}

static void op_work(void)
{
    unsigned events = next8() & (SILL__READABLE | SILL__WRITABLE | SILL__PEER_DEAD | SILL__LOOKED);
    enter();
    sill__link_work(&w.link->source, events);
    leave();
}

static void op_into(void)
{
    struct held *held = one_held();
    if (held->m.internal == NULL || held->buffer != NULL)
        return;
    held->buffer = malloc(held->m.size + 1);
    if (held->buffer == NULL || sill_receive_into(&held->m, held->buffer, held->m.size) != 0)
        abort();
}

static size_t some_size(void)
{
    static const uint16_t sizes[8] = {0, 1, 60, 250, 1000, 3000, 9000, LARGEST};
    return sizes[next8() % 8];
}

static sill_send_options some_options(sill_handle *handle)
{
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    unsigned byte = next8();
    options.path = (int)(byte % SILL_PATH_COUNT);
    options.flags = ((byte & 32) != 0 ? SILL_SEND_URGENT : 0U) |
                    ((byte & 64) != 0 ? SILL_SEND_MORE : 0U);
    if ((byte & 128) != 0 && sill_region_handle(shared, handle) == 0) {
        options.handles = handle;
        options.handle_count = 1;
    }
    return options;
}

static const uint8_t bytes[LARGEST];

static void op_reply(void)
{
    struct held *held = one_held();
    sill_handle handle;
    sill_send_options options = some_options(&handle);
    if (next8() % 8 == 0)
        sill_refuse(&held->m, bytes, some_size());
    else if ((next8() & 1) != 0) /* what the peer wrote, which changes meanwhile */
        sill_reply_with(&held->m, held->m.data, held->m.size, &options);
    else
        sill_reply_with(&held->m, bytes, some_size(), &options);
    let_go(held);
}

static void op_send(void)
{
    sill_handle handle;
    sill_send_options options = some_options(&handle);
    if (next8() % 4 != 0) {
        sill_send_with(w.port, bytes, some_size(), &options, 0);
        return;
    }
    void *block;
    size_t size = some_size();
    if (sill_loan_wait(w.port, size, &block, 0) != 0)
        return;
    memset(block, 1, size);
    if (sill_send_loan(w.port, block, size, 0) != 0)
        sill_loan_cancel(w.port, block);
}

static void op_call(void)
{
    sill_message reply = SILL_MESSAGE_INIT;
    sill_handle handle;
    sill_send_options options = some_options(&handle);
    sill_call_with(w.port, bytes, some_size(), &options, &reply, 0);
    if (reply.internal != NULL)
        keep(&reply);
}

static void op_end(void)
{
    static const int reasons[4] = {SILL_DIED, SILL_CLOSED, SILL_DIED, SILL_PROTOCOL};
    unsigned byte = next8();
    enter();
    if (byte % 8 < 4)
        sill__link_end(w.link, reasons[byte % 8]);
    else if (byte % 8 == 4)
        sill__link_close(w.link, 0);
    leave();
    w.fake.open = byte % 8 < 6;
}

static void op_jam(void)
{
    w.fake.way = (enum fake_way)(next8() % (WAY_GONE + 1));
}

static void op_fault(void)
{
    w.faults = true;
    sill__fault_allocation(next8() % 16);
}

static void op_release(void)
{
    let_go(one_held());
}

typedef void operation(void);

static operation *const operations[32] = {
    op_record,  op_record,  op_record,   op_record,  op_record, op_record, op_record, op_record,
    op_scribble, op_scribble, op_word,   op_word,    op_word,   op_frame,  op_frame,  op_frame,
    op_next,    op_next,    op_next,     op_receive, op_pump,   op_pump,   op_work,   op_work,
    op_into,    op_reply,   op_reply,    op_send,    op_call,   op_release, op_jam,   op_end};

/* ---- the link ---- */

static void place_segment(unsigned number)
{
    sill_handle handle;
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.read_only = 1;
    struct sill__peer_segment *segment = sill__alloc_zeroed(sizeof *segment);
    if (segment == NULL || sill_region_handle(shared, &handle) != 0 ||
        sill_region_open_handle(&segment->region, handle, &options) != 0)
        abort();
    segment->size = REGION_SIZE;
    segment->serial = number;
    segment->users = 1;
    w.link->peer_segments[number] = segment;
    w.link->statistics.peer_segments++;
}

static void open_world(const uint8_t *data, size_t size)
{
    sill_policy policy = SILL_POLICY_INIT;
    memset(&w, 0, sizeof w);
    w.at = data;
    w.end = data + size;
    w.fake = (struct fake){.conn = {&fake_ops}, .data = w.channel, .open = true};
    w.image = aligned_alloc(64, IMAGE);
    if (w.image == NULL || sill_policy_defaults(&policy) != 0)
        abort();
    memset(w.image, 0, IMAGE);
    policy.ring_size = RING;
    policy.inline_max = RING / 4;
    policy.mapped_min = RING / 4 + 1;
    policy.segment_size = RING;
    policy.mapped_max = 4 * RING;
    w.port = begin_link(&w.fake, &policy);
    w.link = &w.port->link;
    w.link->peer_words = w.image;
    w.link->can |= SILL_CAN_MAP;
    w.link->peer_message_max = 1 << 20;
    w.link->reply_timeout_ms = 0;
    w.link->progress = on_progress;
    sill__link_rings(w.link, RING, RING);
    unsigned how = next8();
    w.link->may_be_lazy = (how & 1) != 0;
    if ((how & 8) != 0)
        w.link->queue_max = 2000;
    sill__link_open(w.link);
    for (unsigned i = 0; i < ((how >> 1) & 3); i++)
        place_segment(i);
    leave();
}

/* The peer has died: whoever receives on is told so, after what is left. */
static void see_it_end(void)
{
    sill_message m = SILL_MESSAGE_INIT;
    w.fake.open = false;
    w.fake.way = WAY_FREE;
    for (unsigned i = 0; i < sizeof w.channel && w.link->state != SILL__LINK_ENDED; i++) {
        enter();
        sill__link_work(&w.link->source, SILL__READABLE | SILL__WRITABLE | SILL__PEER_DEAD);
        leave();
        while (sill_receive(w.port, &m, 0) == 0)
            check(&m); /* the next receive releases it */
    }
    if (w.link->state != SILL__LINK_ENDED || (w.link->end == SILL_NO_MEMORY && !w.faults))
        abort();
    while (sill_receive(w.port, &m, 0) == 0)
        check(&m);
    sill_release(&m);
}

static void close_world(void)
{
    sill__fault_allocation(0);
    see_it_end();
    enter();
    w.link->calls = NULL;
    leave();
    for (unsigned i = 0; i < CALLS; i++)
        take_reply(&w.waiting[i]);
    for (unsigned i = 0; i < HELD; i++)
        let_go(&w.held[i]);
    enter();
    end_link(w.port);
    free(w.image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_world(data, size);
    while (w.at < w.end) {
        unsigned byte = next8();
        if (byte == 255)
            op_fault();
        else
            operations[byte % 32]();
    }
    close_world();
    return 0;
}
