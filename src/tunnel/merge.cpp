// SPDX-License-Identifier: Apache-2.0
#include "tunnel/merge.hpp"

#include "net/checksum.hpp"

namespace twill::tunnel {
namespace {

constexpr std::uint8_t kAck = 0x10;  // flags in byte 13 of a TCP header, RFC 9293
constexpr std::uint8_t kPsh = 0x08;
constexpr std::size_t kMostParts = 64;  // far below the kernel's limit for one writev(), 1024

bool isEqual(Bytes a, Bytes b, std::size_t from, std::size_t to) {
  return std::memcmp(a.data() + from, b.data() + from, to - from) == 0;
}

/// The IP headers agree in all but length, identification and checksum. Packets have the same family.
bool isSameIp(Bytes a, Bytes b, Family family) {
  if (family == Family::v6) return isEqual(a, b, 0, 4) && isEqual(a, b, 6, kIp6Header);
  return isEqual(a, b, 0, 2) && isEqual(a, b, 6, 10) && isEqual(a, b, 12, kIp4Header);
}

}  // namespace

struct Merger::Candidate {
  const IpView& ip;
  Bytes packet;
  std::size_t headers = 0;  ///< 0: neither TCP nor UDP, or a fragment; belongs to no flow
  std::size_t payload = 0;
  bool mergeable = false;  ///< may stand among others, if its neighbours agree
  bool last = false;       ///< nothing may follow it: TCP wants it to be delivered

