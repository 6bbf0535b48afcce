# Builds programs for Linux on 64-bit ARM; what they need comes from ci/deps, into .cache/aarch64.
# They are static, so that they run through qemu-user without a system of theirs around them, and
# start each other where the kernel knows what to start them with: ci/aarch64 sees to that.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH sill_root)
set(CMAKE_FIND_ROOT_PATH ${sill_root}/.cache/aarch64 /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${sill_root}/.cache/aarch64/lib/pkgconfig)

set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
