/* test_sysv_remains.c - what ports over System V have in the system's tables: that nothing of it is
 * left, however they end; that nothing else is touched; and the system's limits.
 */
#include "support.h"

#ifdef _WIN32

int main(void)
{
    puts("skipped: System V IPC is not on Windows");
    return 0;
}

#else

#include <sched.h>
#include <unistd.h>

#include "../conform/raw_peer.h"
#include "sysv_rig.h"

/* ---- helpers ---- */

static struct rig served;

static int play_server(int argc, char **argv)
{
    if (argc < 1)
        return 2;
    snprintf(served.name, sizeof served.name, "%s", argv[0]);
    if (sill_listen(&served.server, argv[0], sysv()) != 0)
        return 1;
    support_say("ready");
    rig_run(&served);
    return 0;
}

static int play_client(int argc, char **argv)
{
    sill_port *port = NULL;
    sill_message reply = SILL_MESSAGE_INIT;
    if (argc < 1)
        return 2;
    int rc = sill_connect(&port, argv[0], sysv());
    if (rc == 0)
        rc = sill_call(port, "!", 1, &reply, SUPPORT_PATIENCE_MS);
    sill_release(&reply);
    support_say("%s", sill_status_name(rc));
    support_linger();
    sill_port_close(port);
    return 0;
}

static struct support_process *start(const char *role, const char *name, const char *says)
{
    const char *arguments[] = {name, NULL};
    struct support_process *process = support_start(role, arguments, NULL);
    support_expect(process, says);
    return process;
}

static void kill_it(struct support_process *process)
{
    support_kill(process);
    support_finish(process);
}

/* A server and a client that were killed, the server first. */
static key_t leave_remains(const char *name)
{
    struct support_process *server = start("server", name, "ready");
    struct support_process *client = start("client", name, "SILL_OK");
    key_t key = key_of(name);
    kill_it(client);
    kill_it(server);
    return key;
}

struct cleaned {
    unsigned count;
    char kind[20];
};

static int note(void *arg, const sill_object *object)
{
    struct cleaned *cleaned = arg;
    cleaned->count++;
    snprintf(cleaned->kind, sizeof cleaned->kind, "%s", object->kind);
    return 0;
}

/* ---- nothing is left ---- */

static void closed_in_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    assert_int_equal(1, count_sets(key));
    assert_int_equal(2, count_queues(key));
    sill_port_close(port);
    rig_stop(&rig);
    nothing_is_left(key);
    assert_false(has_record(rig.name));
}

/* What a client has not read yet outlives the server; the client's close removes the rest. */
static void server_closes_first(void **state)
{
    (void)state;
    struct pair p;
    sill_port_options options = *sysv();
    sill_message m = SILL_MESSAGE_INIT;
    options.path = SILL_PATH_CHANNEL;
    pair_open(&p, &options);
    key_t key = key_of(p.rig.name);
    support_ok(sill_send(p.server_end, "last words", 10, SUPPORT_PATIENCE_MS));
    sill_server_close(p.rig.server);
    assert_true(has_record(p.rig.name));
    support_ok(sill_receive(p.client, &m, SUPPORT_PATIENCE_MS));
    assert_memory_equal("last words", m.data, 10);
    support_status(SILL_CLOSED, sill_receive(p.client, &m, SUPPORT_PATIENCE_MS));
    sill_port_close(p.client);
    nothing_is_left(key);
    assert_false(has_record(p.rig.name));
}

/* Two clients of a server that was killed: the second that closes removes it all. */
static void last_one_out(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    sill_port *ports[2];
    sill_message m = SILL_MESSAGE_INIT;
    support_name(name, "last");
    struct support_process *server = start("server", name, "ready");
    key_t key = key_of(name);
    for (int i = 0; i < 2; i++)
        support_ok(sill_connect(&ports[i], name, NULL)); /* finds the server's family */
    kill_it(server);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(1, count_sets(key));
        support_status(SILL_DIED, sill_receive(ports[i], &m, SUPPORT_PATIENCE_MS)); /* and leaves */
        sill_port_close(ports[i]);
    }
    nothing_is_left(key);
    assert_false(has_record(name));
}

struct tally {
    atomic_uint *counter;
    unsigned wanted;
};

