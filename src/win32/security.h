/* security.h - who the user is, and security descriptors for objects that are the user's alone.
 *
 * Every object that sill creates on Windows gets an explicit owner and a protected DACL; nothing
 * is left to the default DACL of the token, which often lets in a logon session or a group.
 */
#ifndef SILL__WIN32_SECURITY_H
#define SILL__WIN32_SECURITY_H

#include <stdbool.h>
#include <stddef.h>

#include <windows.h>

#define SILL__SID_TEXT 192 /* room for any SID as text with its end (at most 184 characters) */

/* The SID of the user whom this process, or the process behind `process`, runs as, as text
 * "S-1-5-...". The handle needs PROCESS_QUERY_LIMITED_INFORMATION. 0, DENIED, NO_MEMORY, OS. */
int sill__sid_self(char out[SILL__SID_TEXT]);
int sill__sid_of_process(HANDLE process, char out[SILL__SID_TEXT]);

/* Whether the SID is this process's user. */
bool sill__sid_is_self(PSID sid);

/* Security attributes for a new object. The handle is not inheritable. */
struct sill__security {
    SECURITY_ATTRIBUTES attributes;
};

/* Owner is the user; D:P(A;;GA;;;<user>) and then `more`, which are further ACEs in SDDL ("" for
 * none; deny entries cannot come behind). 0, NO_MEMORY, OS. Free with sill__security_free. */
int sill__security_make(struct sill__security *out, const char *more);
/* For an object without a name: nobody can open it, and a handle that was given away with fewer
 * rights cannot be duplicated into one with more, which the rule above would allow the same user.
 */
int sill__security_make_closed(struct sill__security *out);
/* For a directory, as sill__security_make with "": files made in it inherit the entry. */
int sill__security_make_directory(struct sill__security *out);
void sill__security_free(struct sill__security *security);

/* 0 if the object is owned by this user (or by the administrators or the system, whom nothing can
 * be hidden from); else DENIED. `handle` needs READ_CONTROL; `what` names it in the sentence. */
int sill__security_check_kernel_object(HANDLE handle, const char *what);
int sill__security_check_file(HANDLE handle, const char *what);

#endif
