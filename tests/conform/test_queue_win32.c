/* test_queue_win32.c - a Windows queue whose memory another process of the user scribbles over. */
#ifdef _WIN32

#include "queue_rig.h"

#include "owner.h"
#include "region_ops.h"

extern const struct sill__region_ops sill__section_ops;

/* The queue's section as anybody of the user can have it. */
static unsigned char *map_section(sill__memory **memory, const char *name)
{
    struct sill__owner_info info;
    sill__owner *held;
    void *base = NULL;
    support_ok(sill__owner_join(&held, NULL, SILL__OWNER_QUEUE_WIN32, name, &info));
    sill__owner_release(held, false);
    support_ok(sill__section_ops.open(memory, info.object, false));
    support_ok(sill__section_ops.map(*memory, false, &base));
    return base;
}

static void scribbled_memory_harms_nobody(void **state)
{
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    char name[SUPPORT_NAME_SIZE], buffer[100];
    sill_queue *queue, *user;
    sill__memory *memory;
    uint32_t random = 7;
    (void)state;
    support_name(name, "scribble");
    options.message_max = 92;
    options.depth = 8;
    options.until_alone = 1;
    support_ok(sill_queue_create(&queue, name, &options));
    support_ok(sill_queue_open(&user, name, &options));
    unsigned char *base = map_section(&memory, name);
    for (int i = 0; i < 3000; i++) {
        size_t size;
        sill_queue_send(user, "word", 4, (unsigned)i % 32, 0);
        for (int k = 0; k < 40; k++) {
            random = random * 1664525u + 1013904223u;
            size_t at = (random >> 8) % memory->size;
            if (at < 28 && at >= 24)
                continue; /* that it is closed would only end the test */
            base[at] = (unsigned char)(random >> 3);
        }
        int status =
            sill_queue_receive(i % 2 ? queue : user, buffer, sizeof buffer, &size, NULL, 0);
        if (status == SILL_OK)
            assert_true(size <= 92);
    }
    sill__section_ops.unmap(memory, base);
    sill__section_ops.close(memory);
    sill_queue_close(user);
    sill_queue_close(queue);
    support_ok(sill_queue_create(&queue, name, &options));
    queue_send_text(queue, "good", 1);
    queue_expect(queue, "good", 1);
    sill_queue_close(queue);
    assert_int_equal(support_entries(".lock"), 0);
}

/* Sizes that would fit, if it were not for an overflow. */
static void impossible_sizes_are_refused(void **state)
{
    static const struct {
        uint32_t message_max, depth;
    } rows[] = {{0xffffffe9, 0xffffffff}, {0xfffffff0, 0xfffffff8}, {0, 1}, {8, 1}, {92, 0},
                {92, 0xffffffff},         {0xffffffff, 8}};
    sill_queue_options options = SILL_QUEUE_OPTIONS_INIT;
    char name[SUPPORT_NAME_SIZE];
    sill_queue *queue, *user;
    sill__memory *memory;
    (void)state;
    support_name(name, "sizes");
    options.message_max = 92;
    options.depth = 8;
    support_ok(sill_queue_create(&queue, name, &options));
    unsigned char *base = map_section(&memory, name);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memcpy(base + 8, &rows[i], sizeof rows[i]);
        support_status(SILL_FOREIGN, sill_queue_open(&user, name, &options));
    }
    sill__section_ops.unmap(memory, base);
    sill__section_ops.close(memory);
    sill_queue_close(queue);
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(scribbled_memory_harms_nobody),
                                          SUPPORT_TEST(impossible_sizes_are_refused)};
SUPPORT_MAIN_ALONE(tests)

#else

#include "support.h"

static void other_system(void **state)
{
    (void)state;
    support_skip("this kind of queue is of Windows");
}

static const struct CMUnitTest tests[] = {SUPPORT_TEST(other_system)};
SUPPORT_MAIN_ALONE(tests)

#endif
