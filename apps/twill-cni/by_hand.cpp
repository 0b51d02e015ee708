// SPDX-License-Identifier: Apache-2.0
#include "by_hand.hpp"

#include <cstdio>
#include <string_view>

#include "install.hpp"

namespace twill {
namespace {

/// What the reference library prints to who calls a plugin without CNI_COMMAND, and as there it is no error.
constexpr const char* kWhatItIs =
    "twill-cni " TWILL_VERSION
    ": the CNI plugin of the Twill container network, run by container runtimes\n"
    "CNI versions 0.1.0 to 1.1.0; see twill-cni(8). To set it up: twill-cni install\n";

constexpr const char* kUsage =
    "usage: CNI_COMMAND=ADD|DEL|CHECK|GC|STATUS|VERSION ... twill-cni < network-config\n"
    "       twill-cni install [--conf-dir DIR] [--bin-dir DIR] [--force]\n"
    "       twill-cni --help | --version\n\n"
    "The CNI plugin of the Twill container network (CNI versions 0.1.0 to 1.1.0). Container runtimes run it\n"
    "with CNI_COMMAND and the specification's other variables; it hands each call to the agent, twilld, and\n"
    "prints the answer. By hand there is one thing to do with it, to set it up:\n\n"
    "  sudo twill-cni install    puts the program into /opt/cni/bin and a network config into "
    "/etc/cni/net.d\n\n"
    "Examples:\n"
    "  sudo twill-cni install --bin-dir /usr/lib/cni\n"
    "  echo '{}' | CNI_COMMAND=VERSION twill-cni\n\n"
    "More: man 8 twill-cni\n";

}  // namespace

int runByHand(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(kWhatItIs, stderr);
    return 0;
  }
  const std::string_view word = argv[1];
  if (word == "install") return install(argc, argv);
  if (word == "--help" || word == "-h") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (word == "--version") {
    std::puts("twill-cni " TWILL_VERSION);
    return 0;
  }
  std::fprintf(stderr, "twill-cni: there is nothing called %s\n\n%s", argv[1], kUsage);
  return 2;
}

}  // namespace twill
