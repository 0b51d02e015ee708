// SPDX-License-Identifier: Apache-2.0
#include "lab/frame.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace twill::lab {
namespace {

using Bytes = std::span<const std::uint8_t>;

/// Where VXLAN is looked for: IANA's port, and Linux' older one, which flannel and Twill use.
constexpr std::array<std::uint16_t, 2> kVxlanPorts{4789, 8472};
/// flannel's udp, and Twill's: a packet is the payload and nothing else.
constexpr std::uint16_t kUdpTunnelPort = 8285;
/// A tunnel in a tunnel in a tunnel; more is nobody's network.
constexpr int kDeepest = 4;

constexpr std::uint16_t kIpv4 = 0x0800;  // EtherTypes, IEEE 802
constexpr std::uint16_t kArp = 0x0806;
constexpr std::uint16_t kIpv6 = 0x86dd;
constexpr std::uint8_t kIcmp = 1;  // IP protocol numbers, IANA
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpv6 = 58;

std::uint16_t word(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8U | bytes[at + 1]);
}

std::string macAt(Bytes bytes, std::size_t at) {
  MacAddress mac;
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), mac.bytes.size(), mac.bytes.begin());
  return mac.text();
}

std::string_view protocolName(std::uint8_t protocol) {
  switch (protocol) {
    case kIcmp:
      return "ICMP";
    case kTcp:
      return "TCP";
    case kUdp:
      return "UDP";
    case kIcmpv6:
      return "ICMPv6";
    default:
      return "";
  }
}

std::string protocolText(std::uint8_t protocol) {
  const auto name = protocolName(protocol);
  return name.empty() ? fmt::format("protocol {}", protocol) : std::string(name);
}

/// RFC 792, RFC 4443: those that a person meets.
std::string icmpText(std::uint8_t type, std::uint8_t code, bool v6) {
  for (const auto& [four, six, name] : {std::tuple{8, 128, "echo request"},
                                        {0, 129, "echo reply"},
                                        {3, 1, "unreachable"},
                                        {11, 3, "time exceeded"},
                                        {-1, 2, "packet too big"},
                                        {-1, 135, "neighbour solicitation"},
                                        {-1, 136, "neighbour advertisement"},
                                        {-1, 133, "router solicitation"},
                                        {-1, 143, "multicast listener report"}}) {
    if (type == (v6 ? six : four)) return code == 0 ? name : fmt::format("{}, code {}", name, code);
  }
  return fmt::format("type {}, code {}", type, code);
}

std::string flagsText(std::uint8_t flags) {
  std::string out;
  for (const auto& [bit, name] :
       {std::pair{0x02, "SYN"}, {0x10, "ACK"}, {0x01, "FIN"}, {0x04, "RST"}, {0x08, "PSH"}}) {
    if ((flags & bit) != 0) out += (out.empty() ? "" : " ") + std::string(name);
  }
  return out;
}

class Decoder {
 public:
  explicit Decoder(Bytes packet) : rest_(packet) {}

  std::vector<Layer> run(bool ethernet) && {
    if (ethernet) {
      frame();
    } else {
      bare();
    }
    if (!rest_.empty()) take("data", "", rest_.size());
    return std::move(out_);
  }

 private:
  /// The next header; its bytes are gone from what is left.
  Layer& take(std::string name, std::string text, std::size_t bytes) {
    Layer& layer = out_.emplace_back();
    layer.name = std::move(name);
    layer.text = std::move(text);
    layer.bytes = static_cast<int>(bytes);
    rest_ = rest_.subspan(bytes);
    return layer;
  }

  void frame() {
    if (rest_.size() < 14 || ++depth_ > kDeepest) return;
    const auto type = word(rest_, 12);
    take("Ethernet", fmt::format("{} → {}, type {:#06x}", macAt(rest_, 6), macAt(rest_, 0), type), 14);
    packet(type);
  }

  /// IP without a frame around it.
  void bare() {
    if (!rest_.empty() && ++depth_ <= kDeepest) packet(rest_[0] >> 4U == 4 ? kIpv4 : kIpv6);
  }

  void packet(std::uint16_t type) {
    if (type == kArp) arp();
    if (type == kIpv4) ipv4();
    if (type == kIpv6) ipv6();
  }

