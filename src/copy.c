/* copy.c - the loops of copy.h. Elsewhere than on x86-64 the C library's memcpy serves.
 */
#include "copy.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <emmintrin.h>

#define HAS_NONTEMPORAL true

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
#define HAS_NONTEMPORAL false

void sill__copy_large(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}

void sill__copy_nontemporal(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}
#endif

/* ---- which of the two ---- */

#define CLASS_0 13  /* the power of two of the smallest class */
#define BURST   4   /* copies in a row that try a way: the first ones meet what the other has left */
#define FIRST   (6 * BURST) /* copies that try both in turn: the first ones touch new memory */
#define TIMED   8   /* afterwards one of so many copies is timed, */
#define TRY     128 /* and the slower way is tried after so many, if it is little slower, */
#define RARE    32  /* or so many times as seldom at most, if it is much slower */
#define READER  1.6 /* what non-temporal stores must save, since the reader pays for them */

static struct sill__copy_class *class_of(struct sill__copy_choice *choice, size_t size)
{
    unsigned i = 0;
    while (i + 1 < SILL__COPY_CLASSES && size >> (CLASS_0 + i) > 1)
        i++;
    return &choice->classes[i];
}

/* One that belongs to a burst: the last of it is timed. */
static struct sill__copy_way in_burst(bool nontemporal, uint32_t at)
{
    return (struct sill__copy_way){nontemporal, at % BURST == BURST - 1};
}

struct sill__copy_way sill__copy_choose(struct sill__copy_choice *choice, size_t size)
{
    struct sill__copy_class *c = class_of(choice, size);
    if (!HAS_NONTEMPORAL)
        return (struct sill__copy_way){false, false};
    uint32_t count = c->count++;
    if (c->plain == 0 || c->nontemporal == 0 || count < FIRST) {
        c->try_at = count + TRY;
        return in_burst(count / BURST % 2 != 0, count);
    }
    bool faster = c->nontemporal * READER < c->plain;
    uint32_t tried = count - c->try_at;
    if (tried < BURST)
        return in_burst(!faster, tried);
    if (tried == BURST) {
        double ratio = faster ? c->plain / c->nontemporal : c->nontemporal / c->plain;
        ratio = ratio < 1 ? 1 : ratio < RARE ? ratio : RARE;
        c->try_at = count + (uint32_t)(TRY * ratio);
    }
    return (struct sill__copy_way){faster, count % TIMED == 0};
}

/* What is faster than before is believed at once; what is slower may have been interrupted. */
void sill__copy_took(struct sill__copy_choice *choice, size_t size, struct sill__copy_way way,
                     int64_t ns)
{
    struct sill__copy_class *c = class_of(choice, size);
    double *mean = way.nontemporal ? &c->nontemporal : &c->plain;
    double now = ((double)ns + 1) * 1024 / (double)size;
    if (*mean == 0 || now < *mean)
        *mean = now;
    else
        *mean += ((now < 2 * *mean ? now : 2 * *mean) - *mean) / 4;
}
