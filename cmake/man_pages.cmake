# SPDX-License-Identifier: Apache-2.0
# Man pages, which the programs write about themselves. Not from programs that this machine cannot run, and not from
# those with sanitizers, which nobody installs.
if(TWILL_SANITIZE OR TWILL_FUZZ OR CMAKE_CROSSCOMPILING)
  return()
endif()
set(man ${CMAKE_BINARY_DIR}/man)
configure_file(packaging/twill-cni.8 packaging/twill-cni.8 @ONLY)
# The folder is made anew: which commands have a page of their own is known only here.
add_custom_command(
  OUTPUT ${man}.stamp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${man}
  COMMAND packaging/man-pages ${man} $<TARGET_FILE:twill>.1 $<TARGET_FILE:twilld>.8 $<TARGET_FILE:twill-tunnel>.8
  COMMAND gzip -9nc ${CMAKE_BINARY_DIR}/packaging/twill-cni.8 > ${man}/man8/twill-cni.8.gz
  COMMAND ${CMAKE_COMMAND} -E touch ${man}.stamp
  DEPENDS twill twilld twill-tunnel packaging/man-pages ${CMAKE_BINARY_DIR}/packaging/twill-cni.8
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
  VERBATIM)
add_custom_target(man ALL DEPENDS ${man}.stamp)
install(DIRECTORY ${man}/ DESTINATION ${CMAKE_INSTALL_MANDIR})
