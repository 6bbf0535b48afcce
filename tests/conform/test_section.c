/* test_section.c - what only regions on Windows have: access lists, handles with fewer rights,
 * sections that a peer may not be believed about, names without case, files that are whole or not
 * there. */
#include "support.h"

#ifndef _WIN32

int main(void)
{
    puts("skipped: sections are Windows'");
    return 0;
}

#else

#include <windows.h>

#include <aclapi.h>
#include <sddl.h>

#include <sill/region.h>

#include "owner.h"
#include "region_ops.h"
#include "win32/security.h"

extern const struct sill__region_ops sill__section_ops;
extern const struct sill__region_ops sill__win32_file_ops;

enum { BYTES = 100000 };

static sill_region_options of_kind(int kind)
{
    sill_region_options options = SILL_REGION_OPTIONS_INIT;
    options.kind = kind;
    return options;
}

static sill_region *make(int kind, const char *name)
{
    sill_region_options options = of_kind(kind);
    sill_region *region = NULL;
    support_ok(sill_region_create(&region, name, BYTES, &options));
    return region;
}

static int open_passed(HANDLE handle, int read_only)
{
    sill_region_options options = of_kind(SILL_REGION_WIN32_ANONYMOUS);
    options.read_only = read_only;
    sill_region *region = NULL;
    int status = sill_region_open_handle(&region, (sill_handle)handle, &options);
    sill_region_close(region);
    return status;
}

/* The name that the region's section has in the system's space. */
static void section_name(const char *name, char out[128])
{
    struct sill__owner_info info;
    sill__owner *owner;
    support_ok(sill__owner_join(&owner, NULL, SILL__OWNER_REGION_WIN32, name, &info));
    sill__owner_release(owner, false);
    snprintf(out, 128, "Local\\%s", info.object);
    for (char *c = out + sizeof "Local"; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
}

/* Free with LocalFree. */
static char *security_of(HANDLE handle, SE_OBJECT_TYPE type, SECURITY_INFORMATION what)
{
    PSECURITY_DESCRIPTOR descriptor;
    char *text;
    assert_int_equal(GetSecurityInfo(handle, type, what, NULL, NULL, NULL, NULL, &descriptor), 0);
    assert_true(ConvertSecurityDescriptorToStringSecurityDescriptorA(descriptor, SDDL_REVISION_1,
                                                                     what, &text, NULL));
    LocalFree(descriptor);
    return text;
}

/* ---- access ---- */

static void named_is_the_users_own(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], object[128], sid[SILL__SID_TEXT], wanted[400];
    support_name(name, "acl");
    sill_region *region = make(SILL_REGION_WIN32, name);
    section_name(name, object);
    HANDLE section = OpenFileMappingA(READ_CONTROL, FALSE, object);
    assert_non_null(section);
    support_ok(sill__sid_self(sid));
    snprintf(wanted, sizeof wanted, "O:%sD:P(A;;GA;;;%s)", sid, sid);
    char *text = security_of(section, SE_KERNEL_OBJECT,
                             OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION);
    /* Windows stores the rights of a section where Wine keeps the words "all rights". */
    if (support_under_wine())
        assert_string_equal(text, wanted);
    assert_memory_equal(text, wanted, strlen("O:") + strlen(sid) + strlen("D:P(A;;"));
    assert_ptr_equal(strchr(text, '('), strrchr(text, '('));
    LocalFree(text);
    CloseHandle(section);
    sill_region_close(region);
}

static void passed_handle_only_reads(void **state)
{
    (void)state;
    HANDLE self = GetCurrentProcess(), more;
    sill_region *region = make(SILL_REGION_WIN32_ANONYMOUS, NULL);
    sill_handle handle, again;
    support_ok(sill_region_handle(region, &handle));
    support_ok(sill_region_handle(region, &again));
    assert_int_equal(handle, again);

    assert_null(MapViewOfFile((HANDLE)handle, FILE_MAP_WRITE, 0, 0, 0));
    assert_false(DuplicateHandle(self, (HANDLE)handle, self, &more, FILE_MAP_WRITE, FALSE, 0));
    if (!support_under_wine()) { /* which lets owners change the list whatever it says of them */
        assert_false(DuplicateHandle(self, (HANDLE)handle, self, &more, WRITE_DAC, FALSE, 0));
        assert_false(DuplicateHandle(self, (HANDLE)handle, self, &more, WRITE_OWNER, FALSE, 0));
    }
    support_status(SILL_DENIED, open_passed((HANDLE)handle, 0));
    support_ok(open_passed((HANDLE)handle, 1));
    sill_region_close(region);
}

/* ---- what a peer may pass ---- */

static void other_objects_are_a_breach(void **state)
{
    (void)state;
    HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
    assert_int_equal(open_passed(event, 1), SILL_PROTOCOL);
    CloseHandle(event);
    assert_int_equal(open_passed((HANDLE)(intptr_t)0x7ffffff0, 1), SILL_INVALID);
}

