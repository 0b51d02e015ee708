// SPDX-License-Identifier: Apache-2.0
#include "kernel/ethtool.hpp"

#include <cerrno>

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.hpp"

namespace twill::ethtool {
namespace {

/// `command`: one of the structures of linux/ethtool.h. 0, or an errno.
int call(const std::string& link, void* command) {
  ifreq request{};
  if (link.size() >= sizeof request.ifr_name) return ENODEV;
  link.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = static_cast<char*>(command);
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return socket && ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0 ? 0 : errno;
}

}  // namespace

std::optional<bool> checksumOffload(const std::string& link) {
  ethtool_value value{.cmd = ETHTOOL_GTXCSUM, .data = 0};
  if (call(link, &value) != 0) return std::nullopt;
  return value.data != 0;
}

Result<void> setChecksumOffload(const std::string& link, bool on) {
  const std::string_view word = on ? "on" : "off";
  ethtool_value value{.cmd = ETHTOOL_STXCSUM, .data = on ? 1U : 0U};
  if (const int code = call(link, &value); code != 0)
    return failErrno(fmt::format("its checksum offload cannot be set {}", word), code);
  if (checksumOffload(link) == on) return {};
  return fail(fmt::format("its checksum offload does not become {}", word));
}

std::string driverOf(const std::string& link) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  if (call(link, &info) != 0) return {};
  info.driver[sizeof info.driver - 1] = 0;
  return info.driver;
}

}  // namespace twill::ethtool
