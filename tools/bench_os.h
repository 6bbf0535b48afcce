/* bench_os.h - what benchmarks need of an operating system beyond os.h: posix/ and win32/ hold the
 * same file with the same functions. */
#ifndef SILL_TOOLS_BENCH_OS_H
#define SILL_TOOLS_BENCH_OS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* This program's own file. 0, or -1 if it cannot be told. */
int bench_os_self(char *path, size_t size);

/* Two cores that this process may use, where the system tells of two; not two threads of one core
 * if it can be helped. How many there are: 0, 1 or 2. */
unsigned bench_os_cores(unsigned cores[2]);
/* Keeps the calling thread on one core. 0 or -1. */
int bench_os_pin(unsigned core);
/* Lets this process have as many open files as it is allowed to. */
void bench_os_many_files(void);

/* Bytes of a page of memory. */
uint64_t bench_os_page_size(void);
/* Bytes of memory that processes could have now; 0 if it cannot be told. */
uint64_t bench_os_free_memory(void);

/* Time that this process has spent on its processors, nanoseconds. */
uint64_t bench_os_cpu_ns(void);
/* Bytes of memory that are this process's alone, or -1 if it cannot be told. */
int64_t bench_os_private_bytes(void);
/* Bytes of shared memory that these processes map, each object counted once, or -1. */
int64_t bench_os_shared_bytes(const unsigned *processes, unsigned count);

#ifdef __cplusplus
}
#endif

#endif
