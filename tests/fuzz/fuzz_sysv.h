/* fuzz_sysv.h - an IPC namespace of this process for what is fuzzed over System V: it goes with the
 * process however that ends, and what others on the machine have is out of reach.
 */
#ifndef FUZZ_SYSV_H
#define FUZZ_SYSV_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include "status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char directory[64]; /* of records */

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Every failure has told a status that there is, and what it was. */
static bool succeeded(int status)
{
    require(status <= 0 && status > -1000);
    return status == SILL_OK;
}

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool leave_namespace(void)
{
    char map[64];
    if (unshare(CLONE_NEWIPC) == 0)
        return true;
    snprintf(map, sizeof map, "%u %u 1", (unsigned)geteuid(), (unsigned)geteuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWIPC) == 0 && write_text("/proc/self/uid_map", map);
}

static void remove_directory(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/.lock", directory);
    unlink(path);
    rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *base = getenv("TMPDIR");
    (void)argc;
    (void)argv;
    if (!leave_namespace()) {
        puts("skipped: this process may not make an IPC namespace");
        exit(0);
    }
    snprintf(directory, sizeof directory, "%.40s/sill-fuzz-XXXXXX", base != NULL ? base : "/tmp");
    require(mkdtemp(directory) != NULL);
    atexit(remove_directory);
    return 0;
}

/* How many there are, and removes them all. */
static int sweep(void)
{
    struct msqid_ds queue;
    struct semid_ds set;
    struct shmid_ds segment;
    int count = 0, last, id;
    last = msgctl(0, MSG_INFO, (void *)&queue);
    for (int i = 0; i <= last; i++)
        if ((id = msgctl(i, MSG_STAT, &queue)) >= 0)
            count += msgctl(id, IPC_RMID, NULL) == 0;
    last = semctl(0, 0, SEM_INFO, &set);
    for (int i = 0; i <= last; i++)
        if ((id = semctl(i, 0, SEM_STAT, &set)) >= 0)
            count += semctl(id, 0, IPC_RMID) == 0;
    last = shmctl(0, SHM_INFO, (void *)&segment);
    for (int i = 0; i <= last; i++)
        if ((id = shmctl(i, SHM_STAT, &segment)) >= 0)
            count += shmctl(id, IPC_RMID, NULL) == 0;
    return count;
}

/* ---- input ---- */

struct input {
    const uint8_t *data;
    size_t size;
};

static unsigned next(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

/* What is at an edge, or anything. */
static int next_number(struct input *in)
{
    static const int known[] = {0, 1, 2, 3, 255, 256, 257, 20961, 20962, 32766, 32767};
    unsigned n = next(in);
    return n < 128 ? known[n % (sizeof known / sizeof known[0])] : (int)((n & 127) << 8 | next(in));
}

static const char *next_bytes(struct input *in, size_t *size)
{
    size_t wanted = next(in) * 40;
    *size = wanted < in->size ? wanted : in->size;
    const char *at = (const char *)in->data;
    in->data += *size;
    in->size -= *size;
    return at;
}

#endif
