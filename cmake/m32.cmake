# Builds 32-bit programs for a 64-bit x86 system; what they need comes from ci/deps, into .cache/m32.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_C_COMPILER gcc)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH sill_root)
set(CMAKE_FIND_ROOT_PATH ${sill_root}/.cache/m32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${sill_root}/.cache/m32/lib/pkgconfig)

# The kernel's headers (asm/...) lie in a folder of the 64-bit system.
set(CMAKE_C_FLAGS_INIT "-m32 -isystem ${sill_root}/.cache/m32/kernel")
