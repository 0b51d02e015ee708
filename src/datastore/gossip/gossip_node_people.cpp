// SPDX-License-Identifier: Apache-2.0
// GossipNode's part for people: what they see of the nodes, and what they change.
#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "datastore/gossip/base64.hpp"
#include "datastore/gossip/gossip_node.hpp"
#include "datastore/gossip/key_file.hpp"
#include "datastore/gossip/machine.hpp"
#include "datastore/gossip/slots/slots.hpp"
#include "datastore/while_alive.hpp"

namespace twill::gossip {
namespace {

Error notYet() {
  return {.text = "this node has not started to gossip; `twill status` says why", .kind = Error::Kind::busy};
}

std::string statusOf(const SerfMember& member, const SwimMember* swim) {
  const bool suspect = swim != nullptr && swim->state == NodeState::suspect;
  return suspect && member.status == MemberStatus::alive ? "suspect" : nameOf(member.status);
}

using Names = std::map<std::string, std::string>;

Names namesByBrief(const Serf& serf) {
  Names names;
  for (const auto& [name, member] : serf.members()) {
    if (const auto tags = nodeTagsOf(parseTags(member.meta))) names[tags->id.brief()] = name;
  }
  return names;
}

std::vector<std::string> namesOf(const std::set<std::string>& briefs, const Names& names) {
  std::vector<std::string> found;
  for (const auto& brief : briefs) {
    if (const auto name = names.find(brief); name != names.end()) found.push_back(name->second);
  }
  return found;
}

/// What Serf's internal queries call them.
std::optional<std::string> queryFor(const std::string& command) {
  if (command == "list") return "_serf_list-keys";
  if (command == "add") return "_serf_install-key";
  if (command == "use") return "_serf_use-key";
  if (command == "remove") return "_serf_remove-key";
  return std::nullopt;
}

Peers::Keys keysOf(const std::string& node, const std::string& payload) {
  Peers::Keys keys{.node = node, .done = false, .message = {}, .keys = {}};
  const auto answer = parseKeyAnswer(payload);
  if (!answer) {
    keys.message = answer.error().text;
    return keys;
  }
  keys.done = answer->done;
  keys.message = answer->message;
  for (const auto& key : answer->keys) keys.keys.push_back(toBase64(key));
  return keys;
}

}  // namespace

Result<std::string> GossipNode::config() const {
  if (!keeper_ || !keeper_->state().cluster) return Failure(notYet());
  return keeper_->state().cluster->config;
}

Result<void> GossipNode::configure(const std::string& text) {
  if (!keeper_) return Failure(notYet());
  TWILL_CHECK(keeper_->configure(Clock::now(), text));
  driveSoon();
  return {};
}

Result<void> GossipNode::release(const Prefix& subnet) {
  if (!keeper_ || !keeper_->state().cluster) return Failure(notYet());
  TWILL_TRY(const NetworkConfig network, parseNetworkConfig(keeper_->state().cluster->config));
  for (const SlotRecord* record : keeper_->leases()) {
    const SlotSubnets subnets = subnetsOf(network, record->slot);
    if (subnets.v4 == subnet || subnets.v6 == subnet) return remove(record->owner.text(), false);
  }
  return fail("no node has " + subnet.text(), Error::Kind::missing);
}

Result<void> GossipNode::remove(const std::string& node, bool force) {
  if (!keeper_ || !peer_) return Failure(notYet());
  std::optional<NodeId> id;
  for (const auto& holding : keeper_->holdings()) {
    if (holding.name != node && holding.owner.text() != node) continue;
    if (id) {
      return fail(
          fmt::format("more than one node goes by {}; name it by its id, which `twill subnets` shows", node),
          Error::Kind::invalid);
    }
    id = holding.owner;
  }
  if (!id)
    return fail(fmt::format("no node {} holds a subnet; `twill subnets` shows who does", node),
                Error::Kind::missing);
  TWILL_CHECK(keeper_->remove(Clock::now(), *id, force));
  for (const auto& [name, member] : peer_->serf().members()) {
    const auto tags = nodeTagsOf(parseTags(member.meta));
    if (!tags || tags->id != *id || member.status != MemberStatus::failed) continue;
    peer_->with([&, gone = name](Serf& serf, Time now) { static_cast<void>(serf.removeFailed(now, gone)); });
    break;
  }
  driveSoon();
  return {};
}

Result<void> GossipNode::adopt() {
  TWILL_TRY(const Machine before, adoptState(stateFile(), options_.machine));
  spdlog::info("gossip: adopted {}, which was of machine-id {}, product uuid {}", stateFile(),
               before.machineId, before.productUuid);
  boost::asio::post(loop_, whileAlive(weak_from_this(), &GossipNode::start));
  return {};
}

void GossipNode::leave(bool unused, Peers::OnDone onDone) {
  if (!keeper_ || !peer_ || !keeper_->state().cluster) {
    boost::asio::post(loop_, [onDone = std::move(onDone)] { onDone(Failure(notYet())); });
    return;
  }
  onLeft_.push_back(std::move(onDone));
  if (unused) keeper_->giveBack(Clock::now());
  keeper_->leave(Clock::now());
  driveSoon();
}

std::vector<Peers::Node> GossipNode::nodes() const {
  std::vector<Peers::Node> nodes;
  if (!peer_) return nodes;
  const Time now = Clock::now();
  const auto names = namesByBrief(peer_->serf());
  for (const auto& [name, member] : peer_->serf().members()) {
    const SwimMember* swim = peer_->serf().membership().find(name);
    const auto tags = nodeTagsOf(parseTags(member.meta));
    const bool suspect = swim != nullptr && swim->state == NodeState::suspect;
    nodes.push_back({.name = name,
                     .id = tags ? tags->id.text() : std::string(),
                     .endpoint = member.endpoint.text(),
                     .status = statusOf(member, swim),
                     .seconds = std::chrono::duration_cast<std::chrono::seconds>(
                                    now - (suspect ? swim->since : member.since))
                                    .count(),
                     .accuser = suspect ? swim->accuser : member.accuser,
                     .noDirectWay = swim != nullptr && swim->detours > 0,
                     .noDirectWayTo = tags ? namesOf(tags->noDirectWay, names) : std::vector<std::string>(),
                     .isSelf = name == options_.node});
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const auto& one, const auto& other) { return one.name < other.name; });
  return nodes;
}