static bool counted(void *arg)
{
    const struct tally *tally = arg;
    return atomic_load(tally->counter) >= tally->wanted;
}

static void await(atomic_uint *counter, unsigned wanted)
{
    struct tally tally = {counter, wanted};
    assert_true(support_until(counted, &tally, SUPPORT_PATIENCE_MS));
}

static bool nine_have_gone(void *arg)
{
    struct rig *rig = arg;
    return atomic_load(&rig->closed) + atomic_load(&rig->died) == 9;
}

static bool slot_is_free(void *arg)
{
    const key_t *key = arg;
    int set = semget(*key, 0, 0);
    return sill__sem_value(set, sill__slot_sem(0, SILL__SLOT_FREE)) == 1 && count_queues(*key) == 0;
}

static void client_is_killed(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    for (int i = 0; i < 3; i++) { /* in the same slot each time */
        struct support_process *client = start("client", rig.name, "SILL_OK");
        kill_it(client);
        assert_true(support_until(slot_is_free, &key, SUPPORT_PATIENCE_MS));
    }
    rig_stop(&rig);
    assert_int_equal(3, rig.died);
    nothing_is_left(key);
}

static void clean_removes_remains(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    struct cleaned cleaned = {0};
    support_name(name, "clean");
    key_t key = leave_remains(name);
    assert_int_equal(1, count_sets(key));
    support_ok(sill_clean(NULL, 1, note, &cleaned));
    assert_int_equal(1, cleaned.count);
    assert_string_equal("sysv", cleaned.kind);
    assert_int_equal(1, count_sets(key));
    support_ok(sill_clean(NULL, 0, note, &cleaned));
    assert_int_equal(2, cleaned.count);
    nothing_is_left(key);
    assert_false(has_record(name));
}

/* Whatever family it is of, and the other way round. */
static void next_listen_removes_remains(void **state)
{
    (void)state;
    static const int families[] = {SILL_FAMILY_SYSV, SILL_FAMILY_POSIX};
    for (int i = 0; i < 2; i++) {
        char name[SUPPORT_NAME_SIZE];
        sill_server *server = NULL;
        sill_port_options options = SILL_PORT_OPTIONS_INIT;
        options.family = families[i];
        support_name(name, "next");
        key_t key = leave_remains(name);
        support_ok(sill_listen(&server, name, &options));
        nothing_is_left(key);
        sill_server_close(server);
    }
    assert_int_equal(0, support_entries(".lock"));
}

/* Nor is what lives: by a clean, or by another who wants the name. */
static void what_lives_is_left(void **state)
{
    (void)state;
    struct rig rig;
    struct cleaned cleaned = {0};
    sill_server *other = NULL;
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    support_ok(sill_clean(NULL, 0, note, &cleaned));
    assert_int_equal(0, cleaned.count);
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.family = SILL_FAMILY_POSIX;
    support_status(SILL_EXISTS, sill_listen(&other, rig.name, &options));
    support_status(SILL_EXISTS, sill_listen(&other, rig.name, sysv()));
    others_are_served(port);
    sill_port_close(port);
    rig_stop(&rig);
    nothing_is_left(key);
}

/* More clients than a block has slots for, twice. */
static void blocks_grow(void **state)
{
    (void)state;
    enum { CROWD = 80 };
    struct rig rig;
    sill_port *ports[CROWD];
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < CROWD; i++)
            ports[i] = rig_client(&rig, SILL_PATH_AUTO);
        for (int i = 0; i < CROWD; i++)
            others_are_served(ports[i]);
        assert_in_range(count_sets(key), 3, 4);
        for (int i = 0; i < CROWD; i++)
            sill_port_close(ports[i]);
        await(&rig.closed, CROWD * (unsigned)(round + 1));
    }
    rig_stop(&rig);
    nothing_is_left(key);
}

/* The deaths of clients in later blocks are told as well. */
static void death_in_a_later_block(void **state)
{
    (void)state;
    enum { CROWD = 40 };
    struct rig rig;
    sill_port *ports[CROWD];
    rig_start(&rig, sysv());
    for (int i = 0; i < CROWD; i++)
        ports[i] = rig_client(&rig, SILL_PATH_AUTO);
    for (unsigned i = 0; i < 5; i++) {
        struct support_process *client = start("client", rig.name, "SILL_OK");
        kill_it(client);
        await(&rig.died, i + 1);
    }
    for (int i = 0; i < CROWD; i++)
        sill_port_close(ports[i]);
    rig_stop(&rig);
}

