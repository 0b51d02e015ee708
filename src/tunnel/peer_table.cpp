// SPDX-License-Identifier: Apache-2.0
#include "tunnel/peer_table.hpp"

#include <bit>
#include <cstring>
#include <functional>
#include <map>

#include <endian.h>

namespace twill::tunnel {

PeerTable::Key PeerTable::keyOf(Family family, const std::uint8_t* address) {
  std::uint8_t bytes[16] = {};
  std::memcpy(bytes, address, family == Family::v4 ? 4 : 16);
  Key key;
  std::memcpy(&key.high, bytes, 8);
  std::memcpy(&key.low, bytes + 8, 8);
  return {be64toh(key.high), be64toh(key.low)};
}

std::size_t PeerTable::hashOf(const Key& key) {
  // Knuth's multiplicative hash; the upper half is the well mixed one.
  const std::uint64_t mixed = (key.high ^ (key.low * 0x9e3779b97f4a7c15ULL)) * 0x9e3779b97f4a7c15ULL;
  return mixed >> 32U;
}

PeerTable::Level PeerTable::makeLevel(Family family, int length, std::size_t prefixes) {
  const auto ones = [](int n) {
    return n <= 0 ? 0 : n >= 64 ? ~0ULL : ~0ULL << static_cast<unsigned>(64 - n);
  };
  const int bits = family == Family::v4 ? std::min(length, 32) : length;
  return {.length = length,
          .mask = {ones(bits), ones(bits - 64)},
          .slots = std::vector<Slot>(std::bit_ceil(prefixes * 2 + 1))};
}

void PeerTable::insert(Level& level, const Key& key, const Peer& peer) {
  const std::size_t mask = level.slots.size() - 1;
  std::size_t at = hashOf(key) & mask;
  while (level.slots[at].peer != nullptr && level.slots[at].key != key) at = (at + 1) & mask;
  if (level.slots[at].peer == nullptr) level.slots[at] = {key, &peer};
}

PeerTable::PeerTable(std::vector<Peer> peers) : peers_(std::move(peers)) {
  std::map<int, std::size_t, std::greater<>> counts4, counts6;
  for (const Peer& peer : peers_) {
    for (const Prefix& prefix : peer.prefixes) ++(prefix.isV4() ? counts4 : counts6)[prefix.length()];
  }
  for (const auto& [length, count] : counts4) levels4_.push_back(makeLevel(Family::v4, length, count));
  for (const auto& [length, count] : counts6) levels6_.push_back(makeLevel(Family::v6, length, count));
  for (const Peer& peer : peers_) {
    for (const Prefix& prefix : peer.prefixes) {
      for (Level& level : prefix.isV4() ? levels4_ : levels6_) {
        if (level.length == prefix.length())
          insert(level, keyOf(prefix.family(), prefix.address().bytes().data()), peer);
      }
    }
  }
}

const Peer* PeerTable::find(Family family, const std::uint8_t* address) const {
  const Key whole = keyOf(family, address);
  for (const Level& level : family == Family::v4 ? levels4_ : levels6_) {
    const Key key{whole.high & level.mask.high, whole.low & level.mask.low};
    const std::size_t mask = level.slots.size() - 1;
    for (std::size_t at = hashOf(key) & mask; level.slots[at].peer != nullptr; at = (at + 1) & mask) {
      if (level.slots[at].key == key) return level.slots[at].peer;
    }
  }
  return nullptr;
}

}  // namespace twill::tunnel
