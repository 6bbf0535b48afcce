/* mapped_file.c - a journal in a mapped file: lines that stay, and that other processes read while
 * they are written, also one of another system (a Linux process and, under Wine, a Windows one).
 *
 *     mapped_file PATH add LINE          makes the file if it is not there; one writer at a time
 *     mapped_file PATH show
 *     mapped_file PATH follow COUNT      prints lines as they come, until there are COUNT
 *
 * The word `used` is stored when the line is there, so a reader never sees a part of one, at
 * whatever instruction the writer is killed; and it is flushed when the line is on the disk, so
 * neither does one that comes after a failure of the machine.
 */
#include <sill.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#define FIRST_SIZE 4096
#define TRIES      2000

struct journal {
    uint64_t used; /* bytes of lines that are there; written last */
    uint64_t reserved[7];
    char lines[]; /* each ends with '\n' */
};

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE); /* pairs with the store */
}

static void store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void pause_a_little(void)
{
#ifdef _WIN32
    Sleep(5);
#else
    struct timespec t = {0, 5000000};
    nanosleep(&t, NULL);
#endif
}

/* Windows does not let a file grow that somebody reads just now. */
static int grow(sill_region *region, size_t size)
{
    int status = sill_region_resize(region, size);
    for (int i = 0; i < TRIES && status == SILL_DENIED; i++) {
        pause_a_little();
        status = sill_region_resize(region, size);
    }
    return status;
}

static int add(sill_region *region, const char *line)
{
    size_t length = strlen(line), size = sill_region_size(region), needed;
    struct journal *journal = sill_region_data(region);
    uint64_t used = load(&journal->used);
    if (used > size - sizeof *journal)
        return SILL_PROTOCOL;
    needed = sizeof *journal + (size_t)used + length + 1;
    if (needed > size) {
        int status = grow(region, 2 * needed);
        if (status != SILL_OK)
            return status;
        journal = sill_region_data(region);
    }
    memcpy(journal->lines + used, line, length);
    journal->lines[used + length] = '\n';
    int status = sill_region_flush(region, sizeof *journal + (size_t)used, length + 1, 1);
    if (status != SILL_OK)
        return status;
    store(&journal->used, used + length + 1);
    return sill_region_flush(region, 0, sizeof *journal, 1);
}

/* Prints what is there behind *seen; *count counts lines. */
static int print_new(sill_region *region, uint64_t *seen, unsigned long *count)
{
    const struct journal *journal = sill_region_data(region);
    uint64_t used = load(&journal->used);
    size_t room = sill_region_size(region) - sizeof *journal;
    if (used > room) /* it has grown since we mapped it: next time */
        return SILL_OK;
    if (used < *seen)
        return SILL_PROTOCOL;
    for (uint64_t i = *seen; i < used; i++)
        *count += journal->lines[i] == '\n';
    fwrite(journal->lines + *seen, 1, (size_t)(used - *seen), stdout);
    fflush(stdout);
    *seen = used;
    return SILL_OK;
}

/* The file is mapped only while we look, so that it can grow meanwhile. */
static int follow(sill_region *region, unsigned long wanted)
{
    uint64_t seen = 0;
    unsigned long count = 0;
    for (;;) {
        int status = print_new(region, &seen, &count);
        if (status != SILL_OK || count >= wanted)
            return status;
        status = sill_region_unmap(region);
        pause_a_little();
        for (int i = 0; i < TRIES && status == SILL_OK; i++) {
            status = sill_region_map(region);
            if (status != SILL_WRONG_SIZE)
                break;
            status = SILL_OK; /* it is just being resized */
        }
        if (status != SILL_OK || sill_region_data(region) == NULL)
            return status != SILL_OK ? status : SILL_WRONG_SIZE;
    }
}

int main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[2] : "";
    int adds = argc == 4 && strcmp(verb, "add") == 0;
    int follows = argc == 4 && strcmp(verb, "follow") == 0;
    if (!adds && !follows && (argc != 3 || strcmp(verb, "show") != 0)) {
        fprintf(stderr, "usage: mapped_file PATH add LINE|show|follow COUNT\n");
        return 2;
    }
    sill_region *region = NULL;
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = SILL_REGION_FILE;
    options.resizable = 1;
    options.read_only = !adds;
    int status = sill_region_open(&region, argv[1], &options);
    if (status == SILL_NOT_FOUND && adds)
        status = sill_region_create(&region, argv[1], FIRST_SIZE, &options);
    if (status == SILL_OK && sill_region_size(region) < sizeof(struct journal))
        status = SILL_PROTOCOL;
    uint64_t seen = 0;
    unsigned long count = 0;
    if (status == SILL_OK)
        status = adds      ? add(region, argv[3])
                 : follows ? follow(region, strtoul(argv[3], NULL, 10))
                           : print_new(region, &seen, &count);
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    sill_region_close(region);
    return status == SILL_OK ? 0 : 1;
}
