// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernel/netlink.hpp"
#include "kernel/nftables.hpp"
#include "kernel/reaper.hpp"
#include "plan/diff.hpp"

namespace twill {

/// One Kernel::apply(): gathers netlink requests for as long as no operation needs the outcome of an earlier
/// one, then sends them together. Lives for one call.
class Application {
 public:
  Application(netlink::Socket& socket, Result<Nftables>& nftables, Reaper& reaper,
              std::span<const Operation> operations)
      : socket_(socket),
        nftables_(nftables),
        reaper_(reaper),
        operations_(operations),
        results_(operations.size()) {}

  [[nodiscard]] std::vector<Result<void>> run();
  [[nodiscard]] bool wroteSettings() const { return wroteSettings_; }

 private:
  /// Carries out or gathers operation `at_`.
  Result<void> perform(Verb verb, const Sysctl& sysctl);
  Result<void> perform(Verb verb, const Firewall& firewall);
  Result<void> perform(Verb verb, const SetElement& element);
  Result<void> perform(Verb verb, const Link& link);
  Result<void> perform(Verb verb, const Address& address);
  Result<void> perform(Verb verb, const Neighbour& neighbour);
  Result<void> perform(Verb verb, const ForwardingEntry& entry);
  Result<void> perform(Verb verb, const Route& route);
  Result<void> perform(Verb verb, const Rule& rule);

  Result<void> addLink(const Link& link);
  Result<void> changeLink(const Link& link);
  Result<void> makeLink(const Link& link);
  Result<void> makeVxlan(const Link& link);
  Result<void> makeIpTunnel(const Link& link);
  Result<void> makeTun(const Link& link);
  /// Takes away a device that could be made and not set up.
  void unmake(const Link& link);
  /// All that a fresh link is not born with, and no IPv6 address of its own. A failure leaves it half done.
  Result<void> setUpSilently(const Link& link);
  /// Hands the removals from `at_` on over, as many as there are in a row; how many that were.
  std::size_t removeLinks();

  void gather(const netlink::Message& message);
  void flush();
  /// Carries out the operations on elements that were gathered.
  void flushElements();
  void settle(std::size_t operation, Result<void> outcome);
  /// Judges additions that met something which was there already.
  void resolveExisting();
  /// The ifindex of a link, after what was gathered is done if need be.
  Result<int> indexOf(const std::string& link);

  netlink::Socket& socket_;
  Result<Nftables>& nftables_;
  Reaper& reaper_;
  std::span<const Operation> operations_;
  std::vector<Result<void>> results_;
  std::size_t at_ = 0;
  netlink::Batch batch_;
  std::vector<std::size_t> gathered_;  ///< whose operation each message of batch_ is
  std::vector<std::size_t> elements_;  ///< gathered operations on elements
  std::vector<std::size_t> existing_;
  std::unordered_map<std::string, int> indices_;
  bool wroteSettings_ = false;
};

}  // namespace twill
