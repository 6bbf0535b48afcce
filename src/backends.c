/* backends.c - the registry: which backends this binary has. The only portable file with an #if on
 * the operating system; everything else asks the tables for facts.
 */
#include "backends.h"

#include <string.h>

#ifdef _WIN32
extern const struct sill__channel_ops sill__pipe_ops;
extern const struct sill__queue_ops sill__win32_queue_ops;
extern const struct sill__region_ops sill__section_anonymous_ops, sill__section_ops,
    sill__win32_file_ops;
extern const struct sill__sync_ops sill__win32_sync_ops;

const struct sill__channel_ops *const sill__channels[] = {&sill__pipe_ops, NULL};
const struct sill__queue_ops *const sill__queues[] = {&sill__win32_queue_ops, NULL};
const struct sill__region_ops *const sill__regions[] = {
    &sill__section_anonymous_ops, &sill__section_ops, &sill__win32_file_ops, NULL};
const struct sill__sync_ops *const sill__syncs[] = {&sill__win32_sync_ops, NULL};
const int sill__region_auto_named = SILL_REGION_WIN32;
const int sill__region_auto_anonymous = SILL_REGION_WIN32_ANONYMOUS;
#else
extern const struct sill__channel_ops sill__unix_ops, sill__sysv_channel_ops;
extern const struct sill__queue_ops sill__mqueue_ops, sill__sysv_queue_ops;
extern const struct sill__region_ops sill__memfd_ops, sill__shm_ops, sill__posix_file_ops;
extern const struct sill__region_ops sill__sysv_ops, sill__sysv_private_ops;
extern const struct sill__sync_ops sill__posix_sync_ops, sill__sysv_sync_ops;

const struct sill__channel_ops *const sill__channels[] = {&sill__unix_ops, &sill__sysv_channel_ops,
                                                           NULL};
const struct sill__queue_ops *const sill__queues[] = {&sill__mqueue_ops, &sill__sysv_queue_ops,
                                                      NULL};
const struct sill__region_ops *const sill__regions[] = {&sill__memfd_ops,      &sill__shm_ops,
                                                        &sill__posix_file_ops, &sill__sysv_ops,
                                                        &sill__sysv_private_ops, NULL};
const struct sill__sync_ops *const sill__syncs[] = {&sill__posix_sync_ops, &sill__sysv_sync_ops,
                                                    NULL};
const int sill__region_auto_named = SILL_REGION_POSIX;
const int sill__region_auto_anonymous = SILL_REGION_POSIX_ANONYMOUS;
#endif

const struct sill__region_ops *sill__region_ops_of(int kind)
{
    for (int i = 0; sill__regions[i] != NULL; i++)
        if (sill__regions[i]->kind == kind)
            return sill__regions[i];
    return NULL;
}

const struct sill__channel_ops *sill__channel_of_family(int family)
{
    for (int i = 0; sill__channels[i] != NULL; i++)
        if (sill__channels[i]->family == family)
            return sill__channels[i];
    return NULL;
}

const struct sill__channel_ops *sill__channel_of_record(const struct sill__owner_info *info)
{
    size_t length = strcspn(info->object, "-");
    for (int i = 0; sill__channels[i] != NULL; i++)
        if (strlen(sill__channels[i]->name) == length &&
            strncmp(sill__channels[i]->name, info->object, length) == 0)
            return sill__channels[i];
    return sill__channels[0];
}

const struct sill__queue_ops *sill__queue_ops_of(int kind)
{
    for (int i = 0; sill__queues[i] != NULL; i++)
        if (sill__queues[i]->kind == kind)
            return sill__queues[i];
    return NULL;
}

const struct sill__queue_ops *sill__queue_ops_of_owner(enum sill__owner_kind kind)
{
    for (int i = 0; sill__queues[i] != NULL; i++)
        if (sill__queues[i]->owner == kind)
            return sill__queues[i];
    return NULL;
}
