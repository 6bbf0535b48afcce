/* bench_pair.c - the two processes of a measurement: how the second is started, and the steps that
 * the first takes.
 *
 * The ports that are in use are known to the interruption from the moment they exist until
 * bench_pairs_end. The second process ends when its last client has gone, in whatever way.
 */
#include "bench_pair.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_os.h"
#include "cli.h"

enum { SELF_MAX = 4096, CONNECT_MS = 30000, ARGUMENTS = 24 };

/* Of a stream, messages of at most so many bytes are sent so many at once. */
enum { TOGETHER = 64, TOGETHER_SIZE = 4096 };

/* ---- interruption ---- */

static _Atomic(sill_port *) in_use[BENCH_PAIRS_MAX];

static void cancel_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < BENCH_PAIRS_MAX; i++) {
        sill_port *port = atomic_load(&in_use[i]);

        if (port)
            sill_port_cancel(port);
    }
}

static unsigned cores[2], core_count;

void bench_pairs_begin(void)
{
    core_count = bench_os_cores(cores);
    if (core_count == 2)
        (void)bench_os_pin(cores[0]);
    os_interrupt_begin(cancel_all, NULL);
}

void bench_pairs_end(void)
{
    for (unsigned i = 0; i < BENCH_PAIRS_MAX; i++)
        atomic_store(&in_use[i], NULL);
    os_interrupt_end();
}

static void put_in_use(sill_port *port)
{
    for (unsigned i = 0; i < BENCH_PAIRS_MAX; i++) {
        sill_port *none = NULL;

        if (atomic_compare_exchange_strong(&in_use[i], &none, port))
            return;
    }
}

int bench_fail(int status)
{
    bench_progress(NULL);
    return os_interrupted() ? CLI_INTERRUPTED : cli_fail_sill(status);
}

/* ---- the second process ---- */

/* What the second process is told: the way, and numbers as text. */
struct arguments {
    char *list[ARGUMENTS];
    unsigned count;
    char self[SELF_MAX];
    char size[32], core[32];
};

static void add(struct arguments *arguments, const char *option, const char *value)
{
    char *text[2];

    /* os_process_start takes argv as main does, and changes nothing in it */
    memcpy(&text[0], &option, sizeof option);
    memcpy(&text[1], &value, sizeof value);
    arguments->list[arguments->count++] = text[0];
    if (value)
        arguments->list[arguments->count++] = text[1];
}

static void fill_arguments(struct arguments *arguments, const struct bench_pair *pair)
{
    const struct bench_way *way = &pair->way;

    add(arguments, arguments->self, "bench");
    add(arguments, "--peer", pair->name);
    add(arguments, "--size-max", arguments->size);
    add(arguments, "--wait", way->wait);
    if (way->path)
        add(arguments, "--path", sill_path_name(way->path));
    if (*arguments->core)
        add(arguments, "--core", arguments->core);
    if (way->family)
        add(arguments, "--family", sill_family_name(way->family));
    if (way->policy)
        add(arguments, "--policy", way->policy);
    if (way->policy_text)
        add(arguments, "--policy-text", way->policy_text);
    if (way->directory)
        add(arguments, "--directory", way->directory);
    if (way->region)
        add(arguments, "--region", way->region);
    if (way->loan)
        add(arguments, "--loan", NULL);
    if (way->read)
        add(arguments, "--read", NULL);
}

/* Passes on what it says on its standard error. */
static void pass_on(int file)
{
    char text[1024];
    long n;

    while ((n = os_read(file, text, sizeof text)) > 0)
        (void)os_write(2, text, (size_t)n);
}

/* Waits for its end and frees it. -1, or CLI_FAILED. */
static int end_process(struct bench_pair *pair)
{
    int code = 0;
    int by_signal;

    if (!pair->process)
        return -1;
    os_close(pair->in);
    pass_on(pair->err);
    by_signal = os_process_wait(pair->process, &code);
    os_close(pair->out);
    os_close(pair->err);
    os_process_free(pair->process);
    pair->process = NULL;
    return code == 0 && by_signal == 0 ? -1 : CLI_FAILED;
}

