// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/gossip_node.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "datastore/gossip/key_file.hpp"
#include "datastore/while_alive.hpp"

namespace twill::gossip {
namespace {

using Clock = std::chrono::steady_clock;

/// What carries deltas of the slot table.
constexpr const char* kSlotEvent = "twill/slot";
constexpr std::chrono::milliseconds kStartAgain{250};
/// Longer than nodes take to exchange their states again, in clusters of hundreds.
constexpr std::chrono::minutes kNameStrangers{3};
/// Peers that are up answer within milliseconds.
constexpr std::chrono::seconds kSettle{3};
/// The whole table of the largest pool, with a lease in each slot.
constexpr std::size_t kLargestState = 256U << 20U;

/// A network to begin with, for who has said nothing: Weave's pool, and the backend that needs nothing of the
/// underlay.
constexpr const char* kFirstNetwork =
    R"({"Network": "10.32.0.0/12", "SubnetLen": 24, "Backend": {"Type": "vxlan"}})";

template <class Value>
Result<Value> randomValue() {
  Value value{};
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof value) != 1)
    return fail("the system has no random numbers");
  return value;
}

std::int64_t wallSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

GossipNode::GossipNode(boost::asio::io_context& loop, GossipDatastoreOptions options)
    : loop_(loop),
      options_(std::move(options)),
      startTimer_(loop),
      settleTimer_(loop),
      strangersTimer_(loop),
      keeperTimer_(loop) {}

void GossipNode::watch(Datastore::OnCluster onCluster) {
  onCluster_ = std::move(onCluster);
  told_.reset();
  pictureChanged_ = true;
  if (std::exchange(started_, true)) return driveSoon();
  boost::asio::post(loop_, whileAlive(weak_from_this(), &GossipNode::start));
}

void GossipNode::stop() {
  onCluster_ = {};
  seeds_.reset();
  peer_.reset();
  startTimer_.cancel();
  settleTimer_.cancel();
  strangersTimer_.cancel();
  keeperTimer_.cancel();
}

void GossipNode::start() {
  if (!onCluster_) return;
  startTrouble_.clear();
  if (!keeper_) {
    if (auto opened = openKeeper(); !opened) {
      settled_ = true;
      return startLater(opened.error());
    }
    settleLater();
  }
  if (auto opened = open(); !opened) return startLater(opened.error());
  pictureChanged_ = true;
  driveSoon();
}

/// The kernel may know of nodes that the disk does not yet. So that no route goes for that, somebody is asked
/// first; who has no peers, or cannot reach them, goes by what is on the disk.
void GossipNode::settleLater() {
  settled_ = keeper_->state().nodes.empty();
  settleTimer_.expires_after(kSettle);
  settleTimer_.async_wait(whileAlive(weak_from_this(), &GossipNode::settle));
}

void GossipNode::settle() {
  if (std::exchange(settled_, true)) return;
  pictureChanged_ = true;
  driveSoon();
}

void GossipNode::startLater(const Error& why) {
  peer_.reset();
  startTrouble_ = why.text;
  pictureChanged_ = true;
  driveSoon();
  startTimer_.expires_after(kStartAgain);
  startTimer_.async_wait(whileAlive(weak_from_this(), &GossipNode::start));
}

Result<void> GossipNode::openKeeper() {
  const std::string path = options_.stateDir + "/gossip.json";
  TWILL_TRY(boot_, randomValue<std::uint64_t>());
  TWILL_TRY(const NodeId id, randomValue<NodeId>());
  TWILL_TRY(const ClusterId cluster, randomValue<ClusterId>());
  SlotState state = newState(id, options_.machine);
  const auto text = readFile(path, kLargestState);
  if (text) {
    auto parsed = parseSlotState(*text, options_.machine);
    if (!parsed) return Failure(std::move(parsed.error()).in(path));
    state = std::move(*parsed);
  } else if (text.error().kind != Error::Kind::missing) {
    return Failure(text.error());
  }
  KeeperOptions keeper;
  keeper.name = options_.node;
  keeper.boot = boot_;
  keeper.newCluster = cluster;
  keeper.join = !options_.join.empty() || !options_.peersFile.empty();
  keeper.expect = options_.expect;
  if (options_.place) {
    TWILL_TRY(const InterfaceAddress at, options_.place());
    keeper.place = KeeperOptions::Place{at.address, at.prefix()};
  }
  const bool mayFound = !state.cluster && (!keeper.join || keeper.expect > 0);
  keeper.network = options_.network.empty() && mayFound ? kFirstNetwork : options_.network;
  TWILL_TRY(keeper_, SlotKeeper::start(std::move(state), std::move(keeper), Clock::now(), wallSeconds()));
  living_ = {{options_.node, keeper_->state().id}};
  return keeper_->want(Clock::now(), firstData());
}

