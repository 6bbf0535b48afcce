/* runner.c - runs a command for each request.
 *
 * The server's thread hands requests over and never waits here. Each of a few workers takes one
 * request at a time, starts the command, and has two threads of its own beside it: one feeds the
 * command's standard input, one drains its standard error. So no order in which a command reads
 * and writes can block it. When the client goes, what runs for it is killed.
 *
 * `lock` guards the lists, each job's `state`, `doomed` and `process`, all of a client, `waiting`
 * and `stop`. A job is taken from the list by its worker alone; a client goes with the last of its
 * jobs.
 */
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "os.h"

enum {
    WAITING_MAX = 256, /* requests that wait for a worker; more are refused */
    TAIL_MAX = 800     /* bytes of standard error that a refusal quotes */
};

enum job_state { JOB_WAITING, JOB_RUNNING };

/* A client of the server: the context of its messages. */
struct client {
    struct client *next;
    unsigned jobs; /* its requests that are not done */
    int gone;
    sill_message last; /* kept until its jobs are done, since it keeps the client's port */
};

struct job {
    struct job *next;
    sill_message message;
    struct client *client;
    enum job_state state;
    int doomed; /* nobody wants the answer any more */
    os_process *process;
};

struct runner {
    char **argv;
    uint64_t reply_max;
    os_mutex *lock;
    struct client *clients;
    struct job *jobs; /* in the order in which they came */
    unsigned waiting;
    int stop;
    unsigned worker_count;
    struct worker {
        os_thread *thread;
    } workers[];
};

/* What a command did. */
struct outcome {
    int error; /* errno if it could not be run; otherwise 0 */
    int too_big;
    int by_signal;
    int code;
    char *output;
    size_t size;
    char tail[TAIL_MAX + 1]; /* the end of its standard error */
    size_t tail_size;
};

/* ---- one command ---- */

struct feed {
    int file;
    const char *data;
    size_t size;
};

/* A command that closes its input early has read what it wants. */
static void feed(void *arg)
{
    struct feed *what = arg;

    (void)os_write(what->file, what->data, what->size);
    os_close(what->file);
}

struct drain {
    int file;
    struct outcome *outcome;
};

static void keep_tail(struct outcome *outcome, const char *data, size_t size)
{
    size_t kept;

    if (size > TAIL_MAX) {
        data += size - TAIL_MAX;
        size = TAIL_MAX;
    }
    kept = outcome->tail_size < TAIL_MAX - size ? outcome->tail_size : TAIL_MAX - size;
    memmove(outcome->tail, outcome->tail + outcome->tail_size - kept, kept);
    memcpy(outcome->tail + kept, data, size);
    outcome->tail_size = kept + size;
}

/* Passes standard error on and remembers its end. */
static void drain(void *arg)
{
    struct drain *what = arg;
    char data[4096];
    long n;

    while ((n = os_read(what->file, data, sizeof data)) > 0) {
        (void)os_write(2, data, (size_t)n);
        keep_tail(what->outcome, data, (size_t)n);
    }
    os_close(what->file);
}

/* Reads the command's output to its end. 0; -1: it is not to go on (too big, no memory). */
static int collect(int file, uint64_t most, struct outcome *outcome)
{
    size_t capacity = 0;

    for (;;) {
        long n;

        if (outcome->size == capacity) {
            size_t larger = capacity ? capacity + capacity / 2 : 65536;
            char *grown = realloc(outcome->output, larger);

            if (!grown) {
                outcome->error = ENOMEM;
                return -1;
            }
            outcome->output = grown;
            capacity = larger;
        }
        n = os_read(file, outcome->output + outcome->size, capacity - outcome->size);
        if (n <= 0)
            return 0;
        outcome->size += (size_t)n;
        if (outcome->size > most) {
            outcome->too_big = 1;
            return -1;
        }
    }
}

/* Makes `process` known to those who may kill it, or kills it if that was wanted before. */
static void set_process(struct runner *runner, struct job *job, os_process *process)
{
    os_lock(runner->lock);
    job->process = process;
    if (process && job->doomed)
        os_process_kill(process);
    os_unlock(runner->lock);
}

static void run_command(struct runner *runner, struct job *job, struct outcome *outcome)
{
    struct feed feeding = {.data = job->message.data, .size = job->message.size};
    struct drain draining = {.outcome = outcome};
    os_thread *feeder, *drainer;
    os_process *process;
    int out;

    process = os_process_start(runner->argv, &feeding.file, &out, &draining.file);
    if (!process) {
        outcome->error = errno;
        return;
    }
    set_process(runner, job, process);
    feeder = os_thread_start(feed, &feeding);
    drainer = os_thread_start(drain, &draining);
    if (!feeder || !drainer)
        outcome->error = EAGAIN;
    if (outcome->error || collect(out, runner->reply_max, outcome) != 0)
        os_process_kill(process);
    os_close(out);
    if (!feeder)
        os_close(feeding.file);
    if (!drainer)
        os_close(draining.file);
    os_thread_join(feeder);
    os_thread_join(drainer);
    outcome->by_signal = os_process_wait(process, &outcome->code);
    set_process(runner, job, NULL);
    os_process_free(process);
}

