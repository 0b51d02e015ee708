// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "plan/state.hpp"

namespace twill {

/// How the operator wants the underlay found: flannel's options, tried in flannel's order.
struct UnderlayRules {
  std::vector<std::string> ifaces;        ///< names or addresses; the first that fits wins
  std::vector<std::string> ifaceRegexes;  ///< tried against addresses, then names (ECMAScript)
  std::optional<IpAddress> canReach;      ///< the interface that the kernel's route to this address leaves by
  std::optional<IpAddress> publicIp;      ///< published instead of the interface's own address
  std::optional<IpAddress> publicIp6;
  std::optional<IpAddress> held;  ///< what our lease says: kept for as long as the link has it
  std::optional<IpAddress> held6;
  bool needV4 = true;  ///< families of the network config
  bool needV6 = false;
};

struct UnderlayChoice {
  Underlay underlay;
  std::optional<IpAddress>
      publicIp;  ///< what peers should send to; the interface's address unless overridden
  std::optional<IpAddress> publicIp6;
  std::string reason;                ///< "the default route", for `twill status`
  std::vector<std::string> notices;  ///< for example a second default route

  auto operator<=>(const UnderlayChoice&) const = default;
};

/// "eth0 10.0.0.10 fd00::10 by the default route"
[[nodiscard]] std::string describe(const UnderlayChoice& choice);

/// Asks the kernel which interface a packet to an address leaves by; only --iface-can-reach needs it.
using RouteQuestion = std::function<Result<std::string>(const IpAddress&)>;

/// The setting by which a link takes part in router advertisements: chooseUnderlay() looks at it where the
/// actual state holds it.
[[nodiscard]] std::string acceptRaOf(const std::string& link);

/// Finds the interface and addresses that peers reach this node under. With nothing given: the interface that
/// holds
/// --public-ip, else the one of the default route. Own links are never chosen. The error names every rule
/// that was tried and why it did not fit.
[[nodiscard]] Result<UnderlayChoice> chooseUnderlay(const KernelState& actual, const UnderlayRules& rules,
                                                    const RouteQuestion& routeTo);

}  // namespace twill
