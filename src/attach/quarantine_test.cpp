// SPDX-License-Identifier: Apache-2.0
#include "attach/quarantine.hpp"

#include <doctest/doctest.h>

#include "attach/desired.hpp"

using namespace twill;

namespace {

Lease lease(const std::string& node, const std::string& subnet) {
  Lease made;
  made.node = node;
  made.subnet = *Prefix::parse(subnet);
  return made;
}

Attachment at(const std::string& address) {
  Attachment made;
  made.containerId = "con1";
  made.ifname = "eth0";
  made.hostIfname = "tw1";
  made.bridge = "twill0";
  made.spoofGuard = true;
  made.addresses = {*InterfaceAddress::parse(address)};
  made.gateways = {made.addresses.front().prefix().address().plus(1)};
  return made;
}

}  // namespace

TEST_CASE("a container is in quarantine once another node holds its address, and only then") {
  NodeNetwork node;
  node.subnet = *Prefix::parse("172.16.1.0/24");
  const std::vector<Lease> leases = {lease("node1", "172.16.1.0/24"), lease("node2", "172.16.2.0/24")};
  CHECK(holderOf(at("172.16.2.5/24"), node, leases) == "node2");
  CHECK(holderOf(at("172.16.1.5/24"), node, leases).empty());
  CHECK(holderOf(at("172.16.3.5/24"), node, leases).empty());
  // Who has the subnet is disputed, and this node goes on by the lease that it had.
  node.subnet = *Prefix::parse("172.16.2.0/24");
  CHECK(holderOf(at("172.16.2.5/24"), node, leases).empty());
}

TEST_CASE("in quarantine nothing gets out, and nothing keeps the node from the address's true owner") {
  for (const auto mode : {AttachMode::bridge, AttachMode::routed}) {
    Attachment attachment = at("172.16.2.5/24");
    attachment.mode = mode;
    attachment.spoofGuard = false;
    const KernelState state = desiredQuarantine(attachment);
    CHECK(state.links.contains("tw1"));
    CHECK(state.routes.empty());
    CHECK(state.addresses.empty());
    CHECK(state.neighbours.empty());
    REQUIRE(state.setElements.size() == 1);
    CHECK(state.setElements.begin()->second.set == "guarded");
  }
}
