/* Death at random moments: a client or a server streams messages of all ways (ring, channel, mapped,
 * loans, rounds, urgent) and is killed somewhere in it, over and over. The survivor gets everything
 * that was published before, whole and in order, then SILL_DIED within its time; a server goes on
 * with the next client; nothing is left behind.
 *
 * The victim notes in a file that both map how much it has published: what it noted must arrive, and
 * at most one more of each lane, which it had no time to note.
 *
 * SILL_LONG=1 in the environment: ten thousand deaths instead of a few.
 */
#include "numbered.h"

#define TOLD_MS 10000

enum { KILLS = 200, KILLS_WINE = 20, KILLS_LONG = 10000, CALL_EVERY = 16 };

static int kills(void)
{
    if (getenv("SILL_LONG") != NULL)
        return support_under_wine() ? KILLS_LONG / 20 : KILLS_LONG;
    return support_under_wine() ? KILLS_WINE : KILLS;
}

/* ---- the victim ---- */

struct note {
    _Atomic uint64_t published[NUMBERED_LANES];
};

static sill_region *open_note(const char *path, bool create)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    sill_region *region = NULL;
    options.kind = SILL_REGION_FILE;
    support_ok(create ? sill_region_create(&region, path, sizeof(struct note), &options)
                      : sill_region_open(&region, path, &options));
    return region;
}

/* Streams until it is killed, or the other side ends. Now and then it makes a call. */
static int stream(sill_port *port, struct note *note)
{
    uint64_t next[NUMBERED_LANES] = {0};
    void *buffer = malloc(NUMBERED_MAX);
    sill_message reply = SILL_MESSAGE_INIT;
    int rc = buffer != NULL ? 0 : SILL_NO_MEMORY;
    for (uint64_t position = 0; rc == 0; position++) {
        rc = numbered_send(port, position, next, buffer, SUPPORT_PATIENCE_MS);
        for (int lane = 0; lane < NUMBERED_LANES; lane++)
            atomic_store(&note->published[lane], next[lane]);
        if (rc == 0 && position % CALL_EVERY == 0)
            rc = sill_call(port, "?", 1, &reply, SUPPORT_PATIENCE_MS);
    }
    sill_release(&reply);
    free(buffer);
    return 0;
}

static int play_client(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    sill_region *region = open_note(argv[1], false);
    sill_port *port = NULL;
    support_ok(sill_connect(&port, argv[0], NULL));
    return stream(port, sill_region_data(region));
}

static int play_server(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    sill_region *region = open_note(argv[1], false);
    sill_server *server = NULL;
    sill_port *port = NULL;
    sill_message m = SILL_MESSAGE_INIT;
    support_ok(sill_listen(&server, argv[0], NULL));
    support_say("ready");
    support_ok(sill_server_receive(server, &m, SUPPORT_PATIENCE_MS));
    support_ok(sill_accept(server, &m, NULL, NULL, 0, &port));
    return stream(port, sill_region_data(region));
}

/* ---- the survivor ---- */

struct survivor {
    sill_server *server; /* NULL: receives at the port */
    sill_port *port;
    sill_message m;
    uint64_t next[NUMBERED_LANES];
};

/* Takes one message: 0, or how the other side ended. */
static int take(struct survivor *s)
{
    int rc = s->server != NULL ? sill_server_receive(s->server, &s->m, TOLD_MS)
                               : sill_receive(s->port, &s->m, TOLD_MS);
    if (rc != 0)
        return rc;
    if (s->m.type < 0)
        return s->m.type;
    if (s->m.type == SILL_CONNECT)
        sill_accept(s->server, &s->m, NULL, NULL, 0, NULL);
    else if (s->m.type == SILL_REQUEST)
        sill_reply(&s->m, "!", 1);
    else if (!numbered_take(&s->m, s->next))
        return SILL_OS; /* not what was sent */
    return 0;
}

/* Takes `count` messages, kills, takes the rest. */
static void kill_and_check(struct survivor *s, struct support_process *victim,
                           const struct note *note, unsigned count)
{
    int rc = 0;
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = take(s);
    if (rc != 0)
        fail_msg("before the death: %s", sill_status_name(rc));
    support_kill(victim);
    while ((rc = take(s)) == 0)
        ;
    if (rc != SILL_DIED)
        fail_msg("after the death: %s instead of SILL_DIED (%s)", sill_status_name(rc),
                 sill_last_error()->message);
    for (int lane = 0; lane < NUMBERED_LANES; lane++) {
        uint64_t noted = atomic_load(&note->published[lane]);
        assert_in_range(s->next[lane], noted, noted + 1);
    }
    sill_release(&s->m);
    support_finish(victim);
}

static unsigned random_count(int round)
{
    uint32_t x = numbered_mix((uint64_t)round, 7);
    return 1 + (x % 3 == 0 ? x / 3 % 8 : x / 3 % 400); /* a client must be there */
}

static void clients_die(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], path[SUPPORT_PATH_SIZE];
    struct survivor s = {.m = SILL_MESSAGE_INIT};
    support_name(name, "kill");
    support_path(path, "note");
    support_ok(sill_listen(&s.server, name, NULL));
    sill_region *region = open_note(path, true);
    const char *const arguments[] = {name, path, NULL};
    unsigned before = 0;
    for (int round = 0; round < kills(); round++) {
        struct note *note = sill_region_data(region);
        memset(s.next, 0, sizeof s.next);
        memset(note, 0, sizeof *note);
        struct support_process *victim = support_start("client", arguments, NULL);
        kill_and_check(&s, victim, note, random_count(round));
        if (round == 0)
            before = support_handles();
    }
    assert_int_equal(before, support_handles());
    sill_region_close(region);
    sill_server_close(s.server);
    remove(path);
}

static void servers_die(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], path[SUPPORT_PATH_SIZE];
    support_name(name, "kill");
    support_path(path, "note");
    sill_region *region = open_note(path, true);
    const char *const arguments[] = {name, path, NULL};
    unsigned before = 0;
    for (int round = 0; round < kills(); round++) {
        struct survivor s = {.m = SILL_MESSAGE_INIT};
        struct note *note = sill_region_data(region);
        memset(note, 0, sizeof *note);
        struct support_process *victim = support_start("server", arguments, NULL);
        support_expect(victim, "ready");
        support_ok(sill_connect(&s.port, name, NULL));
        kill_and_check(&s, victim, note, random_count(round));
        sill_port_close(s.port);
        if (round == 0)
            before = support_handles();
    }
    assert_int_equal(before, support_handles());
    sill_region_close(region);
    remove(path);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(clients_die),
    SUPPORT_TEST(servers_die),
};

static const struct support_role roles[] = {{"client", play_client}, {"server", play_server}};

SUPPORT_MAIN(tests, roles)
