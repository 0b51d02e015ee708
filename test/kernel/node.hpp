// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/linux.hpp"
#include "sandbox.hpp"

/// A node to try the kernel on: what it is like before Twill came, and what Twill wants there.
namespace twill::test {

inline IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
inline Prefix net(std::string_view text) {
  return Prefix::parse(text).value();
}
inline InterfaceAddress on(std::string_view text) {
  return InterfaceAddress::parse(text).value();
}
inline MacAddress mac(std::string_view text) {
  return MacAddress::parse(text).value();
}

/// The cluster's networks and settings.
extern const Interest kCluster;

/// eth0 with 10.0.0.10 and fc00::10, and a default route.
void makeUnderlay();

/// True where nftables can filter on bridges; asked of the namespace that the caller is in.
bool hasBridgeFamily();

/// One object of each kind in both families, but for containers.
KernelState wantedNode();
/// twill0 alone.
Link wantedBridge();
/// The device of backend udp, alone.
Link wantedTun();
/// A container's veth whose far end is eth0 in the namespace /run/netns/`netns`.
Link wantedVeth(const std::string& name, const std::string& netns, int number);

std::unique_ptr<LinuxKernel> openKernel();
KernelState mustRead(LinuxKernel& kernel);
/// The kernel says that an interface is operational a little after the call that made it so (linkwatch).
/// `running` false: that it is not any more.
bool isSoonRunning(LinuxKernel& kernel, const std::string& link, bool running = true);
/// All of them must succeed.
void mustApply(LinuxKernel& kernel, const std::vector<Operation>& operations);
Operation add(Object object);
Operation remove(Object object);

/// Brings `state` up to date as the agent does: drains, and reads when something was lost.
void follow(LinuxKernel& kernel, KernelState& state);

/// What differs between two states, one a line; empty when they are equal.
std::string differences(const KernelState& a, const KernelState& b);
/// What still has to be done, one operation a line.
std::string leftToDo(const KernelState& wanted, const KernelState& actual);

}  // namespace twill::test
