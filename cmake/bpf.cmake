# SPDX-License-Identifier: Apache-2.0
# twill_bpf(NAME): bpf/NAME.bpf.c, compiled and wrapped into NAME.skel.h, as the library bpf_NAME of headers only.
find_program(CLANG clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin REQUIRED)

# What programs and who fills their maps have in common.
add_library(bpf_headers INTERFACE)
target_include_directories(bpf_headers SYSTEM INTERFACE ${CMAKE_SOURCE_DIR}/bpf)

function(twill_bpf name)
  set(source ${CMAKE_SOURCE_DIR}/bpf/${name}.bpf.c)
  set(object ${CMAKE_BINARY_DIR}/bpf/${name}.bpf.o)
  set(skeleton ${CMAKE_BINARY_DIR}/bpf/${name}.skel.h)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bpf)
  # clang has no default for the headers of an architecture when it compiles for BPF.
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${CLANG} -O2 -g -Wall -Wextra -Werror -target bpf -I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -MT ${skeleton} -c ${source} -o ${object}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}
    DEPENDS ${source} DEPFILE ${object}.d
    COMMENT "bpf/${name}.bpf.c" VERBATIM)
  add_custom_target(bpf_${name}_skeleton DEPENDS ${skeleton})
  add_library(bpf_${name} INTERFACE)
  add_dependencies(bpf_${name} bpf_${name}_skeleton)
  target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/bpf)
  target_link_libraries(bpf_${name} INTERFACE bpf_headers PkgConfig::LIBBPF)
endfunction()

twill_bpf(fast_path)
twill_bpf(ipip)
twill_bpf(tunnel_port)
twill_bpf(udp_tunnel)
