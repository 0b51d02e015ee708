// SPDX-License-Identifier: Apache-2.0
#include "kernel/set_elements.hpp"

#include <charconv>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

namespace twill {
namespace {

using Key = std::vector<std::uint8_t>;

constexpr std::string_view kFamily = "inet ";
constexpr std::string_view kBetween = " . ";
/// Of the longest keys, two IPv6 addresses, so many fit into a request beside the names.
constexpr std::size_t kElementsPerMessage = 16;

/// What is before the next separator; `text` becomes what is behind it.
std::string_view nextPart(std::string_view& text) {
  const auto end = text.find(kBetween);
  const auto part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + kBetween.size());
  return part;
}

/// All of `text`, or nothing.
template <class Number>
std::optional<Number> numberIn(std::string_view text, int base) {
  Number number = 0;
  const auto* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, base);
  return error == std::errc() && end == last ? std::optional(number) : std::nullopt;
}

/// numberWord()'s inverse: 4 bytes, or 16 where it has written hex.
bool putNumber(std::string_view text, Key& out) {
  constexpr std::size_t kDigits = 32;
  if (!text.starts_with("0x")) {
    const auto number = numberIn<std::uint32_t>(text, 10);
    for (int shift = 24; number && shift >= 0; shift -= 8)
      out.push_back(static_cast<std::uint8_t>(*number >> shift));
    return number.has_value();
  }
  text.remove_prefix(2);
  if (text.empty() || text.size() > kDigits) return false;
  const auto padded = std::string(kDigits - text.size(), '0').append(text);
  for (std::size_t at = 0; at < kDigits; at += 2) {
    const auto byte = numberIn<std::uint8_t>(std::string_view(padded).substr(at, 2), 16);
    if (!byte) return false;
    out.push_back(*byte);
  }
  return true;
}

bool putAddress(std::string_view text, Family family, Key& out) {
  const auto address = IpAddress::parse(text);
  if (!address || address->family() != family) return false;
  const auto bytes = address->bytes();
  out.insert(out.end(), bytes.begin(), bytes.end());
  return true;
}

/// A key as the kernel has it; all these parts fill registers of four bytes.
std::optional<Key> bytesOf(std::string_view type, std::string_view text) {
  Key out;
  while (!type.empty()) {
    const auto kind = nextPart(type);
    const auto part = nextPart(text);
    const bool put = kind == "ipv4_addr"   ? putAddress(part, Family::v4, out)
                     : kind == "ipv6_addr" ? putAddress(part, Family::v6, out)
                     : kind == "integer"   ? putNumber(part, out)
                                           : false;
    if (!put) return std::nullopt;
  }
  return text.empty() ? std::optional(std::move(out)) : std::nullopt;
}

const Firewall::Set* setOf(const SetElement& element, const KernelState& state) {
  const auto table = state.firewalls.find(element.table);
  if (table == state.firewalls.end() || !element.table.starts_with(kFamily)) return nullptr;
  const auto set = table->second.sets.find(element.set);
  const bool plain = set != table->second.sets.end() && !set->second.isMap() && set->second.flags.empty();
  return plain ? &set->second : nullptr;
}

void addFrame(std::uint16_t type, netlink::Batch& batch) {
  netlink::Message message(type, 0);
  message.header<nfgenmsg>().res_id = htons(NFNL_SUBSYS_NFTABLES);
  batch.add(message);
}

void addElements(Verb verb, const SetElement& of, std::span<const Key> keys, netlink::Batch& batch) {
  const bool remove = verb == Verb::remove;
  netlink::Message message(NFNL_SUBSYS_NFTABLES << 8 | (remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM),
                           remove ? 0 : NLM_F_CREATE);
  message.header<nfgenmsg>().nfgen_family = NFPROTO_INET;
  message.putText(NFTA_SET_ELEM_LIST_TABLE, std::string_view(of.table).substr(kFamily.size()));
  message.putText(NFTA_SET_ELEM_LIST_SET, of.set);
  message.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
    for (const Key& key : keys) {
      message.nest(NFTA_LIST_ELEM,
                   [&] { message.nest(NFTA_SET_ELEM_KEY, [&] { message.put(NFTA_DATA_VALUE, key); }); });
    }
  });
  batch.add(message);
}

}  // namespace

std::optional<netlink::Batch> elementBatch(std::span<const Operation* const> steps,
                                           const KernelState& state) {
  netlink::Batch batch;
  addFrame(NFNL_MSG_BATCH_BEGIN, batch);
  std::vector<Key> keys;
  const Firewall::Set* set = nullptr;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& element = std::get<SetElement>(steps[i]->object);
    const auto verb = steps[i]->verb;
    if (keys.empty()) set = setOf(element, state);
    auto key = set != nullptr && verb != Verb::change ? bytesOf(set->type, element.key) : std::nullopt;
    if (!key) return std::nullopt;
    keys.push_back(std::move(*key));
    const auto* next = i + 1 < steps.size() ? &std::get<SetElement>(steps[i + 1]->object) : nullptr;
    const bool goesOn = next != nullptr && keys.size() < kElementsPerMessage && steps[i + 1]->verb == verb &&
                        next->set == element.set && next->table == element.table;
    if (goesOn) continue;
    addElements(verb, element, keys, batch);
    keys.clear();
  }
  addFrame(NFNL_MSG_BATCH_END, batch);
  return batch;
}

}  // namespace twill
