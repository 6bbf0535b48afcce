/* A hostile process: it connects in order, and then writes at random over every byte of the region
 * that it shares (header, control words, rings), and records, descriptors, frames and bells that are
 * half true, while the other side receives, answers, holds, releases and sends. As a client it meets
 * a server that has a good client as well, as a server it meets a client.
 *
 * What comes of it may be rubbish in messages, and ends with PROTOCOL, DIED, CLOSED or TIMEOUT;
 * nothing crashes, each call keeps its time, the good client is served to the end, and no handle is
 * left. A second for each seed; with SILL_LONG=1 a minute (beyond ctest's limit: run the program).
 */
#include "../conform/raw_peer.h"

enum { SEEDS = 3, SEGMENT_SIZE = 8192, HEADER = 64, HELD = 16, LARGEST = 100000, SHORT_MS = 20 };

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

/* ---- the hostile process ---- */

struct foe {
    struct raw raw;
    bool open; /* as far as we know */
    uint32_t x;
    uint32_t wild; /* of so many acts one breaks the rules; 0: none */
    struct sill__control *words;
    struct sill__ring_out out[SILL__LANES];
    struct sill__ring_in in[SILL__LANES];
    uint64_t asked;  /* the last request that the other side made */
    uint64_t made;   /* and the last of ours */
    uint32_t serial; /* of the segment with number serial % 4; others were announced before */
};

static uint32_t roll(struct foe *foe, uint32_t below)
{
    return next_random(&foe->x) % below;
}

static bool breaks_rules(struct foe *foe)
{
    return foe->wild != 0 && roll(foe, foe->wild) == 0;
}

/* Reads and forgets what came by the channel. */
static void drain(struct foe *foe)
{
    char buffer[4096];
    size_t got;
    int rc = 0;
    while (rc == 0)
        rc = foe->raw.conn->ops->recv(foe->raw.conn, buffer, sizeof buffer, &got);
    if (rc != SILL_AGAIN)
        foe->open = false;
}

/* Unlike raw_frame it does not insist. */
static void push(struct foe *foe, struct sill__frame head, sill_handle handle)
{
    unsigned char bytes[SILL__FRAME_HEAD + 8 + 600] = {0};
    size_t at = SILL__FRAME_HEAD + 8U * head.handles, size = at + head.size + 1;
    memcpy(bytes, &head, sizeof head);
    if (head.handles > 0)
        support_ok(foe->raw.conn->ops->export_handle(foe->raw.conn, handle, &head.word));
    if (head.handles > 0)
        memcpy(bytes + SILL__FRAME_HEAD, &head.word, 8);
    memset(bytes + at, (int)roll(foe, 256), head.size);
    bytes[size - 1] = 1;
    int64_t end = support_now_ms() + 1000;
    for (size_t done = 0; done < size && foe->open;) {
        const struct sill__bytes part = {bytes + done, size - done};
        size_t sent = 0;
        int rc = foe->raw.conn->ops->send(foe->raw.conn, &part, 1, &handle,
                                          done == 0 ? head.handles : 0, &sent);
        done += sent;
        if (rc == SILL_AGAIN)
            drain(foe);
        if ((rc != 0 && rc != SILL_AGAIN) || support_now_ms() > end)
            foe->open = false;
    }
}

static void ring_bell(struct foe *foe)
{
    push(foe, (struct sill__frame){.type = SILL__FRAME_BELL}, SILL_NO_HANDLE);
}

static void announce(struct foe *foe)
{
    sill_region *region = raw_region(&foe->raw, SEGMENT_SIZE);
    sill_handle handle;
    support_ok(sill_region_handle(region, &handle));
    foe->serial++;
    struct sill__frame head = {.type = SILL__FRAME_SEGMENT, .id = foe->serial % 4, .handles = 1,
                               .total = SEGMENT_SIZE, .word = foe->serial};
    push(foe, head, handle);
    sill_region_close(foe->raw.segment);
    foe->raw.segment = region;
}

static void act_scribble(struct foe *foe)
{
    volatile unsigned char *base = (unsigned char *)foe->words - HEADER;
    size_t all = HEADER + sizeof *foe->words + RAW_RING, size = 1 + roll(foe, 64);
    size_t at = roll(foe, (uint32_t)(all - size));
    uint32_t how = roll(foe, 4);
    for (size_t i = 0; i < size; i++)
        base[at + i] = how == 0 ? 0 : how == 1 ? 0xff : (unsigned char)roll(foe, 256);
}

