// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "datastore/bgp/picture.hpp"

/// BGP withdraws routes also when nothing has become of their owner: its BIRD was ended, or a reflector
/// between. Pure.
namespace twill::bgp {

/// What a node says with each answer to a question of the echo: never 0, and another one when it has other
/// subnets or tells something else of itself.
[[nodiscard]] std::uint32_t signOf(const std::string& record, std::vector<Prefix> prefixes);

/// What an owner that goes by this address has said last, if it answers now.
using SignHeard = std::function<std::optional<std::uint32_t>(const Announcement& one)>;

/// `now`, and of `before` what has gone though its owner says that it has all that it had. Not if it
/// announces others of that family by now, and not what somebody else announces. Both are sorted by prefix,
/// and so is what comes of it.
[[nodiscard]] std::vector<Announcement> withLingering(const std::vector<Announcement>& before,
                                                      std::vector<Announcement> now, const SignHeard& heard);

}  // namespace twill::bgp