static HANDLE plain_section(DWORD protection, HANDLE file)
{
    HANDLE section = CreateFileMappingW(file, NULL, protection, 0, BYTES, NULL);
    assert_non_null(section);
    return section;
}

static void section_without_memory_is_a_breach(void **state)
{
    (void)state;
    HANDLE section = plain_section(PAGE_READWRITE | SEC_RESERVE, INVALID_HANDLE_VALUE);
    assert_int_equal(open_passed(section, 1), SILL_PROTOCOL);
    CloseHandle(section);
}

static void section_of_a_file_is_a_breach(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "backing");
    HANDLE file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    assert_true(file != INVALID_HANDLE_VALUE);
    HANDLE section = plain_section(PAGE_READWRITE, file);
    assert_int_equal(open_passed(section, 1), SILL_PROTOCOL);
    CloseHandle(section);
    CloseHandle(file);
}

static void empty_section_is_no_region(void **state)
{
    (void)state;
    HANDLE section = plain_section(PAGE_READWRITE, INVALID_HANDLE_VALUE);
    assert_int_equal(open_passed(section, 1), SILL_FOREIGN);
    CloseHandle(section);
}

/* A header that tells of more than there is. */
static void lying_header_is_found_out(void **state)
{
    (void)state;
    HANDLE section = plain_section(PAGE_READWRITE, INVALID_HANDLE_VALUE);
    struct sill__region_header *header = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    assert_non_null(header);
    header->layout = SILL__REGION_LAYOUT;
    header->kind = SILL_REGION_WIN32_ANONYMOUS;
    header->creator = 1;
    header->size = 10 * BYTES;
    header->magic = SILL__REGION_MAGIC;
    assert_int_equal(open_passed(section, 1), SILL_WRONG_SIZE);
    header->size = BYTES - SILL__REGION_HEADER;
    support_ok(open_passed(section, 1));
    UnmapViewOfFile(header);
    CloseHandle(section);
}

/* ---- names ---- */

static void case_makes_no_other_name(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE], shout[SUPPORT_NAME_SIZE];
    support_name(name, "Case");
    for (size_t i = 0; i < sizeof name; i++)
        shout[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    sill_region *region = make(SILL_REGION_WIN32, name), *other = NULL;
    sill_region_options options = of_kind(SILL_REGION_WIN32);
    support_status(SILL_EXISTS, sill_region_create(&other, shout, BYTES, &options));
    support_ok(sill_region_open(&other, shout, &options));
    *(char *)sill_region_data(region) = 'x';
    assert_int_equal(*(char *)sill_region_data(other), 'x');
    sill_region_close(region);
    sill_region_close(other);
    support_status(SILL_NOT_FOUND, sill_region_open(&other, name, &options));
    assert_int_equal(support_entries(".lock"), 0);
}

static void last_user_takes_the_record(void **state)
{
    (void)state;
    char name[SUPPORT_NAME_SIZE];
    support_name(name, "last");
    sill_region *region = make(SILL_REGION_WIN32, name), *other = NULL;
    sill_region_options options = of_kind(SILL_REGION_WIN32);
    support_ok(sill_region_open(&other, name, &options));
    sill_region_close(region);
    assert_int_equal(support_entries(".lock"), 1);
    support_status(SILL_EXISTS, sill_region_create(&region, name, BYTES, &options));
    sill_region_close(other);
    assert_int_equal(support_entries(".lock"), 0);
    sill_region_close(make(SILL_REGION_WIN32, name));
}

static int create_object(const char *object)
{
    sill__memory *memory;
    int status = sill__section_ops.create(&memory, object, BYTES, false);
    if (status == SILL_OK)
        sill__section_ops.close(memory);
    return status;
}

static int open_object(const char *object)
{
    sill__memory *memory;
    int status = sill__section_ops.open(&memory, object, true);
    if (status == SILL_OK)
        sill__section_ops.close(memory);
    return status;
}

static void taken_name_is_told(void **state)
{
    (void)state;
    char object[SUPPORT_NAME_SIZE], full[128];
    support_name(object, "sill.taken");
    snprintf(full, sizeof full, "Local\\%s", object);
    support_status(SILL_NOT_FOUND, open_object(object));
    HANDLE mutex = CreateMutexA(NULL, FALSE, full);
    assert_non_null(mutex);
    support_status(SILL_FOREIGN, create_object(object));
    support_status(SILL_FOREIGN, open_object(object));
    CloseHandle(mutex);

    struct sill__security security;
    support_ok(sill__security_make(&security, ""));
    HANDLE section = CreateFileMappingA(INVALID_HANDLE_VALUE, &security.attributes, PAGE_READWRITE,
                                        0, BYTES, full);
    sill__security_free(&security);
    assert_non_null(section);
    support_status(SILL_EXISTS, create_object(object));
    support_ok(open_object(object));
    CloseHandle(section);
    support_ok(create_object(object));
}

/* ---- files ---- */