/* One of the words that the other side reads when it sends. */
static void act_word(struct foe *foe)
{
    struct sill__control *words = foe->words;
    uint32_t value = roll(foe, 2) == 0 ? roll(foe, 600) : next_random(&foe->x);
    switch (roll(foe, 6)) {
    case 0:
        atomic_store(&words->want, value);
        break;
    case 1:
        atomic_store(&words->want_space, value);
        break;
    case 2:
        atomic_store(&words->lazy, value & 1);
        break;
    case 3:
        if (breaks_rules(foe))
            atomic_store(&words->consumed[roll(foe, SILL__LANES)], value);
        break;
    default:
        atomic_store(&words->released[roll(foe, SILL__SLOTS)], roll(foe, 50));
        break;
    }
}

static uint64_t some_id(struct foe *foe, unsigned kind)
{
    if (kind == SILL_DATAGRAM)
        return breaks_rules(foe);
    if (kind == SILL_REQUEST)
        return breaks_rules(foe) ? 0 : ++foe->made;
    return breaks_rules(foe) ? next_random(&foe->x)
                             : foe->asked - (foe->asked > 2 ? roll(foe, 3) : 0);
}

static size_t describe(struct foe *foe, unsigned kind, unsigned char *body)
{
    uint64_t offset = roll(foe, SEGMENT_SIZE / 64) * UINT64_C(64), left = SEGMENT_SIZE - offset;
    uint64_t size = 1 + roll(foe, (uint32_t)left);
    bool wrong = breaks_rules(foe);
    struct sill__described d = {
        .id = some_id(foe, kind),
        .total = size + (wrong && roll(foe, 4) == 0 ? roll(foe, 5000) : 0),
        .block = {.segment = foe->serial % 4,
                  .slot = roll(foe, SILL__SLOTS + (wrong ? 9 : 0)),
                  .generation = roll(foe, 1000),
                  .serial = foe->serial + (wrong ? roll(foe, 3) : 0),
                  .offset = offset + (wrong ? roll(foe, 200) : 0),
                  .size = size + (wrong ? left : 0)},
        .released_slot = roll(foe, SILL__SLOTS * 2),
        .released_generation = roll(foe, 20)};
    if (wrong) /* or another of its bytes */
        ((unsigned char *)&d)[roll(foe, sizeof d)] ^= (unsigned char)(1 << roll(foe, 8));
    memcpy(body, &d, sizeof d);
    return sizeof d;
}

/* Changes a record that was published, again and again, while it may be read. */
static void disturb(struct foe *foe, struct sill__record_head *head, size_t size)
{
    uint32_t word = atomic_load(&head->word), right = head->size;
    volatile unsigned char *body = (unsigned char *)(head + 1);
    for (int i = 0; i < 300; i++) {
        if (foe->wild != 0)
            *(volatile uint32_t *)&head->size = right ^ roll(foe, 64);
        if (size > sizeof(struct sill__described) || (size > 0 && foe->wild != 0))
            body[size - 1 - roll(foe, (uint32_t)size) / (foe->wild != 0 ? 1 : 4)] ^= 1;
        if (foe->wild != 0 && i % 8 == 0)
            atomic_store(&head->word, word ^ 1U << roll(foe, 32));
        *(volatile uint32_t *)&head->size = right;
        atomic_store(&head->word, word);
    }
}

static void publish(struct foe *foe, unsigned lane, unsigned kind, unsigned flags,
                    const unsigned char *bytes, size_t size)
{
    struct sill__ring_out *out = &foe->out[lane];
    void *body;
    if (sill__ring_room(out, size, false, &body) != 0)
        return;
    memcpy(body, bytes, size);
    uint32_t at = sill__ring_publish(out, kind, flags, size);
    if (roll(foe, 8) == 0)
        disturb(foe, sill__ring_at(out, at), size);
    if (roll(foe, 16) == 0)
        sill__ring_retract(out, at);
}