  [[nodiscard]] bool udp() const { return ip.protocol == IPPROTO_UDP; }
};

Merger::Candidate Merger::look(const IpView& ip, Bytes packet) const {
  Candidate candidate{.ip = ip, .packet = packet.first(ip.length)};
  const bool options = ip.family == Family::v4 && ip.transport != kIp4Header;
  if (ip.fragment) return candidate;
  if (ip.protocol == IPPROTO_TCP) {
    const std::size_t tcp = tcpHeaderLength(candidate.packet, ip.transport);
    if (tcp == 0) return candidate;
    candidate.headers = ip.transport + tcp;
    const std::uint8_t flags = packet[ip.transport + 13];
    candidate.mergeable = !options && (flags & ~kPsh) == kAck;
    candidate.last = (flags & kPsh) != 0;
  } else if (ip.protocol == IPPROTO_UDP && ip.length >= ip.transport + kUdpHeader) {
    candidate.headers = ip.transport + kUdpHeader;
    // One without a checksum would get one.
    candidate.mergeable = udp_ && !options && word(&packet[ip.transport + 6]) != 0 &&
                          word(&packet[ip.transport + 4]) == ip.length - ip.transport;
  }
  if (candidate.headers != 0) candidate.payload = ip.length - candidate.headers;
  if (candidate.payload == 0) candidate.mergeable = false;
  return candidate;
}

bool Merger::isSameFlow(const Flow& flow, const Candidate& candidate) {
  const auto& ip = candidate.ip;
  return flow.open && flow.ip.family == ip.family && flow.ip.protocol == ip.protocol &&
         flow.ip.transport == ip.transport &&
         std::memcmp(flow.ip.source, ip.source, ip.addressSize() * 2) == 0 &&
         isEqual(flow.first, candidate.packet, ip.transport, ip.transport + 4);
}

bool Merger::continues(const Flow& flow, const Candidate& candidate) {
  const std::size_t transport = candidate.ip.transport;
  if (!candidate.mergeable || candidate.headers != flow.headers || candidate.payload > flow.size ||
      flow.length + candidate.payload > kLargestPacket ||
      !isSameIp(flow.first, candidate.packet, candidate.ip.family)) {
    return false;
  }
  if (candidate.udp()) return true;
  // Acknowledgement, window, urgent pointer and options agree; flags and checksum need not.
  return longWord(&candidate.packet[transport + 4]) == flow.next &&
         isEqual(flow.first, candidate.packet, transport + 8, transport + 13) &&
         isEqual(flow.first, candidate.packet, transport + 14, transport + 16) &&
         isEqual(flow.first, candidate.packet, transport + 18, flow.headers);
}

Merger::Flow* Merger::flowOf(const Candidate& candidate) {
  for (Flow& flow : flows_) {
    if (isSameFlow(flow, candidate)) return &flow;
  }
  return nullptr;
}

Merger::Write& Merger::append() {
  if (used_ == writes_.size()) writes_.emplace_back();
  Write& write = writes_[used_++];
  write.vnet = {};
  write.headerLength = 0;
  write.parts.clear();
  return write;
}

void Merger::add(const IpView& ip, Bytes packet) {
  const Candidate candidate = look(ip, packet);
  Flow* flow = candidate.headers == 0 ? nullptr : flowOf(candidate);
  // Verified last: that reads all of it.
  const bool partial = hasPartialChecksum(ip, candidate.packet);
  const bool sound = candidate.mergeable && (partial || hasSoundChecksum(ip, candidate.packet)) &&
                     (ip.family == Family::v6 || foldChecksum(addToChecksum(packet.first(kIp4Header))) == 0);
  if (flow != nullptr && sound && continues(*flow, candidate)) {
    Write& write = writes_[flow->write];
    write.parts.push_back(candidate.packet.subspan(candidate.headers));
    flow->length += candidate.payload;
    flow->next += static_cast<std::uint32_t>(candidate.payload);
    if (candidate.last) write.header[ip.transport + 13] |= kPsh;
    if (candidate.last || candidate.payload < flow->size || write.parts.size() == kMostParts) close(*flow);
    return;
  }
  if (flow != nullptr) close(*flow);
  if (sound && !candidate.last) {
    open(candidate, partial);
  } else {
    Write& write = append();
    write.parts.push_back(candidate.packet);
    if (partial) write.vnet = completeChecksum(ip);
  }
}

void Merger::open(const Candidate& candidate, bool partial) {
  Flow& flow = flows_[nextFlow_++ % flows_.size()];
  if (flow.open) close(flow);
  const auto& packet = candidate.packet;
  flow = {.open = true,
          .write = used_,
          .first = packet,
          .ip = candidate.ip,
          .headers = candidate.headers,
          .size = candidate.payload,
          .length = candidate.ip.length,
          .partial = partial,
          .next = 0};
  if (!candidate.udp()) {
    flow.next = longWord(&packet[candidate.ip.transport + 4]) + static_cast<std::uint32_t>(candidate.payload);
  }
  Write& write = append();
  std::memcpy(write.header.data(), packet.data(), candidate.headers);
  write.headerLength = candidate.headers;
  write.parts.push_back(packet.subspan(candidate.headers));
}

/// Nothing more is added to it: its headers are made those of the large packet, with the checksum left to the
/// kernel. One that stayed alone goes as it came.
void Merger::close(Flow& flow) {
  flow.open = false;
  Write& write = writes_[flow.write];
  if (write.parts.size() == 1) {
    write.headerLength = 0;
    write.parts[0] = flow.first;
    if (flow.partial) write.vnet = completeChecksum(flow.ip);
    return;
  }
  const bool udp = flow.ip.protocol == IPPROTO_UDP;
  const std::size_t transport = flow.ip.transport;
  const std::size_t length = flow.length - transport;
  finishIpHeader(write.header, flow.ip.family, flow.length, word(&write.header[4]));
  if (udp) setWord(&write.header[transport + 4], static_cast<std::uint16_t>(length));
  const std::size_t offset = checksumOffset(flow.ip.protocol);
  // The kernel wants the pseudo-header's sum there, not inverted.
  const auto sum = static_cast<std::uint16_t>(~foldChecksum(pseudoHeaderSum(flow.ip, length)));
  std::memcpy(&write.header[transport + offset], &sum, sizeof sum);
  const auto tcpType = flow.ip.family == Family::v4 ? kGsoTcp4 : kGsoTcp6;
  write.vnet = {.flags = kNeedsChecksum,
                .gsoType = udp ? kGsoUdp : tcpType,
                .headerLength = static_cast<std::uint16_t>(flow.headers),
                .gsoSize = static_cast<std::uint16_t>(flow.size),
                .checksumStart = static_cast<std::uint16_t>(transport),
                .checksumOffset = static_cast<std::uint16_t>(offset)};
}

std::span<const Merger::Write> Merger::finish() {
  for (Flow& flow : flows_) {
    if (flow.open) close(flow);
  }
  return std::span(writes_).first(used_);
}

void Merger::clear() {
  for (Flow& flow : flows_) flow.open = false;
  used_ = 0;
}

}  // namespace twill::tunnel
