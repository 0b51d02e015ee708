// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "datastore/gossip/slots/slot_keeper.hpp"

namespace twill::gossip {

/// Whole clusters of SlotKeepers on a virtual clock, for tests: every message may be lost, doubled or late,
/// every save may fail or be the last thing that a node does. The same seed gives the same run.
class SimulatedCluster {
 public:
  struct Chances {  ///< of 1000
    unsigned loss = 0;
    unsigned twice = 0;
    unsigned late = 0;
    unsigned crashBeforeSave = 0;
    unsigned crashAfterSave = 0;
    unsigned saveFails = 0;
  };
  struct Node {
    std::string name;
    NodeId id;
    bool founds = false;
    std::unique_ptr<SlotKeeper> keeper{};  ///< none: it does not run
    std::string disk{};                    ///< empty: nothing was ever saved
    unsigned group = 0;                    ///< of a partition
    bool gone = false;                     ///< for good
    bool wants = true;
    std::uint64_t boot = 0;
    std::optional<std::uint32_t> uses{};  ///< containers stay when the agent dies
    std::map<std::size_t, SlotPeer> sees{};
    TimePoint nextExchange{};
  };

  SimulatedCluster(std::string network, std::uint64_t seed) : random(seed), network_(std::move(network)) {}

  std::mt19937_64 random;
  Chances chances;
  TimePoint now{std::chrono::hours(1)};
  std::vector<Node> nodes;
  std::vector<std::string> duplicates;  ///< each time two nodes used one slot at once

  [[nodiscard]] bool chance(unsigned of1000) { return random() % 1000 < of1000; }

  std::size_t add() {
    Node node{.name = fmt::format("n{}", nodes.size()), .id = randomId(), .founds = nodes.empty()};
    nodes.push_back(std::move(node));
    return nodes.size() - 1;
  }

  void boot(std::size_t i) {
    Node& node = nodes[i];
    const Machine machine{.machineId = node.name, .productUuid = ""};
    node.boot = random();
    node.nextExchange = now + std::chrono::seconds(random() % 10);
    node.sees.clear();
    SlotState state = newState(node.id, machine);
    if (!node.disk.empty()) {
      auto read = parseSlotState(node.disk, machine);
      REQUIRE(read);
      state = *read;
    }
    auto keeper = SlotKeeper::start(std::move(state),
                                    {.name = node.name,
                                     .boot = node.boot,
                                     .newCluster = randomId(),
                                     .join = !node.founds,
                                     .network = node.founds ? network_ : "",
                                     .place = {}},
                                    now, wall());
    REQUIRE(keeper);
    node.keeper = std::make_unique<SlotKeeper>(std::move(*keeper));
    look(i);
    if (node.wants && node.keeper) want(i);
  }

  void want(std::size_t i) {
    nodes[i].wants = true;
    const std::string lease = fmt::format(R"({{"node":"{}","port":{}}})", nodes[i].name, random() % 3);
    REQUIRE(nodes[i].keeper->want(now, lease));
    after(i);
  }

  void crash(std::size_t i) { nodes[i].keeper.reset(); }

  /// The agent and its containers.
  void kill(std::size_t i) {
    crash(i);
    nodes[i].gone = true;
    nodes[i].uses.reset();
  }

  void run(std::chrono::seconds time, std::chrono::seconds step = std::chrono::seconds(2)) {
    for (const TimePoint end = now + time; now < end;) {
      now += step;
      deliver();
      for (std::size_t i = 0; i < nodes.size(); ++i) tick(i);
    }
  }

  /// To be called after each input.
  void after(std::size_t i) {
    Node& node = nodes[i];
    bool crashes = false;
    auto actions = node.keeper->take([&](const std::string& text) -> Result<void> {
      crashes = chance(chances.crashBeforeSave);
      if (crashes || chance(chances.saveFails)) return fail("no space left");
      crashes = chance(chances.crashAfterSave);
      node.disk = text;
      return {};
    });
    if (crashes) return crash(i);
    if (!actions) return;
    use(i, node.keeper->mine());
    for (const std::string& delta : actions->deltas) {
      CHECK(delta.size() <= kLongestDelta);
      for (std::size_t to = 0; to < nodes.size(); ++to) {
        if (to != i && nodes[to].keeper) send(i, to, {.kind = Packet::Kind::delta, .bytes = delta});
      }
    }
    for (const auto& letter : actions->letters) {
      for (std::size_t to = 0; to < nodes.size(); ++to) {
        if (nodes[to].id == letter.to && to != i)
          send(i, to, {.kind = Packet::Kind::letter, .bytes = letter.bytes});
      }
    }
    if (actions->exchange) exchange(i);
  }

