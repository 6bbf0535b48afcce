/* copy.c - the loops of copy.h. Elsewhere than on x86-64 the C library's memcpy serves.
 */
#include "copy.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <emmintrin.h>

#define AHEAD    512          /* bytes */
#define LOOP_MAX (256 * 1024) /* bytes; beyond, memcpy was measured to be faster */

static inline void fetch_for_writing(const unsigned char *line)
{
    __asm__ volatile("prefetchw %0" : : "m"(*line));
}

static inline void copy_line(unsigned char *to, const unsigned char *from)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
    __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
    _mm_storeu_si128((__m128i *)(void *)to, a);
    _mm_storeu_si128((__m128i *)(void *)(to + 16), b);
    _mm_storeu_si128((__m128i *)(void *)(to + 32), c);
    _mm_storeu_si128((__m128i *)(void *)(to + 48), d);
}

void sill__copy_large(void *to, const void *from, size_t size)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    if (size > LOOP_MAX) {
        memcpy(to, from, size);
        return;
    }
    for (size_t at = 0; at < AHEAD && at < size; at += 64)
        fetch_for_writing(out + at);
    for (; size >= 64; size -= 64, in += 64, out += 64) {
        if (size > AHEAD)
            fetch_for_writing(out + AHEAD);
        copy_line(out, in);
    }
    memcpy(out, in, size);
}

static inline void stream_line(unsigned char *to, const unsigned char *from)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 32));
    __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(from + 48));
    _mm_stream_si128((__m128i *)(void *)to, a);
    _mm_stream_si128((__m128i *)(void *)(to + 16), b);
    _mm_stream_si128((__m128i *)(void *)(to + 32), c);
    _mm_stream_si128((__m128i *)(void *)(to + 48), d);
}

void sill__copy_nontemporal(void *to, const void *from, size_t size)
{
    unsigned char *out = to;
    const unsigned char *in = from;
    for (; size >= 64; size -= 64, in += 64, out += 64)
        stream_line(out, in);
    memcpy(out, in, size);
    _mm_sfence(); /* these stores are not ordered by the release that publishes them */
}
#else
void sill__copy_large(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}

void sill__copy_nontemporal(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}
#endif
