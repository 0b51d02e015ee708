# SPDX-License-Identifier: Apache-2.0
# Exit status of a test program that could not run; ctest shows it as "Skipped". See test/skip.hpp.
set(TWILL_SKIPPED 77)

# The doctest main() of all test programs, compiled once.
add_library(twill_test_main STATIC ${CMAKE_SOURCE_DIR}/test/doctest_main.cpp)
target_include_directories(twill_test_main PUBLIC ${CMAKE_SOURCE_DIR}/test)
target_link_libraries(twill_test_main PUBLIC doctest::doctest)

# All programs with tests, and nothing else.
add_custom_target(tests)

# twill_tests(TARGET LABEL SECONDS): ctest knows each test case of TARGET under LABEL, with a limit for each.
function(twill_tests target label seconds)
  add_dependencies(tests ${target})
  target_link_libraries(${target} PRIVATE twill_test_main nlohmann_json::nlohmann_json)
  target_compile_definitions(${target} PRIVATE TWILL_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  string(REGEX REPLACE "_test$" "" prefix ${target})
  if(TWILL_SANITIZE AND label STREQUAL unit)
    # With a sanitizer the start of a program takes longer than most test cases: one start for all of them.
    add_test(NAME "${prefix}:all" COMMAND ${target})
    set_tests_properties("${prefix}:all" PROPERTIES LABELS ${label} TIMEOUT 900)
    return()
  endif()
  doctest_discover_tests(${target} TEST_PREFIX "${prefix}:"
                         PROPERTIES LABELS ${label} TIMEOUT ${seconds} SKIP_RETURN_CODE ${TWILL_SKIPPED})
endfunction()

# twill_kernel_test(NAME ROOM...): NAME_test.cpp of this folder, against a real kernel, under the label "kernel".
# Test cases run side by side, so each makes its own namespaces; one that lacks a right or a driver says so by skip().
function(twill_kernel_test name)
  list(TRANSFORM ARGN PREPEND twill_ OUTPUT_VARIABLE rooms)
  add_executable(kernel_${name}_test ${name}_test.cpp)
  target_link_libraries(kernel_${name}_test PRIVATE ${rooms})
  twill_tests(kernel_${name}_test kernel 300)
endfunction()
