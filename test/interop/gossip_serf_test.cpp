// SPDX-License-Identifier: Apache-2.0
// Our node among stock Serf agents: each takes the other for one of its own.
#include <array>

#include "gossip_pair.hpp"

using namespace twill;
using namespace twill::test;
using namespace std::chrono_literals;

namespace {

constexpr std::array<Way, 4> kWays{Way{false, true}, Way{false, false}, Way{true, true}, Way{true, false}};

}  // namespace

TEST_CASE("our node joins a stock agent, which shows its tags and each change of them") {
  for (const Way& way : kWays) {
    CAPTURE(way.encrypted);
    CAPTURE(way.compressed);
    Pair pair(way);
    if (!pair.agent) return;
    Ours& ours = pair.ours;
    const auto member = memberAt(ours, *pair.agent, "ours");
    CHECK(member.at("addr") == ours.endpoint.text());
    CHECK(member.at("tags") == nlohmann::json{{"role", "twill"}, {"s4", "10.32.1.0/24"}});
    const auto stock = ours.peer->serf().members().at("s1");
    CHECK(stock.endpoint.text() == fmt::format("{}:{}", pair.agent->address(), pair.agent->port()));
    CHECK(parseTags(stock.meta) == Tags{{"role", "stock"}});
    ours.peer->with([](Serf& serf, Time now) { CHECK(serf.setTags(now, {{"role", "changed"}})); });
    CHECK(ours.wait([&] {
      return memberAt(ours, *pair.agent, "ours").at("tags") == nlohmann::json{{"role", "changed"}};
    }));
    CHECK(ours.ctl(*pair.agent, "tags", {"-set=role=new"}).status == 0);
    CHECK(ours.wait([&] {
      return parseTags(ours.peer->serf().members().at("s1").meta) == Tags{{"role", "new"}};
    }));
    pair.checkUnderstanding();
  }
}

TEST_CASE("a stock agent joins our node, and both know each other") {
  for (const Way& way : kWays) {
    CAPTURE(way.encrypted);
    CAPTURE(way.compressed);
    const auto agent = SerfAgent::make({.arguments = way.arguments()});
    if (!agent) return;
    Ours ours(way);
    const auto joined = ours.ctl(*agent, "join", {ours.endpoint.text()});
    CAPTURE(joined.output);
    REQUIRE(joined.status == 0);
    CHECK(waitForStatus(ours, *agent, "alive"));
    CHECK(ours.wait([&] { return ours.statusOf("s1") == "alive"; }));
    CHECK(agent->complaints() == "");
  }
}

TEST_CASE("nodes with another key, or with one where the other has none, do not meet") {
  const auto agent = SerfAgent::make({.arguments = {"-encrypt=" + toBase64(kOtherKey)}});
  if (!agent) return;
  for (const bool encrypted : {false, true}) {
    Ours ours(Way{encrypted, true});
    CHECK(ours.ctl(*agent, "join", {ours.endpoint.text()}).status != 0);
    CHECK(ours.statusOf("s1") == "");
    CHECK(ours.peer->dropped().wrongKey > 0);
    CHECK(ours.peer->dropped().garbage == 0);
    CHECK_FALSE(ours.tryToJoin(*agent));
    CHECK(ours.wait([&] { return !agent->complaints().empty(); }));
    CHECK(memberAt(ours, *agent, "ours").is_null());
  }
}

TEST_CASE("user events go both ways, and to an agent that our node alone has met") {
  for (const Way& way : {kWays[0], kWays[3]}) {
    Pair pair(way);
    if (!pair.agent) return;
    pair.checkEvents("deploy");
    const auto other = SerfAgent::make({.node = "s2", .address = "127.0.0.4", .arguments = way.arguments()});
    pair.ours.join(*other);
    REQUIRE(pair.ours.wait([&] { return memberAt(pair.ours, *pair.agent, "s2").is_object(); }));
    CHECK(pair.ours.wait([&] {
      return memberAt(pair.ours, *other, "s1").is_object() && pair.ours.statusOf("s2") == "alive";
    }));
    pair.checkEvents("again");
    CHECK(pair.ours.wait([&] { return other->events().find("again from theirs\n") != std::string::npos; }));
    pair.checkUnderstanding();
    CHECK(other->complaints() == "");
  }
}

TEST_CASE("a stock agent's queries get our acks, by relays and filters too, and it reaches all nodes") {
  for (const Way& way : {kWays[0], kWays[2]}) {
    Pair pair(way);
    if (!pair.agent) return;
    const auto other = SerfAgent::make({.node = "s2", .address = "127.0.0.4", .arguments = way.arguments()});
    pair.ours.join(*other);
    REQUIRE(pair.ours.wait([&] {
      return memberAt(pair.ours, *pair.agent, "s2").is_object() &&
             memberAt(pair.ours, *other, "s1").is_object();
    }));
    const auto acks = [&](std::vector<std::string> arguments) {
      arguments.insert(arguments.begin(), {"-format=json", "-timeout=2s"});
      arguments.insert(arguments.end(), {"ask", "hi"});
      const auto asked = pair.ours.ctl(*pair.agent, "query", arguments);
      REQUIRE(asked.status == 0);
      auto names = nlohmann::json::parse(asked.output).at("Acks").get<std::vector<std::string>>();
      std::sort(names.begin(), names.end());
      return names;
    };
    CHECK(acks({}) == std::vector<std::string>{"ours", "s1", "s2"});
    CHECK(acks({"-relay-factor=1"}) == std::vector<std::string>{"ours", "s1", "s2"});
    CHECK(acks({"-node=ours"}) == std::vector<std::string>{"ours"});
    CHECK(acks({"-node=s2"}) == std::vector<std::string>{"s2"});
    CHECK(acks({"-tag", "role=^tw[il]+$"}) == std::vector<std::string>{"ours"});
    CHECK(acks({"-tag", "role=^st"}) == std::vector<std::string>{"s1", "s2"});
    CHECK(acks({"-tag", "nowhere=^$"}) == std::vector<std::string>{"ours", "s1", "s2"});
    const auto reached = pair.ours.ctl(*pair.agent, "reachability");
    CAPTURE(reached.output);
    CHECK(reached.status == 0);
    CHECK(reached.output.find("Successfully contacted all live nodes") != std::string::npos);
    pair.checkUnderstanding();
    CHECK(other->complaints() == "");
  }
}