static void refuse(struct runner *runner, sill_message *message, const struct outcome *outcome)
{
    char text[2 * TAIL_MAX];
    const char *name = runner->argv[0];
    int n;

    if (outcome->error)
        n = snprintf(text, sizeof text, "'%.400s' cannot be run: %s", name,
                     strerror(outcome->error));
    else if (outcome->too_big)
        n = snprintf(text, sizeof text,
                     "the output of '%.400s' is larger than %llu bytes (--reply-max)", name,
                     (unsigned long long)runner->reply_max);
    else
        n = snprintf(text, sizeof text, "'%.400s' ended with %s %d%s%.*s", name,
                     outcome->by_signal ? "signal" : "exit status", outcome->code,
                     outcome->tail_size ? ": " : "", (int)outcome->tail_size, outcome->tail);
    sill_refuse(message, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

static void answer(struct runner *runner, struct job *job)
{
    struct outcome outcome = {0};
    int status;

    run_command(runner, job, &outcome);
    if (outcome.error || outcome.too_big || outcome.by_signal || outcome.code != 0) {
        refuse(runner, &job->message, &outcome);
    } else {
        status = sill_reply(&job->message, outcome.output, outcome.size);
        if (status != SILL_OK && status != SILL_CLOSED && status != SILL_DIED)
            cli_fail_sill(status);
    }
    free(outcome.output);
}

/* ---- workers ---- */

static struct job *next_waiting(const struct runner *runner)
{
    struct job *job = runner->jobs;

    while (job && job->state != JOB_WAITING)
        job = job->next;
    return job;
}

/* Locked. */
static void free_client_if_done(struct runner *runner, struct client *client)
{
    struct client **link = &runner->clients;

    if (!client->gone || client->jobs > 0)
        return;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    sill_release(&client->last);
    free(client);
}

/* Locked. */
static void remove_job(struct runner *runner, struct job *job)
{
    struct job **link = &runner->jobs;

    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    job->client->jobs--;
    free_client_if_done(runner, job->client);
    free(job);
}

static void work(void *arg)
{
    struct runner *runner = arg;
    struct job *job;

    os_lock(runner->lock);
    while (!runner->stop) {
        job = next_waiting(runner);
        if (!job) {
            os_wait(runner->lock);
            continue;
        }
        job->state = JOB_RUNNING;
        runner->waiting--;
        if (!job->doomed) {
            os_unlock(runner->lock);
            answer(runner, job);
            os_lock(runner->lock);
        }
        sill_release(&job->message);
        remove_job(runner, job);
    }
    os_unlock(runner->lock);
}

struct runner *runner_new(char **argv, unsigned jobs, uint64_t reply_max)
{
    struct runner *runner = calloc(1, sizeof *runner + jobs * sizeof runner->workers[0]);
    unsigned i;

    if (!runner)
        return NULL;
    runner->argv = argv;
    runner->reply_max = reply_max;
    runner->lock = os_mutex_new();
    for (i = 0; runner->lock && i < jobs; i++) {
        runner->workers[i].thread = os_thread_start(work, runner);
        if (!runner->workers[i].thread)
            break;
        runner->worker_count++;
    }
    if (runner->worker_count == 0) {
        os_mutex_free(runner->lock);
        free(runner);
        return NULL;
    }
    return runner;
}

/* ---- the server's side ---- */

void runner_request(struct runner *runner, sill_message *message)
{
    static const char busy[] = "the server is busy: too many requests wait";
    struct job **link = &runner->jobs;
    struct job *job;

    os_lock(runner->lock);
    job = runner->waiting < WAITING_MAX ? calloc(1, sizeof *job) : NULL;
    if (job) {
        job->message = *message;
        *message = (sill_message)SILL_MESSAGE_INIT;
        job->client = job->message.context;
        job->client->jobs++;
        while (*link)
            link = &(*link)->next;
        *link = job;
        runner->waiting++;
        os_wake_all(runner->lock);
    }
    os_unlock(runner->lock);
    if (!job)
        sill_refuse(message, busy, sizeof busy - 1);
}

/* Locked. Ends what runs for `client`, or for all if it is NULL. */
static void doom(struct runner *runner, const struct client *client)
{
    struct job *job;

    for (job = runner->jobs; job; job = job->next) {
        if (client && job->client != client)
            continue;
        job->doomed = 1;
        if (job->process)
            os_process_kill(job->process);
    }
}

void *runner_client_new(struct runner *runner)
{
    struct client *client = calloc(1, sizeof *client);

    if (!client)
        return NULL;
    os_lock(runner->lock);
    client->next = runner->clients;
    runner->clients = client;
    os_unlock(runner->lock);
    return client;
}

void runner_client_gone(struct runner *runner, void *context, sill_message *message)
{
    struct client *client = context;

    os_lock(runner->lock);
    client->gone = 1;
    client->last = *message;
    *message = (sill_message)SILL_MESSAGE_INIT;
    doom(runner, client);
    free_client_if_done(runner, client);
    os_unlock(runner->lock);
}

void runner_free(struct runner *runner)
{
    unsigned i;

    if (!runner)
        return;
    os_lock(runner->lock);
    runner->stop = 1;
    doom(runner, NULL);
    os_wake_all(runner->lock);
    os_unlock(runner->lock);
    for (i = 0; i < runner->worker_count; i++)
        os_thread_join(runner->workers[i].thread);
    while (runner->jobs) {
        sill_release(&runner->jobs->message);
        remove_job(runner, runner->jobs);
    }
    while (runner->clients) {
        runner->clients->gone = 1;
        free_client_if_done(runner, runner->clients);
    }
    os_mutex_free(runner->lock);
    free(runner);
}
