// SPDX-License-Identifier: Apache-2.0
// For tests: a node of ours beside a stock Serf agent, and what each says of the other.
#pragma once

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "datastore/gossip/base64.hpp"
#include "datastore/gossip/peer.hpp"
#include "serf_agent.hpp"

namespace twill::test {

using namespace gossip;

/// Far more than anything here takes on an idle machine: a failed node is declared so after 5 to 11 s.
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kTurn{20};
inline const std::string kKey(32, '\x11');
inline const std::string kOtherKey(16, '\x22');

/// How nodes talk in a case.
struct Way {
  bool encrypted = false;
  bool compressed = true;  ///< by the agents; ours understands both, and compresses where it helps

  [[nodiscard]] std::vector<std::string> arguments() const {
    std::vector<std::string> all;
    if (encrypted) all.push_back("-encrypt=" + toBase64(kKey));
    if (!compressed) all.emplace_back("-disable-compression");
    return all;
  }
};

/// Our node, and whoever uses it.
class Ours final : public SerfUser {
 public:
  explicit Ours(const Way& way) {
    PeerOptions options;
    options.name = "ours";
    options.endpoint = {IpAddress::parse("127.0.0.3").value(), SerfAgent::freePort("127.0.0.3")};
    options.tags = {{"role", "twill"}, {"s4", "10.32.1.0/24"}};
    if (way.encrypted) options.keys = Keyring::of({kKey}).value();
    endpoint = options.endpoint;
    peer = std::make_unique<Peer>(loop, std::move(options), *this,
                                  [](const std::string&) { return fail("nothing to ask here"); });
    const auto started = peer->start();
    REQUIRE_MESSAGE(started.has_value(), started.error().text);
  }

  void memberChanged(const SerfMember&) override {}
  void nameConflict(const SwimMember&, const Alive&) override { FAIL("a conflict of names"); }
  bool event(const UserEvent& event) override {
    events.push_back(event.name + "=" + event.payload);
    return true;
  }
  Result<void> admit(const std::string&, const std::string&) override { return {}; }
  std::string extraState() override { return "what stock agents pass over"; }
  void mergeExtraState(const std::string&) override {}
  std::optional<std::uint64_t> digestFor(const std::string&) override { return std::nullopt; }
  KeyAnswer changeKeys(std::string_view command, const std::string& key) override {
    Keyring& ring = peer->keys();
    Result<void> done;
    if (command == "install-key") done = ring.install(key);
    if (command == "use-key") done = ring.use(key);
    if (command == "remove-key") done = ring.remove(key);
    if (!done) return {.done = false, .message = done.error().text};
    return {.done = true, .message = {}, .keys = ring.keys(), .primary = ring.keys().front()};
  }

  void run(std::chrono::milliseconds time) {
    loop.restart();
    loop.run_for(time);
  }
  /// Lets our node live until `done` holds; whether it does.
  template <class Done>
  [[nodiscard]] bool wait(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!done() && std::chrono::steady_clock::now() < deadline) run(kTurn);
    return done();
  }
  /// A command of Serf's, while our node lives: it may have to answer.
  SerfAgent::Outcome ctl(const SerfAgent& agent, const std::string& command,
                         const std::vector<std::string>& arguments = {}) {
    auto outcome = std::async(std::launch::async, [&] { return agent.ctl(command, arguments); });
    while (outcome.wait_for(std::chrono::seconds(0)) != std::future_status::ready) run(kTurn);
    return outcome.get();
  }
  Result<void> tryToJoin(const SerfAgent& agent) {
    std::optional<Result<void>> joined;
    peer->join({IpAddress::parse(agent.address()).value(), agent.port()},
               [&](Result<void> result) { joined = std::move(result); });
    REQUIRE(wait([&] { return joined.has_value(); }));
    return *joined;
  }
  void join(const SerfAgent& agent) {
    const auto joined = tryToJoin(agent);
    REQUIRE_MESSAGE(joined.has_value(), joined.error().text);
  }
  /// What we think of a node; empty: nothing.
  [[nodiscard]] std::string statusOf(const std::string& node) const {
    const auto known = peer->serf().members().find(node);
    return known == peer->serf().members().end() ? "" : nameOf(known->second.status);
  }

  boost::asio::io_context loop;
  Endpoint endpoint;
  std::vector<std::string> events;
  std::unique_ptr<Peer> peer;
};

/// What `serf members` says of a node; null: nothing.
inline nlohmann::json memberAt(Ours& ours, const SerfAgent& agent, const std::string& node) {
  const auto listed = ours.ctl(agent, "members", {"-format=json"});
  REQUIRE(listed.status == 0);
  const auto all = nlohmann::json::parse(listed.output);
  for (const auto& member : all.at("members")) {
    if (member.at("name") == node) return member;
  }
  return nullptr;
}

inline bool waitForStatus(Ours& ours, const SerfAgent& agent, const std::string& status) {
  return ours.wait([&] {
    const auto member = memberAt(ours, agent, "ours");
    return member.is_object() && member.at("status") == status;
  });
}

/// An agent that our node has joined.
struct Pair {
  explicit Pair(const Way& way) : agent(SerfAgent::make({.arguments = way.arguments()})), ours(way) {
    if (!agent) return;
    ours.join(*agent);
    REQUIRE(waitForStatus(ours, *agent, "alive"));
    REQUIRE(ours.statusOf("s1") == "alive");
  }
  /// Nothing of ours was unreadable for the agent, and nothing of its for us.
  void checkUnderstanding() const {
    CHECK(agent->complaints() == "");
    CHECK(ours.peer->dropped().garbage == 0);
    CHECK(ours.peer->dropped().wrongKey == 0);
  }
  /// An event of ours reaches the agent, and one of the agent's us.
  void checkEvents(const std::string& name) {
    ours.peer->with([&](Serf& serf, Time now) { CHECK(serf.sendEvent(now, name, "from ours")); });
    CHECK(ours.wait([&] { return agent->events().find(name + " from ours\n") != std::string::npos; }));
    CHECK(ours.ctl(*agent, "event", {"-coalesce=false", name, "from theirs"}).status == 0);
    CHECK(ours.wait([&] {
      return std::find(ours.events.begin(), ours.events.end(), name + "=from theirs") != ours.events.end();
    }));
  }

  std::unique_ptr<SerfAgent> agent;
  Ours ours;
};

}  // namespace twill::test
