# The libraries that hasten links. Each is found by pkg-config and becomes an imported target.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
set(HASTEN_LIBRARIES PkgConfig::JANSSON PkgConfig::UTF8PROC PkgConfig::ZLIB PkgConfig::PCRE2 Threads::Threads ${CMAKE_DL_LIBS} m)
