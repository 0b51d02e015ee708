// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "plan/diff.hpp"

namespace twill {

/// Linux's rules about links, addresses, neighbours and routes over a plain KernelState, as far as an agent
/// can run into them. Every rule was seen on a real kernel (6.18); test/kernel_conformance.hpp keeps it so.
///
/// Left out: secondary addresses, carrier, routing tables other than main, the far ends of veths.
class FakeNetwork {
 public:
  /// A loopback interface that is up, and the settings that desiredNode() and attachments touch.
  FakeNetwork();

  [[nodiscard]] const KernelState& state() const { return state_; }

  /// Carries out one operation. What is refused changes nothing; the error has the kernel's errno and words.
  Result<void> perform(const Operation& operation);

  /// Makes an interface that no operation can make: hardware.
  void plug(Link link);

 private:
  Result<void> add(const Sysctl& sysctl);
  Result<void> add(const Firewall& firewall);
  Result<void> add(const SetElement& element);
  Result<void> add(const Link& link);
  Result<void> add(const Address& address);
  Result<void> add(const Neighbour& neighbour);
  Result<void> add(const ForwardingEntry& entry);
  Result<void> add(const Rule& rule);
  Result<void> add(const Route& route);
  Result<void> change(const SetElement& element);
  Result<void> change(const Link& link);
  Result<void> change(const Route& route);
  void remove(const Sysctl&) {}
  void remove(const Firewall& firewall);
  void remove(const SetElement& element) { state_.setElements.erase(keyOf(element)); }
  void remove(const Link& link);
  void remove(const Address& address);
  void remove(const Rule& rule) { state_.rules.erase(keyOf(rule)); }
  void remove(const ForwardingEntry& entry) { state_.forwarding.erase(keyOf(entry)); }
  void remove(const Neighbour& neighbour) { state_.neighbours.erase(keyOf(neighbour)); }
  void remove(const Route& route);

  /// Takes away the elements of one table that have no set there.
  void dropHomeless(const std::string& table);
  Result<void> checkLink(const std::string& name) const;
  Result<void> checkRoute(const Route& route) const;
  /// True when something says that `gateway` is a neighbour on `link`.
  [[nodiscard]] bool isOnLink(const IpAddress& gateway, const std::string& link) const;
  [[nodiscard]] bool isLocal(const IpAddress& address) const;

  void goUp(Link& link);
  void goDown(Link& link);
  /// The route that the kernel makes for an address while its link is up.
  void addConnected(const Address& address);
  void makeSettings(const std::string& link);

  KernelState state_;
  int lastIndex_ = 0;
};

}  // namespace twill
