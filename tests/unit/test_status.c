/* test_status.c - the statuses that are promised for ever, and each thread's last error. */
#include "support.h"

#include <sill/status.h>

#include "status.h"

#ifdef _WIN32
#define DENIED_CODE 5 /* ERROR_ACCESS_DENIED */
#else
#include <errno.h>
#define DENIED_CODE EACCES
#endif

/* Written out once more on purpose: a value that changes in the header breaks a promise. */
static const struct {
    int status;
    int value;
    const char *name;
    const char *text;
} promised[] = {
    {SILL_OK, 0, "SILL_OK", "success"},
    {SILL_AGAIN, -1, "SILL_AGAIN", "nothing is ready now"},
    {SILL_TIMEOUT, -2, "SILL_TIMEOUT", "the time limit passed"},
    {SILL_CLOSED, -3, "SILL_CLOSED", "the peer closed the connection"},
    {SILL_DIED, -4, "SILL_DIED", "the peer process ended without closing the connection"},
    {SILL_REFUSED, -5, "SILL_REFUSED", "the peer refused"},
    {SILL_CANCELED, -6, "SILL_CANCELED", "the waiting call was canceled"},
    {SILL_INVALID, -20, "SILL_INVALID",
     "an argument is not valid, or the object cannot be used here"},
    {SILL_DENIED, -21, "SILL_DENIED", "access is denied"},
    {SILL_EXISTS, -22, "SILL_EXISTS", "an object of that name exists already"},
    {SILL_NOT_FOUND, -23, "SILL_NOT_FOUND", "there is no object of that name"},
    {SILL_NO_SPACE, -24, "SILL_NO_SPACE", "there is no room for an object of that size"},
    {SILL_LIMIT, -25, "SILL_LIMIT", "a limit of the system or of the options is reached"},
    {SILL_TOO_BIG, -26, "SILL_TOO_BIG", "the data is larger than is allowed here"},
    {SILL_PROTOCOL, -27, "SILL_PROTOCOL", "the peer broke the protocol"},
    {SILL_VERSION, -28, "SILL_VERSION", "the other side has a version that does not fit"},
    {SILL_UNSUPPORTED, -29, "SILL_UNSUPPORTED",
     "not supported on this system or by this kind of object"},
    {SILL_NO_MEMORY, -30, "SILL_NO_MEMORY", "out of memory"},
    {SILL_FOREIGN, -31, "SILL_FOREIGN", "the object exists but was not made by sill"},
    {SILL_WRONG_KIND, -32, "SILL_WRONG_KIND", "the object is sill's but of another kind"},
    {SILL_WRONG_SIZE, -33, "SILL_WRONG_SIZE", "the object is of another size"},
    {SILL_OS, -34, "SILL_OS", "a call to the operating system failed"},
};
enum { PROMISED = sizeof promised / sizeof promised[0] };

static void fixed_values(void **state)
{
    (void)state;
    unsigned count = 0;
#define COUNT(name, value, text) count++;
    SILL_STATUS_TABLE(COUNT)
#undef COUNT
    assert_int_equal(count, PROMISED);
    for (size_t i = 0; i < PROMISED; i++) {
        assert_int_equal(promised[i].status, promised[i].value);
        assert_string_equal(sill_status_name(promised[i].value), promised[i].name);
        assert_string_equal(sill_status_text(promised[i].value), promised[i].text);
    }
}

/* Every value that is no status has the one name for that. */
static void other_values(void **state)
{
    (void)state;
    for (int value = -100; value <= 100; value++) {
        bool known = false;
        for (size_t i = 0; i < PROMISED; i++)
            known |= promised[i].value == value;
        assert_int_equal(strcmp(sill_status_name(value), "SILL_?") != 0, known);
        assert_int_equal(strcmp(sill_status_text(value), "not a status of sill") != 0, known);
    }
    assert_string_equal(sill_status_name(INT32_MIN), "SILL_?");
    assert_string_equal(sill_status_name(INT32_MAX), "SILL_?");
}

static void version(void **state)
{
    (void)state;
    char expected[40];
    snprintf(expected, sizeof expected, "%d.%d.%d", SILL_VERSION_MAJOR, SILL_VERSION_MINOR,
             SILL_VERSION_PATCH);
    assert_string_equal(sill_version(), expected);
}

/* ---- the last error ---- */

