// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "kernel/netlink.hpp"
#include "plan/objects.hpp"

namespace twill::netlink {

/// What one RTM_NEWRULE or RTM_DELRULE says; nothing for rules of another form than Twill's: those that lead
/// elsewhere, or look at more than the source.
[[nodiscard]] std::optional<Rule> decodeRule(Bytes payload);

/// The body of RTM_NEWRULE and of RTM_DELRULE.
void encodeRule(Message& message, const Rule& rule);
/// The body of RTM_GETRULE for a dump of one family's.
void encodeRuleFilter(Message& message, Family family);

}  // namespace twill::netlink
