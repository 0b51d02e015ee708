// SPDX-License-Identifier: Apache-2.0
#include "kernel/set_elements.hpp"

#include <doctest/doctest.h>

namespace twill {
namespace {

KernelState stateWith(const Firewall::Set& set) {
  Firewall table;
  table.sets["s"] = set;
  KernelState out;
  out.put(table);
  return out;
}

/// Messages of the transaction for such an element, with those that begin and end it; 0: it is for
/// libnftables.
std::size_t messages(const std::string& type, const std::string& key, Verb verb = Verb::add,
                     const std::string& flags = "") {
  const Operation step{verb, SetElement{.table = kTable, .set = "s", .key = key}};
  const Operation* const steps[] = {&step};
  const auto batch = elementBatch(steps, stateWith({.type = type, .flags = flags, .apart = true}));
  return batch ? batch->size() : 0;
}

}  // namespace

TEST_CASE("keys of addresses and numbers need no libnftables") {
  CHECK(messages("ipv4_addr . integer", "10.0.0.20 . 4294967295") == 3);
  CHECK(messages("ipv4_addr . integer", "10.0.0.20 . 0", Verb::remove) == 3);
  CHECK(messages("ipv6_addr . integer", "fd00::20 . 0xfd420000000000010000000000000000") == 3);
  CHECK(messages("ipv4_addr", "10.0.0.20") == 3);
}

TEST_CASE("all else is left to it") {
  for (const auto* key :
       {"10.0.0.20", "10.0.0.20 . ", "10.0.0.20 . 1 . 2", "10.0.0.20 . 4294967296", "10.0.0.20 . -1",
        "10.0.0.20 . 1-2", "10.0.0.20 . 0x", "10.0.0.20 . 0xg0", "fd00::20 . 1", "", " . ", "x . 1",
        "10.0.0.20 . 0x1fd420000000000010000000000000000"}) {
    INFO(key);
    CHECK(messages("ipv4_addr . integer", key) == 0);
  }
  CHECK(messages("ipv4_addr . integer", "10.0.0.20 . 1", Verb::change) == 0);
  CHECK(messages("ipv4_addr . integer", "10.0.0.20 . 1", Verb::add, "interval") == 0);
  CHECK(messages("ipv4_addr : integer", "10.0.0.20") == 0);
  CHECK(messages("ifname . ether_addr", "tw1 . 0a:58:ac:10:00:02") == 0);
  CHECK(messages("inet_service", "80") == 0);

  const Operation step{Verb::add, SetElement{.table = kTable, .set = "other", .key = "10.0.0.20"}};
  const Operation* const steps[] = {&step};
  CHECK_FALSE(elementBatch(steps, stateWith({.type = "ipv4_addr", .apart = true})));
  CHECK_FALSE(elementBatch(steps, KernelState()));
}

TEST_CASE("elements that follow each other in a set share requests, sixteen at a time") {
  std::vector<Operation> operations;
  for (int i = 0; i < 33; ++i)
    operations.push_back({i < 32 ? Verb::add : Verb::remove,
                          SetElement{.table = kTable, .set = "s", .key = "10.0.0." + std::to_string(i)}});
  std::vector<const Operation*> steps;
  for (const auto& operation : operations) steps.push_back(&operation);
  CHECK(elementBatch(steps, stateWith({.type = "ipv4_addr", .apart = true}))->size() == 5);
}

}  // namespace twill
