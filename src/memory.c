/* memory.c - heap calls, with a failure that tests can order. See memory.h. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#ifdef SILL_FAULTS
#include <stdatomic.h>

static atomic_long countdown; /* 0: not armed; n: the nth call from now fails */
static atomic_int happened;

void sill__fault_allocation(long nth)
{
    atomic_store(&happened, 0);
    atomic_store(&countdown, nth);
}

int sill__fault_happened(void)
{
    return atomic_load(&happened);
}

static int fails(void)
{
    long left = atomic_load(&countdown);
    while (left > 0 && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left != 1)
        return 0;
    atomic_store(&happened, 1);
    return 1;
}
#else
static int fails(void)
{
    return 0;
}
#endif

void *sill__alloc(size_t size)
{
    return fails() ? NULL : malloc(size > 0 ? size : 1);
}

void *sill__alloc_zeroed(size_t size)
{
    return fails() ? NULL : calloc(1, size > 0 ? size : 1);
}

void *sill__realloc(void *old, size_t size)
{
    return fails() ? NULL : realloc(old, size > 0 ? size : 1);
}

void sill__free(void *memory)
{
    free(memory);
}

char *sill__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = sill__alloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}
