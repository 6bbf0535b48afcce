# sill_exports(TARGET): the shared library exports what the public headers mark SILL_API, and
# nothing else: as a version script where the linker reads one, as a .def file on Windows.

function(sill_exports target)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/sill/*.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
  set(names)
  foreach(header IN LISTS headers)
    file(READ ${header} text)
    string(REGEX MATCHALL "SILL_API[^(;#]*[ *](sill_[a-z0-9_]+)\\(" marks "${text}")
    foreach(mark IN LISTS marks)
      string(REGEX REPLACE ".*[ *](sill_[a-z0-9_]+)\\($" "\\1" name "${mark}")
      list(APPEND names ${name})
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES names)
  list(SORT names)

  set(list ${PROJECT_BINARY_DIR}/exports.txt)
  list(JOIN names "\n" text)
  file(CONFIGURE OUTPUT ${list} CONTENT "${text}\n" @ONLY)

  if(WIN32)
    set(script ${PROJECT_BINARY_DIR}/sill.def)
    list(JOIN names "\n    " text)
    file(CONFIGURE OUTPUT ${script} CONTENT "EXPORTS\n    ${text}\n" @ONLY)
    target_sources(${target} PRIVATE ${script})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_NAME sill-${PROJECT_VERSION_MAJOR})
  else()
    set(script ${PROJECT_BINARY_DIR}/sill.map)
    list(JOIN names ";\n        " text)
    file(CONFIGURE OUTPUT ${script} CONTENT
      "SILL_${PROJECT_VERSION_MAJOR} {\n    global:\n        ${text};\n    local:\n        *;\n};\n"
      @ONLY)
    target_link_options(${target} PRIVATE -Wl,--version-script=${script} -Wl,--no-undefined)
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${script})
  endif()
endfunction()
