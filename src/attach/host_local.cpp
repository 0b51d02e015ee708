// SPDX-License-Identifier: Apache-2.0
#include "attach/host_local.hpp"

#include <filesystem>

#include "base/file.hpp"

namespace twill::hostLocal {
namespace fs = std::filesystem;

bool isReserved(const std::string& directory, const std::string& network, const IpAddress& address) {
  std::error_code ignored;  // what cannot be seen cannot be respected
  return fs::exists(fs::path(directory) / network / address.text(), ignored);
}

void release(const std::string& directory, const std::string& network, const std::string& containerId,
             const std::string& ifname) {
  std::error_code missing;
  const std::string holder = containerId + "\r\n" + ifname;
  for (const auto& entry : fs::directory_iterator(fs::path(directory) / network, missing)) {
    if (!IpAddress::parse(entry.path().filename().string())) continue;
    const auto text = readFile(entry.path(), 1024);
    if (!text) continue;
    // Its versions before 0.8.6 wrote the container id alone; lines end as in DOS.
    const bool isIt = *text == holder || *text == containerId;
    if (isIt) fs::remove(entry.path(), missing);
  }
}

}  // namespace twill::hostLocal
