// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "datastore/gossip/slots/slot_keeper.hpp"

namespace twill::gossip {

/// A few SlotKeepers that a test leads step by step.
struct KeeperBench {
  static constexpr const char* kPool = R"({"Network":"10.32.0.0/24","SubnetLen":28})";  ///< 15 slots

  struct Node {
    std::string name;
    NodeId id;
    std::string disk{};
    KeeperOptions options{};
    std::optional<SlotKeeper> keeper{};
    bool alive = true;
    TimePoint since{};

    SlotKeeper* operator->() { return &*keeper; }
  };

  TimePoint now{std::chrono::hours(1)};
  std::int64_t wall = 1'800'000'000;

  static NodeId idOf(std::uint8_t number) {
    NodeId id;
    id.bytes[15] = number;
    return id;
  }
  static std::string lease(const std::string& name) { return fmt::format(R"({{"node":"{}"}})", name); }

  /// Not started yet.
  Node node(std::uint8_t number, bool join) {
    Node node{.name = fmt::format("n{}", number), .id = idOf(number)};
    node.options.name = node.name;
    node.options.boot = number;
    node.options.newCluster = idOf(static_cast<std::uint8_t>(100 + number));
    node.options.join = join;
    node.options.network = join ? "" : kPool;
    node.since = now;
    return node;
  }
  Node founder(std::uint8_t number = 1) {
    Node made = node(number, false);
    start(made);
    return made;
  }
  /// A node that has joined the cluster of `peer`.
  Node joined(std::uint8_t number, Node& peer) {
    Node made = node(number, true);
    start(made);
    exchange(made, peer);
    return made;
  }

  Result<void> tryStart(Node& node) const {
    SlotState state = newState(node.id, {});
    if (!node.disk.empty()) state = *parseSlotState(node.disk, {});
    auto keeper = SlotKeeper::start(std::move(state), node.options, now, wall);
    if (!keeper) return Failure(keeper.error());
    node.keeper.emplace(std::move(*keeper));
    return {};
  }
  void start(Node& node) const {
    node.options.boot++;
    REQUIRE(tryStart(node));
    take(node);
  }
  static SlotActions take(Node& node) {
    auto actions = node.keeper->take([&](const std::string& text) -> Result<void> {
      node.disk = text;
      return {};
    });
    REQUIRE(actions);
    return *actions;
  }
  void exchange(Node& one, Node& other) const {
    take(one);
    take(other);
    const auto ones = one->tableMessage();
    const auto others = other->tableMessage();
    REQUIRE((ones && others));
    REQUIRE(one->exchanged(now, *others));
    REQUIRE(other->exchanged(now, *ones));
    take(one);
    take(other);
  }
  void pass(std::chrono::seconds time) { now += time; }
  void advance(Node& node, std::chrono::seconds time) {
    pass(time);
    node->advance(now);
  }
  /// Tells `node` of the others, as they are now.
  void show(Node& node, std::vector<const Node*> others) const {
    std::vector<SlotPeer> members;
    for (const Node* other : others) {
      members.push_back({.id = other->id,
                         .name = other->name,
                         .generation = other->keeper ? other->keeper->state().generation : 1,
                         .boot = other->options.boot,
                         .sign = other->alive ? SlotPeer::Sign::alive : SlotPeer::Sign::failed,
                         .since = other->since});
    }
    node->members(now, std::move(members));
  }
  void fail(Node& node) const {
    node.alive = false;
    node.since = now;
  }
  static std::uint32_t freeOf(Node& node, const NodeId& owner) {
    for (const Holding& holding : node->holdings()) {
      if (holding.owner == owner) return holding.free;
    }
    return 0;
  }
  static std::string warning(Node& node, SlotWarning::Kind kind) {
    for (const SlotWarning& warning : node->warnings()) {
      if (warning.kind == kind) return warning.text;
    }
    return "";
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

}  // namespace twill::gossip