static void own_failure(void **state)
{
    (void)state;
    assert_int_equal(sill__fail(SILL_LIMIT, "%s has %d of %d.", "It", 3, 3), SILL_LIMIT);
    const sill_error *error = sill_last_error();
    assert_int_equal(error->status, SILL_LIMIT);
    assert_string_equal(error->call, "");
    assert_int_equal(error->code, 0);
    assert_string_equal(error->message, "It has 3 of 3.");
}

static void failure_of_the_system(void **state)
{
    (void)state;
    const sill_error *error = sill_last_error();
    char text[200], expected[400];
    sill__os_text(DENIED_CODE, text, sizeof text);
    assert_true(strlen(text) > 3);
    assert_null(strpbrk(text, "\r\n"));
    snprintf(expected, sizeof expected, "x cannot be opened. (open: %s)", text);

    assert_int_equal(sill__fail_os("open", DENIED_CODE, "%s cannot be opened.", "x"), SILL_DENIED);
    assert_int_equal(error->status, SILL_DENIED);
    assert_string_equal(error->call, "open");
    assert_int_equal(error->code, DENIED_CODE);
    assert_string_equal(error->message, expected);

    assert_int_equal(sill__fail_os_as(SILL_FOREIGN, "open", DENIED_CODE, "Not ours."),
                     SILL_FOREIGN);
    assert_int_equal(error->status, SILL_FOREIGN);
    assert_int_equal(error->code, DENIED_CODE);
    assert_int_equal(strncmp(error->message, "Not ours. (open: ", 17), 0);

    /* the next failure leaves nothing of the one before */
    assert_int_equal(sill__fail(SILL_INVALID, "No."), SILL_INVALID);
    assert_string_equal(error->call, "");
    assert_int_equal(error->code, 0);
    assert_string_equal(error->message, "No.");
}

/* A code that nobody knows is kept, and has a text. */
static void unknown_code(void **state)
{
    (void)state;
    assert_int_equal(sill__os_status(987654), SILL_OS);
    assert_int_equal(sill__fail_os("open", 987654, "Strange."), SILL_OS);
    assert_int_equal(sill_last_error()->code, 987654);
    char text[80];
    sill__os_text(987654, text, sizeof text);
    assert_true(text[0] != '\0'); /* some systems' texts name the number, some do not */
    char small[4] = {'x', 'x', 'x', 'x'};
    sill__os_text(DENIED_CODE, small, 3);
    assert_non_null(memchr(small, '\0', 3));
    assert_int_equal(small[3], 'x');
}

/* A sentence that is too long is cut and ended. */
static void long_sentence(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    sill__fail_os("open", DENIED_CODE, "%s", text);
    const sill_error *error = sill_last_error();
    assert_int_equal(strlen(error->message), sizeof error->message - 1);
    assert_int_equal(error->code, DENIED_CODE);
    text[sizeof error->message - 4] = '\0'; /* room for a little of what follows */
    sill__fail_os("open", DENIED_CODE, "%s", text);
    assert_int_equal(strlen(error->message), sizeof error->message - 1);
    assert_string_equal(error->message + sizeof error->message - 4, " (o");
}

/* What a thread of its own sees: nothing at first, then its own failure alone. */
static int fail_in_thread(void *arg)
{
    int number = *(int *)arg;
    char expected[40];
    if (sill_last_error()->status != SILL_OK || sill_last_error()->message[0] != '\0')
        return 1;
    snprintf(expected, sizeof expected, "Thread %d.", number);
    for (int i = 0; i < 1000; i++) {
        sill__fail(-number, "Thread %d.", number);
        if (sill_last_error()->status != -number ||
            strcmp(sill_last_error()->message, expected) != 0)
            return 2;
    }
    return 0;
}

static void per_thread(void **state)
{
    (void)state;
    int numbers[] = {1, 2, 3, 4};
    struct support_thread *threads[4];
    sill__fail(SILL_EXISTS, "Mine.");
    for (int i = 0; i < 4; i++)
        threads[i] = support_thread(fail_in_thread, &numbers[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(support_join(threads[i]), 0);
    assert_int_equal(sill_last_error()->status, SILL_EXISTS);
    assert_string_equal(sill_last_error()->message, "Mine.");
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(fixed_values),
    SUPPORT_TEST(other_values),
    SUPPORT_TEST(version),
    SUPPORT_TEST(own_failure),
    SUPPORT_TEST(failure_of_the_system),
    SUPPORT_TEST(unknown_code),
    SUPPORT_TEST(long_sentence),
    SUPPORT_TEST(per_thread),
};
SUPPORT_MAIN_ALONE(tests)
