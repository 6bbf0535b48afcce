/* queue_rig.h - the kinds of queues that this system has, and what their tests share. */
#ifndef QUEUE_RIG_H
#define QUEUE_RIG_H

#include <sill.h>

#include "support.h"

static const int queue_mqueue = SILL_CHANNEL_MQUEUE;
static const int queue_sysv = SILL_CHANNEL_SYSV;
static const int queue_own = SILL_CHANNEL_QUEUE;

/* Each test of `function` for each kind. */
#define QUEUE_TEST(function)                                                                       \
    SUPPORT_TEST_WITH("mqueue: " #function, function, (void *)(uintptr_t)&queue_mqueue),           \
        SUPPORT_TEST_WITH("sysv: " #function, function, (void *)(uintptr_t)&queue_sysv),           \
        SUPPORT_TEST_WITH("queue: " #function, function, (void *)(uintptr_t)&queue_own)

/* The kind that the test is for; skipped where the system does not have it. */
static inline sill_queue_options queue_options(void **state)
{
    const int *kind = *state;
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    sill_channel_traits traits = {.struct_size = sizeof traits};
    options.kind = *kind;
    support_ok(sill_channel_get_traits(*kind, &traits));
    if (!traits.available) {
        sill_queue *queue = NULL;
        support_status(SILL_UNSUPPORTED, sill_queue_create(&queue, "none", &options));
        support_skip("this system has no queues of the kind %s", sill_channel_kind_name(*kind));
    }
    return options;
}

/* What a helper is told: KIND NAME. */
static inline sill_queue_options queue_helper_options(char **argv)
{
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    options.kind = sill_channel_kind_parse(argv[0]);
    options.rounds = 1;
    return options;
}

static inline struct support_process *queue_helper(const char *role,
                                                   const sill_queue_options *options,
                                                   const char *name, const char *more)
{
    const char *const arguments[] = {sill_channel_kind_name(options->kind), name, more, NULL};
    return support_start(role, arguments, NULL);
}

static inline void queue_send_text(sill_queue *queue, const char *text, unsigned priority)
{
    support_ok(sill_queue_send(queue, text, strlen(text), priority, SUPPORT_PATIENCE_MS));
}

static inline void queue_expect(sill_queue *queue, const char *text, unsigned priority)
{
    char buffer[256];
    size_t size = 0;
    unsigned got = 99;
    support_ok(
        sill_queue_receive(queue, buffer, sizeof buffer - 1, &size, &got, SUPPORT_PATIENCE_MS));
    buffer[size] = '\0';
    assert_string_equal(buffer, text);
    assert_int_equal(got, priority);
}

static inline void queue_expect_status(int status, sill_queue *queue, int timeout_ms)
{
    char buffer[256];
    size_t size = 0;
    support_status(status,
                   sill_queue_receive(queue, buffer, sizeof buffer, &size, NULL, timeout_ms));
}

#endif
