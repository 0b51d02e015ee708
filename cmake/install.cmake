# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where. Relative places lie below the prefix, absolute ones below DESTDIR alone.
set(TWILL_CNI_DIR /opt/cni/bin CACHE STRING "Where container runtimes look for the CNI plugin")
set(TWILL_SYSTEMD_DIR lib/systemd/system CACHE STRING "Where systemd looks for units")
set(TWILL_COMPLETION_DIR ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    CACHE STRING "Where bash-completion looks for completions")

install(TARGETS twill DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS twilld twill-tunnel DESTINATION ${CMAKE_INSTALL_SBINDIR})
install(TARGETS twill-cni DESTINATION ${TWILL_CNI_DIR})

# The unit names twilld in full, and the prefix may be chosen as late as on the command line of `cmake --install`.
set(unit ${CMAKE_BINARY_DIR}/packaging/twilld.service)
install(CODE "
  get_filename_component(TWILL_SBINDIR \"${CMAKE_INSTALL_SBINDIR}\" ABSOLUTE BASE_DIR \"\${CMAKE_INSTALL_PREFIX}\")
  configure_file(\"${CMAKE_SOURCE_DIR}/packaging/twilld.service.in\" \"${unit}\" @ONLY)")
install(FILES ${unit} DESTINATION ${TWILL_SYSTEMD_DIR})

foreach(program twill twilld twill-tunnel)
  install(FILES packaging/completion.bash DESTINATION ${TWILL_COMPLETION_DIR} RENAME ${program})
endforeach()
install(DIRECTORY packaging/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(text LICENSE README.md)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${text})
    install(FILES ${text} DESTINATION ${CMAKE_INSTALL_DOCDIR})
  endif()
endforeach()
include(man_pages)
