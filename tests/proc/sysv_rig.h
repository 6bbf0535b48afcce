/* sysv_rig.h - what a server over System V has in the system's tables, as tests look at it.
 */
#ifndef SYSV_RIG_H
#define SYSV_RIG_H

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include <sill.h>

#include "owner.h"
#include "support.h"
#include "sysv/table.h"

static inline const sill_port_options *sysv(void)
{
    static sill_port_options options = SILL_PORT_OPTIONS_INIT;
    options.family = SILL_FAMILY_SYSV;
    return &options;
}

/* ---- what is there ---- */

/* The key that the record of this server tells. */
static inline key_t key_of(const char *name)
{
    char file[100], path[SUPPORT_PATH_SIZE];
    size_t size;
    struct sill__owner_info info;
    key_t key = 0;
    sill__owner_file_name(SILL__OWNER_SERVER, name, file);
    support_path(path, file);
    char *text = support_read_file(path, &size);
    assert_non_null(text);
    assert_int_equal(0, sill__owner_parse(text, size, &info));
    free(text);
    assert_true(sill__table_parse(info.object, &key));
    return key;
}

static inline bool has_record(const char *name)
{
    char file[100], path[SUPPORT_PATH_SIZE];
    sill__owner_file_name(SILL__OWNER_SERVER, name, file);
    support_path(path, file);
    return support_exists(path);
}

static inline unsigned count_sets(key_t key)
{
    unsigned count = 0;
    for (int block = 0; block < SILL__BLOCKS; block++)
        count += semget(key + block, 0, 0) >= 0;
    return count;
}

static inline unsigned count_queues(key_t key)
{
    unsigned count = 0;
    for (int i = 0; i < 2 * SILL__SLOTS_OF_BLOCK * 4; i++)
        count += msgget(key + i, 0) >= 0;
    return count;
}

/* Segments that are under way. */
static inline unsigned count_segments(key_t key)
{
    unsigned count = 0;
    for (int i = 0; i < 2 * SILL__SLOTS_OF_BLOCK * SILL__SEGMENT_KEYS * 4; i++)
        count += shmget(key + i, 0, 0) >= 0;
    return count;
}

static inline void nothing_is_left(key_t key)
{
    assert_int_equal(0, count_segments(key));
    assert_int_equal(0, count_sets(key));
    assert_int_equal(0, count_queues(key));
}

#endif
