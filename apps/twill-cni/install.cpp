// SPDX-License-Identifier: Apache-2.0
#include "install.hpp"

#include <cstdio>
#include <string>
#include <string_view>

#include "base/file.hpp"

namespace twill {
namespace {

/// cniVersion is one that Debian 12's runtimes accept; newer ones pick the highest of cniVersions.
constexpr std::string_view kConflist = R"({
  "cniVersion": "1.0.0",
  "cniVersions": ["0.4.0", "1.0.0", "1.1.0"],
  "name": "twill",
  "plugins": [
    {
      "type": "twill-cni",
      "capabilities": {"portMappings": true, "bandwidth": true, "ips": true, "mac": true}
    }
  ]
}
)";

constexpr const char* kUsage =
    "usage: twill-cni install [--conf-dir DIR] [--bin-dir DIR] [--force]\n\n"
    "Copies this program to DIR (default /opt/cni/bin) and writes 10-twill.conflist to DIR (default\n"
    "/etc/cni/net.d), from where container runtimes take them. A conflist that differs stays, unless "
    "--force.\n\n"
    "Example:\n"
    "  twill-cni install --bin-dir /usr/lib/cni\n";

struct Options {
  std::string confDir = "/etc/cni/net.d";
  std::string binDir = "/opt/cni/bin";
  bool force = false;
};

bool parse(int argc, char** argv, Options& out) {
  for (int i = 2; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--force") {
      out.force = true;
    } else if ((word == "--conf-dir" || word == "--bin-dir") && i + 1 < argc) {
      (word == "--conf-dir" ? out.confDir : out.binDir) = argv[++i];
    } else {
      return false;
    }
  }
  return true;
}

/// Puts `text` there unless it is there.
Result<void> place(const std::string& directory, const std::string& name, std::string_view text, mode_t mode,
                   bool replace) {
  const std::string path = directory + "/" + name;
  TWILL_CHECK(makeDirectories(directory));
  const auto before = readFile(path);
  if (before && *before == text) {
    std::printf("%s is as it should be\n", path.c_str());
    return {};
  }
  if (!before && before.error().kind != Error::Kind::missing) return Failure(before.error());
  if (before && !replace) {
    return fail(path + " is there and differs; change it by hand, or replace it with --force",
                Error::Kind::exists);
  }
  // Where runtimes watch the directory, a file in the making must not look like one of theirs: writeFile()
  // gives it the end .tmp.
  TWILL_CHECK(writeFile(path, text, Durability::power, mode));
  std::printf("wrote %s\n", path.c_str());
  return {};
}

Result<void> run(const Options& options) {
  TWILL_TRY(const std::string self, readFile("/proc/self/exe"));
  // The program first: a runtime that sees the conflist looks for it at once.
  TWILL_CHECK(place(options.binDir, "twill-cni", self, 0755, true));
  return place(options.confDir, "10-twill.conflist", kConflist, 0644, options.force);
}

}  // namespace

int install(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    const bool asked =
        argc > 2 && (std::string_view(argv[2]) == "--help" || std::string_view(argv[2]) == "-h");
    std::fputs(kUsage, asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  const auto done = run(options);
  if (done) return 0;
  std::fprintf(stderr, "twill-cni: %s\n", done.error().text.c_str());
  return 1;
}

}  // namespace twill
