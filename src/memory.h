/* memory.h - the library's only way to the heap.
 *
 * A build with SILL_FAULTS counts the calls and fails the nth, so that a test can walk through
 * every allocation of an operation until none fails. Without it these are malloc and its family.
 */
#ifndef SILL__MEMORY_H
#define SILL__MEMORY_H

#include <stddef.h>

/* NULL when out of memory; sizes of 0 give a unique pointer. sill__free takes NULL. */
void *sill__alloc(size_t size);
void *sill__alloc_zeroed(size_t size);
void *sill__realloc(void *old, size_t size);
void sill__free(void *memory);
char *sill__strdup(const char *text);

#ifdef SILL_FAULTS
/* Fails the nth allocation from now, in any thread (1 is the next one; 0 fails none), once. */
void sill__fault_allocation(long nth);
/* Whether the armed failure has happened. */
int sill__fault_happened(void);
#endif

#endif
