/* shared_table.c - a table of keys and values that several processes share: a region with a
 * reader-writer lock and a pool. Many may look at once; who changes something is alone.
 *
 *     shared_table NAME hold            makes it, and keeps it until standard input ends
 *     shared_table NAME put KEY VALUE
 *     shared_table NAME get KEY         exit status 1: it is not there
 *     shared_table NAME del KEY
 *     shared_table NAME list
 *     shared_table NAME remove
 *
 * A process that is killed with the lock leaves the table whole: an entry is filled before one
 * store links it in, and a store takes it out before it is freed. So the next writer has nothing to
 * mend.
 */
#include <sill.h>

#include <stdio.h>
#include <string.h>

#define SIZE    ((size_t)1 << 20)
#define BUCKETS 256

/* Offsets, never pointers: the region lies elsewhere in each process. */
struct entry {
    uint64_t next;
    uint32_t key_size, value_size;
    char bytes[]; /* the key, then the value */
};

struct table {
    sill_region *region;
    sill_rwlock *lock;
    sill_pool *pool;
    uint64_t *buckets;
};

static int find_buckets(struct table *table)
{
    uint64_t made = 0, offset;
    int status = sill_pool_get_root(table->pool, "table", &offset);
    if (status == SILL_NOT_FOUND) {
        status = sill_pool_allocate(table->pool, BUCKETS * sizeof *table->buckets, &made);
        if (status != SILL_OK)
            return status;
        memset(sill_pool_at(table->pool, made), 0, BUCKETS * sizeof *table->buckets);
        offset = made;
        status = sill_pool_add_root(table->pool, "table", &offset);
        if (status == SILL_EXISTS) { /* somebody was faster */
            sill_pool_free(table->pool, made);
            status = SILL_OK;
        }
    }
    table->buckets = sill_pool_at(table->pool, offset);
    return status == SILL_OK && table->buckets == NULL ? SILL_PROTOCOL : status;
}

static int open_table(struct table *table, const char *name)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.open_existing = 1;
    sill_pool_options behind = SILL_POOL_OPTIONS_INIT;
    behind.offset = SILL_SYNC_SIZE;
    int status = sill_region_create(&table->region, name, SIZE, &options);
    if (status == SILL_OK)
        status = sill_rwlock_place(&table->lock, table->region, 0, NULL);
    if (status == SILL_OK)
        status = sill_pool_place(&table->pool, table->region, &behind);
    return status == SILL_OK ? find_buckets(table) : status;
}

static void close_table(struct table *table)
{
    sill_pool_close(table->pool);
    sill_rwlock_close(table->lock);
    sill_region_close(table->region);
}

/* Where the entry of that key hangs: the bucket's or an entry's `next`, which is 0 if there is
 * none. */
static uint64_t *find(struct table *table, const char *key)
{
    uint32_t hash = 2166136261u;
    size_t size = strlen(key);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    uint64_t *link = &table->buckets[hash % BUCKETS];
    struct entry *entry;
    while ((entry = sill_pool_at(table->pool, *link)) != NULL &&
           (entry->key_size != size || memcmp(entry->bytes, key, size) != 0))
        link = &entry->next;
    return link;
}

static void print(const struct entry *entry)
{
    printf("%.*s\t%.*s\n", (int)entry->key_size, entry->bytes, (int)entry->value_size,
           entry->bytes + entry->key_size);
}

/* DIED: the one before us was killed inside. Nothing is half-done: see at the top. */
static int lock_for_change(struct table *table)
{
    int status = sill_rwlock_write(table->lock, 5000);
    return status == SILL_DIED ? sill_rwlock_repaired(table->lock) : status;
}

static int lock_for_look(struct table *table)
{
    int status = sill_rwlock_read(table->lock, 5000);
    return status == SILL_DIED ? SILL_OK : status;
}

static int put(struct table *table, const char *key, const char *value)
{
    size_t key_size = strlen(key), value_size = value != NULL ? strlen(value) : 0;
    uint64_t offset = 0;
    int status = lock_for_change(table);
    if (status != SILL_OK)
        return status;
    uint64_t *link = find(table, key), old = *link;
    struct entry *before = sill_pool_at(table->pool, old);
    uint64_t next = before != NULL ? before->next : 0;
    if (value != NULL)
        status =
            sill_pool_allocate(table->pool, sizeof(struct entry) + key_size + value_size, &offset);
    if (status == SILL_OK && value != NULL) {
        struct entry *entry = sill_pool_at(table->pool, offset);
        entry->next = next;
        entry->key_size = (uint32_t)key_size;
        entry->value_size = (uint32_t)value_size;
        memcpy(entry->bytes, key, key_size);
        memcpy(entry->bytes + key_size, value, value_size);
    }
    if (status == SILL_OK) {
        *(volatile uint64_t *)link = value != NULL ? offset : next;
        status = sill_pool_free(table->pool, old);
    }
    sill_rwlock_unlock(table->lock);
    return status == SILL_OK && value == NULL && old == 0 ? SILL_NOT_FOUND : status;
}

/* All of them without a key. */
static int show(struct table *table, const char *key)
{
    int status = lock_for_look(table);
    if (status != SILL_OK)
        return status;
    struct entry *entry;
    if (key != NULL) {
        entry = sill_pool_at(table->pool, *find(table, key));
        if (entry == NULL)
            status = SILL_NOT_FOUND;
        else
            print(entry);
    }
    for (int i = 0; key == NULL && i < BUCKETS; i++)
        for (uint64_t at = table->buckets[i]; (entry = sill_pool_at(table->pool, at)) != NULL;
             at = entry->next)
            print(entry);
    sill_rwlock_unlock(table->lock);
    return status;
}

static int hold(void)
{
    printf("ready\n");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return SILL_OK;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[2] : "";
    const char *key = argc > 3 ? argv[3] : NULL;
    struct table table = {NULL, NULL, NULL, NULL};
    if (argc == 3 && strcmp(verb, "remove") == 0)
        return sill_region_remove(argv[1], NULL) == SILL_OK ? 0 : 1;
    int status = argc >= 3 ? open_table(&table, argv[1]) : SILL_OK;
    if (status != SILL_OK)
        fprintf(stderr, "%s: %s\n", sill_status_name(status), sill_last_error()->message);
    else if (argc == 3 && strcmp(verb, "hold") == 0)
        status = hold();
    else if (argc == 5 && strcmp(verb, "put") == 0)
        status = put(&table, key, argv[4]);
    else if (argc == 4 && strcmp(verb, "del") == 0)
        status = put(&table, key, NULL);
    else if (argc == 4 && strcmp(verb, "get") == 0)
        status = show(&table, key);
    else if (argc == 3 && strcmp(verb, "list") == 0)
        status = show(&table, NULL);
    else
        argc = 0;
    if (argc == 0)
        fprintf(stderr,
                "usage: shared_table NAME hold|put KEY VALUE|get KEY|del KEY|list|remove\n");
    close_table(&table);
    return argc == 0 ? 2 : status == SILL_OK ? 0 : 1;
}
