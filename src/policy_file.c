/* policy_file.c - where the policy file is looked for, and how it is read and replaced.
 *
 * The order is that of sill/policy.h: a file that somebody named must exist, one that merely lies
 * in a folder of settings need not. The first file found is the policy; files are not merged.
 */
#include <sill/policy.h>

#include <stdio.h>
#include <string.h>

#include "files.h"
#include "memory.h"
#include "policy_table.h"
#include "status.h"

#define FILE_NAME "policy.json"

static int load_file(sill_policy *policy, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    int status = sill__file_read(path, SILL__POLICY_FILE_MAX, &text, &size);
    if (status != SILL_OK)
        return status;
    status = sill_policy_parse(policy, text, size, path);
    sill__free(text);
    return status;
}

/* Cut to `size`, but never within a character. */
static void tell_source(const char *path, char *source, size_t size)
{
    if (source == NULL || size == 0)
        return;
    size_t length = strlen(path);
    if (length >= size)
        for (length = size - 1; length > 0 && ((unsigned char)path[length] & 0xC0) == 0x80;)
            length--;
    memcpy(source, path, length);
    source[length] = '\0';
}

/* One place of the search, which frees `path`. NOT_FOUND goes on if the file may be missing. */
static int try_place(sill_policy *policy, char *path, bool must_exist, char *source, size_t size)
{
    if (path == NULL)
        return SILL_NOT_FOUND;
    int status = load_file(policy, path);
    if (status == SILL_OK)
        tell_source(path, source, size);
    else if (status == SILL_NOT_FOUND && must_exist)
        status = sill__fail(SILL_NOT_FOUND, "SILL_POLICY names %.200s, but there is no such file.",
                            path);
    sill__free(path);
    return status;
}

/* Places 2 to 4: NOT_FOUND where no file is at any of them. `named`: SILL_POLICY decided it. */
static int search(sill_policy *policy, bool *named, char *source, size_t size)
{
    char *path = NULL;
    int status = sill__env("SILL_POLICY", &path);
    if (status != SILL_OK)
        return status;
    *named = path != NULL;
    if (*named)
        return try_place(policy, path, true, source, size);
    status = sill__config_user(FILE_NAME, &path);
    if (status == SILL_OK)
        status = try_place(policy, path, false, source, size);
    if (status != SILL_NOT_FOUND)
        return status;
    status = sill__config_system(FILE_NAME, &path);
    return status == SILL_OK ? try_place(policy, path, false, source, size) : status;
}

int sill_policy_load(sill_policy *policy, const char *file, char *source, size_t source_size)
{
    sill_policy result = SILL_POLICY_INIT;
    if (policy == NULL || policy->struct_size != sizeof *policy)
        return sill__fail(SILL_INVALID, "The policy is not set to SILL_POLICY_INIT.");
    if (file != NULL && file[0] == '\0')
        return sill__fail(SILL_INVALID, "The name of the policy file is empty.");
    bool named = file != NULL;
    int status;
    if (file != NULL) {
        status = load_file(&result, file);
        if (status == SILL_OK)
            tell_source(file, source, source_size);
    } else {
        status = search(&result, &named, source, source_size);
    }
    if (status == SILL_NOT_FOUND && !named) {
        status = sill_policy_defaults(&result);
        tell_source("", source, source_size);
    }
    if (status == SILL_OK)
        *policy = result;
    return status;
}

/* `file` NULL: the user's own, whose folder is made. */
static int replace_file(const char *file, const char *text, size_t size)
{
    char *path = NULL;
    int status = SILL_OK;
    if (file == NULL) {
        status = sill__config_user(FILE_NAME, &path);
        if (status == SILL_OK && path == NULL)
            status = sill__fail(SILL_NOT_FOUND,
                                "The environment names no home folder, so the user's own policy "
                                "file has no place; name a file.");
        if (status == SILL_OK)
            status = sill__file_make_folders(path);
        file = path;
    }
    if (status == SILL_OK)
        status = sill__file_replace(file, text, size);
    sill__free(path);
    return status;
}

static int check_name(const char *file)
{
    if (file != NULL && file[0] == '\0')
        return sill__fail(SILL_INVALID, "The name of the policy file is empty.");
    return SILL_OK;
}

int sill_policy_save(const sill_policy *policy, const char *file)
{
    char *text = NULL;
    int status = check_name(file);
    if (status == SILL_OK)
        status = sill_policy_format(policy, &text);
    if (status == SILL_OK)
        status = replace_file(file, text, strlen(text));
    sill_policy_free_text(text);
    return status;
}

int sill_policy_save_text(const char *text, size_t size, const char *file)
{
    sill_policy unused = SILL_POLICY_INIT;
    int status = check_name(file);
    if (status == SILL_OK)
        status = sill_policy_parse(&unused, text, size, file);
    return status == SILL_OK ? replace_file(file, text, size) : status;
}
