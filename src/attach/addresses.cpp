// SPDX-License-Identifier: Apache-2.0
#include "attach/addresses.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill {
namespace {

/// What a routed container sends everything to. The node answers for these on every host side (desired.cpp).
const IpAddress kRoutedGateway = IpAddress::fromV4(0xa9fe0101);  // 169.254.1.1
const IpAddress kRoutedGateway6 = *IpAddress::parse("fe80::1");

constexpr int kLeastMtu6 = 1280;  // RFC 8200, section 5; with less the kernel turns IPv6 off

using Pools = std::vector<AddressPool>;

bool isRouted(const AttachRequest& request) {
  return request.mode == AttachMode::routed;
}

Failure badRange(const AddressRange& range, std::string_view why) {
  return fail(fmt::format("ipam: the range in {} {}", range.subnet.text(), why), Error::Kind::invalid);
}

/// A range that is not the node's must not be anybody else's: the bridge would take what is meant for them.
Result<void> checkElsewhere(const AddressRange& range, const NodeNetwork& node) {
  for (const Prefix& network : node.networks) {
    if (!network.overlaps(range.subnet)) continue;
    const auto& own = network.isV4() ? node.subnet : node.subnet6;
    return badRange(range,
                    fmt::format("is in the cluster's network {}, but not in this node's subnet {}; leave the "
                                "range out, and each node takes addresses of its own",
                                network.text(), own ? own->text() : "(none)"));
  }
  for (const Prefix& segment : node.segments) {
    if (segment.overlaps(range.subnet))
      return badRange(range, "overlaps " + segment.text() + ", where the nodes are; choose another");
  }
  return {};
}

/// A network of its own has its gateway on the bridge, so that one address is not enough; two are not, with
/// the network's and the broadcast address, as host-local has it.
Result<void> checkSize(const AddressRange& range, bool routed) {
  const int shortest = range.subnet.address().bits() - 2;
  if (routed || range.subnet.length() <= shortest) return {};
  return badRange(range, fmt::format("is too small for a gateway and a container; choose a /{} or larger, or "
                                     "\"attach\": \"routed\", which needs no gateway in it",
                                     shortest));
}

/// A range inside the node's subnet is a part of it, with the node's gateway; any other is a network of its
/// own, known on this node only.
Result<AddressPool> poolOf(const AddressRange& range, const NodeNetwork& node, bool routed) {
  AddressPool pool{.subnet = range.subnet, .gateway = range.gateway, .from = range.first, .to = range.last};
  for (const auto& end : {range.first, range.last, range.gateway}) {
    if (end && !range.subnet.contains(*end)) return badRange(range, "does not contain " + end->text());
  }
  const auto& own = range.subnet.isV4() ? node.subnet : node.subnet6;
  if (own && own->contains(range.subnet)) {
    const AddressPool bounds{.subnet = range.subnet, .gateway = {}, .from = range.first, .to = range.last};
    pool = {.subnet = *own, .gateway = range.gateway, .from = bounds.first(), .to = bounds.last()};
  } else {
    TWILL_CHECK(checkElsewhere(range, node));
    TWILL_CHECK(checkSize(range, routed));
  }
  if (!pool.gateway && !routed) pool.gateway = pool.subnet.address().plus(1);
  if (pool.last() < pool.first()) return badRange(range, "ends before it begins");
  return pool;
}

/// host-local's rule: which gateway and length an address comes with must not depend on who looks first.
Result<void> checkApart(const std::vector<Pools>& sets) {
  Pools all;
  for (const Pools& pools : sets) all.insert(all.end(), pools.begin(), pools.end());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first() < b.first(); });
  const auto overlap = std::adjacent_find(all.begin(), all.end(),
                                          [](const auto& a, const auto& b) { return b.first() <= a.last(); });
  if (overlap == all.end()) return {};
  return fail(fmt::format("ipam: the ranges {} and {} overlap; set them apart by rangeStart and rangeEnd, or "
                          "leave one out",
                          textOf({&*overlap, 1}), textOf({&overlap[1], 1})),
              Error::Kind::invalid);
}

Result<std::vector<Pools>> poolsOf(const AttachRequest& request, const NodeNetwork& node) {
  std::vector<Pools> sets;
  for (const auto& ranges : request.ranges) {
    Pools& pools = sets.emplace_back();
    for (const AddressRange& range : ranges) {
      TWILL_TRY(AddressPool pool, poolOf(range, node, isRouted(request)));
      pools.push_back(pool);
    }
  }
  TWILL_CHECK(checkApart(sets));
  if (!sets.empty()) return sets;
  for (const auto& subnet : {node.subnet, node.subnet6}) {
    if (!subnet) continue;
    TWILL_TRY(AddressPool pool, poolOf({.subnet = *subnet}, node, isRouted(request)));
    sets.push_back({pool});
  }
  return sets;
}

