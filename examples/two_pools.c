/* two_pools.c - the same job with both designs of shared memory, and what each of them costs: a
 * buffer is taken, filled, and its id sent to another process, which looks at it and gives it back.
 *
 *     two_pools NAME consume
 *     two_pools NAME produce COUNT SIZE...
 *
 * The producer prints a line for each size and design, with tabs: design, bytes, nanoseconds for a
 * whole journey, and of these for the taking and giving back alone (measured without a journey).
 * Times are those of this machine at this moment; compare lines of one run.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <sill.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#define MOST    16 /* buffers that there may be at once */
#define LARGEST ((size_t)4 << 20)

enum { POOL = 1, SEGMENTS = 2, END = 3 };

/* What is sent: which design, and the id by which it knows the buffer. */
struct ticket {
    uint32_t design;
    uint32_t size;
    uint64_t id;
};

struct memory {
    sill_region *region;
    sill_pool *pool;
    sill_segments *segments;
};

static double now_ns(void)
{
#ifdef _WIN32
    LARGE_INTEGER now, per_second;
    QueryPerformanceFrequency(&per_second);
    QueryPerformanceCounter(&now);
    return (double)now.QuadPart * 1e9 / (double)per_second.QuadPart;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
#endif
}

/* Both processes do the same; who comes first makes it. */
static int open_memory(struct memory *memory, const char *name)
{
    char pool[100], set[100];
    snprintf(pool, sizeof pool, "%.80s.pool", name);
    snprintf(set, sizeof set, "%.80s.set", name);
    sill_region_options region = SILL_REGION_OPTIONS_INIT;
    region.open_existing = 1;
    sill_segments_options segments = SILL_SEGMENTS_OPTIONS_INIT;
    segments.open_existing = 1;
    segments.segment_size = LARGEST;
    segments.most = MOST;
    int status = sill_region_create(&memory->region, pool, 2 * LARGEST, &region);
    if (status == SILL_OK)
        status = sill_pool_place(&memory->pool, memory->region, NULL);
    if (status == SILL_OK)
        status = sill_segments_create(&memory->segments, set, &segments);
    return status;
}

static void close_memory(struct memory *memory, const char *name, int remove)
{
    char pool[100], set[100];
    snprintf(pool, sizeof pool, "%.80s.pool", name);
    snprintf(set, sizeof set, "%.80s.set", name);
    sill_pool_close(memory->pool);
    sill_region_close(memory->region);
    sill_segments_close(memory->segments);
    if (remove && (sill_region_capabilities(SILL_REGION_AUTO) & SILL_REGION_PERSISTS) != 0) {
        sill_region_remove(pool, NULL);
        sill_segments_remove(set, NULL);
    }
}

static int take(struct memory *memory, struct ticket *ticket, void **data)
{
    int status;
    if (ticket->design == POOL) {
        status = sill_pool_allocate(memory->pool, ticket->size, &ticket->id);
        *data = status == SILL_OK ? sill_pool_at(memory->pool, ticket->id) : NULL;
        return status;
    }
    status = sill_segments_take(memory->segments, &ticket->id, -1);
    return status == SILL_OK ? sill_segments_get(memory->segments, ticket->id, data) : status;
}

static int find(struct memory *memory, const struct ticket *ticket, const void **data)
{
    void *at = NULL;
    int status = SILL_OK;
    if (ticket->design == POOL)
        at = sill_pool_at(memory->pool, ticket->id);
    else
        status = sill_segments_get(memory->segments, ticket->id, &at);
    *data = at;
    return status == SILL_OK && at == NULL ? SILL_PROTOCOL : status;
}

static int give(struct memory *memory, const struct ticket *ticket)
{
    return ticket->design == POOL ? sill_pool_free(memory->pool, ticket->id)
                                  : sill_segments_give(memory->segments, ticket->id);
}

/* ---- consumer ---- */

static int consume_one(struct memory *memory, const struct ticket *ticket, uint64_t *sum)
{
    const void *data;
    int status = find(memory, ticket, &data);
    if (status != SILL_OK)
        return status;
    const unsigned char *bytes = data;
    *sum = 0;
    for (uint32_t i = 0; i < ticket->size; i += 64) /* every line of it comes over */
        *sum += bytes[i];
    return give(memory, ticket);
}

