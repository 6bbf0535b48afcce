/* support.c - the portable part of the tests' support: fixtures, lines, running programs.
 *
 * The processes that a test started are kept in one list, so that the teardown can end what a
 * failed assertion (a longjmp) left running.
 */
#include "support.h"

#include "system.h"

#include <sill/status.h>
#include <sill/system.h>

#define ROLE_MARK "--role"

struct support_process {
    struct support_process *next;
    struct support__child *child;
    char pending[4096]; /* heard, but not yet a whole line */
    size_t pending_size;
    bool heard_all;
    bool ended;
    int status;
};

static struct support_process *processes;
static char own_path[SUPPORT_PATH_SIZE];
static char tool_path[SUPPORT_PATH_SIZE];
static char directory[SUPPORT_PATH_SIZE];
static unsigned names;

/* ---- test programs ---- */

static const char *base_name(const char *path)
{
    const char *base = path;
    for (const char *c = path; *c != '\0'; c++)
        if (*c == '/' || *c == '\\')
            base = c + 1;
    return base;
}

static int run_role(int argc, char **argv, const struct support_role *roles, size_t role_count)
{
    support__prepare_role();
    for (size_t i = 0; i < role_count; i++)
        if (strcmp(roles[i].name, argv[0]) == 0)
            return roles[i].run(argc - 1, argv + 1);
    fprintf(stderr, "there is no role \"%s\" in this program\n", argv[0]);
    return 99;
}

int support_main(int argc, char **argv, const char *program, const struct CMUnitTest *tests,
                 size_t test_count, const struct support_role *roles, size_t role_count)
{
    support__prepare_program();
    if (!support__own_path(own_path, sizeof own_path, argv[0])) {
        fprintf(stderr, "the path of this program is not known\n");
        return 99;
    }
    if (argc >= 3 && strcmp(argv[1], ROLE_MARK) == 0)
        return run_role(argc - 2, argv + 2, roles, role_count);
    if (argc == 2)
        cmocka_set_test_filter(argv[1]);
    int failed = _cmocka_run_group_tests(base_name(program), tests, test_count, NULL, NULL);
    return failed == 0 ? 0 : 1;
}

int support_setup(void **state)
{
    (void)state;
    if (!support__make_directory(directory, sizeof directory)) {
        print_error("no temporary directory can be made\n");
        return -1;
    }
    support_setenv("SILL_RUNTIME_DIR", directory);
    return 0;
}

static void forget(struct support_process *process)
{
    struct support_process **link = &processes;
    while (*link != process)
        link = &(*link)->next;
    *link = process->next;
    support__forget(process->child);
    free(process);
}

struct remains {
    unsigned living, elsewhere;
};

static int count_living(void *arg, const sill_object *object)
{
    ((struct remains *)arg)->living += object->state == SILL_OBJECT_LIVING;
    return 0;
}

/* Sockets and FIFOs lie in the directory and go with it. */
static int count_elsewhere(void *arg, const sill_object *object)
{
    static const char *const inside[] = {"unix", "fifo", "fifo-peer", "pipe"};
    for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
        if (strcmp(object->kind, inside[i]) == 0)
            return 0;
    print_error("left behind: %s %s of the kind %s\n", object->type, object->name, object->kind);
    ((struct remains *)arg)->elsewhere++;
    return 0;
}

/* A test leaves nothing. If it failed, what dead helpers left is removed here; what lives is this
 * process's own, and its record, which says what lies in the system's tables, stays for `sill
 * clean` (ci/test sees to that). */
static bool remove_directory(void)
{
    struct remains remains = {0, 0};
    if (sill_clean(directory, 0, count_elsewhere, &remains) == 0)
        sill_list(directory, count_living, &remains);
    if (remains.living == 0)
        support__remove_directory(directory);
    else
        print_error("%u objects still live at the end of the test, see %s\n", remains.living,
                    directory);
    return remains.living + remains.elsewhere == 0;
}

int support_teardown(void **state)
{
    (void)state;
    int left = 0;
    while (processes != NULL) {
        struct support_process *process = processes;
        if (!process->ended && !support__wait(process->child, 0, NULL)) {
            print_error("helper process %lu still runs at the end of the test\n",
                        (unsigned long)support__pid(process->child));
            support__kill(process->child);
            left++;
        }
        forget(process);
    }
    support_setenv("SILL_RUNTIME_DIR", NULL);
    if (!remove_directory())
        left++;
    directory[0] = '\0';
    return left == 0 ? 0 : -1;
}

void support_say_skipped(const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_message("skipped: %s\n", text);
}

void support_check(int wanted, int got, const char *call, const char *file, int line)
{
    if (wanted == got)
        return;
    const sill_error *error = sill_last_error();
    print_error("%s is %s (%d), not %s (%d)\n", call, sill_status_name(got), got,
                sill_status_name(wanted), wanted);
    if (got != 0 && error->status == got)
        print_error("    %s\n", error->message);
    _fail(file, line);
}

