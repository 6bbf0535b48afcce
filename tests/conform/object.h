/* object.h - a handle to pass, of an object that can be told from others afterwards. */
#ifndef OBJECT_H
#define OBJECT_H

#include <sill/status.h>

#include "support.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <unistd.h>
#endif

struct object {
    sill_handle pass, keep; /* POSIX: both ends of a pipe; Windows: one event */
};

static inline struct object object_make(void)
{
    struct object object;
#ifdef _WIN32
    object.pass = object.keep = (sill_handle)CreateEventW(NULL, TRUE, FALSE, NULL);
    assert_int_not_equal(object.pass, 0);
#else
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    object.pass = ends[1];
    object.keep = ends[0];
#endif
    return object;
}

static inline void object_handle_close(sill_handle handle)
{
#ifdef _WIN32
    CloseHandle((HANDLE)handle);
#else
    close((int)handle);
#endif
}

/* Checks that `got` is another handle of the same object, and closes it. */
static inline void object_check(struct object object, sill_handle got)
{
    assert_int_not_equal(got, object.pass);
#ifdef _WIN32
    assert_true(SetEvent((HANDLE)got));
    assert_int_equal(WaitForSingleObject((HANDLE)object.keep, 0), WAIT_OBJECT_0);
    ResetEvent((HANDLE)object.keep);
#else
    char byte = 0;
    assert_int_equal(write((int)got, "p", 1), 1);
    assert_int_equal(read((int)object.keep, &byte, 1), 1);
    assert_int_equal(byte, 'p');
#endif
    object_handle_close(got);
}

static inline void object_close(struct object object)
{
    object_handle_close(object.pass);
    if (object.keep != object.pass)
        object_handle_close(object.keep);
}

#endif
