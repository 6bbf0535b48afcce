# What `cmake --install` puts in place. All of it may be moved to another prefix afterwards.

include(CMakePackageConfigHelpers)
set(sill_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sill)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS sill_static EXPORT sillStaticTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT sillStaticTargets NAMESPACE sill:: DESTINATION ${sill_cmake_dir})
if(SILL_BUILD_SHARED)
  install(TARGETS sill_shared EXPORT sillSharedTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(EXPORT sillSharedTargets NAMESPACE sill:: DESTINATION ${sill_cmake_dir})
endif()
if(TARGET sill_tool)
  install(TARGETS sill_tool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/docs/sill.1)
  install(FILES docs/sill.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/docs/policy.schema.json)
  install(FILES docs/policy.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/sill)
  install(DIRECTORY docs/policies DESTINATION ${CMAKE_INSTALL_DATADIR}/sill
    FILES_MATCHING PATTERN "*.json")
endif()

cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
  BASE_DIRECTORY ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig OUTPUT_VARIABLE sill_pc_prefix)
string(REGEX REPLACE "/$" "" sill_pc_prefix "${sill_pc_prefix}")
if(WIN32)
  set(sill_pc_private -ladvapi32)
else()
  set(sill_pc_private "-pthread -lrt")
endif()
configure_file(cmake/sill.pc.in sill.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/sill.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_package_config_file(cmake/sillConfig.cmake.in sillConfig.cmake
  INSTALL_DESTINATION ${sill_cmake_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/sillConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sillConfig.cmake ${PROJECT_BINARY_DIR}/sillConfigVersion.cmake
  DESTINATION ${sill_cmake_dir})