static void file_has_its_space(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "space");
    sill_region *region = make(SILL_REGION_FILE, path);
    HANDLE file = CreateFileA(path, FILE_READ_ATTRIBUTES | READ_CONTROL,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              OPEN_EXISTING, 0, NULL);
    assert_true(file != INVALID_HANDLE_VALUE);
    FILE_STANDARD_INFO info;
    FILE_BASIC_INFO basic;
    assert_true(GetFileInformationByHandleEx(file, FileStandardInfo, &info, sizeof info));
    assert_true(GetFileInformationByHandleEx(file, FileBasicInfo, &basic, sizeof basic));
    assert_int_equal(info.EndOfFile.QuadPart, BYTES + SILL__REGION_HEADER);
    assert_true(info.AllocationSize.QuadPart >= info.EndOfFile.QuadPart);
    assert_int_equal(basic.FileAttributes & FILE_ATTRIBUTE_SPARSE_FILE, 0);
    CloseHandle(file);
    sill_region_close(region);
}

static int create_file(const char *path)
{
    sill_region_options options = of_kind(SILL_REGION_FILE);
    sill_region *region = NULL;
    int status = sill_region_create(&region, path, BYTES, &options);
    sill_region_close(region);
    return status;
}

static int open_file(const char *path)
{
    sill_region_options options = of_kind(SILL_REGION_FILE);
    sill_region *region = NULL;
    int status = sill_region_open(&region, path, &options);
    sill_region_close(region);
    return status;
}

static void unpublished_file_is_not_there(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "half");
    sill__memory *memory, *second;
    support_ok(sill__win32_file_ops.create(&memory, path, BYTES, false));
    support_status(SILL_NOT_FOUND, open_file(path));
    support_ok(sill__win32_file_ops.create(&second, path, BYTES, false));
    support_ok(sill__win32_file_ops.publish(second, path));
    support_status(SILL_EXISTS, sill__win32_file_ops.publish(memory, path));
    sill__win32_file_ops.close(memory);
    sill__win32_file_ops.close(second);
    assert_int_equal(support_entries(".lock"), 1);
}

static void file_that_goes_is_gone(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "going");
    support_ok(create_file(path));
    HANDLE reader =
        CreateFileA(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    NULL, OPEN_EXISTING, 0, NULL);
    assert_true(reader != INVALID_HANDLE_VALUE);
    sill_region_options options = of_kind(SILL_REGION_FILE);
    support_ok(sill_region_remove(path, &options));
    support_status(SILL_NOT_FOUND, open_file(path));
    CloseHandle(reader);
    support_ok(create_file(path));
}

static void what_is_no_file_is_foreign(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE];
    support_path(path, "folder");
    assert_true(CreateDirectoryA(path, NULL));
    support_status(SILL_FOREIGN, open_file(path));
    support_status(SILL_EXISTS, create_file(path));
    assert_true(RemoveDirectoryA(path));
    support_status(SILL_INVALID, open_file("NUL"));
    support_status(SILL_INVALID, create_file("\\\\.\\pipe\\sill-test"));
    support_status(SILL_INVALID, open_file("\xff\xfe"));
}

/* Longer than the 260 characters that most programs of the system are limited to. */
static void long_paths_work(void **state)
{
    (void)state;
    char path[SUPPORT_PATH_SIZE], file[SUPPORT_PATH_SIZE + 240];
    WCHAR wide[2 * SUPPORT_PATH_SIZE] = L"\\\\?\\";
    support_path(path, "a-folder-with-a-name-of-its-own-"
                       "and-so-on-and-so-on-and-so-on-and-so-on-and-so-on-and-so-on");
    for (char *c = path; *c != '\0'; c++)
        if (*c == '/')
            *c = '\\';
    MultiByteToWideChar(CP_UTF8, 0, path, -1, wide + 4, SUPPORT_PATH_SIZE);
    assert_true(CreateDirectoryW(wide, NULL));
    snprintf(file, sizeof file, "%s\\%0200d", path, 7);
    assert_true(strlen(file) > 260);
    support_ok(create_file(file));
    support_ok(open_file(file));
    sill_region_options options = of_kind(SILL_REGION_FILE);
    support_ok(sill_region_remove(file, &options));
    assert_true(RemoveDirectoryW(wide));
}

static const struct CMUnitTest tests[] = {
    SUPPORT_TEST(named_is_the_users_own),
    SUPPORT_TEST(passed_handle_only_reads),
    SUPPORT_TEST(other_objects_are_a_breach),
    SUPPORT_TEST(section_without_memory_is_a_breach),
    SUPPORT_TEST(section_of_a_file_is_a_breach),
    SUPPORT_TEST(empty_section_is_no_region),
    SUPPORT_TEST(lying_header_is_found_out),
    SUPPORT_TEST(case_makes_no_other_name),
    SUPPORT_TEST(last_user_takes_the_record),
    SUPPORT_TEST(taken_name_is_told),
    SUPPORT_TEST(file_has_its_space),
    SUPPORT_TEST(unpublished_file_is_not_there),
    SUPPORT_TEST(file_that_goes_is_gone),
    SUPPORT_TEST(what_is_no_file_is_foreign),
    SUPPORT_TEST(long_paths_work),
};
SUPPORT_MAIN_ALONE(tests)

#endif