  void arp() {
    if (rest_.size() < 28 || word(rest_, 2) != kIpv4) return;
    const auto sender = IpAddress::fromBytes(rest_.subspan(14, 4));
    const auto target = IpAddress::fromBytes(rest_.subspan(24, 4));
    const auto text = word(rest_, 6) == 1 ? fmt::format("who has {}? tell {}", target.text(), sender.text())
                                          : fmt::format("{} is at {}", sender.text(), macAt(rest_, 8));
    Layer& layer = take("ARP", text, 28);
    layer.src = sender;
    layer.dst = target;
  }

  void ipv4() {
    if (rest_.size() < 20 || rest_[0] >> 4U != 4) return;
    const std::size_t header = std::size_t{rest_[0] & 0x0fU} * 4;
    if (header < 20 || header > rest_.size()) return;
    const auto src = IpAddress::fromBytes(rest_.subspan(12, 4));
    const auto dst = IpAddress::fromBytes(rest_.subspan(16, 4));
    const auto fragment = word(rest_, 6);
    const auto protocol = rest_[9];
    trim(word(rest_, 2));
    std::string text =
        fmt::format("{} → {}, TTL {}, {}", src.text(), dst.text(), rest_[8], protocolText(protocol));
    if ((fragment & 0x4000U) != 0) text += ", DF";
    if ((fragment & 0x3fffU) != 0) text += ", fragment";
    Layer& layer = take("IPv4", std::move(text), header);
    layer.src = src;
    layer.dst = dst;
    if ((fragment & 0x1fffU) == 0) transport(protocol);
  }

  void ipv6() {
    if (rest_.size() < 40 || rest_[0] >> 4U != 6) return;
    const auto src = IpAddress::fromBytes(rest_.subspan(8, 16));
    const auto dst = IpAddress::fromBytes(rest_.subspan(24, 16));
    const auto protocol = rest_[6];
    trim(word(rest_, 4) + 40U);
    Layer& layer = take(
        "IPv6",
        fmt::format("{} → {}, hop limit {}, {}", src.text(), dst.text(), rest_[7], protocolText(protocol)),
        40);
    layer.src = src;
    layer.dst = dst;
    transport(protocol);
  }

  /// Takes away what fills a frame up to the least that Ethernet sends. Elsewhere the length is not believed:
  /// that of a super-packet is 0.
  void trim(std::size_t length) {
    constexpr std::size_t kLeast = 46;  // IEEE 802.3, without header and checksum
    if (length >= 20 && length < rest_.size() && rest_.size() <= kLeast) rest_ = rest_.first(length);
  }

  void transport(std::uint8_t protocol) {
    if (protocol == kUdp && rest_.size() >= 8) {
      const auto port = word(rest_, 2);
      take("UDP", fmt::format("{} → {}", word(rest_, 0), port), 8);
      if (std::find(kVxlanPorts.begin(), kVxlanPorts.end(), port) != kVxlanPorts.end()) vxlan();
      if (port == kUdpTunnelPort) bare();
    } else if (protocol == kTcp && rest_.size() >= 20) {
      const std::size_t header = std::size_t{rest_[12]} / 16 * 4;
      if (header < 20 || header > rest_.size()) return;
      take("TCP", fmt::format("{} → {}, {}", word(rest_, 0), word(rest_, 2), flagsText(rest_[13])), header);
    } else if ((protocol == kIcmp || protocol == kIcmpv6) && rest_.size() >= 8) {
      take(std::string(protocolName(protocol)), icmpText(rest_[0], rest_[1], protocol == kIcmpv6), 8);
    }
  }

  /// RFC 7348, 5: flags, of which one says that there is a VNI, and 24 bits of it.
  void vxlan() {
    if (rest_.size() < 8 || (rest_[0] & 0x08U) == 0) return;
    take("VXLAN", fmt::format("VNI {}", rest_[4] << 16U | word(rest_, 5)), 8);
    frame();
  }

  Bytes rest_;
  std::vector<Layer> out_;
  int depth_ = 0;
};

}  // namespace

std::vector<Layer> layersOf(std::span<const std::uint8_t> packet, bool ethernet) {
  return Decoder(packet).run(ethernet);
}

}  // namespace twill::lab
