/* mpich.c - MPICH: two ranks on one machine, started by mpiexec -n 2. Both look for messages
 * without sleeping.
 *
 * Throughput is measured as message rates usually are there: in windows of 64 messages that are
 * started before any is waited for. The first message of a window says what the window is. */
#include "baseline.h"

#include <stdlib.h>
#include <string.h>

#include <mpi.h>

#if defined(__GNUC__) && !defined(__clang__)
/* MPI_STATUSES_IGNORE is a number made a pointer. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif

enum { WINDOW = 64, TAG = 1 };

static unsigned char *window; /* WINDOW messages to receive into */
static int other;

static int part(struct side *side, int *argc, char ***argv)
{
    int count = 0;

    if (MPI_Init(argc, argv) != MPI_SUCCESS)
        return baseline_fail("MPI_Init", 0);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    MPI_Comm_rank(MPI_COMM_WORLD, &side->number);
    if (count != 2) {
        MPI_Finalize();
        return baseline_fail("to be started by mpiexec -n 2", 0);
    }
    other = 1 - side->number;
    return 0;
}

static int begin(struct side *side)
{
    /* In large messages the window is not full: memory would be. */
    window = malloc(WINDOW * (side->size_max < 1u << 20 ? side->size_max : 1));
    return window ? 0 : baseline_fail("out of memory", 0);
}

static void end(struct side *side)
{
    (void)side;
    MPI_Finalize();
    free(window);
}

static inline int put(struct side *side, uint64_t word)
{
    memcpy(side->out, &word, sizeof word);
    return MPI_Send(side->out, (int)side->size, MPI_BYTE, other, TAG, MPI_COMM_WORLD);
}

static inline int get(struct side *side, uint64_t *word)
{
    int status = MPI_Recv(side->in, (int)side->size, MPI_BYTE, other, TAG, MPI_COMM_WORLD,
                          MPI_STATUS_IGNORE);

    memcpy(word, side->in, sizeof *word);
    return status;
}

#define LOOPS_LATENCY_ONLY
#include "loops.h"

static int put_window(struct side *side, uint64_t word)
{
    MPI_Request requests[WINDOW];
    int i;

    memcpy(side->out, &word, sizeof word);
    for (i = 0; i < WINDOW; i++)
        MPI_Isend(side->out, (int)side->size, MPI_BYTE, other, TAG, MPI_COMM_WORLD, &requests[i]);
    return MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE);
}

static int get_window(struct side *side, uint64_t *word)
{
    MPI_Request requests[WINDOW];
    size_t step = side->size_max < 1u << 20 ? side->size : 0;
    unsigned char *to = step ? window : side->in;
    int status;
    int i;

    for (i = 0; i < WINDOW; i++)
        MPI_Irecv(to + (size_t)i * step, (int)side->size, MPI_BYTE, other, TAG, MPI_COMM_WORLD,
                  &requests[i]);
    status = MPI_Waitall(WINDOW, requests, MPI_STATUSES_IGNORE);
    memcpy(word, to, sizeof *word);
    return status;
}

static int put_stream(void *arg)
{
    return put_window(arg, BASELINE_STREAM);
}

static int finish(void *arg)
{
    struct side *side = arg;
    int status = put_window(side, BASELINE_LAST);

    return status != 0 ? status : get(side, &side->ns);
}

static int stream(struct bench *bench, struct side *side)
{
    int status = bench_throughput(bench, side->size * WINDOW, put_stream, finish, &side->ns, side);
    uint64_t word;
    unsigned i;

    for (i = 0; i < bench->done; i++)
        bench->each[i] *= WINDOW;
    if (status == 0)
        status = put_window(side, BASELINE_STOP);
    return status != 0 ? status : get(side, &word);
}

static int sink(struct side *side)
{
    uint64_t word = 0, first = 0;
    int status = 0;

    while (status == 0 && word != BASELINE_STOP) {
        if ((status = get_window(side, &word)) != 0)
            break;
        if (first == 0)
            first = os_now_ns();
        if (word == BASELINE_LAST) {
            status = put(side, os_now_ns() - first);
            first = 0;
        } else if (word == BASELINE_STOP) {
            status = put(side, word);
        }
    }
    return status;
}

const struct baseline baseline = {
    .name = "mpich",
    .about = "Sends and receives with MPICH; started by mpiexec -n 2.",
    .wait = "spin",
    .begin = begin,
    .end = end,
    .part = part,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = stream,
    .sink = sink,
};
