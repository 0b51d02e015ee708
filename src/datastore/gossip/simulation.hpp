// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/fnv.hpp"
#include "datastore/gossip/serf.hpp"

/// Whole clusters in one process, for tests and measurements: the real state machines and the real bytes of
/// every message, a clock that jumps to what happens next, and a network that loses, delays, doubles and
/// parts as asked.
namespace twill::gossip {

class Simulation {
 public:
  class Node final : public Carrier, public SerfUser {
   public:
    Node(Simulation& world, Membership::Options options, const Tags& tags)
        : serf(std::move(options), tags, *this, *this), world_(world) {}

    void send(const Endpoint& to, std::vector<std::string> messages, bool) override {
      world_.carry(*this, to, std::move(messages));
    }
    void pushPull(const Endpoint& to, bool join) override { world_.exchange(*this, to, join); }
    void pingByStream(const Endpoint& to, const Ping& ping) override { world_.streamPing(*this, to, ping); }

    void memberChanged(const SerfMember& member) override {
      if (onChange) onChange(member);
    }
    void nameConflict(const SwimMember&, const Alive&) override { ++conflicts; }
    bool event(const UserEvent& event) override {
      events.push_back(event.name + "=" + event.payload);
      return true;
    }
    Result<void> admit(const std::string&, const std::string&) override { return {}; }
    std::string extraState() override { return extra; }
    void mergeExtraState(const std::string& state) override { extras.push_back(state); }
    std::optional<std::uint64_t> digestFor(const std::string&) override {
      return compares ? std::optional(fnv1a(extra)) : std::nullopt;
    }
    KeyAnswer changeKeys(std::string_view, const std::string&) override {
      return {.done = true, .message = {}};
    }

    /// What this node thinks of another; failed when it has never heard of it.
    [[nodiscard]] MemberStatus status(const std::string& name) const {
      const auto known = serf.members().find(name);
      return known == serf.members().end() ? MemberStatus::failed : known->second.status;
    }
    [[nodiscard]] std::size_t count(MemberStatus status) const {
      std::size_t found = 0;
      for (const auto& [name, member] : serf.members()) found += member.status == status ? 1 : 0;
      return found;
    }

    Serf serf;
    bool running = true;
    bool compares = true;  ///< as nodes of Twill do, and those of Serf do not
    std::function<void(const SerfMember&)> onChange;
    std::vector<std::string> events;
    std::string extra;
    std::vector<std::string> extras;
    int conflicts = 0;
    std::uint64_t bytesSent = 0;      ///< in all
    std::uint64_t bytesByStream = 0;  ///< of those, in push/pulls

   private:
    friend class Simulation;
    void countStream(const PushPull& state) {
      const std::size_t size = encode(StreamMessage(state)).size();
      bytesSent += size;
      bytesByStream += size;
    }

    Simulation& world_;
    Time wake_ = Time::max();
  };

  explicit Simulation(std::uint64_t seed) : random_(seed) {}

  double loss = 0;
  double doubling = 0;
  Duration delay = std::chrono::milliseconds(1);
  Duration jitter = std::chrono::milliseconds(1);  ///< up to this more: what reorders
  /// Whether the network carries from one node to another.
  std::function<bool(const std::string& from, const std::string& to)> connected;

  Time now{};

  /// A node that starts now. One of that name that runs already is killed.
  Node& add(const std::string& name, const Tags& tags = {}, const Timers& timers = {}) {
    auto& address = addresses_[name];
    if (address.port == 0)
      address = {IpAddress::fromV4(0x0a000000U + static_cast<std::uint32_t>(addresses_.size())), 7946};
    kill(name);
    Membership::Options options;
    options.name = name;
    options.endpoint = address;
    options.timers = timers;
    options.seed = random_();
    nodes_.push_back(std::make_unique<Node>(*this, options, tags));
    Node& node = *nodes_.back();
    byName_[name] = &node;
    at_[address] = &node;
    node.serf.start(now);
    rouse(node);
    return node;
  }

  Node& node(const std::string& name) { return *byName_.at(name); }
  [[nodiscard]] const std::unordered_map<std::string, Node*>& nodes() const { return byName_; }

  void kill(const std::string& name) {
    if (const auto known = byName_.find(name); known != byName_.end()) known->second->running = false;
  }

  /// A node's address becomes another.
  void move(const std::string& name, const Endpoint& to) {
    Node& moved = node(name);
    at_.erase(addresses_.at(name));
    addresses_[name] = to;
    at_[to] = &moved;
    moved.serf.move(now, to);
    rouse(moved);
  }