/// What this node's record says until the agent knows better: what it said before, else no more than whose it
/// is.
std::string GossipNode::firstData() const {
  if (keeper_->mine()) return keeper_->state().table.at(*keeper_->mine()).data;
  Lease mine;
  mine.node = options_.node;
  return toData(mine);
}

Result<void> GossipNode::open() {
  TWILL_TRY(const Endpoint endpoint, options_.endpoint());
  TWILL_TRY(Keyring keys, readKeyFile(options_.keyFile));
  if (keys.empty() && foundsAlone()) {
    TWILL_CHECK(makeKeyFile(options_.keyFile));
    spdlog::info("gossip: made {}, which every other node needs a copy of", options_.keyFile);
    TWILL_TRY(keys, readKeyFile(options_.keyFile));
  }
  if (keys.empty() && !endpoint.address.isLoopback()) {
    return fail(
        fmt::format("{} holds no key, without which nodes talk on loopback only: make one with `twill "
                    "gossip keygen {}` and copy it to every node",
                    options_.keyFile, options_.keyFile),
        Error::Kind::invalid);
  }
  tags_ = toTags(ownTags(), std::nullopt);
  peer_ =
      std::make_unique<Peer>(loop_,
                             PeerOptions{.name = options_.node,
                                         .endpoint = endpoint,
                                         .timers = options_.timers,
                                         .tags = tags_,
                                         .keys = std::move(keys)},
                             *this, [this](const std::string& request) { return answerRequest(request); });
  TWILL_CHECK(peer_->start());
  openSeeds(endpoint);
  return {};
}

/// The first node, on its first start: nobody can have given it a key.
bool GossipNode::foundsAlone() const {
  return options_.join.empty() && options_.peersFile.empty() && options_.expect == 0 &&
         keeper_->state().nodes.empty();
}

void GossipNode::openSeeds(const Endpoint& endpoint) {
  Seeds::Hooks hooks;
  hooks.isKnown = [this, endpoint](const Endpoint& other) {
    if (other == endpoint) return true;
    const auto& members = peer_->serf().members();
    return std::any_of(members.begin(), members.end(), [&](const auto& member) {
      return member.second.endpoint == other && member.second.status == MemberStatus::alive;
    });
  };
  hooks.isAlone = [this] { return peer_->serf().membership().living() < 2; };
  hooks.join = [this](const Endpoint& to, Peer::OnJoined onJoined) { peer_->join(to, std::move(onJoined)); };
  hooks.report = [this](const std::string& why) {
    if (seedTrouble_ == why) return;
    seedTrouble_ = why;
    pictureChanged_ = true;
    driveSoon();
  };
  seeds_ = std::make_unique<Seeds>(loop_,
                                   SeedOptions{.names = options_.join,
                                               .peersFile = options_.peersFile,
                                               .knownFile = options_.stateDir + "/gossip.peers"},
                                   std::move(hooks));
  seeds_->start();
}

/// Inputs come from inside of Serf, which must not be called from there; and many come at once.
void GossipNode::driveSoon() {
  if (std::exchange(drivePending_, true)) return;
  boost::asio::post(loop_, whileAlive(weak_from_this(), &GossipNode::drive));
}

void GossipNode::drive() {
  drivePending_ = false;
  if (!onCluster_) return;
  if (keeper_) {
    if (std::exchange(membersChanged_, false)) tellMembers();
    collect();
    perform();
    armKeeper();
  }
  if (std::exchange(pictureChanged_, false)) tell();
}

/// Brings what the keeper decided onto the disk; what follows from it is done by perform().
void GossipNode::collect() {
  auto more = keeper_->take([this](const std::string& text) {
    return writeFile(options_.stateDir + "/gossip.json", text, Durability::power, 0600);
  });
  if (!more) {
    pictureChanged_ = true;  // its warnings say so
    return;
  }
  std::move(more->deltas.begin(), more->deltas.end(), std::back_inserter(actions_.deltas));
  std::move(more->letters.begin(), more->letters.end(), std::back_inserter(actions_.letters));
  actions_.exchange |= more->exchange;
  pictureChanged_ |= more->changed;
}

void GossipNode::perform() {
  if (!peer_) return;
  const SlotActions actions = std::exchange(actions_, {});
  peer_->with([&](Serf& serf, Time now) {
    for (const auto& delta : actions.deltas) {
      if (const auto sent = serf.sendEvent(now, kSlotEvent, delta); !sent)
        spdlog::warn("gossip: {}", sent.error().text);
    }
    if (!actions.exchange) return;
    for (const SwimMember* other : serf.membership().some(1))
      peer_->join(other->endpoint, [](const auto&) {});
  });
  for (const auto& letter : actions.letters) deliver(letter);
}

