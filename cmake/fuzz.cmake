# SPDX-License-Identifier: Apache-2.0
# twill_fuzz(NAME ROOM...): NAME_fuzz.cpp of this folder, which defines LLVMFuzzerTestOneInput, as the program NAME_fuzz.
# In the fuzz preset that is a libFuzzer binary (`./dev fuzz` runs it); in all others it replays the inputs it is given.
# Either way ctest replays corpus/NAME/ under the label "unit".
function(twill_fuzz name)
  list(TRANSFORM ARGN PREPEND twill_ OUTPUT_VARIABLE rooms)
  add_executable(${name}_fuzz ${name}_fuzz.cpp)
  target_link_libraries(${name}_fuzz PRIVATE ${rooms})
  add_dependencies(tests ${name}_fuzz)
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  if(TWILL_FUZZ)
    target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
    add_test(NAME "fuzz:${name} survives its corpus" COMMAND ${name}_fuzz -runs=0 ${corpus})
  else()
    target_sources(${name}_fuzz PRIVATE ${CMAKE_SOURCE_DIR}/test/fuzz/replay_main.cpp)
    add_test(NAME "fuzz:${name} survives its corpus" COMMAND ${name}_fuzz ${corpus})
  endif()
  set_tests_properties("fuzz:${name} survives its corpus" PROPERTIES LABELS unit TIMEOUT 60)
endfunction()
