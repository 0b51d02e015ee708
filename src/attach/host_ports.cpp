// SPDX-License-Identifier: Apache-2.0
#include "attach/host_ports.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill {
namespace {

bool collide(const HostPort& a, const HostPort& b) {
  return a.protocol == b.protocol && a.port == b.port && a.container.family() == b.container.family() &&
         (!a.at || !b.at || *a.at == *b.at);
}

std::string nameOf(const HostPort& port) {
  return fmt::format("host port {}/{}{}", port.port, textOf(port.protocol),
                     port.at ? " of " + port.at->text() : "");
}

}  // namespace

std::vector<HostPort> hostPortsOf(const Attachment& attachment) {
  std::vector<HostPort> out;
  for (const PortMapping& mapping : attachment.ports) {
    for (const InterfaceAddress& address : attachment.addresses) {
      const auto& at = mapping.hostIp;
      if (at && at->family() != address.address.family()) continue;
      HostPort port{.protocol = mapping.protocol,
                    .port = mapping.hostPort,
                    .at = at && at->isUnspecified() ? std::nullopt : at,
                    .container = address.address,
                    .containerPort = mapping.containerPort};
      if (std::find(out.begin(), out.end(), port) == out.end()) out.push_back(port);
    }
  }
  return out;
}

Result<void> HostPorts::check(const Attachment& attachment) const {
  const auto wanted = hostPortsOf(attachment);
  for (auto one = wanted.begin(); one != wanted.end(); ++one) {
    const auto twice = std::find_if(
        wanted.begin(), one, [&](const auto& other) { return collide(*one, other) && one->at == other.at; });
    if (twice != one) {
      return fail(fmt::format("{} cannot lead to port {} and to port {}", nameOf(*one), twice->containerPort,
                              one->containerPort),
                  Error::Kind::invalid);
    }
    const auto [first, last] = taken_.equal_range({one->protocol, one->port});
    const auto holder =
        std::find_if(first, last, [&](const auto& entry) { return collide(*one, entry.second.port); });
    if (holder == last) continue;
    return fail(fmt::format("{} is taken by container {}: give this one another, or delete that one first",
                            nameOf(*one), holder->second.key),
                Error::Kind::exists);
  }
  return {};
}

std::set<std::uint16_t> udpPortsOf(const Attachment& attachment) {
  std::set<std::uint16_t> out;
  for (const auto& port : hostPortsOf(attachment)) {
    if (port.protocol == PortProtocol::udp) out.insert(port.port);
  }
  return out;
}

void HostPorts::take(const Attachment& attachment) {
  for (const auto& port : hostPortsOf(attachment)) {
    taken_.emplace(Port{port.protocol, port.port}, Holder{.key = attachment.key(), .port = port});
  }
}

void HostPorts::release(const Attachment& attachment) {
  const auto key = attachment.key();
  for (const auto& port : hostPortsOf(attachment)) {
    auto [at, last] = taken_.equal_range({port.protocol, port.port});
    while (at != last) at = at->second.key == key ? taken_.erase(at) : std::next(at);
  }
}

}  // namespace twill