void GossipNode::deliver(const SlotActions::Letter& letter) {
  const auto to = endpointOf(letter.to);
  if (!to) return;  // the keeper asks somebody else, later
  peer_->request(*to, letter.bytes, [weak = weak_from_this()](const Result<std::string>& reply) {
    const auto self = weak.lock();
    if (!self || !self->onCluster_) return;
    if (!reply) return spdlog::debug("gossip: {}", reply.error().text);
    if (reply->empty()) return;
    if (const auto heard = self->keeper_->heardLetter(Clock::now(), *reply); !heard)
      spdlog::warn("gossip: {}", heard.error().text);
    self->driveSoon();
  });
}

/// A letter of another node. What is to go back to it goes over the same connection.
Result<std::string> GossipNode::answerRequest(const std::string& request) {
  if (membersChanged_) tellMembers();
  membersChanged_ = false;
  TWILL_TRY(const GrantMessage message, parseGrantMessage(request));
  TWILL_CHECK(keeper_->heardLetter(Clock::now(), request));
  collect();
  driveSoon();
  for (auto letter = actions_.letters.begin(); letter != actions_.letters.end(); ++letter) {
    if (!letter->answer || letter->to != message.from) continue;
    std::string reply = std::move(letter->bytes);
    actions_.letters.erase(letter);
    return reply;
  }
  return std::string();
}

void GossipNode::tellMembers() {
  if (!peer_) return;
  std::vector<SlotPeer> peers;
  std::vector<Endpoint> living;
  living_ = {{options_.node, keeper_->state().id}};
  for (const auto& [name, member] : peer_->serf().members()) {
    if (name == options_.node) continue;
    const bool alive = member.status == MemberStatus::alive || member.status == MemberStatus::leaving;
    if (alive) living.push_back(member.endpoint);
    const auto tags = nodeTagsOf(parseTags(member.meta));
    if (!tags) continue;
    if (alive) living_[name] = tags->id;
    peers.push_back({.id = tags->id,
                     .name = name,
                     .generation = tags->generation,
                     .boot = tags->boot,
                     .sign = alive                                 ? SlotPeer::Sign::alive
                             : member.status == MemberStatus::left ? SlotPeer::Sign::left
                                                                   : SlotPeer::Sign::failed,
                     .since = member.since});
  }
  keeper_->members(Clock::now(), std::move(peers));
  if (seeds_ && !living.empty()) seeds_->remember(std::move(living));
}

void GossipNode::armKeeper() {
  const auto due = keeper_->nextDeadline();
  if (!due) {
    keeperTimer_.cancel();
    return;
  }
  keeperTimer_.expires_at(*due);
  keeperTimer_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    const auto self = weak.lock();
    if (!self || cancelled) return;
    self->keeper_->advance(Clock::now());
    self->driveSoon();
  });
}

std::vector<std::string> GossipNode::troubles() const {
  std::vector<std::string> all;
  if (!startTrouble_.empty()) all.push_back(startTrouble_);
  if (!seedTrouble_.empty()) all.push_back("no other node lets this one in: " + seedTrouble_);
  for (const auto& [name, why] : refused_) all.push_back(why);
  for (const auto& [name, why] : conflicts_) all.push_back(why);
  return all;
}

Result<Cluster> GossipNode::picture() const {
  if (!keeper_) return fail(startTrouble_.empty() ? "starting" : startTrouble_, Error::Kind::busy);
  auto picture = pictureOf(*keeper_, living_);
  std::string why;
  for (const auto& trouble : troubles()) why += "; " + trouble;
  if (!picture) return Failure(Error{picture.error().text + why, Error::Kind::busy});
  const auto warnings = keeper_->warnings();
  const bool exhausted = std::any_of(warnings.begin(), warnings.end(), [](const SlotWarning& warning) {
    return warning.kind == SlotWarning::Kind::exhausted;
  });
  // Without its own subnet in the picture the agent would choose one.
  if (!keeper_->mine() && !exhausted)
    return fail("this node waits for a subnet from the other nodes" + why, Error::Kind::busy);
  for (auto& trouble : troubles()) picture->warnings.push_back(std::move(trouble));
  return picture;
}

const Lease* GossipNode::ownLease(const Cluster& cluster) const {
  const auto own = std::find_if(cluster.leases.begin(), cluster.leases.end(),
                                [this](const Lease& lease) { return lease.node == options_.node; });
  return own == cluster.leases.end() ? nullptr : &*own;
}

void GossipNode::tell() {
  const auto now = picture();
  updateTags(now);
  if (!settled_) return;
  const bool same = told_ && told_->has_value() == now.has_value() &&
                    (now ? **told_ == *now : told_->error().text == now.error().text);
  if (same) return;
  told_ = now;
  onCluster_(now);
}