/* ---- names and files ---- */

const char *support_directory(void)
{
    assert_true(directory[0] != '\0');
    return directory;
}

void support_name(char name[SUPPORT_NAME_SIZE], const char *stem)
{
    snprintf(name, SUPPORT_NAME_SIZE, "%.40s-%lu-%u", stem, (unsigned long)support__own_pid(),
             ++names);
}

void support_path(char path[SUPPORT_PATH_SIZE], const char *file)
{
    const char *base = directory[0] != '\0' ? directory : getenv("SILL_RUNTIME_DIR");
    assert_non_null(base);
    int length = snprintf(path, SUPPORT_PATH_SIZE, "%s/%s", base, file);
    assert_true(length > 0 && length < SUPPORT_PATH_SIZE);
}

void support_write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    size_t written = size == 0 ? 0 : fwrite(data, 1, size, file);
    int closed = fclose(file);
    assert_int_equal(written, size);
    assert_int_equal(closed, 0);
}

void *support_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    size_t used = 0, capacity = 65536;
    char *data = malloc(capacity + 1);
    while (data != NULL) {
        used += fread(data + used, 1, capacity - used, file);
        if (used < capacity)
            break;
        capacity *= 2;
        char *larger = realloc(data, capacity + 1);
        if (larger == NULL)
            free(data);
        data = larger;
    }
    fclose(file);
    assert_non_null(data);
    data[used] = '\0';
    if (size != NULL)
        *size = used;
    return data;
}

bool support_exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL)
        fclose(file);
    return file != NULL;
}

unsigned support_entries(const char *but)
{
    return support__count_entries(support_directory(), but);
}

bool support_until(bool (*ready)(void *arg), void *arg, int timeout_ms)
{
    int64_t end = support_now_ms() + timeout_ms;
    while (!ready(arg)) {
        if (support_now_ms() >= end)
            return false;
        support_sleep_ms(1);
    }
    return true;
}

/* ---- processes ---- */

static struct support_process *start(const char *const *arguments, const char *const *environment,
                                     const struct support__streams *files)
{
    struct support_process *process = calloc(1, sizeof *process);
    assert_non_null(process);
    unsigned long code = 0;
    process->child = support__spawn(arguments, environment, files, &code);
    if (process->child == NULL) {
        free(process);
        fail_msg("%s cannot be started (code %lu)", arguments[0], code);
        return NULL;
    }
    process->next = processes;
    processes = process;
    return process;
}

struct support_process *support_start(const char *role, const char *const *arguments,
                                      const char *const *environment)
{
    const char *all[32] = {own_path, ROLE_MARK, role};
    size_t count = 3;
    for (; arguments != NULL && *arguments != NULL; arguments++) {
        assert_true(count + 1 < sizeof all / sizeof all[0]);
        all[count++] = *arguments;
    }
    all[count] = NULL;
    return start(all, environment, NULL);
}

struct support_process *support_start_stopping(const char *role, const char *const *arguments,
                                               const char *step)
{
    char notice[SUPPORT_PATH_SIZE], stop[100], where[SUPPORT_PATH_SIZE + 32];
    support_path(notice, "notice");
    snprintf(stop, sizeof stop, "SILL_STOP_AT=%s", step);
    snprintf(where, sizeof where, "SILL_STOP_NOTICE=%s", notice);
    const char *const environment[] = {stop, where, NULL};
    return support_start(role, arguments, environment);
}

static bool has_content(void *path)
{
    size_t size = 0;
    free(support_read_file(path, &size));
    return size > 0;
}

void support_wait_stopped(const char *step)
{
    char notice[SUPPORT_PATH_SIZE];
    support_path(notice, "notice");
    if (!support_until(has_content, notice, SUPPORT_PATIENCE_MS))
        fail_msg("the step %s is not reached", step);
    remove(notice);
}

void support_kill_at(const char *role, const char *const *arguments, const char *step)
{
    struct support_process *process = support_start_stopping(role, arguments, step);
    support_wait_stopped(step);
    support_kill(process);
    support_finish(process);
}

struct support_process *support_start_program(const char *const *arguments,
                                              const char *const *environment)
{
    return start(arguments, environment, NULL);
}

const char *support_self(void)
{
    return own_path;
}

const char *support_tool(void)
{
    int folder = (int)(base_name(own_path) - own_path);
    const char *dot = strrchr(own_path, '.');
    bool windows = dot != NULL && strcmp(dot, ".exe") == 0;
    int length = snprintf(tool_path, sizeof tool_path, "%.*ssill%s", folder, own_path,
                          windows ? ".exe" : "");
    assert_true(length > 0 && length < (int)sizeof tool_path);
    return tool_path;
}