static void act_record(struct foe *foe)
{
    static const uint8_t kinds[] = {SILL_DATAGRAM, SILL_REQUEST, SILL_REPLY};
    unsigned kind = kinds[roll(foe, 3)], flags = 0;
    unsigned char body[400] = {0};
    size_t size;
    if (kind == SILL_REPLY && foe->asked == 0)
        return;
    if (roll(foe, 3) == 0) {
        flags = SILL__FRAME_DESCRIBED | (roll(foe, 2) == 0 ? SILL__FRAME_LOANED : 0U);
        size = describe(foe, kind, body);
    } else {
        uint64_t id = some_id(foe, kind);
        size_t fixed = kind == SILL_DATAGRAM ? 0 : sizeof id;
        memcpy(body, &id, fixed);
        size = fixed + roll(foe, 200);
        memset(body + fixed, (int)roll(foe, 256), size - fixed);
    }
    if (kind == SILL_REPLY && roll(foe, 4) == 0)
        flags |= SILL__FRAME_REFUSED;
    if (breaks_rules(foe))
        flags ^= 1U << roll(foe, 8);
    if (breaks_rules(foe))
        kind = roll(foe, 8);
    publish(foe, roll(foe, 4) == 0, kind, flags, body, size);
}

/* A message in several pieces, most of them right. */
static void act_rounds(struct foe *foe)
{
    unsigned lane = roll(foe, 2), pieces = 1 + roll(foe, 4);
    if (!sill__ring_reload(&foe->out[lane]) || !sill__ring_has(&foe->out[lane], 32, 4))
        return;
    struct sill__described d = {
        .total = pieces * UINT64_C(64) + (breaks_rules(foe) ? 1 : 64),
        .block = {.segment = foe->serial % 4, .serial = foe->serial, .size = 64}};
    unsigned char body[sizeof d];
    memcpy(body, &d, sizeof d);
    publish(foe, lane, SILL_DATAGRAM, SILL__FRAME_DESCRIBED, body, sizeof d);
    d.total = 0;
    memcpy(body, &d, sizeof d);
    for (unsigned i = 0; i < pieces; i++) /* the last may be taken back */
        if (!breaks_rules(foe) && (i + 1 < pieces || roll(foe, 4) != 0))
            publish(foe, lane, SILL__RECORD_MORE, SILL__FRAME_DESCRIBED, body, sizeof d);
        else
            publish(foe, lane, SILL__RECORD_ABORT, 0, body, 0);
}

static void act_frame(struct foe *foe)
{
    struct sill__frame head = {.type = SILL__FRAME_MESSAGE,
                               .kind = roll(foe, 2) == 0 ? SILL_DATAGRAM : SILL_REQUEST,
                               .size = roll(foe, 500)};
    unsigned lane = roll(foe, 4) == 0;
    head.total = head.size + (breaks_rules(foe) ? 7 : 0);
    head.flags = lane != 0 ? SILL__FRAME_URGENT : 0;
    head.id = some_id(foe, head.kind);
    if (roll(foe, 4) == 0)
        head = (struct sill__frame){.type = SILL__FRAME_CANCEL, .id = foe->made};
    else if (breaks_rules(foe))
        head = (struct sill__frame){.type = (uint8_t)roll(foe, SILL__FRAME_TYPES),
                                    .id = roll(foe, 3)};
    push(foe, head, SILL_NO_HANDLE);
    if (head.type == SILL__FRAME_MESSAGE && !breaks_rules(foe))
        publish(foe, lane, head.kind, SILL__RECORD_CHANNEL, (const unsigned char *)"", 0);
}

/* Another segment; or the old one with it, which may be in use. */
static void act_segment(struct foe *foe)
{
    if (foe->serial >= 4)
        push(foe, (struct sill__frame){.type = SILL__FRAME_DROP, .id = (foe->serial + 1) % 4},
             SILL_NO_HANDLE);
    announce(foe);
}

/* Reads what the other side wrote, and answers some of it. */
static void act_read(struct foe *foe)
{
    struct sill__record record;
    for (unsigned lane = 0; lane < SILL__LANES; lane++)
        for (int i = 0; i < 16 && sill__ring_look(&foe->in[lane], &record) == 0; i++) {
            if (record.kind == SILL_REQUEST && record.size >= sizeof foe->asked)
                memcpy(&foe->asked, record.body, sizeof foe->asked);
            sill__ring_skip(&foe->in[lane], &record);
            sill__ring_tell(&foe->in[lane]);
            unsigned char body[100] = {0};
            memcpy(body, &foe->asked, sizeof foe->asked);
            if (record.kind == SILL_REQUEST && roll(foe, 2) == 0)
                publish(foe, lane, SILL_REPLY, 0, body, 8 + roll(foe, 90));
        }
}

