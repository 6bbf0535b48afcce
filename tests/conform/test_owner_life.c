/* test_owner_life.c - telling living owners from dead ones on POSIX: earlier boots, processes with
 * strange names, zombies, leaders that end before their threads.
 */
#ifdef _WIN32
#include "support.h"

int main(void)
{
    puts("skipped: forks, links and modes are POSIX's");
    return 0;
}

#else
#include "owner_posix_rig.h"

/* ---- earlier boots, processes that look strange ---- */

static void rewrite_boot(const char *file)
{
    char path[SUPPORT_PATH_SIZE], text[SILL__OWNER_TEXT + 1];
    struct sill__owner_info info;
    size_t size;
    support_path(path, file);
    char *old = support_read_file(path, &size);
    assert_non_null(old);
    assert_int_equal(sill__owner_parse(old, size, &info), SILL_OK);
    free(old);
    strcpy(info.process.boot, "00000000-0000-0000-0000-000000000000");
    assert_int_equal(sill__owner_format(&info, text, sizeof text), SILL__OWNER_TEXT);
    support_write_file(path, text, SILL__OWNER_TEXT);
}

static void nothing_is_kept_over_a_boot(void **state)
{
    (void)state;
    struct sill__owner_info info;
    sill__owner *owner;
    memset(&info, 0, sizeof info);
    info.kind = SILL__OWNER_REGION_POSIX;
    strcpy(info.name, "boot");
    info.kept = true;
    support_ok(sill__owner_claim(&owner, NULL, &info, NULL));
    sill__owner_release(owner, false);
    assert_int_equal(only_state(), SILL__OWNER_KEPT);
    rewrite_boot("region-posix.boot");
    assert_int_equal(only_state(), SILL__OWNER_STALE);
    support_ok(sill__owner_claim(&owner, NULL, &info, NULL));
    /* But a lock that is held cannot be from an earlier boot: it is another machine's. */
    rewrite_boot("region-posix.boot");
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
    support_ok(claim(&owner, "boot"));
    rewrite_boot("server.boot");
    assert_int_equal(only_state(), SILL__OWNER_LIVING);
    sill__owner_release(owner, true);
}

static int named(void *arg)
{
    struct sill__process self, found;
    prctl(PR_SET_NAME, arg);
    sill__process_self(&self);
    if (sill__process_of(self.pid, &found) != SILL_OK || found.start != self.start)
        return 1;
    return self.start != 0 && sill__process_alive(&self) == 1 ? 0 : 2;
}

static void names_of_processes_confuse_nobody(void **state)
{
    (void)state;
    static char names[][16] = {"a) Z 1 1 1", ") ) )", "((", "x\ny", "1 2 3 4 5 6 7"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(in_child(named, names[i]), 0);
}

static void an_unwaited_process_is_gone(void **state)
{
    (void)state;
    int ends[2];
    struct sill__process process;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(wait_for_end(ends));
    support_ok(sill__process_of((uint32_t)child, &process));
    assert_int_equal(sill__process_alive(&process), 1);
    close(ends[1]);
    siginfo_t ended;
    assert_int_equal(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
    assert_int_equal(kill(child, 0), 0); /* its pid is still taken */
    assert_int_equal(sill__process_alive(&process), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(sill__process_alive(&process), 0);
    close(ends[0]);
}

static int ends[2];

static void *outlive(void *arg)
{
    char byte;
    (void)arg;
    ssize_t got = read(ends[0], &byte, 1);
    _exit(got == 0 ? 0 : 1);
}

static bool leader_ended(void *arg)
{
    char path[60], text[200] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", *(long *)arg);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool got = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    char *at = strrchr(text, ')');
    return got && at != NULL && at[2] == 'Z';
}

/* A process whose first thread has ended looks like a dead one, but lives in its others. */
static void a_leader_may_end_before_its_threads(void **state)
{
    (void)state;
    struct sill__process process;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pthread_t thread;
        close(ends[1]);
        if (pthread_create(&thread, NULL, outlive, NULL) != 0)
            _exit(2);
        pthread_exit(NULL);
    }
    support_ok(sill__process_of((uint32_t)child, &process));
    long pid = child;
    bool seen = support_until(leader_ended, &pid, SUPPORT_PATIENCE_MS);
    int alive = sill__process_alive(&process);
    close(ends[0]);
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(seen);
    assert_int_equal(alive, 1);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(nothing_is_kept_over_a_boot),
    SUPPORT_TEST(names_of_processes_confuse_nobody),
    SUPPORT_TEST(an_unwaited_process_is_gone),
    SUPPORT_TEST(a_leader_may_end_before_its_threads),
};
SUPPORT_MAIN_ALONE(tests)

#endif
