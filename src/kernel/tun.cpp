// SPDX-License-Identifier: Apache-2.0
#include "kernel/tun.hpp"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

namespace twill {
namespace {

constexpr const char* kDriver = "/dev/net/tun";

Failure noDriver(int code) {
  auto failure = failErrno(std::string("cannot open ") + kDriver, code);
  auto& text = failure.value().text;
  switch (code) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      text += "; load the kernel's driver (modprobe tun), or give the container this device";
      break;
    case EACCES:
    case EPERM:
      text += "; run as root, and in a container allow it this device";
      break;
    default:
      break;
  }
  return failure;
}

Result<Fd> open(const std::string& name, int type) {
  Fd device(::open(kDriver, O_RDWR | O_CLOEXEC));
  if (!device) return noDriver(errno);
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  // Exclusive: else we would get hold of a device that is there, whoever's it is.
  request.ifr_flags = static_cast<short>(type | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
  if (::ioctl(device.get(), TUNSETIFF, &request) == 0) return device;
  const int code = errno;
  if (code == EBUSY) return failErrno("its name is taken", EEXIST);
  auto failure = failErrno("the TUN driver refused", code);
  if (code == EPERM) failure.value().text += "; this takes CAP_NET_ADMIN, run as root";
  return failure;
}

}  // namespace

Result<Fd> openTun(const std::string& name) {
  return open(name, IFF_TUN);
}

Result<Fd> openTap(const std::string& name) {
  return open(name, IFF_TAP);
}

Result<void> keepTun(const Fd& device) {
  // To one without an owner any user may attach, and would have the containers' packets.
  if (::ioctl(device.get(), TUNSETOWNER, 0) != 0) return failErrno("the TUN driver does not give it to root");
  if (::ioctl(device.get(), TUNSETPERSIST, 1) == 0) return {};
  return failErrno("the TUN driver does not keep it");
}

}  // namespace twill
