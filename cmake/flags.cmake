# Compiler flags of every target. Floating point is exact C: no contraction, no fast-math (docs/one-answer).
# -O2; -O3 for the element loops and -Os for what runs once a node (cmake/library.cmake).
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
add_library(hasten_flags INTERFACE)
target_compile_definitions(hasten_flags INTERFACE _GNU_SOURCE)
target_compile_options(hasten_flags INTERFACE
  -Wall -Wextra $<$<C_COMPILER_ID:GNU>:-Wshadow=local> -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
  -Wwrite-strings $<$<BOOL:${HASTEN_WERROR}>:-Werror>
  -ffp-contract=off -fno-math-errno -fno-trapping-math -fno-strict-aliasing)
if(HASTEN_SANITIZE)
  string(REPLACE "," ";" sanitizers "${HASTEN_SANITIZE}")
  foreach(s IN LISTS sanitizers)
    target_compile_options(hasten_flags INTERFACE -fsanitize=${s})
    target_link_options(hasten_flags INTERFACE -fsanitize=${s})
  endforeach()
  target_compile_options(hasten_flags INTERFACE -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
endif()
if(HASTEN_FUZZ)
  target_compile_options(hasten_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
