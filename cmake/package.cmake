# SPDX-License-Identifier: Apache-2.0
# `cpack -G DEB` in a build folder makes twill_VERSION_ARCH.deb of what `cmake --install` installs, under /usr.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME twill)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Twill developers <twill@localhost>")
set(CPACK_STRIP_FILES ON)
# DESTDIR, because /opt/cni/bin is absolute.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "bird2 (>= 2.0.12)")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "container network with a free choice of backend and datastore")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Twill gives every container its own address and lets all containers and nodes
of a cluster reach each other without NAT, in IPv4, IPv6 and dual stack.

This package has the node agent (twilld), the CNI plugin that container
runtimes call (twill-cni) and the command line (twill), which shows the
network and traces packets through it.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(script postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/deb/${script})
endforeach()

# What only Debian asks for does not belong to `cmake --install`.
install(FILES packaging/deb/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT deb EXCLUDE_FROM_ALL)
install(FILES packaging/deb/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME twill
        COMPONENT deb EXCLUDE_FROM_ALL)
# Two passes over one build: what everybody gets, then the component deb.
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};twill;ALL;/;${CMAKE_BINARY_DIR};twill;deb;/")
include(CPack)