static void act(struct foe *foe)
{
    static void (*const acts[])(struct foe * foe) = {act_record, act_record, act_record, act_record,
                                                     act_read,   act_read,   act_rounds, act_frame,
                                                     act_word,   act_word};
    if (breaks_rules(foe))
        act_scribble(foe);
    else if (roll(foe, 500) == 0)
        act_segment(foe);
    else
        acts[roll(foe, sizeof acts / sizeof acts[0])](foe);
    if (roll(foe, 4) == 0)
        ring_bell(foe);
    if (roll(foe, 16) == 0)
        drain(foe);
}

/* One connection after the handshake, until the other side hangs up or we do. */
static void haunt(struct foe *foe, int64_t end)
{
    static const uint32_t wild[] = {0, 3, 20, 100, 1000};
    const struct sill__control *peer = sill_region_data(foe->raw.peer);
    struct sill__control *words = sill_region_data(foe->raw.region);
    foe->open = true;
    foe->wild = wild[roll(foe, 5)];
    foe->words = words;
    foe->asked = foe->made = foe->serial = 0;
    sill__ring_out_init(&foe->out[0], words->ring, RAW_RING, &peer->consumed[0]);
    sill__ring_out_init(&foe->out[1], words->urgent, SILL__URGENT_RING, &peer->consumed[1]);
    sill__ring_in_init(&foe->in[0], peer->ring, peer->ring_size, &words->consumed[0]);
    sill__ring_in_init(&foe->in[1], peer->urgent, SILL__URGENT_RING, &words->consumed[1]);
    announce(foe);
    while (foe->open && support_now_ms() < end && roll(foe, 5000) != 0)
        act(foe);
    if (roll(foe, 2) == 0)
        push(foe, (struct sill__frame){.type = SILL__FRAME_CLOSE}, SILL_NO_HANDLE);
    raw_close(&foe->raw);
}

/* Arguments: name, seed, milliseconds. */
static int play_client(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    struct foe foe = {.x = (uint32_t)atoi(argv[1]) * 2654435761u + 1};
    int64_t end = support_now_ms() + atoi(argv[2]);
    while (support_now_ms() < end) {
        raw_connect_to(&foe.raw, argv[0]);
        raw_greet(&foe.raw);
        haunt(&foe, end);
    }
    support_say("done");
    return 0;
}

static int play_server(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    struct foe foe = {.x = (uint32_t)atoi(argv[1]) * 2654435761u + 1};
    struct sill__named_listen listen;
    support_ok(sill__listener_open(&listen, rig_channel(), argv[0], NULL, SILL_ACCESS_USER));
    support_say("ready");
    int64_t end = support_now_ms() + atoi(argv[2]);
    for (sill__conn *conn = NULL; support_now_ms() < end;) {
        if (listen.ops->accept(listen.listen, &conn) != 0) {
            support_sleep_ms(1);
            continue;
        }
        raw_open(&foe.raw, conn);
        raw_welcome(&foe.raw);
        haunt(&foe, end);
    }
    sill__listener_shut(&listen, true);
    support_say("done");
    return 0;
}

/* ---- what both sides under attack do with messages ---- */

struct victim {
    uint32_t x;
    sill_message held[HELD];
    void *buffers[HELD];
    uint64_t sum, messages, ended;
    int bad; /* a status that may not be; or 1: a call that took too long */
};

static void expect_status(struct victim *v, int rc, int64_t began, int limit_ms)
{
    bool good = rc == 0 || rc == SILL_TIMEOUT || rc == SILL_AGAIN || rc == SILL_PROTOCOL ||
                rc == SILL_DIED || rc == SILL_CLOSED || rc == SILL_REFUSED || rc == SILL_CANCELED;
    bool late = support_now_ms() - began > limit_ms + SUPPORT_PATIENCE_MS / 2;
    if ((good && !late) || v->bad != 0)
        return;
    v->bad = good ? 1 : rc;
    print_error("%s: %s\n", good ? "too late" : sill_status_name(rc), sill_last_error()->message);
}

static void read_all(struct victim *v, const sill_message *m)
{
    for (size_t i = 0; i < m->size; i++)
        v->sum += ((const volatile unsigned char *)m->data)[i];
}

static void let_go(struct victim *v, unsigned i)
{
    if (v->held[i].internal != NULL)
        read_all(v, &v->held[i]);
    sill_release(&v->held[i]);
    free(v->buffers[i]);
    v->buffers[i] = NULL;
}

static void let_all_go(struct victim *v)
{
    for (unsigned i = 0; i < HELD; i++)
        let_go(v, i);
}

