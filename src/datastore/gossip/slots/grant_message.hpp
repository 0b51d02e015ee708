// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "datastore/gossip/slots/slot_table.hpp"

/// How slots go from one node to another, as MessagePack. Pure, and as careful with what it reads as
/// slot_codec.hpp.
namespace twill::gossip {

/// What two nodes say to each other over a connection of their own.
struct GrantMessage {
  enum class Kind : std::uint8_t { request, grant, refusal, handOver, received };  // numbers as on the wire
  Kind kind = Kind::request;
  ClusterId cluster{};
  NodeId from{};
  std::uint32_t generation = 0;  ///< of the sender
  std::uint64_t request = 0;     ///< the asker's number: the same number gets the same grant
  std::vector<SlotRun> runs{};   ///< of grant and handOver: the receiver's from now on
  std::string refusal{};         ///< why nothing is granted, for a person

  bool operator==(const GrantMessage&) const = default;
};

[[nodiscard]] std::string encode(const GrantMessage& message);
[[nodiscard]] Result<GrantMessage> parseGrantMessage(std::string_view bytes);

}  // namespace twill::gossip
