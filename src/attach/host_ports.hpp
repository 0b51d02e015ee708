// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "model/attachment.hpp"

namespace twill {

/// One way in: packets of this protocol to this port of the node go to the container's address and port.
struct HostPort {
  PortProtocol protocol = PortProtocol::tcp;
  std::uint16_t port = 0;
  std::optional<IpAddress> at;  ///< one address of the node; absent: all of the container address's family
  IpAddress container;
  std::uint16_t containerPort = 0;

  auto operator<=>(const HostPort&) const = default;
};

/// What an attachment's port mappings come to: one for each of its addresses. A mapping without a host
/// address, or with the unspecified one of a family, is for every address of the node in both families, or in
/// that one. A mapping of a family that the container does not have is none, as the reference plugin has it.
[[nodiscard]] std::vector<HostPort> hostPortsOf(const Attachment& attachment);

/// The node's ports among them whose packets are UDP.
[[nodiscard]] std::set<std::uint16_t> udpPortsOf(const Attachment& attachment);

/// Who has which port of the node. As with sockets, a port on all addresses takes it on each.
class HostPorts {
 public:
  /// Kind::exists, with the holder's key, when another attachment has one of the ports; Kind::invalid when
  /// two of the attachment's own mappings contradict each other.
  [[nodiscard]] Result<void> check(const Attachment& attachment) const;

  void take(const Attachment& attachment);
  void release(const Attachment& attachment);

 private:
  using Port = std::pair<PortProtocol, std::uint16_t>;
  struct Holder {
    std::string key;
    HostPort port;
  };
  std::multimap<Port, Holder> taken_;
};

}  // namespace twill