static void hold(struct victim *v, sill_message *m)
{
    unsigned i = next_random(&v->x) % HELD;
    let_go(v, i);
    v->held[i] = *m;
    *m = (sill_message)SILL_MESSAGE_INIT;
    if (next_random(&v->x) % 2 != 0)
        return;
    v->buffers[i] = malloc(v->held[i].size + 1);
    if (v->buffers[i] != NULL)
        sill_receive_into(&v->held[i], v->buffers[i], v->held[i].size);
}

/* Sends something by any way. */
static void send_some(struct victim *v, sill_port *port)
{
    static const unsigned char bytes[LARGEST];
    static const size_t sizes[] = {0, 10, 200, 3000, 20000, LARGEST};
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.path = (int)(next_random(&v->x) % SILL_PATH_COUNT);
    options.flags = next_random(&v->x) % 4 == 0 ? SILL_SEND_URGENT : 0;
    size_t size = sizes[next_random(&v->x) % 6];
    if (options.path == SILL_PATH_INLINE && size > 200)
        options.path = SILL_PATH_AUTO;
    if ((options.path == SILL_PATH_MAPPED || options.path == SILL_PATH_ROUNDS) && size < 2)
        size = 10;
    int64_t began = support_now_ms();
    if (next_random(&v->x) % 4 != 0) {
        expect_status(v, sill_send_with(port, bytes, size, &options, SHORT_MS), began, SHORT_MS);
        return;
    }
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = sill_call_with(port, bytes, size, &options, &reply, SHORT_MS);
    expect_status(v, rc, began, 2 * SHORT_MS);
    read_all(v, &reply);
    if (reply.internal != NULL)
        hold(v, &reply);
}

/* A message of the hostile side: it is read, answered, kept, and others are released. */
static void endure(struct victim *v, sill_message *m)
{
    sill_port *port = m->port;
    int64_t began = support_now_ms();
    v->messages++;
    read_all(v, m);
    if (next_random(&v->x) % 4 == 0)
        send_some(v, port);
    switch (next_random(&v->x) % 4) {
    case 0:
        hold(v, m);
        break;
    case 1:
        if (m->type == SILL_REQUEST)
            expect_status(v, sill_reply(m, m->data, m->size), began, SUPPORT_PATIENCE_MS / 4);
        break;
    case 2:
        if (m->type == SILL_REQUEST)
            expect_status(v, sill_refuse(m, "no", 2), began, SUPPORT_PATIENCE_MS / 4);
        break;
    default:
        break;
    }
    sill_release(m);
    let_go(v, next_random(&v->x) % HELD);
}

static int duration_ms(void)
{
    const char *text = getenv("SILL_LONG");
    return text != NULL && strcmp(text, "1") == 0 ? 60000 : 1000;
}

static struct support_process *start_foe(const char *role, const char *name, unsigned seed)
{
    char number[20], ms[20];
    snprintf(number, sizeof number, "%u", seed);
    snprintf(ms, sizeof ms, "%d", duration_ms());
    const char *arguments[] = {name, number, ms, NULL};
    return support_start(role, arguments, NULL);
}

static void finish_foe(struct support_process *process)
{
    support_expect(process, "done");
    assert_int_equal(0, support_finish(process));
}

/* ---- a server under attack ---- */

struct fortress {
    sill_server *server;
    struct victim victim;
};

static char good_mark, bad_mark; /* contexts of clients */

static int hold_out(void *arg)
{
    struct fortress *f = arg;
    sill_message m = SILL_MESSAGE_INIT;
    int rc = 0;
    while (rc != SILL_CANCELED) {
        int64_t began = support_now_ms();
        rc = sill_server_receive(f->server, &m, SHORT_MS);
        expect_status(&f->victim, rc, began, SHORT_MS);
        if (rc != 0)
            continue;
        if (m.type == SILL_CONNECT)
            sill_accept(f->server, &m, m.size > 0 ? &good_mark : &bad_mark, NULL, 0, NULL);
        else if (m.type > 0 && m.context == &good_mark)
            sill_reply(&m, m.data, m.size);
        else if (m.type > 0)
            endure(&f->victim, &m);
        else
            f->victim.ended++;
        sill_release(&m);
    }
    let_all_go(&f->victim);
    return f->victim.bad;
}

static sill_port *good_client(const char *name)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.data = "good";
    options.size = 4;
    sill_port *port = NULL;
    support_ok(sill_connect(&port, name, &options));
    return port;
}

