/* worker_pool.c - a master gives jobs to as many workers as come, and collects what they make of
 * them. A job is built in memory that the worker maps (a loan), so it is never copied. The job of a
 * worker that dies is given to the next one.
 *
 *     worker_pool NAME master JOBS SIZE      prints the sum over all jobs
 *     worker_pool NAME work                  works until there is no more to do, and says how much it was
 */
#include <sill.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_JOB      UINT32_MAX
#define WORKERS_MAX 64

/* What a worker asks with: the result of its last job. The first time there is none. */
struct result {
    uint32_t job;
    uint32_t reserved;
    uint64_t sum;
};

struct job {
    uint32_t number;
    uint32_t size; /* bytes that follow */
    unsigned char bytes[];
};

struct worker {
    int connected;
    uint32_t job; /* which it has */
    int idle;     /* it has asked, and there was nothing to do: the question waits */
    sill_message question;
};

struct master {
    sill_server *server;
    uint32_t jobs, size;
    uint32_t given, done; /* how many were given out for the first time, how many are done */
    uint32_t *lost;       /* those to be given again */
    uint32_t lost_count;
    uint64_t sum;
    struct worker workers[WORKERS_MAX];
};

/* Builds the job in a loan of the worker's connection and answers the question with it. */
static int give(struct worker *worker, uint32_t number, uint32_t size)
{
    struct job *job;
    void *block;
    sill_port *port = worker->question.port;
    int status = sill_loan_wait(port, sizeof *job + size, &block, 5000);
    if (status != SILL_OK)
        return status;
    job = block;
    job->number = number;
    job->size = size;
    for (uint32_t i = 0; i < size; i++)
        job->bytes[i] = (unsigned char)(number + i);
    sill_send_options options = SILL_SEND_OPTIONS_INIT;
    options.flags = SILL_SEND_LOAN;
    status = sill_reply_with(&worker->question, job, sizeof *job + size, &options);
    if (status != SILL_OK)
        sill_loan_cancel(port, block);
    return status;
}

/* Gives what there is to do to those who wait for it. A job that cannot be given is lost until the
 * message of that worker's end has come, or another one asks. */
static void hand_out(struct master *master)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        struct worker *worker = &master->workers[i];
        if (!worker->idle)
            continue;
        uint32_t number = NO_JOB;
        if (master->lost_count > 0)
            number = master->lost[--master->lost_count];
        else if (master->given < master->jobs)
            number = master->given++;
        if (number == NO_JOB)
            return;
        worker->idle = 0;
        worker->job = number;
        if (give(worker, number, master->size) != SILL_OK) {
            sill_release(&worker->question);
            worker->job = NO_JOB;
            master->lost[master->lost_count++] = number;
        }
    }
}

static void take_result(struct master *master, struct worker *worker, const sill_message *m)
{
    struct result result;
    if (m->size != sizeof result)
        return;
    memcpy(&result, m->data, sizeof result);
    if (result.job == NO_JOB || result.job != worker->job)
        return;
    master->sum += result.sum;
    master->done++;
    worker->job = NO_JOB;
}

static void add_worker(struct master *master, sill_message *m)
{
    for (int i = 0; i < WORKERS_MAX; i++) {
        struct worker *worker = &master->workers[i];
        if (worker->connected)
            continue;
        memset(worker, 0, sizeof *worker);
        worker->connected = 1;
        worker->job = NO_JOB;
        sill_accept(master->server, m, worker, NULL, 0, NULL);
        return;
    }
    sill_refuse(m, "too many workers", 16);
}

static void drop_worker(struct master *master, struct worker *worker)
{
    if (worker->job != NO_JOB)
        master->lost[master->lost_count++] = worker->job;
    sill_release(&worker->question);
    memset(worker, 0, sizeof *worker);
}

static int handle(struct master *master, sill_message *m)
{
    int status = sill_server_receive(master->server, m, -1);
    if (status != SILL_OK)
        return status;
    struct worker *worker = m->context;
    switch (m->type) {
    case SILL_CONNECT:
        add_worker(master, m);
        break;
    case SILL_REQUEST:
        take_result(master, worker, m);
        worker->question = *m; /* answered when there is something to do */
        worker->idle = 1;
        *m = (sill_message)SILL_MESSAGE_INIT;
        break;
    case SILL_DATAGRAM:
        sill_release(m);
        break;
    default: /* SILL_CLOSED, SILL_DIED, SILL_PROTOCOL */
        drop_worker(master, worker);
        sill_release(m);
        break;
    }
    hand_out(master);
    return SILL_OK;
}

static int run_master(const char *name, uint32_t jobs, uint32_t size)
{
    static struct master master;
    sill_message m = SILL_MESSAGE_INIT;
    master.jobs = jobs;
    master.size = size;
    master.lost = calloc((size_t)WORKERS_MAX + 1, sizeof *master.lost);
    int status = master.lost != NULL ? sill_listen(&master.server, name, NULL) : SILL_NO_MEMORY;
    while (status == SILL_OK && master.done < jobs)
        status = handle(&master, &m);
    for (int i = 0; i < WORKERS_MAX; i++) /* who still asks is told that it is over: refused */
        sill_release(&master.workers[i].question);
    sill_server_close(master.server);
    free(master.lost);
    if (status == SILL_OK)
        printf("%u jobs, sum %llu\n", (unsigned)jobs, (unsigned long long)master.sum);
    return status;
}

static int run_worker(const char *name)
{
    sill_port *port;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.wait_for_server = 1;
    int status = sill_connect(&port, name, &options);
    if (status != SILL_OK)
        return status;
    struct result result = {NO_JOB, 0, 0};
    unsigned count = 0;
    for (;;) {
        sill_message m = SILL_MESSAGE_INIT;
        status = sill_call(port, &result, sizeof result, &m, -1);
        const struct job *job = m.data;
        if (status == SILL_OK && (m.size < sizeof *job || m.size - sizeof *job < job->size))
            status = SILL_PROTOCOL;
        if (status == SILL_OK) {
            result.job = job->number;
            result.sum = 0;
            for (size_t i = 0; i < m.size - sizeof *job; i++)
                result.sum += job->bytes[i];
            if (count++ == 0) {
                printf("working\n");
                fflush(stdout);
            }
        }
        sill_release(&m);
        if (status != SILL_OK)
            break;
    }
    sill_port_close(port);
    if (status == SILL_REFUSED || status == SILL_CLOSED) {
        printf("done, %u jobs\n", count);
        return SILL_OK;
    }
    return status;
}

int main(int argc, char **argv)
{
    int status;
    if (argc == 5 && strcmp(argv[2], "master") == 0)
        status = run_master(argv[1], (uint32_t)strtoul(argv[3], NULL, 10),
                            (uint32_t)strtoul(argv[4], NULL, 10));
    else if (argc == 3 && strcmp(argv[2], "work") == 0)
        status = run_worker(argv[1]);
    else {
        fprintf(stderr, "usage: worker_pool NAME master JOBS SIZE | worker_pool NAME work\n");
        return 2;
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    return status == SILL_OK ? 0 : 1;
}
