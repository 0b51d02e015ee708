// SPDX-License-Identifier: Apache-2.0
#include "model/cluster.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include <fmt/format.h>

namespace twill {
namespace {

constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

const IpAddress* publicAddressOf(const Lease& lease) {
  if (lease.publicIp) return &*lease.publicIp;
  return lease.publicIp6 ? &*lease.publicIp6 : nullptr;
}

/// The documented rule: which of two leases has the better right. Total, so that it never depends on the
/// order of the input. A lease without an address can carry no traffic and comes last.
bool hasBetterRight(const Lease& a, const Lease& b) {
  const IpAddress* ofA = publicAddressOf(a);
  const IpAddress* ofB = publicAddressOf(b);
  if ((ofA == nullptr) != (ofB == nullptr)) return ofA != nullptr;
  if (ofA != nullptr && *ofA != *ofB) return *ofA < *ofB;
  if (a.node != b.node) return a.node < b.node;
  return a < b;
}

std::string_view reasonOf(const Lease& winner, const Lease& loser) {
  const IpAddress* address = publicAddressOf(winner);
  const IpAddress* other = publicAddressOf(loser);
  if (address != nullptr && other == nullptr) return "it has a public address";
  if (address != nullptr && *address != *other) return "its public address is lower";
  if (winner.node != loser.node) return "its name is lower";
  return "it comes first in order of subnets";
}

/// "node1 (172.16.0.0/24 at 10.0.0.10)"
std::string described(const Lease& lease) {
  std::string subnets;
  for (const auto& subnet : {lease.subnet, lease.subnet6}) {
    if (subnet) subnets += (subnets.empty() ? "" : " and ") + subnet->text();
  }
  const IpAddress* address = publicAddressOf(lease);
  return fmt::format("{} ({} at {})", lease.name(), subnets.empty() ? "no subnet" : subnets,
                     address == nullptr ? "no address" : address->text());
}

/// The slot of a claim that a lease does not make.
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// Numbers the distinct keys of all leases in sorted order. Each lease makes up to two claims, one of each
/// family (names: the first only).
template <class Key>
class Slots {
 public:
  template <class KeysOf>
  Slots(const std::vector<Lease>& leases, KeysOf keysOf) : slots_(leases.size()) {
    struct Claim {
      Key key;
      std::size_t lease;
      std::size_t which;
    };
    std::vector<Claim> claims;
    claims.reserve(leases.size());
    for (std::size_t i = 0; i < leases.size(); ++i) {
      slots_[i].fill(kNone);
      auto keys = keysOf(leases[i]);
      for (std::size_t which = 0; which < keys.size(); ++which) {
        if (keys[which]) claims.push_back({*keys[which], i, which});
      }
    }
    auto less = [](const Claim& a, const Claim& b) { return a.key < b.key; };
    if (!std::is_sorted(claims.begin(), claims.end(), less)) std::sort(claims.begin(), claims.end(), less);
    keys_.reserve(claims.size());
    for (const Claim& claim : claims) {
      if (keys_.empty() || keys_.back() != claim.key) keys_.push_back(claim.key);
      slots_[claim.lease][claim.which] = keys_.size() - 1;
    }
    distinct_ = keys_.size() == claims.size();
  }

  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }
  [[nodiscard]] const std::array<std::size_t, 2>& of(std::size_t lease) const { return slots_[lease]; }
  /// No key is claimed twice.
  [[nodiscard]] bool distinct() const { return distinct_; }

 private:
  std::vector<Key> keys_;
  std::vector<std::array<std::size_t, 2>> slots_;
  bool distinct_ = true;
};

/// Who holds which value, for values that one lease at most may hold: names and addresses.
template <class Key>
class Claims {
 public:
  template <class KeysOf>
  Claims(const std::vector<Lease>& leases, KeysOf keysOf)
      : slots_(leases, keysOf), holders_(slots_.keys().size(), kNobody) {}

