// SPDX-License-Identifier: Apache-2.0
#include "lab/shaped_cable.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/link.hpp"
#include "kernel/tun.hpp"

namespace twill::lab {
namespace {

constexpr std::size_t kVnetHeader = 10;  // struct virtio_net_hdr; its header cannot be included from C++
constexpr std::size_t kMacs = 12;
/// Room for whatever the kernel may put into one piece, although eth0 is told not to (shaping.hpp).
constexpr std::size_t kLongest = kVnetHeader + 18 + 65536;
using Buffer = std::array<std::uint8_t, kLongest>;

Result<void> setOption(const Fd& socket, int level, int option, int value, const char* what) {
  if (::setsockopt(socket.get(), level, option, &value, sizeof value) == 0) return {};
  return failErrno(what);
}

Result<Fd> openNodeEnd(const std::string& link) {
  const unsigned index = ::if_nametoindex(link.c_str());
  if (index == 0) return failErrno("find the cable " + link);
  Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return failErrno("open a packet socket");
  // Offloaded checksums travel as they are; what others send out by this link is none of the cable's frames.
  TWILL_CHECK(setOption(socket, SOL_PACKET, PACKET_VNET_HDR, 1, "ask a packet socket for offloads"));
  TWILL_CHECK(setOption(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "keep a packet socket to one way"));
  TWILL_CHECK(setOption(socket, SOL_PACKET, PACKET_AUXDATA, 1, "ask a packet socket for VLAN tags"));
  constexpr int kBuffer = 16 << 20;
  if (!setOption(socket, SOL_SOCKET, SO_RCVBUFFORCE, kBuffer, "")) {
    // Not root: as much as the system lets anybody have.
    TWILL_CHECK(setOption(socket, SOL_SOCKET, SO_RCVBUF, kBuffer, "enlarge a packet socket's buffer"));
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(index);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  return failErrno("bind a packet socket to " + link);
}

Result<Fd> openBridgeEnd(const NodePlan& node, const SegmentPlan& segment) {
  const std::string name = tapName(node);
  TWILL_TRY(Fd device, openTap(name));
  if (::fcntl(device.get(), F_SETFL, O_NONBLOCK) != 0) return failErrno("set up " + name);
  // Without TSO and its like: large packets of the router are cut before they get here.
  if (::ioctl(device.get(), TUNSETOFFLOAD, TUN_F_CSUM) != 0) return failErrno("set the offloads of " + name);
  const unsigned bridge = ::if_nametoindex(segment.bridge.c_str());
  if (bridge == 0) return failErrno("find the bridge " + segment.bridge);
  const Link port{.name = name, .alias = kAliasPrefix + ("lab " + node.name), .mtu = segment.mtu};
  TWILL_TRY(netlink::Socket socket, netlink::Socket::open(NETLINK_ROUTE));
  netlink::Message settings(RTM_NEWLINK, 0);
  netlink::encodeLinkSettings(settings, port, static_cast<int>(bridge));
  settings.putU32(IFLA_TXQLEN, kMostFrames);
  if (auto set = socket.run(settings); !set) return Failure(std::move(set).error().in("set up " + name));
  return device;
}

Arrival arrived(ssize_t size, const Buffer& buffer) {
  if (size < 0) return {.broken = errno != EAGAIN && errno != EINTR && errno != ENETDOWN};
  const auto bytes = static_cast<std::size_t>(size);
  if (bytes < kVnetHeader + ETH_HLEN || bytes > buffer.size()) return {};
  return {.frame = DelayLine::Frame(buffer.begin(), buffer.begin() + size)};
}

/// The kernel takes a VLAN tag out of a frame that comes in, and hands it over beside.
void putTagBack(DelayLine::Frame& frame, const tpacket_auxdata& beside) {
  if ((beside.tp_status & TP_STATUS_VLAN_VALID) == 0) return;
  const std::uint16_t type =
      (beside.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? beside.tp_vlan_tpid : std::uint16_t{ETH_P_8021Q};
  const std::array<std::uint16_t, 2> tag{htons(type), htons(beside.tp_vlan_tci)};
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(tag.data()), sizeof tag);
  frame.insert(frame.begin() + kVnetHeader + kMacs, bytes.begin(), bytes.end());
  constexpr std::size_t kChecksumStart = 6;  // counts from the start of the Ethernet header
  std::uint16_t start = 0;
  std::memcpy(&start, frame.data() + kChecksumStart, sizeof start);
  if (start != 0) start = static_cast<std::uint16_t>(start + sizeof tag);
  std::memcpy(frame.data() + kChecksumStart, &start, sizeof start);
}

}  // namespace

Result<ShapedCable> openShapedCable(const NodePlan& node, const SegmentPlan& segment) {
  ShapedCable cable;
  TWILL_TRY(cable.node, openNodeEnd(node.name));
  TWILL_TRY(cable.bridge, openBridgeEnd(node, segment));
  return cable;
}

Arrival receiveFromNode(const Fd& node) {
  static Buffer buffer;
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  Arrival arrival = arrived(::recvmsg(node.get(), &message, MSG_TRUNC), buffer);
  const cmsghdr* beside = arrival.frame ? CMSG_FIRSTHDR(&message) : nullptr;
  if (beside == nullptr || beside->cmsg_level != SOL_PACKET || beside->cmsg_type != PACKET_AUXDATA) {
    return arrival;
  }
  tpacket_auxdata data{};
  std::memcpy(&data, CMSG_DATA(beside), sizeof data);
  putTagBack(*arrival.frame, data);
  return arrival;
}

Arrival receiveFromBridge(const Fd& bridge) {
  static Buffer buffer;
  return arrived(::read(bridge.get(), buffer.data(), buffer.size()), buffer);
}

void sendTo(const Fd& end, const DelayLine::Frame& frame) {
  (void)!::write(end.get(), frame.data(), frame.size());
}

}  // namespace twill::lab