TEST_CASE("our query gets a stock agent's ack and its answer about keys") {
  Pair pair(Way{true, true});
  if (!pair.agent) return;
  std::optional<Serf::Answers> got;
  pair.ours.peer->with([&](Serf& serf, Time now) {
    serf.ask(now, "_serf_list-keys", {}, [&](Serf::Answers answers) { got = std::move(answers); });
  });
  REQUIRE(pair.ours.wait([&] { return got.has_value(); }));
  CHECK(got->asked == 2);
  CHECK(std::find(got->acks.begin(), got->acks.end(), "s1") != got->acks.end());
  REQUIRE(got->payloads.contains("s1"));
  const auto answer = parseKeyAnswer(got->payloads.at("s1"));
  REQUIRE(answer);
  CHECK(answer->done);
  CHECK(answer->keys == std::vector{kKey});
}

TEST_CASE("keys are rotated by a stock agent while all go on talking") {
  Pair pair(Way{true, true});
  if (!pair.agent) return;
  Ours& ours = pair.ours;
  const auto keys = [&](const std::string& argument) {
    const auto done = ours.ctl(*pair.agent, "keys", {argument});
    CAPTURE(done.output);
    CHECK(done.status == 0);
    return done.output;
  };
  (void)keys("-install=" + toBase64(kOtherKey));
  CHECK(ours.peer->keys().keys() == std::vector{kKey, kOtherKey});
  (void)keys("-use=" + toBase64(kOtherKey));
  CHECK(ours.peer->keys().keys() == std::vector{kOtherKey, kKey});
  pair.checkEvents("between");
  (void)keys("-remove=" + toBase64(kKey));
  CHECK(ours.peer->keys().keys() == std::vector{kOtherKey});
  pair.checkEvents("after");
  const auto listed = keys("-list");
  CAPTURE(listed);
  CHECK(listed.find(toBase64(kOtherKey) + "  [2/2]") != std::string::npos);
  CHECK(listed.find(toBase64(kKey)) == std::string::npos);
  // Ours refuses, and the agent says so.
  CHECK(ours.ctl(*pair.agent, "keys", {"-use=" + toBase64(std::string(32, 'z'))}).status != 0);
  CHECK(ours.peer->keys().keys() == std::vector{kOtherKey});
  pair.checkUnderstanding();
}

TEST_CASE(
    "our node that is gone without a word has failed for a stock agent, until somebody says that it left") {
  for (const Way& way : {kWays[0], kWays[2]}) {
    Pair pair(way);
    if (!pair.agent) return;
    pair.ours.peer.reset();
    CHECK(waitForStatus(pair.ours, *pair.agent, "failed"));
    CHECK(pair.ours.ctl(*pair.agent, "force-leave", {"ours"}).status == 0);
    CHECK(waitForStatus(pair.ours, *pair.agent, "left"));
    CHECK(pair.agent->complaints() == "");
  }
}

TEST_CASE("our node that leaves has left for a stock agent, and may come back") {
  for (const Way& way : {kWays[0], kWays[2]}) {
    Pair pair(way);
    if (!pair.agent) return;
    pair.ours.peer->with([](Serf& serf, Time now) { serf.leave(now); });
    pair.ours.run(1s);
    pair.ours.peer.reset();
    CHECK(waitForStatus(pair.ours, *pair.agent, "left"));
    Ours again(way);
    again.join(*pair.agent);
    CHECK(waitForStatus(again, *pair.agent, "alive"));
    CHECK(memberAt(again, *pair.agent, "ours").at("addr") == again.endpoint.text());
    CHECK(pair.agent->complaints() == "");
  }
}

TEST_CASE("a stock agent that is killed has failed for us, and one that leaves has left") {
  for (const bool leaves : {false, true}) {
    CAPTURE(leaves);
    Pair pair(Way{true, true});
    if (!pair.agent) return;
    if (leaves) {
      CHECK(pair.ours.ctl(*pair.agent, "leave").status == 0);
    } else {
      pair.agent->kill();
    }
    const std::string expected = leaves ? "left" : "failed";
    CHECK(pair.ours.wait([&] { return pair.ours.statusOf("s1") == expected; }));
    if (leaves) continue;
    pair.ours.peer->with([](Serf& serf, Time now) { CHECK(serf.removeFailed(now, "s1")); });
    CHECK(pair.ours.statusOf("s1") == "left");
  }
}