  void join(Node& node, const std::string& seed) { exchange(node, addresses_.at(seed), true); }

  void run(Duration time) {
    const Time end = now + time;
    while (!queue_.empty() && queue_.top().time <= end) {
      const Happening next = queue_.top();
      queue_.pop();
      now = next.time;
      next.what();
    }
    now = end;
  }

  /// Runs until `done` holds, looking each 10 ms; how long that took, or `limit`.
  Duration runUntil(const std::function<bool()>& done, Duration limit) {
    const Time start = now;
    while (!done() && now - start < limit) run(std::chrono::milliseconds(10));
    return now - start;
  }

  /// After something was done to a node from outside.
  void rouse(Node& node) {
    const Time due = std::max(node.serf.next(), now);
    if (!node.running || due >= node.wake_) return;
    node.wake_ = due;
    schedule(due, [this, &node, due] {
      if (!node.running || node.wake_ != due) return;
      node.wake_ = Time::max();
      node.serf.advance(now);
      rouse(node);
    });
  }

 private:
  struct Happening {
    Time time;
    std::uint64_t number;
    std::function<void()> what;
    bool operator<(const Happening& other) const {
      return time != other.time ? time > other.time : number > other.number;
    }
  };

  void schedule(Time time, std::function<void()> what) { queue_.push({time, ++number_, std::move(what)}); }
  [[nodiscard]] bool by(double chance) {
    return std::uniform_real_distribution<double>(0, 1)(random_) < chance;
  }
  [[nodiscard]] Time arrival() {
    return now + delay + Duration(std::uniform_int_distribution<Duration::rep>(0, jitter.count())(random_));
  }
  [[nodiscard]] Node* reached(const Node& from, const Endpoint& to) {
    const auto known = at_.find(to);
    if (known == at_.end() || !known->second->running || !from.running) return nullptr;
    if (connected && !connected(from.serf.membership().name(), known->second->serf.membership().name()))
      return nullptr;
    return known->second;
  }

  void carry(Node& from, const Endpoint& to, std::vector<std::string> messages) {
    constexpr std::size_t kHeaders = 28;  // IPv4 and UDP
    from.bytesSent += kHeaders;
    for (const auto& message : messages) from.bytesSent += message.size() + kCompoundPart;
    Node* const target = reached(from, to);
    if (target == nullptr || by(loss)) return;
    const Endpoint source = from.serf.membership().endpoint();
    const int copies = by(doubling) ? 2 : 1;
    for (int copy = 0; copy < copies; ++copy) {
      schedule(arrival(), [this, target, source, messages] {
        if (!target->running) return;
        for (const auto& bytes : messages) {
          if (const auto message = parseMessage(bytes)) target->serf.receive(now, *message, source);
        }
        rouse(*target);
      });
    }
  }

  void exchange(Node& from, const Endpoint& to, bool join) {
    Node* const target = reached(from, to);
    if (target == nullptr) return;
    auto ours = std::make_shared<PushPull>(from.serf.membership().state(join));
    from.countStream(*ours);
    schedule(arrival(), [this, &from, target, ours, join] {
      if (!target->running) return;
      auto theirs = std::make_shared<PushPull>(target->serf.membership().state(join));
      target->countStream(*theirs);
      if (!target->serf.merge(now, *ours)) return;
      rouse(*target);
      schedule(arrival(), [this, &from, theirs, join] {
        if (!from.running || !from.serf.merge(now, *theirs)) return;
        if (join) from.serf.announceJoin(now);
        rouse(from);
      });
    });
  }

  void streamPing(Node& from, const Endpoint& to, const Ping& ping) {
    const Node* const target = reached(from, to);
    if (target == nullptr || target->serf.membership().name() != ping.node) return;
    schedule(arrival() + delay, [this, &from, sequence = ping.sequence] {
      if (from.running) from.serf.membership().answeredByStream(now, sequence);
    });
  }

  std::mt19937_64 random_;
  std::uint64_t number_ = 0;
  std::priority_queue<Happening> queue_;
  std::vector<std::unique_ptr<Node>> nodes_;  ///< dead ones too: what is on its way refers to them
  std::unordered_map<std::string, Node*> byName_;
  std::map<Endpoint, Node*> at_;
  std::map<std::string, Endpoint> addresses_;
};

}  // namespace twill::gossip