int bench_pair_start(struct bench_pair *pair, uint64_t size_max)
{
    static unsigned number; /* of this process's pairs */
    struct arguments arguments = {.count = 0};
    char line[8];

    if (os_interrupted())
        return CLI_INTERRUPTED;
    if (bench_os_self(arguments.self, sizeof arguments.self) != 0)
        return cli_fail("this program's own file cannot be found");
    snprintf(pair->name, sizeof pair->name, "sill-bench-%u-%u", os_process_number(), number++);
    snprintf(arguments.size, sizeof arguments.size, "%" PRIu64, size_max);
    if (core_count == 2)
        snprintf(arguments.core, sizeof arguments.core, "%u", cores[1]);
    fill_arguments(&arguments, pair);
    pair->process = os_process_start(arguments.list, &pair->in, &pair->out, &pair->err);
    if (!pair->process)
        return cli_fail("a second process of %s cannot be started", arguments.self);
    if (os_read(pair->out, line, sizeof line) > 0)
        return -1;
    if (os_interrupted())
        os_process_kill(pair->process);
    end_process(pair);
    bench_progress(NULL);
    return os_interrupted() ? CLI_INTERRUPTED : cli_fail("the second process has failed");
}

/* Without a client it would wait for one: it gets one that goes at once. */
static void send_away(const struct bench_pair *pair)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_port *port = NULL;

    options.directory = pair->way.directory;
    options.timeout_ms = CONNECT_MS / 10;
    if (sill_connect(&port, pair->name, &options) != SILL_OK)
        os_process_kill(pair->process);
    sill_port_close(port);
}

int bench_pair_stop(struct bench_pair *pair)
{
    sill_release(&pair->message);
    if (!pair->port && pair->process)
        send_away(pair);
    sill_port_close(pair->port);
    pair->port = NULL;
    return end_process(pair);
}

/* ---- connecting ---- */

int bench_pair_open(const struct bench_pair *pair, sill_port **port)
{
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    sill_policy policy = SILL_POLICY_INIT;
    int status = bench_fill(&options, &policy, &pair->way);

    if (status >= 0)
        return status;
    options.timeout_ms = CONNECT_MS;
    status = os_interrupted() ? SILL_CANCELED : sill_connect(port, pair->name, &options);
    return status == SILL_OK ? -1 : bench_fail(status);
}

int bench_pair_connect(struct bench_pair *pair)
{
    int status = bench_pair_open(pair, &pair->port);

    if (status < 0)
        put_in_use(pair->port);
    return status;
}

/* ---- steps ---- */

static int send_word(struct bench_pair *pair, enum bench_word word, unsigned flags)
{
    return bench_send(pair->port, &pair->way, pair->data, pair->size, word, flags);
}

int bench_pair_send(void *arg)
{
    return send_word(arg, BENCH_ECHO, 0);
}

int bench_pair_receive(void *arg)
{
    struct bench_pair *pair = arg;
    int status = sill_receive(pair->port, &pair->message, -1);

    if (status != SILL_OK)
        return status;
    if (pair->message.size >= 8)
        (void)bench_look(&pair->message, &pair->way);
    pair->told.path = (uint64_t)pair->message.path;
    sill_release(&pair->message);
    return SILL_OK;
}

/* Sends what bench_pair_stream has put off. */
static int send_put_off(struct bench_pair *pair)
{
    sill_bytes bytes[TOGETHER];
    uint64_t word = BENCH_STREAM;
    unsigned count = pair->put_off, i;

    pair->put_off = 0;
    if (count == 0)
        return SILL_OK;
    memcpy(pair->data, &word, sizeof word);
    for (i = 0; i < count; i++)
        bytes[i] = (sill_bytes){pair->data, pair->size};
    return sill_send_many(pair->port, bytes, count, NULL, -1);
}

int bench_pair_stream(void *arg)
{
    struct bench_pair *pair = arg;

    if (pair->way.loan || pair->size > TOGETHER_SIZE)
        return send_word(pair, BENCH_STREAM, SILL_SEND_MORE);
    return ++pair->put_off < TOGETHER ? SILL_OK : send_put_off(pair);
}

int bench_pair_finish(void *arg)
{
    struct bench_pair *pair = arg;
    int status = send_put_off(pair);

    if (status == SILL_OK)
        status = send_word(pair, BENCH_LAST, 0);
    if (status == SILL_OK)
        status = sill_receive(pair->port, &pair->message, -1);
    if (status != SILL_OK)
        return status;
    if (pair->message.size == sizeof pair->told)
        memcpy(&pair->told, pair->message.data, sizeof pair->told);
    sill_release(&pair->message);
    return SILL_OK;
}
