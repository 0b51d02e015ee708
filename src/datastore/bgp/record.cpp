// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/record.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/fnv.hpp"

namespace twill::bgp {
namespace {

/// Of a community: eight bits say where they belong, the other 56 of its two numbers are content.
constexpr std::size_t kBytes = 7;
/// In front of the text: its length and its digest.
constexpr std::size_t kHead = 6;
static_assert((kHead + kLongestRecord + kBytes - 1) / kBytes <= 256);

void append(std::string& bytes, std::uint64_t number, std::size_t size) {
  while (size > 0) bytes += static_cast<char>(number >> (8 * --size) & 0xffU);
}

std::uint64_t numberAt(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i) number = number << 8U | static_cast<std::uint8_t>(bytes[at + i]);
  return number;
}

}  // namespace

Result<std::vector<LargeCommunity>> toCommunities(std::string_view text) {
  if (text.size() > kLongestRecord) {
    return fail(
        fmt::format("what this node has to tell of itself is {} bytes long, and BGP takes {}; with another "
                    "datastore there is room for it",
                    text.size(), kLongestRecord),
        Error::Kind::invalid);
  }
  std::string bytes;
  append(bytes, text.size(), 2);
  append(bytes, digestOf(text), 4);
  bytes += text;
  bytes.resize((bytes.size() + kBytes - 1) / kBytes * kBytes, '\0');
  std::vector<LargeCommunity> out;
  for (std::size_t at = 0; at < bytes.size(); at += kBytes) {
    const auto high = static_cast<std::uint32_t>(numberAt(bytes, at, 3));
    out.push_back({kAdministrator, static_cast<std::uint32_t>(at / kBytes) << 24U | high,
                   static_cast<std::uint32_t>(numberAt(bytes, at + 3, 4))});
  }
  return out;
}

Result<std::string> fromCommunities(std::span<const LargeCommunity> communities) {
  std::vector<LargeCommunity> ours;
  for (const auto& one : communities) {
    if (one.administrator == kAdministrator) ours.push_back(one);
  }
  if (ours.empty()) return fail("no record", Error::Kind::missing);
  std::sort(ours.begin(), ours.end());
  std::string bytes;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (ours[i].first >> 24U != i) return fail("a part of the record is missing", Error::Kind::invalid);
    append(bytes, ours[i].first & 0xffffffU, 3);
    append(bytes, ours[i].second, 4);
  }
  const std::size_t size = numberAt(bytes, 0, 2);
  if (bytes.size() < kHead + size || bytes.size() >= kHead + size + kBytes)
    return fail("the record has another length than it says", Error::Kind::invalid);
  if (bytes.find_first_not_of('\0', kHead + size) != std::string::npos)
    return fail("there is more than the record", Error::Kind::invalid);
  std::string text = bytes.substr(kHead, size);
  if (digestOf(text) != numberAt(bytes, 2, 4)) return fail("the record is damaged", Error::Kind::invalid);
  return text;
}

std::uint32_t digestOf(std::string_view text) {
  const std::uint64_t hash = fnv1a(text);
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(hash ^ hash >> 32U));
}

}  // namespace twill::bgp
