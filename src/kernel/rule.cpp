// SPDX-License-Identifier: Apache-2.0
#include "kernel/rule.hpp"

#include <algorithm>
#include <array>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "plan/network_names.hpp"

namespace twill::netlink {
namespace {

std::uint8_t numberOf(Family family) {
  return family == Family::v4 ? AF_INET : AF_INET6;
}

}  // namespace

std::optional<Rule> decodeRule(Bytes payload) {
  const auto header = headerOf<fib_rule_hdr>(payload);
  if (!header || (header->family != AF_INET && header->family != AF_INET6)) return std::nullopt;
  const Attributes attributes(payload, sizeof(fib_rule_hdr));
  constexpr std::array kMore{FRA_DST,       FRA_IIFNAME,  FRA_OIFNAME,     FRA_FWMARK,
                             FRA_UID_RANGE, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE};
  const bool more = header->tos != 0 || (header->flags & FIB_RULE_INVERT) != 0 ||
                    std::any_of(kMore.begin(), kMore.end(), [&](auto type) { return attributes.has(type); });
  const auto from = attributes.address(FRA_SRC);
  const auto table = attributes.u32(FRA_TABLE).value_or(header->table);
  const bool ours = header->action == FR_ACT_TO_TBL && isRoutingTable(table);
  if (more || !ours || !from || from->isV4() != (header->family == AF_INET)) return std::nullopt;
  if (header->src_len > from->bits()) return std::nullopt;
  return Rule{.from = Prefix(*from, header->src_len),
              .table = table,
              .priority = attributes.u32(FRA_PRIORITY).value_or(0),
              .protocol = attributes.u8(FRA_PROTOCOL).value_or(0),
              .owner = {}};
}

void encodeRule(Message& message, const Rule& rule) {
  auto& header = message.header<fib_rule_hdr>();
  header.family = numberOf(rule.from.family());
  header.src_len = static_cast<std::uint8_t>(rule.from.length());
  header.action = FR_ACT_TO_TBL;
  message.putU32(FRA_TABLE, rule.table);
  message.putAddress(FRA_SRC, rule.from.address());
  message.putU32(FRA_PRIORITY, rule.priority);
  message.putU8(FRA_PROTOCOL, rule.protocol);
}

void encodeRuleFilter(Message& message, Family family) {
  message.header<fib_rule_hdr>().family = numberOf(family);
}

}  // namespace twill::netlink
