/* sill/status.h - what every sill function returns, and what to say about a failure.
 *
 * Every function that can fail returns an int: 0 for success, or one of the negative values below.
 * The values are fixed: they are the same on every system and in every later version, so they may
 * be logged, sent to other processes and compared.
 */
#ifndef SILL_STATUS_H
#define SILL_STATUS_H

#include <stdint.h>

#if defined(_WIN32) && defined(SILL_SHARED)
#if defined(SILL_BUILDING)
#define SILL_API __declspec(dllexport)
#else
#define SILL_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define SILL_API __attribute__((visibility("default")))
#else
#define SILL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, sentence). The first group are outcomes, which a caller handles as a part of
 * normal work. The second group are failures, which a caller usually passes on. */
#define SILL_STATUS_TABLE(X)                                                                       \
    X(OK, 0, "success")                                                                            \
    X(AGAIN, -1, "nothing is ready now")                                                           \
    X(TIMEOUT, -2, "the time limit passed")                                                        \
    X(CLOSED, -3, "the peer closed the connection")                                                \
    X(DIED, -4, "the peer process ended without closing the connection")                           \
    X(REFUSED, -5, "the peer refused")                                                             \
    X(CANCELED, -6, "the waiting call was canceled")                                               \
    X(INVALID, -20, "an argument is not valid, or the object cannot be used here")                 \
    X(DENIED, -21, "access is denied")                                                             \
    X(EXISTS, -22, "an object of that name exists already")                                        \
    X(NOT_FOUND, -23, "there is no object of that name")                                           \
    X(NO_SPACE, -24, "there is no room for an object of that size")                                \
    X(LIMIT, -25, "a limit of the system or of the options is reached")                            \
    X(TOO_BIG, -26, "the data is larger than is allowed here")                                     \
    X(PROTOCOL, -27, "the peer broke the protocol")                                                \
    X(VERSION, -28, "the other side has a version that does not fit")                              \
    X(UNSUPPORTED, -29, "not supported on this system or by this kind of object")                  \
    X(NO_MEMORY, -30, "out of memory")                                                             \
    X(FOREIGN, -31, "the object exists but was not made by sill")                                  \
    X(WRONG_KIND, -32, "the object is sill's but of another kind")                                 \
    X(WRONG_SIZE, -33, "the object is of another size")                                            \
    X(OS, -34, "a call to the operating system failed")

enum sill_status {
#define SILL_STATUS_ENUM(name, value, text) SILL_##name = (value),
    SILL_STATUS_TABLE(SILL_STATUS_ENUM)
#undef SILL_STATUS_ENUM
};

/* The last failure of the calling thread. */
typedef struct sill_error {
    int status;        /* the status that the failing function returned */
    const char *call;  /* the operating system's call that failed, or "" */
    int64_t code;      /* its native code: errno, or GetLastError() on Windows; 0 where none */
    char message[400]; /* a whole sentence for people, without a newline */
} sill_error;

/* The name of a status: "SILL_TIMEOUT" for SILL_TIMEOUT. "SILL_?" for a value that is none.
 * Never NULL; static storage. Any thread. */
SILL_API const char *sill_status_name(int status);

/* What a status means, in English, without a full stop. Never NULL; static storage. Any thread. */
SILL_API const char *sill_status_text(int status);

/* The details of the last failure in the calling thread. The library owns the result; it is valid
 * in this thread until the next failing call. Never NULL: before any failure its status is 0.
 * Successful calls leave it as it is, so look only after a failure. Outcomes (AGAIN, TIMEOUT and
 * their like) need not set it. */
SILL_API const sill_error *sill_last_error(void);

/* The version of the library that is loaded, as "MAJOR.MINOR.PATCH". Static storage. */
SILL_API const char *sill_version(void);

#define SILL_VERSION_MAJOR 0
#define SILL_VERSION_MINOR 1
#define SILL_VERSION_PATCH 0

/* An operating system's handle: a file descriptor on POSIX, a HANDLE on Windows. */
typedef intptr_t sill_handle;
#define SILL_NO_HANDLE ((sill_handle)-1)

#ifdef __cplusplus
}
#endif

#endif
