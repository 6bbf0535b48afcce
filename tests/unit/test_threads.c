/* test_threads.c - the clock, deadlines, condition variables and once, on every system. */
#include "support.h"

#include <stdatomic.h>

#include "clock.h"
#include "status.h"
#include "thread.h"

static void clock_goes_on(void **state)
{
    (void)state;
    int64_t before = sill__now_ns();
    sill__sleep_ns(2000000);
    int64_t after = sill__now_ns();
    assert_true(after - before >= 2000000);
    sill__sleep_ns(0);
    sill__sleep_ns(-5);
}

static void deadlines_are_rounded_up(void **state)
{
    (void)state;
    assert_true(sill__deadline(-1) == SILL__FOREVER);
    assert_int_equal(sill__timeout(SILL__FOREVER), -1);
    assert_int_equal(sill__timeout(0), 0);
    assert_int_equal(sill__timeout(sill__now_ns() - 1), 0);
    int left = sill__timeout(sill__deadline(60000));
    assert_true(left > 0 && left <= 60000);
    assert_true(sill__timeout(sill__now_ns() + 900000000) > 0);
    assert_int_equal(sill__timeout(INT64_MAX - 1), INT32_MAX);
    assert_true(sill__earlier(3, 4) == 3 && sill__earlier(4, 3) == 3);
}

struct gate {
    sill__mutex lock;
    sill__cond cond;
    bool open;
    int passed;
};

static void gate_make(struct gate *gate)
{
    memset(gate, 0, sizeof *gate);
    support_ok(sill__mutex_init(&gate->lock));
    support_ok(sill__cond_init(&gate->cond));
}

static void gate_unmake(struct gate *gate)
{
    sill__cond_destroy(&gate->cond);
    sill__mutex_destroy(&gate->lock);
}

static void cond_keeps_its_deadline(void **state)
{
    (void)state;
    struct gate gate;
    gate_make(&gate);
    sill__lock(&gate.lock);
    int64_t deadline = sill__now_ns() + 20000000;
    while (sill__cond_wait(&gate.cond, &gate.lock, deadline))
        ;
    assert_true(sill__now_ns() >= deadline);
    while (sill__cond_wait(&gate.cond, &gate.lock, 1)) /* long past */
        ;
    while (sill__cond_wait(&gate.cond, &gate.lock, -7))
        ;
    sill__unlock(&gate.lock);
    gate_unmake(&gate);
}

static int go_through(void *arg)
{
    struct gate *gate = arg;
    sill__lock(&gate->lock);
    while (!gate->open)
        (void)sill__cond_wait(&gate->cond, &gate->lock, SILL__FOREVER);
    gate->passed++;
    sill__unlock(&gate->lock);
    return 0;
}

static void broadcast_wakes_all(void **state)
{
    (void)state;
    struct gate gate;
    struct support_thread *threads[4];
    gate_make(&gate);
    for (int i = 0; i < 4; i++)
        threads[i] = support_thread(go_through, &gate);
    sill__lock(&gate.lock);
    gate.open = true;
    sill__cond_broadcast(&gate.cond);
    sill__unlock(&gate.lock);
    for (int i = 0; i < 4; i++)
        assert_int_equal(support_join(threads[i]), 0);
    assert_int_equal(gate.passed, 4);
    gate_unmake(&gate);
}

static sill__once once = SILL__ONCE_INIT, inner = SILL__ONCE_INIT;
static atomic_int runs, inner_runs;

static void run_inner(void)
{
    atomic_fetch_add(&inner_runs, 1);
}

static void run_once(void)
{
    sill__sleep_ns(5000000); /* others come meanwhile, and must wait */
    sill__call_once(&inner, run_inner);
    atomic_fetch_add(&runs, 1);
}

static int call(void *arg)
{
    (void)arg;
    sill__call_once(&once, run_once);
    return atomic_load(&runs);
}

static void once_runs_once(void **state)
{
    (void)state;
    struct support_thread *threads[4];
    for (int i = 0; i < 4; i++)
        threads[i] = support_thread(call, NULL);
    for (int i = 0; i < 4; i++)
        assert_int_equal(support_join(threads[i]), 1);
    assert_int_equal(atomic_load(&inner_runs), 1);
}

static void codes_have_texts(void **state)
{
    (void)state;
    char text[160], little[4];
    for (int64_t code = 0; code < 200; code++) {
        text[0] = '\0';
        sill__os_text(code, text, sizeof text);
        assert_true(text[0] != '\0');
        assert_null(strchr(text, '\n'));
        assert_true(sill__os_status(code) < 0);
    }
    sill__os_text(2, little, sizeof little);
    assert_true(strlen(little) < sizeof little);
    assert_int_equal(sill__os_status(2), SILL_NOT_FOUND); /* ENOENT, ERROR_FILE_NOT_FOUND */
    assert_int_equal(sill__os_status(123456), SILL_OS);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(clock_goes_on),           SUPPORT_TEST(deadlines_are_rounded_up),
    SUPPORT_TEST(cond_keeps_its_deadline), SUPPORT_TEST(broadcast_wakes_all),
    SUPPORT_TEST(once_runs_once),          SUPPORT_TEST(codes_have_texts),
};
SUPPORT_MAIN_ALONE(tests)