static int consume(const char *name)
{
    struct memory memory = {NULL, NULL, NULL};
    sill_server *server = NULL;
    sill_message m = SILL_MESSAGE_INIT;
    struct ticket ticket = {0, 0, 0};
    int status = open_memory(&memory, name);
    if (status == SILL_OK)
        status = sill_listen(&server, name, NULL);
    while (status == SILL_OK && ticket.design != END) {
        status = sill_server_receive(server, &m, -1);
        if (status == SILL_OK && m.type == SILL_CONNECT) {
            sill_accept(server, &m, NULL, NULL, 0, NULL);
        } else if (status == SILL_OK && m.type == SILL_REQUEST && m.size == sizeof ticket) {
            uint64_t sum = 0;
            memcpy(&ticket, m.data, sizeof ticket);
            if (ticket.design != END)
                status = consume_one(&memory, &ticket, &sum);
            sill_reply(&m, &sum, sizeof sum);
        } else {
            if (status == SILL_OK && m.type != SILL_REQUEST)
                ticket.design = END; /* the producer is gone */
            sill_release(&m);
        }
    }
    sill_server_close(server);
    close_memory(&memory, name, 0);
    return status;
}

/* ---- producer ---- */

static int one_journey(struct memory *memory, sill_port *port, struct ticket *ticket)
{
    void *data;
    uint64_t sum = 0;
    int status = take(memory, ticket, &data);
    if (status != SILL_OK)
        return status;
    memset(data, 1, ticket->size);
    sill_message reply = SILL_MESSAGE_INIT;
    status = sill_call(port, ticket, sizeof *ticket, &reply, 10000);
    if (status == SILL_OK && reply.size == sizeof sum)
        memcpy(&sum, reply.data, sizeof sum);
    sill_release(&reply);
    return status == SILL_OK && sum != (ticket->size + 63) / 64 ? SILL_PROTOCOL : status;
}

static int measure(struct memory *memory, sill_port *port, uint32_t design, uint32_t size,
                   unsigned count)
{
    struct ticket ticket = {design, size, 0};
    int status = one_journey(memory, port, &ticket); /* what is made once is made now */
    double begin = now_ns();
    for (unsigned i = 0; i < count && status == SILL_OK; i++)
        status = one_journey(memory, port, &ticket);
    double middle = now_ns();
    for (unsigned i = 0; i < count && status == SILL_OK; i++) {
        void *data;
        status = take(memory, &ticket, &data);
        if (status == SILL_OK)
            status = give(memory, &ticket);
    }
    double end = now_ns();
    if (status == SILL_OK)
        printf("%s\t%u\t%.0f\t%.0f\n", design == POOL ? "pool" : "segments", (unsigned)size,
               (middle - begin) / count, (end - middle) / count);
    return status;
}

static int produce(const char *name, unsigned count, int sizes, char **size)
{
    struct memory memory = {NULL, NULL, NULL};
    sill_port *port = NULL;
    sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.wait_for_server = 1;
    int status = sill_connect(&port, name, &options);
    if (status == SILL_OK)
        status = open_memory(&memory, name);
    for (int i = 0; i < sizes && status == SILL_OK; i++) {
        uint32_t bytes = (uint32_t)strtoul(size[i], NULL, 10);
        if (bytes == 0 || bytes > LARGEST)
            status = SILL_INVALID;
        if (status == SILL_OK)
            status = measure(&memory, port, POOL, bytes, count);
        if (status == SILL_OK)
            status = measure(&memory, port, SEGMENTS, bytes, count);
    }
    if (port != NULL) {
        struct ticket last = {END, 0, 0};
        sill_message reply = SILL_MESSAGE_INIT;
        sill_call(port, &last, sizeof last, &reply, 10000);
        sill_release(&reply);
        sill_port_close(port);
    }
    close_memory(&memory, name, 1);
    return status;
}

int main(int argc, char **argv)
{
    int status;
    if (argc == 3 && strcmp(argv[2], "consume") == 0)
        status = consume(argv[1]);
    else if (argc >= 5 && strcmp(argv[2], "produce") == 0 && atoi(argv[3]) > 0)
        status = produce(argv[1], (unsigned)atoi(argv[3]), argc - 4, argv + 4);
    else {
        fprintf(stderr, "usage: two_pools NAME consume | two_pools NAME produce COUNT SIZE...\n");
        return 2;
    }
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    return status == SILL_OK ? 0 : 1;
}
