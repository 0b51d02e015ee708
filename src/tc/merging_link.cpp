// SPDX-License-Identifier: Apache-2.0
#include "tc/merging_link.hpp"

#include <array>
#include <cerrno>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace twill::tc {
namespace {

/// What it takes whole comes out whole.
constexpr std::uint32_t kMtu = 65535;

std::string text(std::string_view name) {
  return std::string(name);
}

int indexOf(std::string_view name) {
  return static_cast<int>(::if_nametoindex(text(name).c_str()));
}

class Request {
 public:
  Request(std::uint16_t type, std::uint16_t flags) {
    header_ = ::mnl_nlmsg_put_header(buffer_.data());
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    link_ = static_cast<ifinfomsg*>(::mnl_nlmsg_put_extra_header(header_, sizeof(ifinfomsg)));
  }
  nlmsghdr* operator->() { return header_; }
  operator nlmsghdr*() { return header_; }
  ifinfomsg& link() { return *link_; }

  [[nodiscard]] Result<void> run(const std::string& what) {
    const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket || ::send(socket.get(), header_, header_->nlmsg_len, 0) < 0) return failErrno(what);
    std::array<char, 8192> answer{};
    const auto size = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (size < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(nlmsgerr))) return failErrno(what, EPROTO);
    const auto* error = static_cast<const nlmsgerr*>(
        ::mnl_nlmsg_get_payload(reinterpret_cast<const nlmsghdr*>(answer.data())));
    if (error->error != 0) return failErrno(what, -error->error);
    return {};
  }

 private:
  alignas(nlmsghdr) std::array<char, 1024> buffer_{};
  nlmsghdr* header_ = nullptr;
  ifinfomsg* link_ = nullptr;
};

Result<void> makePair() {
  Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  ::mnl_attr_put_strz(request, IFLA_IFNAME, text(MergingLink::kEntrance).c_str());
  ::mnl_attr_put_u32(request, IFLA_MTU, kMtu);
  nlattr* info = ::mnl_attr_nest_start(request, IFLA_LINKINFO);
  ::mnl_attr_put_strz(request, IFLA_INFO_KIND, "veth");
  nlattr* data = ::mnl_attr_nest_start(request, IFLA_INFO_DATA);
  nlattr* peer = ::mnl_attr_nest_start(request, VETH_INFO_PEER);
  (void)::mnl_nlmsg_put_extra_header(request, sizeof(ifinfomsg));
  ::mnl_attr_put_strz(request, IFLA_IFNAME, text(MergingLink::kExit).c_str());
  ::mnl_attr_put_u32(request, IFLA_MTU, kMtu);
  ::mnl_attr_nest_end(request, peer);
  ::mnl_attr_nest_end(request, data);
  ::mnl_attr_nest_end(request, info);
  return request.run(fmt::format("make the links {} and {}", MergingLink::kEntrance, MergingLink::kExit));
}

Result<void> bringUp(int link, std::string_view name) {
  Request request(RTM_NEWLINK, 0);
  request.link().ifi_index = link;
  request.link().ifi_flags = request.link().ifi_change = IFF_UP;
  return request.run(fmt::format("set the link {} up", name));
}

Result<void> setFeature(std::string_view name, std::uint32_t command, bool on) {
  ethtool_value value{.cmd = command, .data = on ? 1U : 0U};
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || ::ioctl(socket.get(), SIOCETHTOOL, &request) != 0)
    return failErrno(fmt::format("set offloads of the link {}", name));
  return {};
}

/// Else the node would speak IPv6 by it. Where there is none, there is nothing to turn off.
void turnOffIpv6(std::string_view name) {
  const Fd setting(
      ::open(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", name).c_str(), O_WRONLY | O_CLOEXEC));
  if (setting) (void)!::write(setting.get(), "1", 1);
}

}  // namespace

Result<MergingLink> MergingLink::make() {
  if (indexOf(kEntrance) == 0 || indexOf(kExit) == 0) TWILL_CHECK(makePair());
  const MergingLink pair{.entrance = indexOf(kEntrance), .exit = indexOf(kExit)};
  // A veth merges only what comes from one that sends no large packets.
  TWILL_CHECK(setFeature(kEntrance, ETHTOOL_STSO, false));
  TWILL_CHECK(setFeature(kExit, ETHTOOL_SGRO, true));
  for (const auto name : {kEntrance, kExit}) {
    turnOffIpv6(name);
    TWILL_CHECK(bringUp(indexOf(name), name));
  }
  return pair;
}

bool MergingLink::isUp() const {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto up = [&](std::string_view name) {
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    return ::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
  };
  return indexOf(kEntrance) == entrance && indexOf(kExit) == exit && up(kEntrance) && up(kExit);
}

bool MergingLink::remove() {
  if (indexOf(kEntrance) == 0 || indexOf(kExit) == 0) return false;
  Request request(RTM_DELLINK, 0);
  request.link().ifi_index = indexOf(kEntrance);
  return request.run(fmt::format("delete the link {}", kEntrance)).has_value();
}

}  // namespace twill::tc
