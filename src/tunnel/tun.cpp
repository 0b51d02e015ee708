// SPDX-License-Identifier: Apache-2.0
#include "tunnel/tun.hpp"

#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "tunnel/packet.hpp"

namespace twill::tunnel {
namespace {

// linux/if_tun.h of 6.2, which Debian 12's headers do not have.
constexpr unsigned kUso4 = 0x20;
constexpr unsigned kUso6 = 0x40;

}  // namespace

Result<Tun> attachTun(const std::string& name) {
  constexpr const char* kPath = "/dev/net/tun";
  if (::if_nametoindex(name.c_str()) == 0) {  // or it would be made, and go with this process
    return failErrno(
        fmt::format("there is no {}, which the agent makes; by hand: ip tuntap add dev {} mode tun user root "
                    "vnet_hdr",
                    name, name),
        ENODEV);
  }
  Tun tun{.fd = Fd(::open(kPath, O_RDWR | O_NONBLOCK | O_CLOEXEC))};
  if (!tun.fd) {
    const int code = errno;
    return failErrno(fmt::format("open {}{}", kPath, code == ENOENT ? " (load it: modprobe tun)" : ""), code);
  }
  ifreq request{};
  if (name.size() >= sizeof request.ifr_name) return fail(fmt::format("'{}' is no name of a link", name));
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  if (::ioctl(tun.fd.get(), TUNSETIFF, &request) != 0) {
    const int code = errno;
    const char* why = code == EBUSY    ? " (another process has it)"
                      : code == EINVAL ? " (a link of that name is there, and of another kind)"
                                       : "";
    return failErrno(fmt::format("attach to {}{}", name, why), code);
  }
  int headerSize = sizeof(VnetHeader);
  if (::ioctl(tun.fd.get(), TUNSETVNETHDRSZ, &headerSize) != 0)
    return failErrno("set the header's size of " + name);
  constexpr unsigned kTcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  tun.udp = ::ioctl(tun.fd.get(), TUNSETOFFLOAD, kTcp | kUso4 | kUso6) == 0;
  if (!tun.udp && ::ioctl(tun.fd.get(), TUNSETOFFLOAD, kTcp | TUN_F_TSO_ECN) != 0)
    return failErrno("turn on offloads of " + name);
  return tun;
}

}  // namespace twill::tunnel
