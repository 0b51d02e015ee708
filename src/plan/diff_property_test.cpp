// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <random>

#include <doctest/doctest.h>

#include "plan/samples.hpp"

using namespace twill;
using namespace twill::samples;

namespace {

/// Random states over a small world, so that wanted and actual meet often.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}

  KernelState wanted() {
    KernelState out;
    if (chance(70)) out.put(bridge("twill0"));
    for (int i = 0; i < 3; ++i) {
      if (chance(50)) out.put(port("tw" + std::to_string(i)));
    }
    for (int i = pick(6); i > 0; --i) out.put(anAddress(kProtocol));
    for (int i = pick(6); i > 0; --i) out.put(aNeighbour(kProtocol));
    for (int i = pick(8); i > 0; --i) out.put(aRoute(kProtocol));
    for (int i = pick(3); i > 0; --i) out.put(setting("net/test/" + std::to_string(pick(2)), aDigit()));
    if (chance(50)) out.put(aFirewall());
    for (int i = out.firewalls.empty() ? 0 : pick(4); i > 0; --i) out.put(anElement());
    keepOneLengthEach(out);
    keepWhatHasALink(out);
    return out;
  }

  KernelState actual() {
    KernelState out = wanted();
    for (auto& [name, table] : out.firewalls) {
      for (auto& rule : table.chains["c"].rules) rule = ruleId(rule);
    }
    for (auto& [name, link] : out.links) {
      if (chance(20)) link.alias.clear();
      if (chance(20)) link.kind = LinkKind::other;
      if (chance(20)) link.up = false;
      if (chance(20)) link.master = "";
    }
    for (int i = pick(3); i > 0; --i) out.put(anAddress(0));
    for (int i = pick(3); i > 0; --i) out.put(aNeighbour(4));
    for (int i = pick(4); i > 0; --i) out.put(aRoute(4));
    keepOneLengthEach(out);
    keepWhatHasALink(out);
    return out;
  }

 private:
  int pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool chance(int percent) { return pick(100) < percent; }
  std::string aDigit() { return std::to_string(pick(3)); }
  std::string aLink() {
    static const char* const names[] = {"eth0", "eth1", "twill0", "tw0", "tw1"};
    return names[pick(5)];
  }
  Address anAddress(std::uint8_t protocol) {
    const bool six = chance(50);
    const auto ip = six ? "fd42::" + aDigit() : "172.16.0." + aDigit();
    return address(aLink(), ip + (six ? (chance(50) ? "/64" : "/48") : (chance(50) ? "/24" : "/16")),
                   protocol);
  }
  Neighbour aNeighbour(std::uint8_t protocol) {
    auto out = neighbour(aLink(), chance(50) ? "10.0.0." + aDigit() : "fd00::" + aDigit(),
                         "0a:00:00:00:00:0" + aDigit());
    out.protocol = protocol;
    return out;
  }
  Route aRoute(std::uint8_t protocol) {
    const bool six = chance(50);
    auto out = route(six ? "fd42:" + aDigit() + "::/64" : "172.16." + aDigit() + ".0/24",
                     six ? "fd00::" + aDigit() : "10.0.0." + aDigit(), aLink(), chance(50) ? 0 : 1024);
    if (chance(30)) out.via.reset();
    out.protocol = protocol;
    return out;
  }
  Firewall aFirewall() {
    Firewall out;
    out.chains["c"] = {"hook", {"rule " + aDigit(), "rule " + aDigit()}};
    if (chance(30)) out.chains["d"] = {"hook", {}};
    out.sets["m"] = {.type = "inet_service : ipv4_addr", .apart = true};
    return out;
  }
  SetElement anElement() {
    return {.table = kTable, .set = "m", .key = aDigit(), .data = "10.0.0." + aDigit(), .owner = "net/c1"};
  }
  /// No kernel holds an IPv6 address twice on a link.
  static void keepOneLengthEach(KernelState& state) {
    for (auto at = state.addresses.begin(); at != state.addresses.end();) {
      const auto next = std::next(at);
      const bool twice = next != state.addresses.end() && next->first.link == at->first.link &&
                         next->first.address.address == at->first.address.address;
      at = twice && !at->first.address.address.isV4() ? state.addresses.erase(at) : next;
    }
  }
  static void keepWhatHasALink(KernelState& state) {
    const auto lacksLink = [&](const auto& entry) {
      const auto& link = entry.second.link;
      return !link.starts_with("eth") && !state.links.contains(link);
    };
    std::erase_if(state.addresses, lacksLink);
    std::erase_if(state.neighbours, lacksLink);
    std::erase_if(state.routes, lacksLink);
  }

  std::mt19937 random_;
};

void dropLink(KernelState& state, const std::string& name) {
  const auto isOn = [&](const auto& entry) { return entry.second.link == name; };
  std::erase_if(state.addresses, isOn);
  std::erase_if(state.neighbours, isOn);
  std::erase_if(state.routes, isOn);
  state.links.erase(name);
}