/* A server is killed while it makes the slot of a client that has gone free again: the other one is
 * the last, and removes it all. */
static void killed_at_a_slot(void **state)
{
    (void)state;
#ifndef SILL_STEPS
    support_skip("this build has no steps to stop at (SILL_STEPS)");
#else
    char name[SUPPORT_NAME_SIZE];
    sill_port *ports[2];
    support_name(name, "slot");
    const char *arguments[] = {name, NULL};
    struct support_process *server = support_start_stopping("server", arguments, "slot_emptied");
    support_expect(server, "ready");
    key_t key = key_of(name);
    for (int i = 0; i < 2; i++)
        support_ok(sill_connect(&ports[i], name, NULL));
    sill_port_close(ports[0]);
    support_wait_stopped("slot_emptied");
    kill_it(server);
    sill_port_close(ports[1]);
    nothing_is_left(key);
    assert_false(has_record(name));
#endif
}

/* ---- what is another's ---- */

/* Another's queue has the key of a slot's: the client takes another slot, the queue stays. */
static void key_is_taken(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    int foreign = msgget(key + 1, IPC_CREAT | IPC_EXCL | 0600);
    assert_true(foreign >= 0);
    sill_port *port = rig_client(&rig, SILL_PATH_AUTO);
    others_are_served(port);
    sill_port_close(port);
    rig_stop(&rig);
    assert_int_equal(foreign, msgget(key + 1, 0));
    assert_int_equal(0, msgctl(foreign, IPC_RMID, NULL));
    nothing_is_left(key);
}

/* Somebody removes the semaphores of a living server: everybody is told, and nothing is left. */
static void semaphores_are_removed(void **state)
{
    (void)state;
    struct pair p;
    sill_message m = SILL_MESSAGE_INIT;
    pair_open(&p, sysv());
    key_t key = key_of(p.rig.name);
    assert_int_equal(0, semctl(semget(key, 0, 0), 0, IPC_RMID));
    support_status(SILL_DIED, sill_receive(p.client, &m, SUPPORT_PATIENCE_MS));
    support_status(SILL_OS, sill_server_receive(p.rig.server, &m, SUPPORT_PATIENCE_MS));
    sill_port *port = NULL;
    support_status(SILL_NOT_FOUND, sill_connect(&port, p.rig.name, sysv()));
    sill_port_close(p.client);
    sill_server_close(p.rig.server);
    nothing_is_left(key);
}

/* Somebody removes those of a later block: its clients are told to have gone, the others stay. */
static void block_is_removed(void **state)
{
    (void)state;
    enum { CROWD = 40 };
    struct rig rig;
    sill_port *ports[CROWD];
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    for (int i = 0; i < CROWD; i++)
        ports[i] = rig_client(&rig, SILL_PATH_AUTO);
    assert_int_equal(0, semctl(semget(key + 1, 0, 0), 0, IPC_RMID));
    for (int i = SILL__SLOTS_OF_BLOCK - 1; i < CROWD; i++)
        sill_port_close(ports[i]);
    assert_true(support_until(nine_have_gone, &rig, SUPPORT_PATIENCE_MS));
    others_are_served(ports[0]);
    sill_port *more = rig_client(&rig, SILL_PATH_AUTO);
    others_are_served(more);
    sill_port_close(more);
    for (int i = 0; i < SILL__SLOTS_OF_BLOCK - 1; i++)
        sill_port_close(ports[i]);
    rig_stop(&rig);
    nothing_is_left(key);
}

/* The keys of later blocks are another server's, or of one that is half-made. */
static void only_own_blocks_are_removed(void **state)
{
    (void)state;
    struct sill__table other;
    struct rig rig;
    rig_start(&rig, sysv());
    key_t key = key_of(rig.name);
    support_ok(sill__table_create(&other, key + 1, "another"));
    assert_true(semget(key + 2, SILL__BLOCK_SEMS, IPC_CREAT | IPC_EXCL | 0600) >= 0);
    sill__sem_set(semget(key, 0, 0), SILL__SEM_BLOCKS, 3);
    rig_stop(&rig);
    assert_int_equal(other.sets[0], semget(key + 1, 0, 0));
    assert_int_equal(1, count_sets(key));
    support_ok(sill__table_remove(key + 1, "another", false));
    nothing_is_left(key);
}

