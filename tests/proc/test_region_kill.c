/* test_region_kill.c - processes that create or remove a region are stopped at each step and
 * killed. Meanwhile an opener keeps its deadline; afterwards the next create works at once, and
 * nothing is left. */
#include "regions.h"

#define SIZE 100000

#ifdef SILL_STEPS
#define STEPS 1
#else
#define STEPS 0
#endif

/* Under this an answer counts as given at once. */
#define AT_ONCE_MS 5000

static int kind_of(void **state)
{
    return *(int *)*state;
}

/* KIND NAME: creates, says so, closes when the test says so. */
static int role_creator(int argc, char **argv)
{
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    sill_region *region = NULL;
    int rc = argc == 2 ? sill_region_create(&region, regions_name_or_null(options.kind, argv[1]),
                                            SIZE, &options)
                       : SILL_INVALID;
    support_say("%s", sill_status_name(rc));
    support_linger();
    sill_region_close(region);
    return 0;
}

/* KIND NAME: removes. */
static int role_remover(int argc, char **argv)
{
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    int rc = argc == 2 ? sill_region_remove(argv[1], &options) : SILL_INVALID;
    support_say("%s", sill_status_name(rc));
    return 0;
}

/* KIND NAME: opens, says so, stays. */
static int role_opener(int argc, char **argv)
{
    sill_region_options options = regions_options(sill_region_kind_parse(argv[0]));
    options.timeout_ms = SUPPORT_PATIENCE_MS;
    sill_region *region = NULL;
    int rc = argc == 2 ? sill_region_open(&region, argv[1], &options) : SILL_INVALID;
    support_say("%s", sill_status_name(rc));
    support_linger();
    sill_region_close(region);
    return 0;
}

static bool has_content(void *arg)
{
    size_t size = 0;
    char *text = support_read_file(arg, &size);
    free(text);
    return size > 0;
}

/* Starts a helper that stops at `step`, and waits until it has. */
static struct support_process *start_stopped(const char *role, int kind, const char *name,
                                             const char *step)
{
    char notice[SUPPORT_PATH_SIZE], stop[100], where[SUPPORT_PATH_SIZE + 32];
    support_path(notice, "notice");
    snprintf(stop, sizeof stop, "SILL_STOP_AT=%s", step);
    snprintf(where, sizeof where, "SILL_STOP_NOTICE=%s", notice);
    const char *const arguments[] = {REGIONS_WORDS(kind, name), NULL};
    const char *const environment[] = {stop, where, NULL};
    struct support_process *process = support_start(role, arguments, environment);
    if (!support_until(has_content, notice, SUPPORT_PATIENCE_MS)) {
        char line[64] = "nothing";
        support_hear(process, line, sizeof line, 0);
        fail_msg("the %s of a %s region does not come to the step %s, it said %s", role,
                 sill_region_kind_name(kind), step, line);
    }
    remove(notice);
    return process;
}

static int try_open(int kind, const char *name, int timeout_ms)
{
    sill_region_options options = regions_options(kind);
    options.timeout_ms = timeout_ms;
    sill_region *region = NULL;
    int64_t start = support_now_ms();
    int rc = sill_region_open(&region, name, &options);
    assert_true(support_now_ms() - start < AT_ONCE_MS);
    sill_region_close(region);
    return rc;
}

/* The next one creates at once, and cleans up. */
static void create_and_remove(int kind, const char *name)
{
    sill_region_options options = regions_options(kind);
    sill_region *region;
    int64_t start = support_now_ms();
    support_ok(sill_region_create(&region, name, SIZE, &options));
    assert_true(support_now_ms() - start < AT_ONCE_MS);
    assert_true(regions_zero(sill_region_data(region), SIZE));
    sill_region_close(region);
    if (regions_can(kind, SILL_REGION_PERSISTS))
        support_ok(sill_region_remove(name, &options));
    regions_nothing_left();
}

static const char *const creation_steps[] = {"region_object", "region_sized", "region_published"};
#define CREATION_STEPS (sizeof creation_steps / sizeof creation_steps[0])

static bool is_published(const char *step)
{
    return strcmp(step, "region_published") == 0;
}

static void skip_without_steps(void)
{
    if (!STEPS)
        support_skip("this build has no steps (SILL_STEPS)");
}

static void killed_creator_is_in_nobodys_way(void **state)
{
    skip_without_steps();
    int kind = kind_of(state);
    for (size_t i = 0; i < CREATION_STEPS; i++) {
        char name[SUPPORT_PATH_SIZE];
        regions_name(kind, name);
        support_kill(start_stopped("creator", kind, name, creation_steps[i]));
        /* A file that was linked is whole, whoever made it. */
        if (kind == SILL_REGION_FILE && is_published(creation_steps[i])) {
            assert_int_equal(try_open(kind, name, 0), 0);
            sill_region_options options = regions_options(kind);
            support_ok(sill_region_remove(name, &options));
        }
        create_and_remove(kind, name);
    }
}

