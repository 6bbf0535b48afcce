/* fuzz_queue.c - what may lie in a queue of the system, put there by anybody: sill_queue_receive
 * takes it, or says what is wrong with it, and goes on.
 *
 * The queue below is one that gives the input piece by piece: a byte for the size of a message, its
 * priority, and its bytes. Names in announcements lead to a directory in which nobody listens.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue.h"
#include "status.h"

enum { MOST = 128 };

struct source {
    sill__mail mail;
    const uint8_t *data;
    size_t size;
};

static int give(sill__mail *mail, unsigned char *message, size_t *size, unsigned *priority)
{
    struct source *source = (struct source *)mail;
    if (source->size < 2)
        return SILL_AGAIN;
    size_t wanted = source->data[0] % (MOST + 1), left = source->size - 2;
    *priority = source->data[1] * 7u;
    *size = wanted < left ? wanted : left;
    memcpy(message, source->data + 2, *size);
    source->data += 2 + *size;
    source->size -= 2 + *size;
    return SILL_OK;
}

static int no_end(sill__mail *mail)
{
    (void)mail;
    return SILL_OK;
}

static int no_wait(sill__mail *mail, const struct sill__queue_wait *wait)
{
    (void)mail;
    (void)wait;
    return SILL_TIMEOUT;
}

static char directory[] = "/tmp/sill-fuzz-queue-XXXXXX";

static void remove_directory(void)
{
    rmdir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sill__queue_ops ops = {.take = give, .state = no_end, .wait = no_wait};
    static unsigned char in[SILL__QUEUE_FRONT + MOST];
    static bool ready;
    char into[MOST];
    if (!ready) {
        if (mkdtemp(directory) == NULL)
            abort();
        atexit(remove_directory);
        ready = true;
    }
    struct source source = {.mail = {.ops = &ops, .message_max = MOST}, .data = data, .size = size};
    sill_queue queue = {.ops = &ops,
                        .mail = &source.mail,
                        .generation = sill__fork_generation(),
                        .directory = directory,
                        .receive_max = 1 << 20,
                        .in = in};
    for (;;) {
        size_t got = 0;
        unsigned priority = 0;
        int status = sill_queue_receive(&queue, into, MOST - 20, &got, &priority, 0);
        if (status == SILL_AGAIN)
            return 0;
        if (status == SILL_TOO_BIG && got <= MOST)
            status = sill_queue_receive(&queue, into, MOST, &got, &priority, 0);
        if (status == SILL_OK && (got > MOST || priority > SILL_PRIORITY_MAX))
            abort();
        if (status != SILL_OK && status != SILL_PROTOCOL && status != SILL_TOO_BIG)
            abort();
    }
}
