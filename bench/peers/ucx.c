/* ucx.c - UCX: tagged messages over its transports of shared memory. Both sides look for messages
 * without sleeping. */
#include "baseline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ucp/api/ucp.h>

static int ends[2]; /* over which the sides tell each other their addresses */
static ucp_worker_h worker;
static ucp_ep_h endpoint;

static int check(ucs_status_t status)
{
    return status == UCS_OK ? 0 : baseline_fail(ucs_status_string(status), 0);
}

static int prepare(struct side *side)
{
    (void)side;
    setenv("UCX_TLS", "shm", 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return baseline_fail("socketpair", errno);
    return 0;
}

static int make_worker(void)
{
    ucp_params_t params = {.field_mask = UCP_PARAM_FIELD_FEATURES, .features = UCP_FEATURE_TAG};
    ucp_worker_params_t worker_params = {.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
                                         .thread_mode = UCS_THREAD_MODE_SINGLE};
    ucp_context_h context;

    if (check(ucp_init(&params, NULL, &context)) != 0)
        return -1;
    return check(ucp_worker_create(context, &worker_params, &worker));
}

/* Our address goes out, the other's comes in: freed by the caller. */
static void *exchange(int file)
{
    ucp_address_t *own;
    size_t length, other_length;
    void *other = NULL;

    if (check(ucp_worker_get_address(worker, &own, &length)) != 0)
        return NULL;
    if (send(file, &length, sizeof length, MSG_NOSIGNAL) == (ssize_t)sizeof length &&
        send(file, own, length, MSG_NOSIGNAL) == (ssize_t)length &&
        recv(file, &other_length, sizeof other_length, MSG_WAITALL) ==
            (ssize_t)sizeof other_length &&
        (other = malloc(other_length)) &&
        recv(file, other, other_length, MSG_WAITALL) != (ssize_t)other_length) {
        free(other);
        other = NULL;
    }
    ucp_worker_release_address(worker, own);
    if (!other)
        baseline_fail("the addresses cannot be exchanged", 0);
    return other;
}

static int begin(struct side *side)
{
    ucp_ep_params_t params = {.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS};
    void *address;
    int status;

    close(ends[1 - side->number]);
    if (make_worker() != 0 || !(address = exchange(ends[side->number])))
        return -1;
    params.address = address;
    status = check(ucp_ep_create(worker, &params, &endpoint));
    free(address);
    return status;
}

static inline int finish(ucs_status_ptr_t request)
{
    ucs_status_t status;

    if (!UCS_PTR_IS_PTR(request))
        return check(UCS_PTR_STATUS(request));
    while ((status = ucp_request_check_status(request)) == UCS_INPROGRESS)
        ucp_worker_progress(worker);
    ucp_request_free(request);
    return check(status);
}

static inline int put(struct side *side, uint64_t word)
{
    ucp_request_param_t param = {0};

    memcpy(side->out, &word, sizeof word);
    return finish(ucp_tag_send_nbx(endpoint, side->out, side->size, 1, &param));
}

static inline int get(struct side *side, uint64_t *word)
{
    ucp_request_param_t param = {0};
    int status = finish(ucp_tag_recv_nbx(worker, side->in, side->size, 1, (ucp_tag_t)-1, &param));

    memcpy(word, side->in, sizeof *word);
    return status;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "ucx",
    .about = "Sends and receives tagged messages of UCX over shared memory.",
    .wait = "spin",
    .prepare = prepare,
    .begin = begin,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
