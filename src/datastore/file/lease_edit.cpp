// SPDX-License-Identifier: Apache-2.0
#include "datastore/file/lease_edit.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <strings.h>

namespace twill {
namespace {

constexpr std::string_view kEmpty = "{\"Leases\": []}\n";

/// Where the list stands in a lease file.
struct ListText {
  std::size_t begin = 0;  ///< after its '['
  std::size_t end = 0;    ///< at its ']'
  std::vector<std::string_view> entries;
};

/// The index after the string that starts at `i`.
std::size_t afterString(std::string_view text, std::size_t i) {
  for (++i; text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
  return i + 1;
}

bool isLeases(std::string_view key) {
  constexpr std::string_view kKey = "Leases";
  return key.size() == kKey.size() && ::strncasecmp(key.data(), kKey.data(), kKey.size()) == 0;
}

/// Finds the list in a text that parseLeases() accepted, so that brackets and quotes are known to match.
ListText findList(std::string_view text) {
  ListText list;
  std::string_view key;
  bool inside = false;
  std::size_t start = 0;
  for (std::size_t i = 0, depth = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      std::size_t after = afterString(text, i);
      if (depth == 1) key = text.substr(i + 1, after - i - 2);
      i = after - 1;
    } else if (c == '{' || c == '[') {
      if (++depth == 2 && c == '[' && isLeases(key)) {
        list = {.begin = i + 1};
        inside = true;
      }
      if (depth == 3) start = i;
    } else if (c == '}' || c == ']') {
      if (--depth == 2 && inside) list.entries.push_back(text.substr(start, i + 1 - start));
      if (depth == 1 && inside) {
        list.end = i;
        inside = false;
      }
    }
  }
  return list;
}

/// An entry that names no node is ours when it has our address: flannel's way of knowing a node.
bool isOf(const Lease& lease, const Lease& mine) {
  return lease.isOf(mine.node, mine.publicIp, mine.publicIp6);
}

Result<void> checkFree(const std::vector<Lease>& leases, const Lease& mine) {
  auto taken = [&](std::string_view what, const Lease& holder) {
    return fail(fmt::format("{} cannot have {}: {} holds it, or a part of it, with the lease {}", mine.node,
                            what, holder.name(), toJson(holder)),
                Error::Kind::conflict);
  };
  for (const Lease& other : leases) {
    if (isOf(other, mine)) continue;
    for (Family family : {Family::v4, Family::v6}) {
      const auto& subnet = mine.subnetOf(family);
      const auto& address = mine.publicIpOf(family);
      if (subnet && other.subnetOf(family) && subnet->overlaps(*other.subnetOf(family))) {
        return taken(subnet->text(), other);
      }
      if (address && address == other.publicIpOf(family)) return taken(address->text(), other);
    }
  }
  return {};
}

/// The text with this list, one entry a line.
std::string withEntries(std::string_view text, const ListText& list,
                        const std::vector<std::string_view>& entries) {
  std::string out(text.substr(0, list.begin));
  for (const auto entry : entries) {
    out += out.size() == list.begin ? "\n  " : ",\n  ";
    out += entry;
  }
  return out + "\n" + std::string(text.substr(list.end));
}

/// Those of other nodes as they stand, and ours, once.
std::vector<std::string_view> entriesWith(const ListText& list, const std::vector<Lease>& leases,
                                          const Lease& mine, std::string_view own) {
  std::vector<std::string_view> out;
  bool written = false;
  for (std::size_t i = 0; i < list.entries.size() && i < leases.size(); ++i) {
    const bool ours = isOf(leases[i], mine);
    if (!ours) out.push_back(list.entries[i]);
    if (ours && !std::exchange(written, true)) out.push_back(own);
  }
  if (!written) out.push_back(own);
  return out;
}

Result<ListText> listOf(std::string_view text) {
  const ListText list = findList(text);
  if (list.end != 0) return list;
  return fail("the key Leases is written with escapes; write it plainly", Error::Kind::invalid);
}

/// What goes to disk is what nodes will read: none of theirs may be lost on the way.
Result<std::optional<std::string>> checked(std::string edited, const std::vector<Lease>& expected) {
  if (parseLeases(edited) == expected) return edited;
  return fail("the list cannot be edited safely; is Leases there several times?", Error::Kind::invalid);
}

/// `lease` as all nodes will read it: a backend's data may be written in other words, the rest may not.
Result<Lease> asRead(const Lease& lease) {
  if (lease.node.empty()) {
    return fail("a lease in a file needs the name of its node", Error::Kind::invalid);
  }
  auto read = parseLeases(toJson(std::vector{lease}));
  if (!read) return Failure(std::move(read).error().in("the lease " + toJson(lease) + " cannot be written"));
  Lease expected = lease;
  expected.backendData = read->front().backendData;
  expected.backendV6Data = read->front().backendV6Data;
  if (read->front() != expected) {
    return fail(fmt::format("the lease {} cannot be written so that it reads back the same", toJson(lease)),
                Error::Kind::invalid);
  }
  return expected;
}

}  // namespace

bool says(const Lease& entry, const Lease& mine) {
  Lease whole = entry;
  if (whole.node.empty()) whole.node = mine.node;
  if (whole.backendType.empty()) whole.backendType = mine.backendType;
  return whole == mine;
}

Result<std::optional<std::string>> withLease(std::string_view text, const Lease& ours) {
  TWILL_TRY(const Lease mine, asRead(ours));
  if (text.empty()) text = kEmpty;
  TWILL_TRY(std::vector<Lease> leases, parseLeases(text));
  auto isMine = [&](const Lease& lease) { return isOf(lease, mine); };
  auto first = std::find_if(leases.begin(), leases.end(), isMine);
  if (first != leases.end() && first->node == mine.node && says(*first, mine) &&
      std::none_of(first + 1, leases.end(), isMine)) {
    return std::nullopt;
  }
  TWILL_CHECK(checkFree(leases, mine));
  TWILL_TRY(const ListText list, listOf(text));
  const std::string own = toJson(mine);
  std::string edited = withEntries(text, list, entriesWith(list, leases, mine, own));

  if (first == leases.end()) first = leases.insert(first, mine);
  *first = mine;
  leases.erase(std::remove_if(first + 1, leases.end(), isMine), leases.end());
  return checked(std::move(edited), leases);
}

Result<std::optional<std::string>> withoutLease(std::string_view text, const Prefix& subnet) {
  if (text.empty()) return std::nullopt;
  TWILL_TRY(std::vector<Lease> leases, parseLeases(text));
  TWILL_TRY(const ListText list, listOf(text));
  const auto goes = [&](const Lease& lease) { return lease.subnetOf(subnet.family()) == subnet; };
  std::vector<std::string_view> entries;
  for (std::size_t i = 0; i < list.entries.size() && i < leases.size(); ++i) {
    if (!goes(leases[i])) entries.push_back(list.entries[i]);
  }
  if (std::erase_if(leases, goes) == 0) return std::nullopt;
  return checked(withEntries(text, list, entries), leases);
}

}  // namespace twill