NodeTags GossipNode::ownTags() const {
  const SlotState& state = keeper_->state();
  return {.cluster = state.cluster ? std::optional(state.cluster->id) : std::nullopt,
          .id = state.id,
          .generation = state.generation,
          .boot = boot_};
}

void GossipNode::updateTags(const Result<Cluster>& picture) {
  if (!peer_) return;
  const Lease* own = picture ? ownLease(*picture) : nullptr;
  Tags tags = toTags(ownTags(), own != nullptr ? std::optional(*own) : std::nullopt);
  if (tags == tags_) return;
  tags_ = std::move(tags);
  peer_->with([&](Serf& serf, Time now) {
    if (const auto set = serf.setTags(now, tags_); !set) spdlog::warn("gossip: {}", set.error().text);
  });
}

Result<void> GossipNode::publish(const Lease& mine) {
  const auto now = picture();
  if (!now) return Failure(now.error());
  const Lease* own = ownLease(*now);
  if (own == nullptr || own->subnet != mine.subnet || own->subnet6 != mine.subnet6) {
    std::string why = own == nullptr ? "this node has none: " : "this node's is another: ";
    for (const auto& warning : keeper_->warnings()) why += warning.text + "; ";
    return fail(why + "subnets come from the slot table", Error::Kind::conflict);
  }
  if (*own == mine) return {};
  TWILL_CHECK(keeper_->want(Clock::now(), toData(mine)));
  driveSoon();
  return {};
}

void GossipNode::memberChanged(const SerfMember& member) {
  if (member.status != MemberStatus::alive) refused_.erase(member.name);
  membersChanged_ = true;
  driveSoon();
}

/// They are named for as long as they go on, and a little longer.
void GossipNode::forgetStrangersLater() {
  pictureChanged_ = true;
  driveSoon();
  strangersTimer_.expires_after(kNameStrangers);
  strangersTimer_.async_wait(whileAlive(weak_from_this(), &GossipNode::forgetStrangers));
}

void GossipNode::forgetStrangers() {
  refused_.clear();
  conflicts_.clear();
  pictureChanged_ = true;
  driveSoon();
}

void GossipNode::nameConflict(const SwimMember& member, const Alive& other) {
  conflicts_[member.name] =
      fmt::format("two nodes go by the name {}, one at {} and one at {}; give each its own by --node-name",
                  member.name, member.endpoint.text(), other.endpoint.text());
  forgetStrangersLater();
}

/// The whole table comes with each push/pull, so no delta has to.
bool GossipNode::event(const UserEvent& event) {
  if (event.name != kSlotEvent) return true;
  if (const auto heard = keeper_->heardDelta(Clock::now(), event.payload); !heard)
    spdlog::debug("gossip: {}", heard.error().text);
  driveSoon();
  return false;
}

/// A cluster never merges with another; a stock Serf agent, which holds no subnets, may look on.
Result<void> GossipNode::admit(const std::string& name, const std::string& meta) {
  const auto tags = nodeTagsOf(parseTags(meta));
  const auto& cluster = keeper_->state().cluster;
  if (!tags || !tags->cluster || !cluster || *tags->cluster == cluster->id) {
    if (refused_.erase(name) > 0) pictureChanged_ = true;
    return {};
  }
  const std::string why = fmt::format(
      "node {} is of cluster {}, and node {} is of cluster {}: clusters do not merge. To let a node "
      "change over, stop it and remove its {}/gossip.json",
      name, tags->cluster->text(), options_.node, cluster->id.text(), options_.stateDir);
  if (refused_.emplace(name, why).second) spdlog::warn("gossip: {}", why);
  forgetStrangersLater();
  return fail(why, Error::Kind::conflict);
}

std::string GossipNode::extraState() {
  collect();
  driveSoon();
  return keeper_->tableMessage().value_or(std::string());
}

void GossipNode::mergeExtraState(const std::string& state) {
  if (const auto exchanged = keeper_->exchanged(Clock::now(), state); !exchanged) {
    spdlog::warn("gossip: {}", exchanged.error().text);
    refused_["its slot table"] = exchanged.error().text;
    forgetStrangersLater();
  } else {
    pictureChanged_ |= refused_.erase("its slot table") > 0;
    settle();
  }
  driveSoon();
}

std::optional<Endpoint> GossipNode::endpointOf(const NodeId& id) const {
  for (const auto& [name, member] : peer_->serf().members()) {
    const auto tags = nodeTagsOf(parseTags(member.meta));
    if (tags && tags->id == id && member.status == MemberStatus::alive && name != options_.node)
      return member.endpoint;
  }
  return std::nullopt;
}

}  // namespace twill::gossip
