// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "net/address.hpp"

namespace twill::tunnel {

/// What went to and came from one peer.
struct PeerNumbers {
  std::uint64_t sentPackets = 0, sentBytes = 0, receivedPackets = 0, receivedBytes = 0;
};

/// The same while it is counted. Each number has one writer, so that a load and a store do.
struct PeerCounters {
  std::atomic<std::uint64_t> sentPackets{0}, sentBytes{0}, receivedPackets{0}, receivedBytes{0};

  static void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};

/// Another node.
struct Peer {
  std::string name;
  IpAddress endpoint;            ///< its address on the underlay
  std::vector<Prefix> prefixes;  ///< what is behind it: its subnets, its own addresses
  bool partialChecksums =
      false;  ///< the kernel engine may send to it, which leaves checksums to network cards
  std::shared_ptr<PeerCounters> counters = std::make_shared<PeerCounters>();
};

/// Which peer an address is behind: the longest prefix that holds it. Never changes, so that any number of
/// threads may ask; a new map is a new table.
/// One hash table for each length that occurs, longest first: a cluster has two or three, so that a lookup is
/// as many probes however many peers there are.
class PeerTable {
 public:
  /// A prefix that two peers claim belongs to the first.
  explicit PeerTable(std::vector<Peer> peers = {});
  PeerTable(const PeerTable&) = delete;  // it points into itself
  PeerTable& operator=(const PeerTable&) = delete;
  /// `address` points to the 4 or 16 bytes of the family. None: nobody's.
  [[nodiscard]] const Peer* find(Family family, const std::uint8_t* address) const;
  [[nodiscard]] const std::vector<Peer>& peers() const { return peers_; }

 private:
  struct Key {
    std::uint64_t high = 0, low = 0;
    bool operator==(const Key&) const = default;
  };
  struct Slot {
    Key key;
    const Peer* peer = nullptr;  ///< into peers_; none: the slot is free
  };
  /// All prefixes of one length. Open addressing, at most half full.
  struct Level {
    int length = 0;
    Key mask;
    std::vector<Slot> slots;  ///< a power of two
  };

  static Key keyOf(Family family, const std::uint8_t* address);
  static std::size_t hashOf(const Key& key);
  static Level makeLevel(Family family, int length, std::size_t prefixes);
  static void insert(Level& level, const Key& key, const Peer& peer);

  std::vector<Peer> peers_;
  std::vector<Level> levels4_, levels6_;
};

/// Hands a new table to one thread without a lock on its way: the thread takes it when it next looks.
class TableMailbox {
 public:
  TableMailbox() = default;
  TableMailbox(const TableMailbox&) = delete;
  TableMailbox& operator=(const TableMailbox&) = delete;
  ~TableMailbox() { delete news_.exchange(nullptr); }

  /// From any thread.
  void put(std::shared_ptr<const PeerTable> table) {
    delete news_.exchange(new std::shared_ptr<const PeerTable>(std::move(table)), std::memory_order_acq_rel);
  }
  /// From the one thread that reads: makes `table` the newest. One load when there is nothing new.
  void take(std::shared_ptr<const PeerTable>& table) {
    if (news_.load(std::memory_order_relaxed) == nullptr) return;
    const std::unique_ptr<std::shared_ptr<const PeerTable>> news(
        news_.exchange(nullptr, std::memory_order_acq_rel));
    if (news) table = std::move(*news);
  }

 private:
  std::atomic<std::shared_ptr<const PeerTable>*> news_{nullptr};
};

}  // namespace twill::tunnel
