# Builds static programs with musl; what they need comes from ci/deps, into .cache/musl.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_HOST_SYSTEM_PROCESSOR})
set(CMAKE_C_COMPILER musl-gcc)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH sill_root)
set(CMAKE_FIND_ROOT_PATH ${sill_root}/.cache/musl)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${sill_root}/.cache/musl/lib/pkgconfig)

# The kernel's headers (linux/...), which musl does not bring.
set(CMAKE_C_FLAGS_INIT "-isystem ${sill_root}/.cache/musl/kernel")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
