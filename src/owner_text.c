/* owner_text.c - names, the file names made of them, and the text of owner records.
 *
 * Pure functions, the same on every system. A record is text of a fixed length with one line for
 * each field, in a fixed order:
 *
 *     sill-owner 1
 *     kind=server
 *     name=store
 *     pid=4711
 *     start=1234567
 *     space=4026531836
 *     boot=0b1c...
 *     size=0
 *     created=1700000000
 *     object=socket.store
 *     kept=0
 *     check=0123456789abcdef
 *
 * and newlines up to the full length. `check` is a hash of everything before its line: it tells
 * damage, not malice. What is parsed may have been written by anybody: no length in it is believed,
 * every field must have its one canonical form, and the result is only filled when all of it fits.
 */
#include "owner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "status.h"

#define MAGIC       "sill-owner "
#define FIRST_LINE  MAGIC "1\n"
#define SHORT_NAME  64 /* longer names are cut and hashed in file names */
#define HASHED_PART 48

/* ---- names ---- */

static bool name_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

int sill__name_check(const char *name)
{
    if (name == NULL || name[0] == '\0')
        return sill__fail(SILL_INVALID, "A name must have at least one byte.");
    size_t length = 0;
    for (; name[length] != '\0'; length++) {
        unsigned char c = (unsigned char)name[length];
        if (length == SILL__NAME_MAX)
            return sill__fail(SILL_INVALID, "A name has at most %d bytes; \"%.20s...\" has more.",
                              SILL__NAME_MAX, name);
        if (name_byte(c))
            continue;
        if (c >= 0x20 && c < 0x7f)
            return sill__fail(
                SILL_INVALID,
                "A name has letters, digits, '.', '_' and '-' only; byte %zu is '%c'.", length + 1,
                c);
        return sill__fail(SILL_INVALID,
                          "A name has letters, digits, '.', '_' and '-' only; byte %zu is 0x%02x.",
                          length + 1, (unsigned)c);
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return sill__fail(SILL_INVALID, "\"%s\" cannot be a name.", name);
    return SILL_OK;
}

/* FNV-1a: to tell long names apart and to notice damage, nothing else. */
static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < size; i++) {
        hash ^= (unsigned char)text[i];
        hash *= UINT64_C(1099511628211);
    }
    return hash;
}

static const char *const kind_words[] = {
    [SILL__OWNER_SERVER] = "server",
    [SILL__OWNER_REGION_POSIX] = "region-posix",
    [SILL__OWNER_REGION_SYSV] = "region-sysv",
    [SILL__OWNER_REGION_WIN32] = "region-win32",
    [SILL__OWNER_QUEUE_MQUEUE] = "queue-mqueue",
    [SILL__OWNER_QUEUE_SYSV] = "queue-sysv",
    [SILL__OWNER_QUEUE_WIN32] = "queue-win32",
    [SILL__OWNER_PIPE] = "pipe",
    [SILL__OWNER_PIPE_PEER] = "pipe-peer",
};
#define KINDS ((int)(sizeof kind_words / sizeof kind_words[0]))

const char *sill__owner_kind_word(enum sill__owner_kind kind)
{
    int index = (int)kind;
    return index >= SILL__OWNER_SERVER && index < KINDS ? kind_words[index] : "?";
}

bool sill__owner_kind_is_region(enum sill__owner_kind kind)
{
    return kind >= SILL__OWNER_REGION_POSIX && kind <= SILL__OWNER_REGION_WIN32;
}

const char *sill__owner_kind_noun(enum sill__owner_kind kind)
{
    if (kind == SILL__OWNER_SERVER)
        return "server";
    if (sill__owner_kind_is_region(kind))
        return "region";
    return kind <= SILL__OWNER_QUEUE_WIN32 ? "queue" : "pipe";
}

void sill__owner_file_name(enum sill__owner_kind kind, const char *name, char out[100])
{
    size_t length = strlen(name);
    /* Windows drops a '.' at the end of a file name: such a name would meet another one's file. */
    if (length <= SHORT_NAME && name[length - 1] != '.')
        snprintf(out, 100, "%s.%s", sill__owner_kind_word(kind), name);
    else
        snprintf(out, 100, "%s.%.*s~%016" PRIx64, sill__owner_kind_word(kind), HASHED_PART, name,
                 hash_of(name, length));
}

/* ---- writing ---- */

static bool object_fits(const char *object)
{
    size_t length = strnlen(object, sizeof((struct sill__owner_info *)0)->object);
    if (length == sizeof((struct sill__owner_info *)0)->object)
        return false;
    for (size_t i = 0; i < length; i++)
        if (object[i] <= 0x20 || object[i] >= 0x7f || (object[i] == '/' && i > 0))
            return false;
    return true;
}

static bool boot_fits(const char *boot)
{
    size_t length = strnlen(boot, sizeof((struct sill__process *)0)->boot);
    return length < sizeof((struct sill__process *)0)->boot &&
           strspn(boot, "0123456789abcdef-") == length;
}