bool isOurs(const Object& object) {
  if (const auto* link = std::get_if<Link>(&object)) return link->ours();
  if (const auto* address = std::get_if<Address>(&object)) return address->ours();
  if (const auto* entry = std::get_if<Neighbour>(&object)) return entry->ours();
  if (const auto* route = std::get_if<Route>(&object)) return route->ours();
  return true;
}

/// What is at the place of `object` in `state`, if anything.
const Object* at(const KernelState& state, const Object& object, Object& found) {
  const auto look = [&](const auto& map, const auto& key) -> const Object* {
    const auto entry = map.find(key);
    if (entry == map.end()) return nullptr;
    found = entry->second;
    return &found;
  };
  if (const auto* s = std::get_if<Sysctl>(&object)) return look(state.sysctls, s->path);
  if (const auto* link = std::get_if<Link>(&object)) return look(state.links, link->name);
  if (const auto* address = std::get_if<Address>(&object)) return look(state.addresses, keyOf(*address));
  if (const auto* entry = std::get_if<Neighbour>(&object)) return look(state.neighbours, keyOf(*entry));
  if (const auto* route = std::get_if<Route>(&object)) return look(state.routes, keyOf(*route));
  if (const auto* element = std::get_if<SetElement>(&object)) return look(state.setElements, keyOf(*element));
  return look(state.firewalls, std::get<Firewall>(object).table);
}

/// Carries out one operation as a kernel would. It must fit what is there, and never hit what is foreign.
void apply(const Operation& operation, KernelState& state) {
  Object found;
  const auto* there = at(state, operation.object, found);
  CAPTURE(describe(operation));
  REQUIRE((there == nullptr) == (operation.verb == Verb::add));
  if (there != nullptr) REQUIRE(isOurs(*there));
  if (const auto* element = std::get_if<SetElement>(&operation.object)) {
    REQUIRE(state.firewalls.at(element->table).sets.contains(element->set));
  }
  if (const auto* table = std::get_if<Firewall>(&operation.object)) {
    state.firewalls.clear();
    if (operation.verb == Verb::remove) return state.setElements.clear();
    Firewall made = *table;
    for (auto& rule : made.chains["c"].rules) rule = ruleId(rule);
    state.put(std::move(made));
  } else if (operation.verb != Verb::remove) {
    std::visit(
        [&](const auto& object) {
          if constexpr (requires { state.put(object); }) state.put(object);
        },
        operation.object);
  } else if (const auto* link = std::get_if<Link>(&operation.object)) {
    dropLink(state, link->name);
  } else if (const auto* address = std::get_if<Address>(&operation.object)) {
    state.addresses.erase(keyOf(*address));
  } else if (const auto* entry = std::get_if<Neighbour>(&operation.object)) {
    state.neighbours.erase(keyOf(*entry));
  } else if (const auto* route = std::get_if<Route>(&operation.object)) {
    state.routes.erase(keyOf(*route));
  } else if (const auto* gone = std::get_if<SetElement>(&operation.object)) {
    state.setElements.erase(keyOf(*gone));
  }
}

KernelState manyRoutes(std::uint32_t count) {
  KernelState out;
  for (std::uint32_t i = 0; i < count; ++i) {
    Route route;
    route.dst = Prefix(IpAddress::fromV4(0x0a000000U + (i << 8U)), 24);
    route.via = IpAddress::fromV4(0xc0a80000U + i);
    route.link = "eth0";
    route.metric = i + 1;
    out.put(route);
  }
  return out;
}

}  // namespace

TEST_CASE("carrying out a difference leaves none, in any of 3000 random worlds") {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    CAPTURE(seed);
    World world(seed);
    const auto wanted = world.wanted();
    auto kernel = world.actual();
    const auto first = diff(wanted, kernel);
    for (const auto& operation : first.operations) apply(operation, kernel);
    const auto second = diff(wanted, kernel);
    if (first.obstacles.empty()) REQUIRE(text({second.operations, {}}) == "");
    // An obstacle may have gone with a link of ours on which it stood.
    for (const auto& operation : second.operations) apply(operation, kernel);
    REQUIRE(text({diff(wanted, kernel).operations, {}}) == "");
  }
}

TEST_CASE("a difference is its additions, then its removals") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    World world(seed);
    const auto wanted = world.wanted();
    const auto kernel = world.actual();
    const auto whole = text(diff(wanted, kernel));
    const auto added = text({additions(wanted, kernel).operations, {}});
    REQUIRE(whole.starts_with(added));
  }
}

TEST_CASE("one change among 50,000 routes is found in a few milliseconds") {
  const auto actual = manyRoutes(50'000);
  auto wanted = actual;
  wanted.routes.begin()->second.link = "eth1";
  auto best = std::chrono::steady_clock::duration::max();
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const auto difference = diff(wanted, actual);
    best = std::min(best, std::chrono::steady_clock::now() - start);
    CHECK(difference.operations.size() == 1);
  }
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(best).count();

  CHECK(micros < 5'000'000);  // only to catch a quadratic walk; ./dev bench has the numbers
}
