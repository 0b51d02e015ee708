// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

/// What both directions of Serf's messages share. Private to serf_message*.cpp.
namespace twill::gossip {

/// serf/messages.go: the byte in front.
enum class SerfType : std::uint8_t {
  leave,
  join,
  pushPull,
  userEvent,
  query,
  queryResponse,
  conflictResponse,
  keyRequest,
  keyResponse,
  relay
};
/// Serf passes over keys that it does not know.
constexpr std::string_view kExtraKey = "Twill";

/// The layout of the tags that is a map.
constexpr char kTagsMark = '\xff';

}  // namespace twill::gossip
