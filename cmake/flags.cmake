# How everything here is compiled: the target sill_flags, linked privately, never installed.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(PROJECT_IS_TOP_LEVEL)
  # Windows programs find a library that lies beside them.
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endif()
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(sill_flags INTERFACE)
target_compile_options(sill_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef
  -Wformat=2 -Wvla $<$<BOOL:${SILL_WERROR}>:-Werror>)

if(WIN32)
  target_compile_definitions(sill_flags INTERFACE _WIN32_WINNT=0x0602 WIN32_LEAN_AND_MEAN UNICODE
    _UNICODE __USE_MINGW_ANSI_STDIO=1)
else()
  target_compile_definitions(sill_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
endif()
target_compile_definitions(sill_flags INTERFACE
  $<$<BOOL:${SILL_FAULTS}>:SILL_FAULTS> $<$<BOOL:${SILL_STEPS}>:SILL_STEPS>
  $<$<BOOL:${SILL_WAIT_POLL}>:SILL_WAIT_POLL>)

if(SILL_SANITIZE)
  set(flags -fsanitize=${SILL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(sill_flags INTERFACE ${flags})
  target_link_options(sill_flags INTERFACE ${flags})
endif()
if(SILL_FUZZ)
  target_compile_options(sill_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