  [[nodiscard]] std::int64_t wall() const {
    return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  }

 private:
  struct Packet {
    enum class Kind { delta, letter, push, pull };
    Kind kind;
    std::string bytes;
    std::size_t from = 0;
    std::size_t to = 0;
  };

  NodeId randomId() {
    NodeId id;
    for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(random());
    return id;
  }

  void use(std::size_t i, std::optional<std::uint32_t> slot) {
    if (nodes[i].uses == slot) return;
    nodes[i].uses = slot;
    if (!slot) return;
    for (std::size_t other = 0; other < nodes.size(); ++other) {
      if (other != i && nodes[other].uses == slot)
        duplicates.push_back(fmt::format("slot {} of {} and {}", *slot, nodes[i].name, nodes[other].name));
    }
  }

  void send(std::size_t from, std::size_t to, Packet packet) {
    packet.from = from;
    packet.to = to;
    for (unsigned copies = chance(chances.twice) ? 2 : 1; copies > 0; --copies) {
      if (chance(chances.loss)) continue;
      const std::uint64_t seconds = chance(chances.late) ? random() % 60 : random() % 2;
      flying_.emplace(now + std::chrono::seconds(seconds), packet);
    }
  }

  void deliver() {
    while (!flying_.empty() && flying_.begin()->first <= now) {
      const Packet packet = flying_.begin()->second;
      flying_.erase(flying_.begin());
      Node& node = nodes[packet.to];
      if (!node.keeper || node.group != nodes[packet.from].group) continue;
      if (packet.kind == Packet::Kind::delta) {
        (void)node.keeper->heardDelta(now, packet.bytes);
      } else if (packet.kind == Packet::Kind::letter) {
        (void)node.keeper->heardLetter(now, packet.bytes);
      } else {
        if (packet.kind == Packet::Kind::push) push(packet.to, packet.from, Packet::Kind::pull);
        (void)node.keeper->exchanged(now, packet.bytes);
      }
      after(packet.to);
    }
  }

  void push(std::size_t from, std::size_t to, Packet::Kind kind) {
    if (auto table = nodes[from].keeper->tableMessage()) send(from, to, {.kind = kind, .bytes = *table});
  }

  void exchange(std::size_t i) {
    std::vector<std::size_t> peers;
    for (const auto& [peer, member] : nodes[i].sees) {
      if (member.sign == SlotPeer::Sign::alive) peers.push_back(peer);
    }
    if (!peers.empty()) push(i, peers[random() % peers.size()], Packet::Kind::push);
  }

  /// What the gossip layer would say.
  void look(std::size_t i) {
    Node& node = nodes[i];
    bool changed = false;
    for (std::size_t other = 0; other < nodes.size(); ++other) {
      const Node& peer = nodes[other];
      const bool alive = peer.keeper && peer.group == node.group;
      const auto known = node.sees.find(other);
      if (other == i || (!alive && known == node.sees.end())) continue;
      const SlotPeer::Sign sign = alive ? SlotPeer::Sign::alive : SlotPeer::Sign::failed;
      const std::uint32_t generation = alive ? peer.keeper->state().generation : known->second.generation;
      SlotPeer member{
          .id = peer.id, .name = peer.name, .generation = generation, .boot = peer.boot, .sign = sign};
      member.since = known != node.sees.end() && known->second.sign == sign ? known->second.since : now;
      changed = changed || known == node.sees.end() || known->second != member;
      node.sees[other] = member;
    }
    if (!changed) return;
    std::vector<SlotPeer> members;
    for (const auto& [other, member] : node.sees) members.push_back(member);
    node.keeper->members(now, std::move(members));
    after(i);
  }

  void tick(std::size_t i) {
    Node& node = nodes[i];
    if (node.keeper && chance(300)) look(i);
    if (node.keeper && node.keeper->nextDeadline() && *node.keeper->nextDeadline() <= now) {
      node.keeper->advance(now);
      after(i);
    }
    if (node.keeper && now >= node.nextExchange) {
      node.nextExchange = now + std::chrono::seconds(20 + random() % 20);
      exchange(i);
    }
  }

  std::string network_;
  std::multimap<TimePoint, Packet> flying_;
};

}  // namespace twill::gossip