static bool name_fits(const char *name)
{
    size_t length = strnlen(name, SILL__NAME_MAX + 1);
    if (length == 0 || length > SILL__NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!name_byte((unsigned char)name[i]))
            return false;
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool info_fits(const struct sill__owner_info *info)
{
    return strcmp(sill__owner_kind_word(info->kind), "?") != 0 && name_fits(info->name) &&
           info->process.pid > 0 && boot_fits(info->process.boot) && info->created >= 0 &&
           object_fits(info->object);
}

size_t sill__owner_format(const struct sill__owner_info *info, char *out, size_t size)
{
    if (size <= SILL__OWNER_TEXT || !info_fits(info))
        return 0;
    const struct sill__process *process = &info->process;
    int length = snprintf(out, size,
                          FIRST_LINE "kind=%s\nname=%s\npid=%" PRIu32 "\nstart=%" PRIu64
                                     "\nspace=%" PRIu64 "\nboot=%s\nsize=%" PRIu64
                                     "\ncreated=%" PRId64 "\nobject=%s\nkept=%d\n",
                          sill__owner_kind_word(info->kind), info->name, process->pid,
                          process->start, process->pid_space, process->boot, info->size,
                          info->created, info->object, info->kept ? 1 : 0);
    size_t used = (size_t)length;
    used += (size_t)snprintf(out + used, size - used, "check=%016" PRIx64 "\n", hash_of(out, used));
    memset(out + used, '\n', SILL__OWNER_TEXT - used);
    out[SILL__OWNER_TEXT] = '\0';
    return SILL__OWNER_TEXT;
}

/* ---- reading ---- */

struct cursor {
    const char *at, *end;
};

/* Takes the line "KEY=value\n" and copies the value. False, and nothing is promised about the
 * cursor, if the next line is another one, too long for `out`, or not ended. */
static bool take(struct cursor *cursor, const char *key, char *out, size_t size)
{
    size_t left = (size_t)(cursor->end - cursor->at);
    size_t key_length = strlen(key);
    if (left <= key_length || memcmp(cursor->at, key, key_length) != 0 ||
        cursor->at[key_length] != '=')
        return false;
    const char *value = cursor->at + key_length + 1;
    const char *newline = memchr(value, '\n', (size_t)(cursor->end - value));
    if (newline == NULL || (size_t)(newline - value) >= size)
        return false;
    size_t length = (size_t)(newline - value);
    if (memchr(value, '\0', length) != NULL)
        return false;
    memcpy(out, value, length);
    out[length] = '\0';
    cursor->at = newline + 1;
    return true;
}

/* A decimal number as printf writes it: no sign, no leading zeros, at most `max`. */
static bool take_number(struct cursor *cursor, const char *key, uint64_t max, uint64_t *out)
{
    char text[24];
    if (!take(cursor, key, text, sizeof text) || text[0] == '\0' ||
        (text[0] == '0' && text[1] != '\0'))
        return false;
    uint64_t number = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return false;
        uint64_t digit = (uint64_t)(*at - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (number > max)
        return false;
    *out = number;
    return true;
}

static bool take_kind(struct cursor *cursor, enum sill__owner_kind *out)
{
    char word[16];
    if (!take(cursor, "kind", word, sizeof word))
        return false;
    for (int kind = SILL__OWNER_SERVER; kind < KINDS; kind++) {
        if (strcmp(word, kind_words[kind]) == 0) {
            *out = (enum sill__owner_kind)kind;
            return true;
        }
    }
    return false;
}

static bool take_fields(struct cursor *cursor, struct sill__owner_info *info)
{
    uint64_t pid, created, kept;
    if (!take_kind(cursor, &info->kind) || !take(cursor, "name", info->name, sizeof info->name) ||
        !take_number(cursor, "pid", UINT32_MAX, &pid) ||
        !take_number(cursor, "start", UINT64_MAX, &info->process.start) ||
        !take_number(cursor, "space", UINT64_MAX, &info->process.pid_space) ||
        !take(cursor, "boot", info->process.boot, sizeof info->process.boot) ||
        !take_number(cursor, "size", UINT64_MAX, &info->size) ||
        !take_number(cursor, "created", INT64_MAX, &created) ||
        !take(cursor, "object", info->object, sizeof info->object) ||
        !take_number(cursor, "kept", 1, &kept))
        return false;
    info->process.pid = (uint32_t)pid;
    info->created = (int64_t)created;
    info->kept = kept == 1;
    return info_fits(info);
}

static bool take_check(struct cursor *cursor, const char *text)
{
    char found[17], expected[17];
    snprintf(expected, sizeof expected, "%016" PRIx64, hash_of(text, (size_t)(cursor->at - text)));
    return take(cursor, "check", found, sizeof found) && strcmp(found, expected) == 0;
}

static bool all_are(const char *text, size_t size, char byte)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != byte)
            return false;
    return true;
}

/* Whether `text` can be the rest of a record: nothing at all, zeros as a file system leaves them
 * after a power failure, or a beginning of the first line. */
static bool is_remains(const char *text, size_t size)
{
    size_t magic = strlen(MAGIC);
    return all_are(text, size, '\0') || memcmp(text, MAGIC, size < magic ? size : magic) == 0;
}

/* Whether the first line says a later version: digits, no leading zero, not "1". */
static bool is_later(const char *text, size_t size)
{
    size_t magic = strlen(MAGIC);
    size_t digits = 0;
    while (magic + digits < size && text[magic + digits] >= '0' && text[magic + digits] <= '9')
        digits++;
    return digits > 0 && digits < 10 && magic + digits < size && text[magic + digits] == '\n' &&
           text[magic] != '0' && !(digits == 1 && text[magic] == '1');
}

int sill__owner_parse(const char *text, size_t size, struct sill__owner_info *out)
{
    if (!is_remains(text, size))
        return SILL_FOREIGN;
    if (size > strlen(MAGIC) && is_later(text, size))
        return SILL_VERSION;
    size_t first = strlen(FIRST_LINE);
    if (size != SILL__OWNER_TEXT || memcmp(text, FIRST_LINE, first) != 0)
        return SILL__TORN;
    struct cursor cursor = {text + first, text + size};
    struct sill__owner_info info;
    memset(&info, 0, sizeof info);
    if (!take_fields(&cursor, &info) || !take_check(&cursor, text) ||
        !all_are(cursor.at, (size_t)(cursor.end - cursor.at), '\n'))
        return SILL__TORN;
    *out = info;
    return SILL_OK;
}