Peers::Pool GossipNode::pool() const {
  Peers::Pool pool;
  if (!keeper_ || !keeper_->state().cluster) return pool;
  pool.cluster = keeper_->state().cluster->id.text();
  pool.slots = keeper_->state().cluster->slots;
  for (const auto& holding : keeper_->holdings()) {
    pool.shares.push_back({.node = holding.name,
                           .id = holding.owner.text(),
                           .free = holding.free,
                           .active = holding.active,
                           .revoked = holding.revoked,
                           .reachable = holding.reachable,
                           .removed = holding.removed});
  }
  return pool;
}

Peers::Counters GossipNode::counters() const {
  Peers::Counters counters;
  if (peer_) {
    counters.wrongKey = peer_->dropped().wrongKey;
    counters.garbage = peer_->dropped().garbage;
  }
  if (keeper_) counters.slotConflicts = keeper_->conflicts();
  return counters;
}

void GossipNode::changeKeysOfAll(const std::string& command, const std::string& key, Peers::OnKeys onKeys) {
  const auto query = queryFor(command);
  const auto bytes = command == "list" ? Result<std::string>(std::string()) : fromBase64(key);
  auto refusal = [&]() -> Result<void> {
    if (!peer_) return Failure(notYet());
    if (!query) return fail("no such command about keys: " + command, Error::Kind::invalid);
    if (!bytes)
      return fail("the key is not in base64; `twill gossip keygen` makes one", Error::Kind::invalid);
    if (peer_->keys().empty())
      return fail("this cluster talks without keys; stop all nodes and give each a key file",
                  Error::Kind::conflict);
    return {};
  }();
  if (!refusal) {
    boost::asio::post(loop_,
                      [onKeys = std::move(onKeys), error = refusal.error()] { onKeys(Failure(error)); });
    return;
  }
  const std::string payload = command == "list" ? std::string() : encodeKeyRequest(*bytes);
  peer_->with([&](Serf& serf, Time now) {
    serf.ask(now, *query, payload, [onKeys = std::move(onKeys)](const Serf::Answers& answers) {
      Peers::KeysOfAll all{.asked = answers.asked, .answers = {}};
      for (const auto& [node, answer] : answers.payloads) all.answers.push_back(keysOf(node, answer));
      onKeys(std::move(all));
    });
  });
}

/// Another node's command, or this node's own, about its keyring.
KeyAnswer GossipNode::changeKeys(std::string_view command, const std::string& key) {
  Keyring& ring = peer_->keys();
  const Keyring before = ring;
  if (ring.empty()) return {.done = false, .message = "this node has no keys"};
  Result<void> changed;
  if (command == "install-key") changed = ring.install(key);
  if (command == "use-key") changed = ring.use(key);
  if (command == "remove-key") changed = ring.remove(key);
  if (changed && ring.keys() != before.keys()) {
    changed = writeKeyFile(options_.keyFile, ring);
    // A key that is forgotten with the next start would shut this node out.
    if (!changed) ring = before;
  }
  if (!changed) return {.done = false, .message = changed.error().text};
  KeyAnswer answer{.done = true, .message = {}};
  if (command == "list-keys") {
    answer.keys = ring.keys();
    answer.primary = ring.keys().front();
  }
  return answer;
}

}  // namespace twill::gossip
