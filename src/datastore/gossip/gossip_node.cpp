// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/gossip_node.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "datastore/gossip/key_file.hpp"
#include "datastore/gossip/machine.hpp"
#include "datastore/while_alive.hpp"

namespace twill::gossip {
namespace {

constexpr std::chrono::milliseconds kStartAgain{250};
constexpr std::chrono::milliseconds kStartAgainAtMost{2000};
/// Peers that are up answer within milliseconds.
constexpr std::chrono::seconds kSettle{3};

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
      startPause_(kStartAgain),
      settleTimer_(loop),
      strangersTimer_(loop),
      lookTimer_(loop),
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
  lookTimer_.cancel();
  keeperTimer_.cancel();
}

void GossipNode::start() {
  if (!onCluster_ || peer_) return;
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
  startTimer_.expires_after(startPause_);
  startPause_ = std::min(2 * startPause_, kStartAgainAtMost);
  startTimer_.async_wait(whileAlive(weak_from_this(), &GossipNode::start));
}

Result<void> GossipNode::openKeeper() {
  const std::string path = stateFile();
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
  if (keeper_->mine()) return ownData();
  Lease mine;
  mine.node = options_.node;
  return toData(mine);
}

Result<void> GossipNode::open() {
  TWILL_TRY(Keyring keys, readKeyFile(options_.keyFile));
  if (keys.empty() && foundsAlone()) {
    TWILL_CHECK(makeKeyFile(options_.keyFile));
    spdlog::info("gossip: made {}, which every other node needs a copy of", options_.keyFile);
    TWILL_TRY(keys, readKeyFile(options_.keyFile));
  }
  TWILL_TRY(const Endpoint endpoint, options_.endpoint());
  if (keys.empty() && !endpoint.address.isLoopback()) {
    return fail(
        fmt::format("{} holds no key, without which nodes talk on loopback only: make one with `twill "
                    "gossip keygen {}` and copy it to every node",
                    options_.keyFile, options_.keyFile),
        Error::Kind::invalid);
  }
  if (keys.empty()) {
    spdlog::warn("gossip: {} is not there; on {} nodes talk in plain text", options_.keyFile,
                 endpoint.text());
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
  openSeeds();
  lookLater();
  return {};
}

/// The first node, on its first start: nobody can have given it a key.
bool GossipNode::foundsAlone() const {
  return options_.join.empty() && options_.peersFile.empty() && options_.expect == 0 &&
         keeper_->state().nodes.empty();
}

void GossipNode::openSeeds() {
  Seeds::Hooks hooks;
  hooks.isKnown = [this](const Endpoint& other) {
    if (other == peer_->serf().membership().endpoint()) return true;
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

}  // namespace twill::gossip
