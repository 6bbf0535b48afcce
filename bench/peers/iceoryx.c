/* iceoryx.c - iceoryx through its C binding: a publisher and a subscriber each way. Messages are
 * built in place and never copied, and only their first 8 bytes are written, as with the loans of
 * `sill bench`. The receiver looks without sleeping.
 *
 * iceoryx needs a process that keeps its memory, RouDi. It is started here with memory pools for
 * the sizes that are asked for, and ends with this process, however that ends.
 */
#include "baseline.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iceoryx_binding_c/enums.h>
#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/types.h>

enum { READY_MS = 20000 };

static pid_t keeper, starter;
static char config[64];
static iox_pub_storage_t publisher_storage;
static iox_sub_storage_t subscriber_storage;
static iox_pub_t publisher;
static iox_sub_t subscriber;

/* ---- RouDi ---- */

static void stop_keeper(void)
{
    if (keeper <= 0 || getpid() != starter)
        return;
    kill(keeper, SIGTERM);
    waitpid(keeper, NULL, 0);
    keeper = 0;
}

static int write_config(size_t size_max)
{
    static const size_t sizes[] = {128, 1024, 16384, 131072};
    int number = mkstemp(strcpy(config, "/tmp/sill-bench-XXXXXX"));
    FILE *file = number >= 0 ? fdopen(number, "w") : NULL;
    size_t i;

    if (!file)
        return baseline_fail("a file for RouDi", errno);
    fprintf(file, "[general]\nversion = 1\n[[segment]]\n");
    for (i = 0; i < sizeof sizes / sizeof sizes[0] && (i == 0 || sizes[i] < size_max); i++)
        fprintf(file, "[[segment.mempool]]\nsize = %zu\ncount = %d\n", sizes[i], 1000);
    if (size_max > sizes[0])
        fprintf(file, "[[segment.mempool]]\nsize = %zu\ncount = %d\n", (size_max + 127) / 64 * 64,
                size_max > 1u << 20 ? 10 : 200);
    return fclose(file) == 0 ? 0 : baseline_fail("a file for RouDi", errno);
}

/* In the new process. */
static void become_keeper(int out)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(nothing, 0);
    dup2(out, 1);
    dup2(nothing, 2);
    if (getppid() == starter)
        execlp("iox-roudi", "iox-roudi", "-c", config, "-m", "off", (char *)NULL);
    _exit(127);
}

/* Until it says that clients may come. */
static int await_keeper(int file)
{
    struct pollfd ready = {.fd = file, .events = POLLIN};
    char text[4096] = "";
    size_t length = 0;
    ssize_t n = 1;

    while (n > 0 && length < sizeof text - 1 && poll(&ready, 1, READY_MS) > 0) {
        n = read(file, text + length, sizeof text - 1 - length);
        if (n > 0)
            length += (size_t)n;
        text[length] = 0;
        if (strstr(text, "is ready for clients"))
            return 0;
    }
    return baseline_fail("RouDi (iox-roudi) does not start: is another one running?", 0);
}

static int prepare(struct side *side)
{
    int out[2];
    int status;

    starter = getpid();
    if (write_config(side->size_max) != 0)
        return -1;
    if (pipe2(out, O_CLOEXEC) != 0)
        return baseline_fail("pipe", errno);
    /* Before what the runtime does at the end, and so after it. */
    atexit(stop_keeper);
    keeper = fork();
    if (keeper == 0)
        become_keeper(out[1]);
    close(out[1]);
    status = keeper > 0 ? await_keeper(out[0]) : baseline_fail("fork", errno);
    unlink(config);
    return status; /* out[0] stays open, so that it can go on saying things */
}

/* ---- messages ---- */

static int make_publisher(const struct side *side)
{
    iox_pub_options_t options;

    iox_pub_options_init(&options);
    options.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
    publisher = iox_pub_init(&publisher_storage, "sill-bench", side->token,
                             side->number == 0 ? "there" : "back", &options);
    return publisher ? 0 : baseline_fail("a publisher", 0);
}

static int make_subscriber(const struct side *side)
{
    iox_sub_options_t options;

    iox_sub_options_init(&options);
    options.queueCapacity = side->size_max > 1u << 20 ? 2 : 64;
    options.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
    subscriber = iox_sub_init(&subscriber_storage, "sill-bench", side->token,
                              side->number == 0 ? "back" : "there", &options);
    return subscriber ? 0 : baseline_fail("a subscriber", 0);
}

static int begin(struct side *side)
{
    char name[96];

    snprintf(name, sizeof name, "%s-%d", side->token, side->number);
    iox_set_loglevel(Iceoryx_LogLevel_Error);
    iox_runtime_init(name);
    if (make_publisher(side) != 0 || make_subscriber(side) != 0)
        return -1;
    while (!iox_pub_has_subscribers(publisher) ||
           iox_sub_get_subscription_state(subscriber) != SubscribeState_SUBSCRIBED)
        usleep(1000);
    return 0;
}

static inline int put(struct side *side, uint64_t word)
{
    void *chunk;

    if (iox_pub_loan_chunk(publisher, &chunk, (uint32_t)side->size) != AllocationResult_SUCCESS)
        return baseline_fail("no chunk", 0);
    memcpy(chunk, &word, sizeof word);
    iox_pub_publish_chunk(publisher, chunk);
    return 0;
}

static inline int get(struct side *side, uint64_t *word)
{
    const void *chunk;
    int status;

    (void)side;
    do
        status = (int)iox_sub_take_chunk(subscriber, &chunk);
    while (status == ChunkReceiveResult_NO_CHUNK_AVAILABLE);
    if (status != ChunkReceiveResult_SUCCESS)
        return baseline_fail("a chunk cannot be taken", 0);
    memcpy(word, chunk, sizeof *word);
    iox_sub_release_chunk(subscriber, chunk);
    return 0;
}

#include "loops.h"

const struct baseline baseline = {
    .name = "iceoryx",
    .about = "Publishes and takes chunks of iceoryx, without copies.",
    .wait = "spin",
    .prepare = prepare,
    .begin = begin,
    .latency = loops_latency,
    .answer = loops_answer,
    .stream = loops_stream,
    .sink = loops_sink,
};