  [[nodiscard]] bool allFree() const { return slots_.distinct(); }
  /// Another lease that holds what `lease` claims, else kNobody.
  [[nodiscard]] std::size_t rival(std::size_t lease) const {
    for (std::size_t slot : slots_.of(lease)) {
      if (slot != kNone && holders_[slot] != kNobody) return holders_[slot];
    }
    return kNobody;
  }
  void hold(std::size_t lease) {
    for (std::size_t slot : slots_.of(lease)) {
      if (slot != kNone) holders_[slot] = lease;
    }
  }

 private:
  Slots<Key> slots_;
  std::vector<std::size_t> holders_;
};

/// The same for prefixes. Those of different lengths may contain each other, so they form a forest.
class PrefixClaims {
 public:
  explicit PrefixClaims(const std::vector<Lease>& leases)
      : slots_(leases,
               [](const Lease& lease) {
                 return std::array{lease.subnet, lease.subnet6};
               }),
        nodes_(slots_.keys().size()) {
    // In sorted order a prefix stands before all that lie inside it, so the one that encloses the next is
    // either the last one seen or one of those around it.
    const auto& prefixes = slots_.keys();
    std::size_t around = kNone;
    for (std::size_t i = 0; i < prefixes.size(); around = i++) {
      while (around != kNone && !prefixes[around].contains(prefixes[i])) around = nodes_[around].parent;
      nodes_[i].parent = around;
      nested_ = nested_ || around != kNone;
    }
  }

  [[nodiscard]] bool allFree() const { return slots_.distinct() && !nested_; }
  /// Another lease that holds a prefix which overlaps one of this lease's, else kNobody.
  [[nodiscard]] std::size_t rival(std::size_t lease) const {
    for (std::size_t at : slots_.of(lease)) {
      if (at != kNone && nodes_[at].inside != kNobody) return nodes_[at].inside;
      for (; at != kNone; at = nodes_[at].parent) {  // at most 129 steps: one for each length
        if (nodes_[at].holder != kNobody) return nodes_[at].holder;
      }
    }
    return kNobody;
  }
  void hold(std::size_t lease) {
    for (std::size_t at : slots_.of(lease)) {
      if (at != kNone) nodes_[at].holder = lease;
      for (; at != kNone && nodes_[at].inside == kNobody; at = nodes_[at].parent) nodes_[at].inside = lease;
    }
  }

 private:
  struct Node {
    std::size_t parent = kNone;    ///< the longest prefix that contains this one
    std::size_t holder = kNobody;  ///< lease that holds exactly this prefix
    std::size_t inside = kNobody;  ///< some lease that holds this prefix or a part of it
  };

  Slots<Prefix> slots_;
  std::vector<Node> nodes_;
  bool nested_ = false;
};

/// With its hash in front, since names that differ only at their ends are slow to sort.
using Name = std::pair<std::size_t, std::string_view>;

std::optional<Name> nameOf(const Lease& lease) {
  if (lease.node.empty()) return std::nullopt;
  return Name{std::hash<std::string_view>{}(lease.node), lease.node};
}

/// Grants leases one by one; those with the better right must come first.
class Judge {
 public:
  explicit Judge(const std::vector<Lease>& leases)
      : leases_(leases),
        names_(leases, [](const Lease& lease) { return std::array{nameOf(lease)}; }),
        addresses_(leases,
                   [](const Lease& lease) {
                     return std::array{lease.publicIp, lease.publicIp6};
                   }),
        prefixes_(leases) {}

  /// No two leases claim the same, so that each may stay: the usual case, and known without judging.
  [[nodiscard]] bool allFree() const {
    return names_.allFree() && addresses_.allFree() && prefixes_.allFree();
  }

  /// Nothing if lease `i` may stay, and then it holds what it claims.
  std::optional<LeaseConflict> judge(std::size_t i) {
    if (std::size_t rival = names_.rival(i); rival != kNobody) {
      return conflict(rival, i, "are two leases of one node");
    }
    if (std::size_t rival = addresses_.rival(i); rival != kNobody) {
      return conflict(rival, i, "have the same public address");
    }
    if (std::size_t rival = prefixes_.rival(i); rival != kNobody) {
      return conflict(rival, i, "have overlapping subnets");
    }
    names_.hold(i);
    addresses_.hold(i);
    prefixes_.hold(i);
    return std::nullopt;
  }

