# SPDX-License-Identifier: Apache-2.0
# Compiler settings that hold for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(TWILL_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined")
option(TWILL_FUZZ "Build the libFuzzer targets (needs clang)" OFF)
option(TWILL_UNITY "Compile sources several at a time: quicker from nothing, slower after a change" OFF)

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -Werror)
# GCC 12 sees overlaps in plain string concatenation that are none (gcc.gnu.org/PR105651).
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# Nor does it see that Asio's coroutine frames are freed as they were made (gcc.gnu.org/PR109224).
add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-mismatched-new-delete>)
if(TWILL_SANITIZE)
  # With the checks of a sanitizer in the code, GCC 12 no longer sees which branch an optional took (its manual,
  # -fsanitize=).
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_compile_options(-fsanitize=${TWILL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # clang 14 writes this check's data where a coroutine's sections cannot refer to it (github.com/llvm/llvm-project/issues/49689).
  add_compile_options($<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
  add_link_options(-fsanitize=${TWILL_SANITIZE})
  if(TWILL_SANITIZE STREQUAL "thread")
    # TSan does not know fences. Asio uses them between threads of one loop; each of ours has one thread.
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
  # The kernel may spread addresses wider (vm.mmap_rnd_bits > 28) than the sanitizers of gcc 12 and clang 14 can follow.
  set(unspread setarch --addr-no-randomize)
  execute_process(COMMAND ${unspread} true RESULT_VARIABLE refused ERROR_QUIET)
  if(NOT refused)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${unspread})
  endif()
endif()
if(TWILL_UNITY)
  # What a source keeps for itself GCC sees in an included file then, and takes for a header's.
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
endif()
if(TWILL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
