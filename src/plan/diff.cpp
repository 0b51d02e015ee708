// SPDX-License-Identifier: Apache-2.0
#include "plan/diff.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "plan/compare.hpp"

namespace twill {
namespace {

/// An object whose owner nobody knows any more is its own owner, so that it is retried alone.
template <class Any>
void remove(Any object, const std::string& owner, std::vector<Operation>& out) {
  object.owner = owner.empty() ? describe(Object(object)) : owner;
  out.push_back({Verb::remove, std::move(object)});
}

/// True when the kernel takes what is on this link away with it.
bool goes(const std::string& link, const KernelState& part, const KernelState& actual) {
  if (!part.links.contains(link)) return false;
  const auto found = actual.links.find(link);
  return found == actual.links.end() || found->second.ours();
}

/// The entries of `part` that `actual` holds as ours and that do not go with their link.
template <class Map>
void removeEntries(const Map KernelState::*entries, const KernelState& part, const KernelState& actual,
                   std::vector<Operation>& out) {
  Cursor cursor(actual.*entries);
  for (const auto& [key, unwanted] : part.*entries) {
    const auto* found = cursor.find(key);
    if (found != nullptr && found->ours() && !goes(found->link, part, actual)) {
      remove(*found, unwanted.owner, out);
    }
  }
}

void removeRules(const KernelState& part, const KernelState& actual, std::vector<Operation>& out) {
  for (const auto& [key, unwanted] : part.rules) {
    const auto found = actual.rules.find(key);
    if (found != actual.rules.end() && found->second.ours()) remove(found->second, unwanted.owner, out);
  }
}

bool isPort(const Operation& operation) {
  return !std::get<Link>(operation.object).master.value_or("").empty();
}

bool isViaNextHop(const Operation& operation) {
  return std::get<Route>(operation.object).via.has_value();
}

/// True when additions() takes this address away itself, to put it back with the wanted length: IPv6 has an
/// address once on a link.
bool isReplaced(const Address& old, const KernelState& wanted) {
  const auto at = wanted.addresses.lower_bound({old.link, {old.address.address, 0}});
  return !old.address.address.isV4() && at != wanted.addresses.end() && at->first.link == old.link &&
         at->first.address.address == old.address.address;
}

/// True when the kernel takes this one away with its set, which is not wanted, or not so.
bool goesWithSet(const SetElement& element, const KernelState& wanted, const KernelState& actual) {
  const auto before = actual.firewalls.find(element.table);
  const auto after = wanted.firewalls.find(element.table);
  return before == actual.firewalls.end() || after == wanted.firewalls.end() ||
         !keepsElements(element.set, before->second, after->second);
}

/// What is ours in `actual` and no longer wanted, without what additions() takes away to make room.
KernelState leftOver(const KernelState& wanted, const KernelState& actual) {
  KernelState out;
  const auto collect = [&](const auto& have, const auto& want, auto isSpared) {
    Cursor cursor(want);
    for (const auto& [key, object] : have) {
      if (object.ours() && cursor.find(key) == nullptr && !isSpared(object)) out.put(object);
    }
  };
  const auto isOnNewLink = [&](const auto& object) {
    const auto link = wanted.links.find(object.link);
    if (link == wanted.links.end()) return false;
    const auto found = actual.links.find(object.link);
    return mustBeMade(link->second, found == actual.links.end() ? nullptr : &found->second);
  };
  collect(actual.links, wanted.links, [](const Link&) { return false; });
  collect(actual.addresses, wanted.addresses,
          [&](const Address& address) { return isOnNewLink(address) || isReplaced(address, wanted); });
  collect(actual.neighbours, wanted.neighbours, isOnNewLink);
  collect(actual.forwarding, wanted.forwarding, isOnNewLink);
  collect(actual.routes, wanted.routes, isOnNewLink);
  collect(actual.rules, wanted.rules, [](const Rule&) { return false; });
  Cursor cursor(wanted.setElements);
  for (const auto& [key, element] : actual.setElements) {
    if (cursor.find(key) == nullptr && !goesWithSet(element, wanted, actual)) out.put(element);
  }
  return out;
}

/// Tables that are not wanted, and chains and sets that a wanted table has too many.
void removeTables(const KernelState& wanted, const KernelState& actual, std::vector<Operation>& out) {
  for (const auto& [name, table] : actual.firewalls) {
    const auto kept = wanted.firewalls.find(name);
    if (kept == wanted.firewalls.end()) {
      remove(table, "", out);
    } else if (satisfies(table, kept->second) && holdsMore(table, kept->second)) {
      out.push_back({Verb::change, kept->second});
    }
  }
}

}  // namespace

Difference removals(const KernelState& part, const KernelState& actual) {
  Difference out;
  auto& operations = out.operations;
  removeRules(part, actual, operations);
  const auto routes = std::ssize(operations);
  removeEntries(&KernelState::routes, part, actual, operations);
  std::stable_partition(operations.begin() + routes, operations.end(), isViaNextHop);
  removeEntries(&KernelState::forwarding, part, actual, operations);
  removeEntries(&KernelState::neighbours, part, actual, operations);
  removeEntries(&KernelState::addresses, part, actual, operations);
  const auto links = std::ssize(operations);
  for (const auto& [name, unwanted] : part.links) {
    const auto found = actual.links.find(name);
    if (found != actual.links.end() && found->second.ours()) {
      remove(found->second, unwanted.owner, operations);
    }
  }
  std::stable_partition(operations.begin() + links, operations.end(), isPort);
  Cursor cursor(actual.setElements);
  for (const auto& [key, unwanted] : part.setElements) {
    if (const auto* found = cursor.find(key)) remove(*found, unwanted.owner, operations);
  }
  return out;
}

Difference diff(const KernelState& wanted, const KernelState& actual) {
  auto out = additions(wanted, actual);
  auto removed = removals(leftOver(wanted, actual), actual).operations;
  removeTables(wanted, actual, removed);
  std::move(removed.begin(), removed.end(), std::back_inserter(out.operations));
  return out;
}

}  // namespace twill
