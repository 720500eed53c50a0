# What `cmake --install` puts where: the library, its one header, the command with its model, pkg-config and CMake package
# files.
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/hasten)

# A Python wheel holds the library alone, beside the package's modules (pyproject.toml).
if(HASTEN_PYTHON)
  set_property(TARGET hasten PROPERTY VERSION) # one file: a wheel has no links
  set_property(TARGET hasten PROPERTY SOVERSION)
  install(TARGETS hasten LIBRARY DESTINATION . COMPONENT python)
  return()
endif()

install(TARGETS hasten EXPORT hasten-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/hasten.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(TARGET hasten_cli)
  install(TARGETS hasten_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY models/sentiment DESTINATION share/hasten/models) # where the command looks, from its own place
endif()

install(EXPORT hasten-targets NAMESPACE hasten:: DESTINATION ${package})
configure_package_config_file(cmake/hasten-config.cmake.in ${CMAKE_BINARY_DIR}/package/hasten-config.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/hasten-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/hasten-config.cmake ${CMAKE_BINARY_DIR}/package/hasten-config-version.cmake
        DESTINATION ${package})

# The prefix of hasten.pc is the one that is installed to, which `cmake --install --prefix` may change: written then.
install(CODE "set(PROJECT_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
set(PROJECT_VERSION \"${PROJECT_VERSION}\")
set(CMAKE_INSTALL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
set(CMAKE_INSTALL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
configure_file(\"${CMAKE_SOURCE_DIR}/cmake/hasten.pc.in\" \"${CMAKE_BINARY_DIR}/package/hasten.pc\" @ONLY)")
install(FILES ${CMAKE_BINARY_DIR}/package/hasten.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