static void opener_keeps_its_deadline(void **state)
{
    skip_without_steps();
    int kind = kind_of(state);
    for (size_t i = 0; i < CREATION_STEPS; i++) {
        char name[SUPPORT_PATH_SIZE];
        regions_name(kind, name);
        bool published = is_published(creation_steps[i]);
        struct support_process *creator = start_stopped("creator", kind, name, creation_steps[i]);
        sill_region_options options = regions_options(kind);
        sill_region *region;
        int half_made = kind == SILL_REGION_FILE ? SILL_NOT_FOUND : SILL_TIMEOUT;
        assert_int_equal(try_open(kind, name, 50), published ? 0 : half_made);
        if (published)
            support_status(SILL_EXISTS, sill_region_create(&region, name, SIZE, &options));
        support_kill(creator);
        if (published && regions_can(kind, SILL_REGION_PERSISTS)) {
            assert_int_equal(try_open(kind, name, 0), 0);
            support_ok(sill_region_remove(name, &options));
        } else {
            assert_int_equal(try_open(kind, name, 0), SILL_NOT_FOUND);
        }
        create_and_remove(kind, name);
    }
}

/* It waits while the creator lives, and gets its answer when the creator dies. */
static void opener_hears_of_the_death(void **state)
{
    skip_without_steps();
    int kind = kind_of(state);
    if (kind == SILL_REGION_FILE)
        return; /* nothing to wait for: a file is there or not */
    char name[SUPPORT_PATH_SIZE], line[64];
    regions_name(kind, name);
    struct support_process *creator = start_stopped("creator", kind, name, "region_sized");
    const char *const arguments[] = {REGIONS_WORDS(kind, name), NULL};
    struct support_process *opener = support_start("opener", arguments, NULL);
    assert_false(support_hear(opener, line, sizeof line, 100));
    support_kill(creator);
    support_expect(opener, "SILL_NOT_FOUND");
    assert_int_equal(support_finish(opener), 0);
    create_and_remove(kind, name);
}

static void killed_remover_is_in_nobodys_way(void **state)
{
    skip_without_steps();
    int kind = kind_of(state);
    if (kind == SILL_REGION_FILE)
        return; /* it is one call of the system's */
    for (int in_use = 0; in_use <= 1; in_use++) {
        char name[SUPPORT_PATH_SIZE];
        regions_name(kind, name);
        sill_region_options options = regions_options(kind);
        sill_region *region;
        support_ok(sill_region_create(&region, name, SIZE, &options));
        if (!in_use)
            sill_region_close(region);
        support_kill(start_stopped("remover", kind, name, "region_removed"));
        assert_int_equal(try_open(kind, name, 0), SILL_NOT_FOUND);
        create_and_remove(kind, name);
        if (in_use)
            sill_region_close(region);
        regions_nothing_left();
    }
}

/* The creator is gone without a close: those who use the region keep it, and then it is stale. */
static void killed_creator_leaves_it_to_its_users(void **state)
{
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    const char *const arguments[] = {REGIONS_WORDS(kind, name), NULL};
    struct support_process *creator = support_start("creator", arguments, NULL);
    support_expect(creator, "SILL_OK");
    struct support_process *user = support_start("opener", arguments, NULL);
    support_expect(user, "SILL_OK");
    support_kill(creator);

    sill_region_options options = regions_options(kind);
    sill_region *region;
    support_status(SILL_EXISTS, sill_region_create(&region, name, SIZE, &options));
    support_ok(sill_region_open(&region, name, &options));
    sill_region_close(region);
    support_kill(user);
    if (kind == SILL_REGION_FILE)
        support_ok(sill_region_remove(name, &options));
    create_and_remove(kind, name);
}

/* It dies before it has said that the region is there, and others have found it already: it can be
 * removed while they use it, as any other. */
static void what_a_killed_creator_published_is_removed(void **state)
{
    skip_without_steps();
    int kind = kind_of(state);
    char name[SUPPORT_PATH_SIZE];
    regions_name(kind, name);
    if (regions_may_be_stuck(kind))
        return;
    struct support_process *creator = start_stopped("creator", kind, name, "region_published");
    sill_region_options options = regions_options(kind);
    sill_region *region;
    support_ok(sill_region_open(&region, name, &options));
    support_kill(creator);
    support_ok(sill_region_remove(name, &options));
    create_and_remove(kind, name);
    sill_region_close(region);
    regions_nothing_left();
}

/* Of those who die with a private region nothing stays. */
static void killed_users_leave_nothing(void **state)
{
    int kind = kind_of(state);
    if (regions_can(kind, SILL_REGION_NAMED))
        return;
    const char *const arguments[] = {REGIONS_WORDS(kind, "-"), NULL};
    struct support_process *creator = support_start("creator", arguments, NULL);
    support_expect(creator, "SILL_OK");
    support_kill(creator);
    for (size_t i = 0; STEPS && i < CREATION_STEPS; i++)
        support_kill(start_stopped("creator", kind, "-", creation_steps[i]));
    regions_nothing_left();
}

#define NAMED_PERSISTS (SILL_REGION_NAMED | SILL_REGION_PERSISTS)

static const struct regions_test tests[] = {
    REGIONS_TEST(killed_creator_is_in_nobodys_way, SILL_REGION_NAMED),
    REGIONS_TEST(opener_keeps_its_deadline, SILL_REGION_NAMED),
    REGIONS_TEST(opener_hears_of_the_death, SILL_REGION_NAMED),
    REGIONS_TEST(killed_remover_is_in_nobodys_way, NAMED_PERSISTS),
    REGIONS_TEST(killed_creator_leaves_it_to_its_users, SILL_REGION_NAMED),
    REGIONS_TEST(what_a_killed_creator_published_is_removed, NAMED_PERSISTS),
    REGIONS_TEST(killed_users_leave_nothing, 0),
};
static const struct support_role roles[] = {
    {"creator", role_creator}, {"remover", role_remover}, {"opener", role_opener}};
REGIONS_MAIN(tests, roles)
