/* security.c - SIDs, and security descriptors for the user alone. See security.h.
 *
 * All descriptors are made from SDDL text, since that is what a reader can check at a glance and
 * what the tests read back. The owner is set explicitly: the default owner of an elevated process
 * is the group of administrators, and then two of the user's own processes would not agree about
 * who owns what.
 */
#include "security.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <aclapi.h>
#include <sddl.h>

#include "../status.h"

/* A TOKEN_USER and the longest SID behind it. */
union token_user {
    TOKEN_USER user;
    unsigned char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
};

static int sid_text(PSID sid, char out[SILL__SID_TEXT])
{
    char *text;
    if (!ConvertSidToStringSidA(sid, &text))
        return sill__fail_os("ConvertSidToStringSid", GetLastError(),
                             "The SID of a user cannot be written as text");
    size_t size = strlen(text) + 1;
    int status = 0;
    if (size <= SILL__SID_TEXT)
        memcpy(out, text, size);
    else
        status = sill__fail(SILL_OS, "The SID of a user is longer than any SID can be.");
    LocalFree(text);
    return status;
}

static int user_of(HANDLE process, union token_user *out)
{
    HANDLE token;
    if (!OpenProcessToken(process, TOKEN_QUERY, &token))
        return sill__fail_os("OpenProcessToken", GetLastError(),
                             "The user of a process cannot be told");
    DWORD size = 0;
    BOOL fine = GetTokenInformation(token, TokenUser, out, sizeof *out, &size);
    DWORD code = GetLastError();
    CloseHandle(token);
    if (!fine)
        return sill__fail_os("GetTokenInformation", code, "The user of a process cannot be told");
    return 0;
}

int sill__sid_of_process(HANDLE process, char out[SILL__SID_TEXT])
{
    union token_user user;
    int status = user_of(process, &user);
    return status != 0 ? status : sid_text(user.user.User.Sid, out);
}

int sill__sid_self(char out[SILL__SID_TEXT])
{
    return sill__sid_of_process(GetCurrentProcess(), out);
}

bool sill__sid_is_self(PSID sid)
{
    union token_user self;
    return user_of(GetCurrentProcess(), &self) == 0 && EqualSid(sid, self.user.User.Sid);
}

static int from_text(struct sill__security *out, const char *text)
{
    PSECURITY_DESCRIPTOR descriptor;
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(text, SDDL_REVISION_1, &descriptor,
                                                              NULL))
        return sill__fail_os("ConvertStringSecurityDescriptorToSecurityDescriptor", GetLastError(),
                             "The security descriptor %.180s cannot be made", text);
    out->attributes.nLength = sizeof out->attributes;
    out->attributes.lpSecurityDescriptor = descriptor;
    out->attributes.bInheritHandle = FALSE;
    return 0;
}

int sill__security_make(struct sill__security *out, const char *more)
{
    char sid[SILL__SID_TEXT];
    char text[2 * SILL__SID_TEXT + 256];
    int status = sill__sid_self(sid);
    if (status != 0)
        return status;
    int length = snprintf(text, sizeof text, "O:%sD:P(A;;GA;;;%s)%s", sid, sid, more);
    if (length < 0 || (size_t)length >= sizeof text)
        return sill__fail(SILL_INVALID, "A security descriptor would be too long.");
    return from_text(out, text);
}

/* The entry is for S-1-3-4, "owner rights": it takes from the owner what owners have by nature, the
 * right to change this very list. */
int sill__security_make_closed(struct sill__security *out)
{
    char sid[SILL__SID_TEXT];
    char text[SILL__SID_TEXT + 64];
    int status = sill__sid_self(sid);
    if (status != 0)
        return status;
    snprintf(text, sizeof text, "O:%sD:P(A;;RC;;;S-1-3-4)", sid);
    return from_text(out, text);
}

int sill__security_make_directory(struct sill__security *out)
{
    char sid[SILL__SID_TEXT];
    char text[2 * SILL__SID_TEXT + 64];
    int status = sill__sid_self(sid);
    if (status != 0)
        return status;
    snprintf(text, sizeof text, "O:%sD:P(A;OICI;FA;;;%s)", sid, sid);
    return from_text(out, text);
}

void sill__security_free(struct sill__security *security)
{
    LocalFree(security->attributes.lpSecurityDescriptor); /* takes NULL */
    security->attributes.lpSecurityDescriptor = NULL;
}

static int check_owner(HANDLE handle, SE_OBJECT_TYPE type, const char *what)
{
    PSID owner = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    DWORD code = GetSecurityInfo(handle, type, OWNER_SECURITY_INFORMATION, &owner, NULL, NULL, NULL,
                                 &descriptor);
    if (code != ERROR_SUCCESS)
        return sill__fail_os("GetSecurityInfo", code, "The owner of %.200s cannot be told", what);
    bool fine = owner != NULL &&
                (sill__sid_is_self(owner) || IsWellKnownSid(owner, WinBuiltinAdministratorsSid) ||
                 IsWellKnownSid(owner, WinLocalSystemSid));
    LocalFree(descriptor);
    if (!fine)
        return sill__fail(SILL_DENIED, "%.200s belongs to another user.", what);
    return 0;
}

int sill__security_check_kernel_object(HANDLE handle, const char *what)
{
    return check_owner(handle, SE_KERNEL_OBJECT, what);
}

int sill__security_check_file(HANDLE handle, const char *what)
{
    return check_owner(handle, SE_FILE_OBJECT, what);
}
