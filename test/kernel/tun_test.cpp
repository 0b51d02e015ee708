// SPDX-License-Identifier: Apache-2.0
// TUN devices: made as wanted, told from others, and nobody else's to use.
#include "kernel/tun.hpp"

#include <cerrno>
#include <chrono>
#include <thread>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "node.hpp"

namespace twill::test {
namespace {

/// As a process does that forwards by the device; makes it when it is not there.
Fd attachTo(const std::string& device, int flags) {
  Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  ifreq request{};
  device.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_flags = static_cast<short>(flags);
  REQUIRE(::ioctl(fd.get(), TUNSETIFF, &request) == 0);
  return fd;
}

}  // namespace

TEST_CASE("a process can attach to a TUN device and leave it, and nothing has to be repaired") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  const auto kernel = openKernel();
  KernelState wanted;
  wanted.put(wantedTun());
  wanted.put(Address{.link = "twill-udp", .address = on("172.16.0.0/32")});
  wanted.put(Address{.link = "twill-udp", .address = on("fd42::/128")});
  wanted.put(Route{.dst = net("172.16.1.0/24"), .metric = 2001, .link = "twill-udp"});
  wanted.put(Route{.dst = net("fd42:1::/64"), .metric = 2001, .link = "twill-udp"});
  auto state = mustRead(*kernel);
  mustApply(*kernel, diff(wanted, state).operations);
  const auto shown = [] { return sh("ip route show 172.16.1.0/24; ip -6 route show fd42:1::/64"); };
  // Another one looks: a read by the first would drop what it has yet to follow.
  const auto other = openKernel();
  const auto isSoonFollowed = [&](bool attached) {
    CHECK(isSoonRunning(*other, "twill-udp", attached));
    // The kernel tells of an IPv6 address some time after it has it.
    for (int i = 0; i < 100 && !differences(state, mustRead(*other)).empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      follow(*kernel, state);
    }
    CHECK(differences(state, mustRead(*other)) == "");
    CHECK(leftToDo(wanted, state) == "");
    CHECK(diff(wanted, state).obstacles.empty());
    CHECK((shown().find("linkdown") == std::string::npos) == attached);
    CHECK(sh("ip -6 addr show dev twill-udp scope link") == "");
  };
  isSoonFollowed(false);
  {
    const Fd process = attachTo("twill-udp", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    isSoonFollowed(true);
  }
  isSoonFollowed(false);
  CHECK(sh("ip -d link show twill-udp").find("tun type tun pi off vnet_hdr on persist on") !=
        std::string::npos);
}

TEST_CASE("a TUN device of ours that is not as wanted is made anew, and a foreign one is in the way") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  const auto kernel = openKernel();
  KernelState wanted;
  wanted.put(wantedTun());
  const auto isMadeAnew = [&] {
    sh("ip link set dev twill-udp alias twill:udp mtu 1472 up");
    CHECK(leftToDo(wanted, mustRead(*kernel)) == "remove link twill-udp\nadd tun twill-udp\n");
    mustApply(*kernel, diff(wanted, mustRead(*kernel)).operations);
    CHECK(leftToDo(wanted, mustRead(*kernel)) == "");
    sh("ip link del twill-udp");
  };
  for (const char* mode : {"tap user root vnet_hdr", "tun user root", "tun user root vnet_hdr multi_queue",
                           "tun user root vnet_hdr pi", "tun vnet_hdr"}) {
    INFO(mode);
    sh(fmt::format("ip tuntap add dev twill-udp mode {}", mode));
    isMadeAnew();
  }
  {
    INFO("not kept");
    const Fd process = attachTo("twill-udp", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    REQUIRE(::ioctl(process.get(), TUNSETOWNER, 0) == 0);
    isMadeAnew();
  }
  sh("ip tuntap add dev twill-udp mode tun user root vnet_hdr");
  const auto difference = diff(wanted, mustRead(*kernel));
  CHECK(difference.operations.empty());
  REQUIRE(difference.obstacles.size() == 1);
  CHECK(difference.obstacles[0].text.find("the name is taken by a tun without an alias") !=
        std::string::npos);
}

TEST_CASE("nobody without rights attaches to a TUN device of ours") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  mustApply(*openKernel(), {add(wantedTun())});
  const auto child = ::fork();
  if (child == 0) {
    // On many nodes everybody may open /dev/net/tun; here it is done before the rights go.
    const Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    constexpr uid_t kNobody = 65534;
    if (!fd || ::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(1);
    ifreq request{.ifr_ifrn = {"twill-udp"}, .ifr_ifru = {}};
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    ::_exit(::ioctl(fd.get(), TUNSETIFF, &request) != 0 && errno == EPERM ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a TUN device that cannot be had says why and what to do, and leaves nothing behind") {
  const auto sandbox = Sandbox::make();
  if (!sandbox) return;
  const auto kernel = openKernel();
  const auto failure = [&](const Link& link) {
    const auto results = kernel->apply(std::vector{add(link)});
    REQUIRE_FALSE(results[0]);
    return results[0].error().text;
  };
  auto huge = wantedTun();
  huge.mtu = 70000;
  CHECK(failure(huge).starts_with("add tun twill-udp: it cannot be set up: the kernel refused: "));
  CHECK_FALSE(mustRead(*kernel).links.contains("twill-udp"));
  sh("ip tuntap add dev twill-udp mode tun vnet_hdr");  // somebody was faster
  const auto taken = openTun("twill-udp");
  REQUIRE_FALSE(taken);
  CHECK(taken.error().kind == Error::Kind::exists);
  CHECK(taken.error().text == "its name is taken: File exists");
  sh("ip link del twill-udp");
  REQUIRE(::mount("none", "/dev/net", "tmpfs", 0, nullptr) == 0);
  CHECK(failure(wantedTun()) ==
        "add tun twill-udp: cannot open /dev/net/tun: No such file or directory; load the kernel's driver "
        "(modprobe tun), or give the container this device");
}

}  // namespace twill::test