void support_tell(struct support_process *process, const char *line)
{
    if (!support__write(process->child, line, strlen(line)) ||
        !support__write(process->child, "\n", 1))
        fail_msg("the helper does not read any more, so \"%s\" cannot be told", line);
}

void support_tell_end(struct support_process *process)
{
    support__close_input(process->child);
}

/* Takes a line out of `pending`, or all of it at the end of the stream. */
static bool take_line(char *pending, size_t *used, bool at_end, char *line, size_t size)
{
    char *newline = memchr(pending, '\n', *used);
    if (newline == NULL && (!at_end || *used == 0))
        return false;
    size_t length = newline != NULL ? (size_t)(newline - pending) : *used;
    size_t eaten = newline != NULL ? length + 1 : length;
    size_t shown = length;
    if (shown > 0 && pending[shown - 1] == '\r')
        shown--;
    if (shown >= size)
        shown = size - 1;
    memcpy(line, pending, shown);
    line[shown] = '\0';
    *used -= eaten;
    memmove(pending, pending + eaten, *used);
    return true;
}

static int left_until(int64_t end)
{
    int64_t left = end - support_now_ms();
    return left < 0 ? 0 : (int)left;
}

bool support_hear(struct support_process *process, char *line, size_t size, int timeout_ms)
{
    int64_t end = support_now_ms() + timeout_ms;
    for (;;) {
        size_t used = process->pending_size;
        if (take_line(process->pending, &process->pending_size, process->heard_all, line, size))
            return true;
        if (process->heard_all)
            return false;
        if (used == sizeof process->pending)
            fail_msg("a line of the helper is too long");
        size_t got = 0;
        int result = support__read(process->child, process->pending + used,
                                   sizeof process->pending - used, &got, left_until(end));
        if (result < 0)
            return false;
        process->heard_all = result == 0;
        process->pending_size += got;
    }
}

void support_expect(struct support_process *process, const char *line)
{
    char heard[1024];
    if (!support_hear(process, heard, sizeof heard, SUPPORT_PATIENCE_MS))
        fail_msg("the helper %s, instead of saying \"%s\"",
                 process->heard_all ? "ended" : "said nothing", line);
    assert_string_equal(heard, line);
}

uint32_t support_pid(const struct support_process *process)
{
    return support__pid(process->child);
}

void support_kill(struct support_process *process)
{
    if (process->ended)
        return;
    support__kill(process->child);
    process->ended = true;
}

bool support_wait(struct support_process *process, int timeout_ms, int *status)
{
    if (!process->ended) {
        if (!support__wait(process->child, timeout_ms, &process->status))
            return false;
        process->ended = true;
    }
    if (status != NULL)
        *status = process->status;
    return true;
}

int support_finish(struct support_process *process)
{
    int status = 0;
    support__close_input(process->child);
    if (!support_wait(process, SUPPORT_PATIENCE_MS, &status))
        fail_msg("helper process %lu does not end", (unsigned long)support_pid(process));
    forget(process);
    return status;
}

/* ---- inside a helper ---- */

void support_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

bool support_listen(char *line, size_t size, int timeout_ms)
{
    static char pending[4096];
    static size_t used;
    static bool at_end;
    int64_t end = support_now_ms() + timeout_ms;
    for (;;) {
        if (take_line(pending, &used, at_end, line, size))
            return true;
        if (at_end || used == sizeof pending)
            return false;
        size_t got = 0;
        int result =
            support__read_stdin(pending + used, sizeof pending - used, &got, left_until(end));
        if (result < 0)
            return false;
        at_end = result == 0;
        used += got;
    }
}

void support_linger(void)
{
    char buffer[256];
    size_t got;
    while (support__read_stdin(buffer, sizeof buffer, &got, SUPPORT_PATIENCE_MS) == 1)
        ;
}

/* ---- running a program to its end ---- */

void support_run(struct support_result *result, const char *const *arguments,
                 const char *const *environment, const void *input, size_t input_size)
{
    static unsigned runs;
    char in[SUPPORT_PATH_SIZE], out[SUPPORT_PATH_SIZE], error[SUPPORT_PATH_SIZE], file[40];
    runs++;
    snprintf(file, sizeof file, ".run-%u-in", runs);
    support_path(in, file);
    snprintf(file, sizeof file, ".run-%u-out", runs);
    support_path(out, file);
    snprintf(file, sizeof file, ".run-%u-error", runs);
    support_path(error, file);
    support_write_file(in, input, input_size);

    struct support__streams files = {in, out, error};
    struct support_process *process = start(arguments, environment, &files);
    result->status = support_finish(process);
    result->out = support_read_file(out, &result->out_size);
    result->error = support_read_file(error, &result->error_size);
    remove(in);
    remove(out);
    remove(error);
}

void support_result_free(struct support_result *result)
{
    free(result->out);
    free(result->error);
    memset(result, 0, sizeof *result);
}
