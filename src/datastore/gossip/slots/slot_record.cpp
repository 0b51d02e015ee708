// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/slot_record.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace twill::gossip {
namespace {

int digitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool overtook(const SlotRecord& winner, const SlotRecord& loser) {
  if (winner.version == loser.version) return true;
  if (epochOf(winner.version) == epochOf(loser.version)) {
    return loser.use == SlotUse::active && winner.version == nextVersion(loser.version);
  }
  // The sequence goes on when the epoch is raised, so a write that the remover knew has a lower one.
  return sequenceOf(loser.version) >= sequenceOf(winner.version);
}

}  // namespace

std::string NodeId::text() const {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte / 16U];
    text += kDigits[byte % 16U];
  }
  return text;
}

Result<NodeId> NodeId::parse(std::string_view text) {
  NodeId id;
  bool good = text.size() == 2 * id.bytes.size();
  for (std::size_t i = 0; good && i < id.bytes.size(); ++i) {
    const int high = digitOf(text[2 * i]);
    const int low = digitOf(text[2 * i + 1]);
    good = high >= 0 && low >= 0;
    id.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!good) {
    return fail(fmt::format("\"{}\" is no id; expected 32 digits of 0-9 and a-f", text.substr(0, 64)),
                Error::Kind::invalid);
  }
  return id;
}

NodeId NodeId::fromBytes(std::string_view bytes) {
  NodeId id;
  std::copy_n(bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

bool isLeaseText(std::string_view text) {
  return !text.empty() && text.size() <= kLongestData && nlohmann::json::accept(text);
}

bool isNewer(const SlotRecord& one, const SlotRecord& other) {
  if (one.version != other.version) return one.version > other.version;
  if (one.owner != other.owner) return one.owner < other.owner;
  return std::tie(one.use, one.generation, one.revokedUntil, one.data) >
         std::tie(other.use, other.generation, other.revokedUntil, other.data);
}

bool bothClaim(const SlotRecord& one, const SlotRecord& other) {
  if (one.owner == other.owner || one.version == 0 || other.version == 0) return false;
  return isNewer(one, other) ? overtook(one, other) : overtook(other, one);
}

SlotVersion nextVersion(SlotVersion version) {
  return std::min(version + 1, kLastVersion);
}

SlotVersion raisedVersion(SlotVersion version) {
  constexpr SlotVersion kOneEpoch = 1U << kSequenceBits;
  return version > kLastVersion - kOneEpoch - 1 ? kLastVersion : version + kOneEpoch + 1;
}

}  // namespace twill::gossip