/* A full house: clients wait for a place, and get one when the server makes more. */
static void no_free_slot(void **state)
{
    (void)state;
    struct rig rig;
    sill__conn *conns[SILL__SLOTS_OF_BLOCK], *more = NULL;
    const struct sill__expect expect = {0};
    const struct sill__channel_ops *ops = sill__channel_of_family(SILL_FAMILY_SYSV);
    rig_listen(&rig, sysv());
    key_t key = key_of(rig.name);
    for (int i = 0; i < SILL__SLOTS_OF_BLOCK; i++)
        support_ok(sill__client_open(&conns[i], ops, rig.name, NULL, &expect,
                                     sill__deadline(SUPPORT_PATIENCE_MS)));
    support_status(SILL_TIMEOUT,
                   sill__client_open(&more, ops, rig.name, NULL, &expect, sill__deadline(30)));
    sill_message m = SILL_MESSAGE_INIT;
    support_status(SILL_AGAIN, sill_server_receive(rig.server, &m, 0));
    support_ok(sill__client_open(&more, ops, rig.name, NULL, &expect,
                                 sill__deadline(SUPPORT_PATIENCE_MS)));
    more->ops->close(more);
    for (int i = 0; i < SILL__SLOTS_OF_BLOCK; i++)
        conns[i]->ops->close(conns[i]);
    sill_server_close(rig.server);
    nothing_is_left(key);
}

/* ---- choosing ---- */

static void families_are_chosen(void **state)
{
    (void)state;
    struct rig rig;
    sill_port *port = NULL;
    sill_server *server = NULL;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    support_setenv("SILL_FAMILY", NULL);
    rig_start(&rig, sysv());
    options.family = SILL_FAMILY_POSIX;
    support_status(SILL_NOT_FOUND, sill_connect(&port, rig.name, &options));
    options.family = SILL_FAMILY_AUTO;
    options.region = SILL_REGION_POSIX_ANONYMOUS;
    support_status(SILL_NOT_FOUND, sill_connect(&port, rig.name, &options));
    options.family = SILL_FAMILY_SYSV;
    support_status(SILL_UNSUPPORTED, sill_connect(&port, rig.name, &options));
    options.region = SILL_REGION_SYSV_PRIVATE;
    support_ok(sill_connect(&port, rig.name, &options));
    others_are_served(port);
    sill_port_close(port);
    rig_stop(&rig);
    options.access = SILL_ACCESS_ALL;
    support_status(SILL_UNSUPPORTED, sill_listen(&server, rig.name, &options));
    options.access = SILL_ACCESS_USER;
    options.family = SILL_FAMILY_WIN32;
    support_status(SILL_UNSUPPORTED, sill_listen(&server, rig.name, &options));
    options.family = SILL_FAMILY_COUNT;
    support_status(SILL_INVALID, sill_listen(&server, rig.name, &options));
    support_setenv("SILL_FAMILY", "system-v");
    support_status(SILL_INVALID, sill_listen(&server, rig.name, NULL));
    assert_non_null(strstr(sill_last_error()->message, "system-v"));
    support_setenv("SILL_FAMILY", "sysv");
    support_ok(sill_listen(&server, rig.name, NULL));
    sill_server_close(server);
    support_setenv("SILL_FAMILY", NULL);
    sill_policy policy = SILL_POLICY_INIT;
    support_ok(sill_policy_parse(&policy, "{\"family\": \"sysv\"}", 18, NULL));
    options = (sill_port_options)SILL_PORT_OPTIONS_INIT;
    options.policy = &policy;
    rig_start(&rig, &options);
    assert_int_equal(1, count_sets(key_of(rig.name)));
    rig_stop(&rig);
}

/* ---- the system's limits, in an IPC namespace of its own ---- */

static bool set_limit(const char *name, const char *value)
{
    char path[80];
    snprintf(path, sizeof path, "/proc/sys/kernel/%s", name);
    FILE *file = fopen(path, "w");
    bool ok = file != NULL && fputs(value, file) >= 0;
    return file != NULL && fclose(file) == 0 && ok;
}