 private:
  [[nodiscard]] LeaseConflict conflict(std::size_t holder, std::size_t loser, std::string_view what) const {
    const Lease& winner = leases_[holder];
    const Lease& lease = leases_[loser];
    return {.loser = lease.name(),
            .winner = winner.name(),
            .text = fmt::format(
                "{} and {} {}; {} stays because {}, the other is set aside: correct or remove it",
                described(winner), described(lease), what, winner.name(), reasonOf(winner, lease))};
  }

  const std::vector<Lease>& leases_;
  Claims<Name> names_;
  Claims<IpAddress> addresses_;
  PrefixClaims prefixes_;
};

/// A subnet of a family that the network has switched off is not looked at, unless it is all there is.
void dropUnusedFamily(const NetworkConfig& network, Lease& lease) {
  if (!lease.subnet || !lease.subnet6) return;
  if (!network.v4) lease.subnet.reset();
  if (!network.v6) lease.subnet6.reset();
}

std::optional<LeaseConflict> outsideNetwork(const NetworkConfig& network, const Lease& lease) {
  for (const auto& subnet : {lease.subnet, lease.subnet6}) {
    if (!subnet) continue;
    const FamilyConfig* family = network.family(subnet->family());
    if (family != nullptr && family->network.contains(*subnet)) continue;
    std::string_view ipVersion = subnet->isV4() ? "IPv4" : "IPv6";
    std::string reason = family == nullptr
                             ? fmt::format("is {}, which the network config switches off", ipVersion)
                             : "lies outside the network " + family->network.text();
    return LeaseConflict{.loser = lease.name(),
                         .winner = "",
                         .text = fmt::format("{}: {} {}; it is set aside: correct or remove it",
                                             described(lease), subnet->text(), reason)};
  }
  return std::nullopt;
}

/// Takes the leases out that conflict with one of better right.
void setAside(std::vector<Lease>& leases, std::vector<LeaseConflict>& conflicts) {
  Judge judge(leases);
  if (judge.allFree()) return;
  std::vector<std::size_t> order(leases.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return hasBetterRight(leases[a], leases[b]); });
  std::vector<Lease> granted;
  for (std::size_t i : order) {
    if (auto conflict = judge.judge(i)) {
      conflicts.push_back(std::move(*conflict));
    } else {
      granted.push_back(leases[i]);
    }
  }
  leases = std::move(granted);
}

bool comesFirst(const Lease& a, const Lease& b) {
  if (a.subnet != b.subnet) return a.subnet < b.subnet;
  return a.subnet6 != b.subnet6 ? a.subnet6 < b.subnet6 : a < b;
}

}  // namespace

bool Lease::isOf(std::string_view name, const std::optional<IpAddress>& address,
                 const std::optional<IpAddress>& address6) const {
  if (!node.empty()) return node == name;
  return publicIp ? publicIp == address : publicIp6 && publicIp6 == address6;
}

std::string Lease::name() const {
  if (!node.empty()) return node;
  for (const auto& address : {publicIp, publicIp6}) {
    if (address) return address->text();
  }
  for (const auto& prefix : {subnet, subnet6}) {
    if (prefix) return prefix->text();
  }
  return {};
}

SoundCluster makeSound(Cluster cluster) {
  SoundCluster sound{.cluster = std::move(cluster), .conflicts = {}};
  auto& leases = sound.cluster.leases;
  for (Lease& lease : leases) dropUnusedFamily(sound.cluster.network, lease);
  std::erase_if(leases, [&](const Lease& lease) {
    auto conflict = outsideNetwork(sound.cluster.network, lease);
    if (conflict) sound.conflicts.push_back(std::move(*conflict));
    return conflict.has_value();
  });
  setAside(leases, sound.conflicts);
  if (!std::is_sorted(leases.begin(), leases.end(), comesFirst)) {
    std::sort(leases.begin(), leases.end(), comesFirst);
  }
  std::sort(sound.conflicts.begin(), sound.conflicts.end());
  return sound;
}

}  // namespace twill
