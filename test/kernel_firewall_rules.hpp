// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernel_subject.hpp"

/// Rules about tables and the elements of their sets.
namespace twill::conformance {

/// A table with a map and a set whose elements stand apart.
inline Firewall table() {
  Firewall out;
  out.chains["c"] = {"type nat hook prerouting priority dstnat",
                     {"dnat ip to meta l4proto . th dport map @ports"}};
  out.sets["ports"] = {.type = "inet_proto . inet_service : ipv4_addr . inet_service", .apart = true};
  out.sets["macs"] = {.type = "ifname . ether_addr", .apart = true};
  return out;
}

inline SetElement port(std::string key, std::string data = "172.16.0.5 . 80") {
  return {.table = kTable, .set = "ports", .key = std::move(key), .data = std::move(data)};
}

inline KernelState tableWithElements() {
  KernelState out;
  out.put(table());
  out.put(port("tcp . 8080"));
  out.put(port("udp . 53"));
  out.put(SetElement{.table = kTable, .set = "macs", .key = "tw1 . 0a:58:ac:10:00:02"});
  return out;
}

inline void keepsElementsApart(Kernel& kernel) {
  const auto wanted = tableWithElements();
  mustApply(kernel, diff(wanted, read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  CHECK(names(diff(wanted, state).operations) == "");
  CHECK(state.setElements.size() == 3);
  mustApply(kernel, {{Verb::add, port("tcp . 8080")},
                     {Verb::remove, port("udp . 53")},
                     {Verb::remove, port("udp . 54")},
                     {Verb::add, port("sctp . 9")}});
  mustApply(kernel, Verb::change, port("tcp . 8080", "172.16.0.6 . 80"));
  state = follow(kernel, std::move(state));
  CHECK(names(diff(wanted, state).operations) ==
        "change element inet twill ports { tcp . 8080 : 172.16.0.5 . 80 }\n"
        "add element inet twill ports { udp . 53 : 172.16.0.5 . 80 }\n"
        "remove element inet twill ports { sctp . 9 : 172.16.0.5 . 80 }\n");
  mustApply(kernel, diff(wanted, state).operations);
  CHECK(names(diff(wanted, follow(kernel, std::move(state))).operations) == "");
}

inline void keepsCounters(Kernel& kernel) {
  KernelState wanted;
  Firewall shape;
  shape.counters = {"strangers4"};
  shape.sets["senders4_24"] = {
      .type = "ipv4_addr . integer", .apart = true, .declared = "typeof ip saddr . @th,336,32"};
  shape.chains["tunnel"] = {"type filter hook input priority filter",
                            {"udp dport 8472 ip saddr . @th,336,32 & 4294967040 @senders4_24 accept",
                             "udp dport 8472 counter name strangers4 drop"}};
  wanted.put(shape);
  for (const auto* inner : {"2886729984", "2886730240"}) {
    wanted.put(SetElement{.table = kTable, .set = "senders4_24", .key = std::string("10.0.0.20 . ") + inner});
  }
  mustApply(kernel, diff(wanted, read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  CHECK(names(diff(wanted, state).operations) == "");
  CHECK(kernel.counted(kTable).value() == std::map<std::string, std::uint64_t>{{"strangers4", 0}});
  CHECK(kernel.counted(kBridgeTable).value().empty());

  for (const auto& counters : {std::set<std::string>{"strangers4", "strangers6"}, {"strangers4"}}) {
    wanted.firewalls.at(kTable).counters = counters;
    mustApply(kernel, diff(wanted, state).operations);
    state = follow(kernel, std::move(state));
    CHECK(state.firewalls.at(kTable).counters == counters);
    CHECK(state.setElements.size() == 2);
    CHECK(names(diff(wanted, state).operations) == "");
  }
}

/// The sets that tell who may send into a tunnel (backend/senders.hpp): more elements than one request takes,
/// and one that is gone already among those to remove.
inline void keepsSenders(Kernel& kernel) {
  KernelState wanted;
  Firewall shape;
  for (const auto& [name, outer, fields] : {std::tuple{"s4", "ipv4_addr", "ip saddr . @th,336,32"},
                                            std::tuple{"s6", "ipv6_addr", "ip6 saddr . @th,304,128"},
                                            std::tuple{"s46", "ipv4_addr", "ip saddr . @th,64,128"}}) {
    shape.sets[name] = {.type = std::string(outer) + " . integer",
                        .apart = true,
                        .declared = std::string("typeof ") + fields};
  }
  wanted.put(shape);
  const auto element = [](const char* set, std::string key) {
    return SetElement{.table = kTable, .set = set, .key = std::move(key)};
  };
  for (int i = 1; i <= 40; ++i) {
    wanted.put(element("s4", "10.0.0." + std::to_string(i) + " . " +
                                 std::to_string(4294967040U - 256U * static_cast<unsigned>(i))));
    wanted.put(element("s6", "fd00::" + std::to_string(i) + " . 0xfd42000000000001000000000000000" +
                                 std::to_string(i % 10)));
    wanted.put(element("s46", "10.0.0." + std::to_string(i) + " . 0xfd4200000000000100000000000000ff"));
  }
  mustApply(kernel, diff(wanted, read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  CHECK(names(diff(wanted, state).operations) == "");
  CHECK(state.setElements.size() == 120);

  mustApply(kernel, {{Verb::remove, element("s46", "10.0.0.1 . 0xfd4200000000000100000000000000ff")},
                     {Verb::remove, element("s46", "10.0.0.99 . 0xfd4200000000000100000000000000ff")},
                     {Verb::add, element("s46", "10.0.0.2 . 0xfd4200000000000100000000000000ff")},
                     {Verb::remove, element("s4", "10.0.0.1 . 4294966784")}});
  state = follow(kernel, std::move(state));
  CHECK(state.setElements.size() == 118);
  CHECK(read(kernel).setElements == state.setElements);
}

inline void keepsElementsOfAChangedTable(Kernel& kernel) {
  auto wanted = tableWithElements();
  mustApply(kernel, diff(wanted, read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  auto changed = table();
  changed.chains["c"].rules.push_back("return");
  for (int step = 0; step < 3; ++step) {
    if (step == 1) changed.chains["d"] = {"", {"return"}};
    if (step == 2) changed.chains.erase("c");
    mustApply(kernel, Verb::change, changed);
    state = follow(kernel, std::move(state));
    CHECK(state.setElements.size() == 3);
    CHECK(state.firewalls.at(kTable).chains.size() == changed.chains.size());
  }
  changed.sets.erase("macs");
  mustApply(kernel, Verb::change, changed);
  state = follow(kernel, std::move(state));
  CHECK(state.setElements.size() == 2);
  mustApply(kernel, Verb::remove, changed);
  state = follow(kernel, std::move(state));
  CHECK(state.setElements.empty());
  mustApply(kernel, diff(wanted, state).operations);
  CHECK(names(diff(wanted, follow(kernel, std::move(state))).operations) == "");
}

inline void failsOneElementAlone(Kernel& kernel) {
  mustApply(kernel, diff(tableWithElements(), read(kernel)).operations);
  auto state = follow(kernel, read(kernel));
  SetElement stray = port("tcp . 1");
  stray.set = "nosuch";
  const std::vector<Operation> operations{{Verb::add, port("tcp . 1")},
                                          {Verb::add, stray},
                                          {Verb::add, port("tcp . 8080", "172.16.0.7 . 80")},
                                          {Verb::remove, stray},
                                          {Verb::add, port("tcp . 2")}};
  const auto results = kernel.apply(operations);
  REQUIRE(results.size() == 5);
  CHECK(results[0]);
  REQUIRE_FALSE(results[1]);
  CHECK(results[1].error().kind == Error::Kind::missing);
  REQUIRE_FALSE(results[2]);
  CHECK(results[2].error().kind == Error::Kind::exists);
  CHECK(results[3]);
  CHECK(results[4]);
  state = follow(kernel, std::move(state));
  CHECK(state.setElements.size() == 5);
}

}  // namespace twill::conformance
