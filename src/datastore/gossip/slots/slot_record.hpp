// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// What the slot table is made of: who holds which slot of the pool. Only a slot's owner writes its record,
/// so of two records of one slot the one of the higher version is the newer. Pure values.
namespace twill::gossip {

/// 128 random bits that name a node, or a cluster, for good.
struct NodeId {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const NodeId&) const = default;
  /// 32 hexadecimal digits.
  [[nodiscard]] std::string text() const;
  /// The first eight of them: enough to tell a cluster's nodes apart for people.
  [[nodiscard]] std::string brief() const { return text().substr(0, 8); }
  [[nodiscard]] static Result<NodeId> parse(std::string_view text);
  /// `bytes` must hold 16.
  [[nodiscard]] static NodeId fromBytes(std::string_view bytes);
  [[nodiscard]] std::string_view raw() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};
using ClusterId = NodeId;

/// A record's version: 12 bits of epoch, then 20 bits of sequence. Each write adds one. Who takes a removed
/// node's slot raises the epoch as well, so that nothing the removed one may have written meanwhile is newer.
/// 0: there is no record.
using SlotVersion = std::uint32_t;
constexpr int kSequenceBits = 20;
/// Nothing above it is accepted, so that whoever must write a record still can.
constexpr SlotVersion kLastVersion = (0xfffU << kSequenceBits) - 1;

[[nodiscard]] constexpr std::uint32_t epochOf(SlotVersion version) {
  return version >> kSequenceBits;
}
[[nodiscard]] constexpr std::uint32_t sequenceOf(SlotVersion version) {
  return version & ((1U << kSequenceBits) - 1);
}

/// The last generation that is removed: a node comes back with the next one.
constexpr std::uint32_t kLastRemoved = UINT32_MAX - 1;

enum class SlotUse : std::uint8_t {  // numbers as on the wire and on disk
  free,                              ///< its owner may use it or grant it
  active,                            ///< its owner's, in use: never granted
  revoked,                           ///< of a removed node, rests until nobody can be using it
};

/// The longest text that a record may carry: a lease with the data of any backend has some 400 bytes.
constexpr std::size_t kLongestData = 1024;

struct SlotRecord {
  std::uint32_t slot = 0;
  NodeId owner;
  SlotVersion version = 0;
  SlotUse use = SlotUse::free;
  std::uint32_t generation = 0;   ///< of the owner: how often it was removed and came back, from 1
  std::int64_t revokedUntil = 0;  ///< seconds since 1970 on its owner's clock; 0 unless revoked
  std::string data{};  ///< of an active one: its owner's lease as JSON; empty: it is being given back

  bool operator==(const SlotRecord&) const = default;
};

/// Whether a record may carry the text: JSON of 1 to kLongestData bytes.
[[nodiscard]] bool isLeaseText(std::string_view text);

/// Whether `one` takes the place of `other`, a record of the same slot: higher version, then lower owner,
/// then an order of the rest, so that nodes agree whatever they hear first.
[[nodiscard]] bool isNewer(const SlotRecord& one, const SlotRecord& other);

/// Whether both owners had reason to take the slot for theirs, so that one must yield; no false alarm for
/// records of a slot that went from one to the other. It finds: one version twice, an active slot that
/// another took over with the next write, a write of an older epoch that its remover did not know. The node
/// that loses its own slot knows it in any case.
[[nodiscard]] bool bothClaim(const SlotRecord& one, const SlotRecord& other);

/// The version of the owner's next write, and of the first write of one who takes it from a removed node.
/// At the end of the numbers they stay as they are.
[[nodiscard]] SlotVersion nextVersion(SlotVersion version);
[[nodiscard]] SlotVersion raisedVersion(SlotVersion version);

/// A node was removed: what it owned in this or an earlier generation is no longer its own.
struct Tombstone {
  NodeId node;
  std::uint32_t generation = 0;
  NodeId remover;  ///< who takes its slots, also those that come to light later

  auto operator<=>(const Tombstone&) const = default;
};

/// What all nodes of a cluster agree upon. Id, number of slots and mode never change, nor does the pool in
/// `config`.
struct ClusterInfo {
  ClusterId id;
  std::uint32_t slots = 0;
  bool byAddress = false;  ///< each node's slot follows from its address
  std::string config;      ///< the network config as JSON; the last writer wins
  std::uint32_t configVersion = 0;
  NodeId configWriter;

  bool operator==(const ClusterInfo&) const = default;
};

}  // namespace twill::gossip