/* Says the status, and that the sentence names the limit. */
static void say_limit(int rc, const char *limit)
{
    support_say("%s %d", sill_status_name(rc), strstr(sill_last_error()->message, limit) != NULL);
}

static int play_limits(int argc, char **argv)
{
    sill_server *server = NULL;
    struct rig rig;
    sill_port *port = NULL;
    (void)argc;
    (void)argv;
    if (unshare(CLONE_NEWIPC) != 0 || !set_limit("sem", "250 32000 32 0")) {
        support_say("not allowed");
        return 0;
    }
    support_say("allowed");
    say_limit(sill_listen(&server, "limit", sysv()), "SEMMNI");
    set_limit("sem", "200 32000 32 10");
    say_limit(sill_listen(&server, "limit", sysv()), "SEMMSL");
    set_limit("sem", "250 229 32 10");
    say_limit(sill_listen(&server, "limit", sysv()), "SEMMNS");
    set_limit("sem", "250 32000 31 10");
    say_limit(sill_listen(&server, "limit", sysv()), "SEMOPM");
    set_limit("sem", "250 32000 32 10");
    set_limit("msgmni", "1");
    rig_start(&rig, sysv());
    say_limit(sill_connect(&port, rig.name, sysv()), "msgmni");
    set_limit("msgmni", "100");
    set_limit("msgmnb", "63");
    say_limit(sill_connect(&port, rig.name, sysv()), "msgmnb");
    set_limit("msgmnb", "16384");
    set_limit("msgmax", "20");
    say_limit(sill_connect(&port, rig.name, sysv()), "msgmax");
    set_limit("msgmax", "500");
    set_limit("msgmnb", "700");
    set_limit("shmmni", "0");
    int rc = sill_connect(&port, rig.name, sysv());
    support_say("%s", sill_status_name(rc));
    sill_port_traits traits = {.struct_size = sizeof traits};
    sill_port_get_traits(port, &traits);
    support_say("%u", traits.can);
    unsigned char *bytes = rig_bytes(100000, 5);
    sill_message reply = SILL_MESSAGE_INIT;
    rc = sill_call(port, bytes, 100000, &reply, SUPPORT_PATIENCE_MS);
    support_say("%s %s %d", sill_status_name(rc), sill_path_name(reply.path),
                reply.size == 100000 && memcmp(bytes, reply.data, 100000) == 0);
    sill_release(&reply);
    free(bytes);
    sill_port_close(port);
    rig_stop(&rig);
    return 0;
}

static void limits_are_told(void **state)
{
    (void)state;
    char line[80];
    struct support_process *process = support_start("limits", NULL, NULL);
    assert_true(support_hear(process, line, sizeof line, SUPPORT_PATIENCE_MS));
    if (strcmp(line, "allowed") != 0) {
        support_finish(process);
        support_skip("this process may not make an IPC namespace");
    }
    for (int i = 0; i < 7; i++)
        support_expect(process, "SILL_LIMIT 1");
    support_expect(process, "SILL_OK");
    support_expect(process, "0");
    support_expect(process, "SILL_OK channel 1");
    assert_int_equal(0, support_finish(process));
}

static const struct support_role roles[] = {
    {"server", play_server}, {"client", play_client}, {"limits", play_limits}};
static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(closed_in_order),
    SUPPORT_TEST(server_closes_first),
    SUPPORT_TEST(last_one_out),
    SUPPORT_TEST(client_is_killed),
    SUPPORT_TEST(clean_removes_remains),
    SUPPORT_TEST(next_listen_removes_remains),
    SUPPORT_TEST(what_lives_is_left),
    SUPPORT_TEST(blocks_grow),
    SUPPORT_TEST(death_in_a_later_block),
    SUPPORT_TEST(key_is_taken),
    SUPPORT_TEST(semaphores_are_removed),
    SUPPORT_TEST(no_free_slot),
    SUPPORT_TEST(families_are_chosen),
    SUPPORT_TEST(limits_are_told),
    SUPPORT_TEST(killed_at_a_slot),
    SUPPORT_TEST(block_is_removed),
    SUPPORT_TEST(only_own_blocks_are_removed),
};
SUPPORT_MAIN(tests, roles)

#endif
