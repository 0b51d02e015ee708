// SPDX-License-Identifier: Apache-2.0
#include "kernel/tun.hpp"

#include <algorithm>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "base/fd.hpp"

namespace twill {

Result<void> makeTun(const std::string& name) {
  constexpr const char* kPath = "/dev/net/tun";
  const Fd device(::open(kPath, O_RDWR | O_CLOEXEC));
  if (!device) {
    const int code = errno;
    const bool absent = code == ENOENT || code == ENODEV || code == ENXIO;
    return failErrno(fmt::format("open {}{}", kPath, absent ? " (load the driver: modprobe tun)" : ""), code);
  }
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min(name.size(), sizeof request.ifr_name - 1));
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(device.get(), TUNSETIFF, &request) != 0) return failErrno("make the TUN device");
  if (::ioctl(device.get(), TUNSETPERSIST, 1) != 0) return failErrno("let the TUN device stay");
  return {};
}

}  // namespace twill