static void be_served(sill_port *port, unsigned round)
{
    static const size_t sizes[] = {1, 50, 1000, 30000, LARGEST};
    size_t size = sizes[round % 5];
    unsigned char *bytes = rig_bytes(size, round);
    sill_message reply = SILL_MESSAGE_INIT;
    support_ok(sill_call(port, bytes, size, &reply, SUPPORT_PATIENCE_MS));
    assert_int_equal(size, reply.size);
    assert_memory_equal(bytes, reply.data, size);
    sill_release(&reply);
    free(bytes);
}

static void attack_server(unsigned seed)
{
    char name[SUPPORT_NAME_SIZE];
    static struct fortress f; /* its thread outlives a test that fails */
    f = (struct fortress){.victim = {.x = seed}};
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.reply_timeout_ms = 100;
    options.message_max = 1 << 20;
    support_name(name, "scribble");
    support_ok(sill_listen(&f.server, name, &options));
    struct support_thread *thread = support_thread(hold_out, &f);
    sill_port *good = good_client(name);
    struct support_process *foe = start_foe("client", name, seed);
    int64_t end = support_now_ms() + duration_ms();
    unsigned served = 0;
    while (support_now_ms() < end)
        be_served(good, served++);
    finish_foe(foe);
    be_served(good, served);
    sill_port_close(good);
    sill_server_cancel(f.server);
    assert_int_equal(0, support_join(thread));
    sill_server_close(f.server);
    assert_true(f.victim.messages > 0 && f.victim.ended > 0);
    print_message("seed %u: %llu messages, %llu connections, %u good calls\n", seed,
                  (unsigned long long)f.victim.messages, (unsigned long long)f.victim.ended,
                  served);
}

/* ---- a client under attack ---- */

/* One connection, until it ends. */
static void bear(struct victim *v, sill_port *port, int64_t end)
{
    sill_message m = SILL_MESSAGE_INIT;
    int rc = 0;
    while (support_now_ms() < end && rc != SILL_PROTOCOL && rc != SILL_DIED && rc != SILL_CLOSED) {
        int64_t began = support_now_ms();
        rc = sill_receive(port, &m, (int)(next_random(&v->x) % SHORT_MS));
        expect_status(v, rc, began, SHORT_MS);
        if (rc == 0)
            endure(v, &m);
        else
            send_some(v, port);
    }
    sill_release(&m);
    v->ended++;
}

static void attack_client(unsigned seed)
{
    char name[SUPPORT_NAME_SIZE];
    struct victim v = {.x = seed};
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.reply_timeout_ms = 100;
    options.message_max = 1 << 20;
    support_name(name, "scribble");
    struct support_process *foe = start_foe("server", name, seed);
    support_expect(foe, "ready");
    int64_t end = support_now_ms() + duration_ms();
    while (support_now_ms() < end) {
        sill_port *port = NULL;
        int rc = sill_connect(&port, name, &options);
        if (rc == SILL_NOT_FOUND && support_now_ms() + 200 > end)
            break; /* its time is over */
        expect_status(&v, rc, support_now_ms(), 0);
        if (rc != 0)
            continue;
        bear(&v, port, end);
        if (next_random(&v.x) % 2 == 0)
            let_all_go(&v); /* or after the port is closed */
        sill_port_close(port);
    }
    let_all_go(&v);
    finish_foe(foe);
    assert_int_equal(0, v.bad);
    assert_true(v.messages > 0 && v.ended > 0);
    print_message("seed %u: %llu messages, %llu connections\n", seed,
                  (unsigned long long)v.messages, (unsigned long long)v.ended);
}

/* ---- tests ---- */

static void all_seeds(void (*attack)(unsigned seed), bool count_handles)
{
    unsigned before = 0;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        attack(seed);
        if (seed == 1)
            before = support_handles();
    }
    if (count_handles)
        assert_int_equal(before, support_handles());
}

static void scribbling_client(void **state)
{
    (void)state;
    all_seeds(attack_server, true);
}

static void scribbling_server(void **state)
{
    (void)state;
#ifdef _WIN32
    all_seeds(attack_client, false); /* a server puts handles into its client's table by itself */
#else
    all_seeds(attack_client, true);
#endif
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(scribbling_client),
    SUPPORT_TEST(scribbling_server),
};
static const struct support_role roles[] = {{"client", play_client}, {"server", play_server}};
SUPPORT_MAIN(tests, roles)