/// The one of several addresses that this set is asked for.
const IpAddress* wantedOf(const Pools& pools, const AttachRequest& request) {
  const auto& wanted = request.addresses;
  const auto found = std::find_if(wanted.begin(), wanted.end(), [&](const IpAddress& address) {
    return std::any_of(pools.begin(), pools.end(),
                       [&](const AddressPool& pool) { return pool.subnet.contains(address); });
  });
  return found == wanted.end() ? nullptr : &*found;
}

Result<void> checkAllFit(const AttachRequest& request, const std::vector<Pools>& sets) {
  for (const IpAddress& wanted : request.addresses) {
    const bool fits = std::any_of(sets.begin(), sets.end(), [&](const Pools& pools) {
      return std::any_of(pools.begin(), pools.end(),
                         [&](const AddressPool& pool) { return pool.subnet.contains(wanted); });
    });
    if (fits) continue;
    std::string all;
    for (const Pools& pools : sets) all += (all.empty() ? "" : ", ") + textOf(pools);
    return fail(fmt::format("requested address {} is not in range {}", wanted.text(), all),
                Error::Kind::invalid);
  }
  return {};
}

ChosenAddress chosen(const IpAddress& address, int length, std::optional<IpAddress> gateway, bool routed) {
  if (!routed) return {{address, length}, gateway};
  return {{address, address.bits()}, address.isV4() ? kRoutedGateway : kRoutedGateway6};
}

Failure isGateways(const IpAddress& address, const NodeNetwork& node) {
  return fail(fmt::format("address {} is the gateway's, {} has it", address.text(), node.bridge),
              Error::Kind::exists);
}

Result<void> checkGiven(const GivenAddress& given, const NodeNetwork& node, const TakenAddresses& taken) {
  const IpAddress& address = given.address.address;
  if (node.isGateway(address)) return isGateways(address, node);
  for (const Prefix& network : node.networks) {
    if (!network.contains(address) || node.holds(address)) continue;
    return fail(
        fmt::format(
            "address {}, which the ipam plugin has chosen, is in the cluster's network {}, but not in "
            "this node's subnet",
            address.text(), network.text()),
        Error::Kind::invalid);
  }
  const auto holder = taken.find(address);
  if (holder == taken.end()) return {};
  return fail(fmt::format("address {}, which the ipam plugin has chosen, is taken by {}",
                          given.address.address.text(), holder->second),
              Error::Kind::exists);
}

}  // namespace

Result<std::vector<ChosenAddress>> chooseAddresses(const AttachRequest& request, const NodeNetwork& node,
                                                   const AddressBook& book) {
  std::vector<ChosenAddress> out;
  const bool routed = isRouted(request);
  if (request.given) {
    for (const auto& given : *request.given) {
      TWILL_CHECK(checkGiven(given, node, book.taken));
      out.push_back(chosen(given.address.address, given.address.length, given.gateway, routed));
    }
    return out;
  }
  TWILL_TRY(const auto sets, poolsOf(request, node));
  TWILL_CHECK(checkAllFit(request, sets));
  const auto isTaken = [&](const IpAddress& address) {
    return node.isGateway(address) || book.taken.contains(address) || book.isReserved(address);
  };
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const Pools& pools = sets[i];
    IpAddress address;
    if (const IpAddress* wanted = wantedOf(pools, request)) {
      if (node.isGateway(*wanted)) return isGateways(*wanted, node);
      TWILL_CHECK(checkAddress(pools, book.taken, *wanted));
      if (book.isReserved(*wanted)) {
        return fail(fmt::format("requested address {} is reserved by the host-local plugin", wanted->text()),
                    Error::Kind::exists);
      }
      address = *wanted;
    } else {
      TWILL_TRY(address, nextAddress(pools, isTaken, book.lastReserved(i)));
    }
    const auto pool = std::find_if(pools.begin(), pools.end(),
                                   [&](const AddressPool& one) { return one.contains(address); });
    out.push_back(chosen(address, pool->subnet.length(), pool->gateway, routed));
  }
  return out;
}

Result<void> checkMtu(const AttachRequest& request, const NodeNetwork& node,
                      const std::vector<ChosenAddress>& chosen) {
  const auto refuse = [](const std::string& address, const std::string& who, int mtu, std::string_view todo) {
    return fail(
        fmt::format("IPv6 address {} cannot be had by {} with an MTU of {}: IPv6 needs {} (RFC 8200); {}",
                    address, who, mtu, kLeastMtu6, todo),
        Error::Kind::invalid);
  };
  constexpr std::string_view kRaise =
      "raise the MTU of the underlay, of which the backend takes its part, or leave IPv6 out of the network "
      "config";
  const int mtu = request.mtu.value_or(node.mtu);
  for (const ChosenAddress& one : chosen) {
    if (one.address.address.isV4() || mtu >= kLeastMtu6) continue;
    return refuse(one.address.address.text(), request.ifname, mtu,
                  request.mtu ? "give the CNI config a larger \"mtu\", or none" : kRaise);
  }
  // The gateway's is there with the first container, whatever that has.
  if (isRouted(request) || !node.subnet6 || node.mtu >= kLeastMtu6) return {};
  return refuse(node.subnet6->address().plus(1).text(), node.bridge, node.mtu, kRaise);
}

}  // namespace twill
