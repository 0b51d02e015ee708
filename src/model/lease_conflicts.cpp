// SPDX-License-Identifier: Apache-2.0
#include "model/lease_conflicts.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>

#include <boost/sort/spreadsort/integer_sort.hpp>
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
    std::sort(claims.begin(), claims.end(), less);
    keys_.reserve(claims.size());
    for (const Claim& claim : claims) {
      if (keys_.empty() || keys_.back() != claim.key) keys_.push_back(claim.key);
      slots_[claim.lease][claim.which] = keys_.size() - 1;
    }
  }

  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }
  [[nodiscard]] const std::array<std::size_t, 2>& of(std::size_t lease) const { return slots_[lease]; }

 private:
  std::vector<Key> keys_;
  std::vector<std::array<std::size_t, 2>> slots_;
};

/// Who holds which value, for values that one lease at most may hold: names and addresses.
template <class Key>
class Claims {
 public:
  template <class KeysOf>
  Claims(const std::vector<Lease>& leases, KeysOf keysOf)
      : slots_(leases, keysOf), holders_(slots_.keys().size(), kNobody) {}

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
    }
  }

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
};

std::optional<std::string_view> nameOf(const Lease& lease) {
  if (lease.node.empty()) return std::nullopt;
  return lease.node;
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
  Claims<std::string_view> names_;
  Claims<IpAddress> addresses_;
  PrefixClaims prefixes_;
};

/// True when no two are equal. May err towards false, which costs time only.
bool areDistinct(std::vector<std::uint64_t> hashes) {
  boost::sort::spreadsort::integer_sort(hashes.begin(), hashes.end());
  return std::adjacent_find(hashes.begin(), hashes.end()) == hashes.end();
}

/// A prefix that contains others stands right before one of them in sorted order.
bool areDisjoint(std::vector<Prefix> prefixes) {
  if (!std::is_sorted(prefixes.begin(), prefixes.end())) std::sort(prefixes.begin(), prefixes.end());
  auto contains = [](const Prefix& a, const Prefix& b) { return a.contains(b); };
  return std::adjacent_find(prefixes.begin(), prefixes.end(), contains) == prefixes.end();
}

/// No two leases claim the same, so that each may stay: the usual case, and known without judging. A large
/// cluster takes this way with every change. False says nothing.
bool nobodyCollides(const std::vector<Lease>& leases) {
  constexpr std::hash<std::string_view> hash;
  std::vector<std::uint64_t> names;
  std::vector<std::uint64_t> addresses;
  std::vector<Prefix> prefixes;
  names.reserve(leases.size());
  addresses.reserve(leases.size());
  prefixes.reserve(leases.size());
  for (const Lease& lease : leases) {
    if (!lease.node.empty()) names.push_back(hash(lease.node));
    if (lease.publicIp) addresses.push_back(lease.publicIp->v4());
    if (lease.publicIp6) {
      const auto bytes = lease.publicIp6->bytes();
      addresses.push_back(hash({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    }
    if (lease.subnet) prefixes.push_back(*lease.subnet);
    if (lease.subnet6) prefixes.push_back(*lease.subnet6);
  }
  return areDistinct(std::move(names)) && areDistinct(std::move(addresses)) &&
         areDisjoint(std::move(prefixes));
}

}  // namespace

std::string described(const Lease& lease) {
  std::string subnets;
  for (const auto& subnet : {lease.subnet, lease.subnet6}) {
    if (subnet) subnets += (subnets.empty() ? "" : " and ") + subnet->text();
  }
  const IpAddress* address = publicAddressOf(lease);
  return fmt::format("{} ({} at {})", lease.name(), subnets.empty() ? "no subnet" : subnets,
                     address == nullptr ? "no address" : address->text());
}

void setAsideRivals(std::vector<Lease>& leases, std::vector<LeaseConflict>& conflicts) {
  if (nobodyCollides(leases)) return;
  Judge judge(leases);
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

}  // namespace twill
