// SPDX-License-Identifier: Apache-2.0
// The agent's part in ipip: its programs, in step with what else the kernel holds, and what routers say of
// its packets.
#include "agent/agent.hpp"
#include "agent/make_before_break.hpp"
#include "plan/network_names.hpp"

namespace twill {

/// One network has it: nothing in its packets tells networks apart.
std::optional<IpipTunnel> Agent::wantedIpip() const {
  for (const auto& network : networks_) {
    if (const auto& ipip = network->decision().desired.ipip) return ipip;
  }
  return std::nullopt;
}

void Agent::followIpip() {
  const bool before = kernel_.ipipNumbers().has_value();
  const auto done = kernel_.setIpip(wantedIpip());
  problems_.set("ipip", done ? std::vector<std::string>{} : std::vector{done.error().text});
  if (kernel_.ipipNumbers().has_value() != before)
    wake(Cause::cluster);  // something may have waited for that
}

/// The programs come after their device and before packets are led into it, and go before it: what is on its
/// way between two engines arrives.
void Agent::holdForIpip(std::vector<Operation>& operations) const {
  const bool there = kernel_.ipipNumbers().has_value();
  const bool wanted = wantedIpip().has_value();
  if (wanted == there) return;
  const auto isDriver = [](const Operation& operation) {
    const auto* link = std::get_if<Link>(&operation.object);
    return link != nullptr && link->ipTunnel;
  };
  if (wanted) return holdUntilCarried(kIpipDevice, isDriver, operations);
  std::erase_if(operations, [](const Operation& operation) {
    const auto* link = std::get_if<Link>(&operation.object);
    return operation.verb == Verb::remove && link != nullptr && link->name == kIpipDevice;
  });
}

void Agent::hear(const TooBig& said) {
  for (const auto& network : networks_) {
    if (network->hear(said)) wake(Cause::cluster);
  }
}

}  // namespace twill
