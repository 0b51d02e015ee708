// SPDX-License-Identifier: Apache-2.0
// BgpNode's life, and its part about the map: what the tables and BIRD say, and what the agent is told.
#include "datastore/bgp/bgp_node.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "datastore/bgp/lingering.hpp"
#include "datastore/lease_data.hpp"
#include "datastore/while_alive.hpp"

namespace twill::bgp {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// How often tables and files are looked at without being told to.
constexpr auto kResync = 10s;
/// Of more prefixes than this BIRD is asked for all it has.
constexpr std::size_t kAskOneByOne = 16;
/// How long a node that was just started waits for sessions that do not come up.
constexpr auto kWaitForSessions = 5s;
/// And for what the kernel has of before, and nobody has announced again.
constexpr auto kWaitForRecovery = 35s;

std::string stateFile(const BgpDatastoreOptions& options) {
  return options.stateDir + "/bgp.json";
}

}  // namespace

BgpNode::BgpNode(boost::asio::io_context& loop, BgpDatastoreOptions options)
    : loop_(loop),
      options_(std::move(options)),
      process_(loop, options_.bird, [this] { later(&BgpNode::processChanged); }),
      echo_(loop, [this] { later(&BgpNode::tell); }),
      fileEvents_(loop),
      tableEvents_(loop),
      resyncTimer_(loop),
      pollTimer_(loop) {}

BgpNode::~BgpNode() {
  stop();
}

/// Not from inside of its parts, which must not go while they call.
void BgpNode::later(void (BgpNode::*action)()) {
  boost::asio::post(loop_, whileAlive(weak_from_this(), action));
}

void BgpNode::stop() {
  onCluster_ = nullptr;
  client_.reset();
  if (fileEvents_.is_open()) fileEvents_.release();  // the descriptors are their owners'
  if (tableEvents_.is_open()) tableEvents_.release();
  resyncTimer_.cancel();
  pollTimer_.cancel();
}

void BgpNode::watch(Datastore::OnCluster onCluster) {
  const bool first = !onCluster_;
  onCluster_ = std::move(onCluster);
  told_.reset();
  later(first ? &BgpNode::start : &BgpNode::tell);
}

void BgpNode::start() {
  startedAt_ = Clock::now();
  applied_ =
      readFile(options_.bird.config, 1U << 26U).value_or(std::string());  // a BIRD that still runs has it
  loadOwn();
  if (auto watched = DirectoryWatch::open(options_.directory)) {
    files_.emplace(std::move(*watched));
    fileEvents_.assign(files_->fd());
    awaitFiles();
  } else {
    spdlog::warn("{}: {}; changes are seen only every {} s", options_.directory, watched.error().text,
                 kResync.count());
  }
  tableEvents_.assign(options_.tables->fd());
  awaitTables();
  readConfig();
  refresh();
  refreshLater();
  if (!options_.external) pollLater();
}

/// What this node had before it was started: after a reboot nothing else tells.
void BgpNode::loadOwn() {
  const auto text = readFile(stateFile(options_), 1U << 20U);
  if (!text) {
    if (text.error().kind != Error::Kind::missing) trouble("state", text.error().text);
    return;
  }
  auto leases = parseLeases(*text);
  if (leases && leases->size() == 1 && leases->front().node == options_.node) {
    own_ = std::move(leases->front());
  } else if (!leases) {
    spdlog::warn("bgp: {}: {}; this node takes a subnet as if it were new", stateFile(options_),
                 leases.error().text);
  }
}

void BgpNode::awaitTables() {
  tableEvents_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [weak = weak_from_this()](boost::system::error_code error) {
                            const auto self = weak.lock();
                            if (!self || error || !self->onCluster_) return;
                            if (self->options_.tables->drain()) self->refresh();
                            if (self->onCluster_) self->awaitTables();
                          });
}

void BgpNode::awaitFiles() {
  fileEvents_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](boost::system::error_code error) {
                           const auto self = weak.lock();
                           if (!self || error || !self->onCluster_) return;
                           if (self->files_->drain()) self->readConfig();
                           if (self->onCluster_) self->awaitFiles();
                         });
}

void BgpNode::refreshLater() {
  resyncTimer_.expires_after(kResync);
  resyncTimer_.async_wait([weak = weak_from_this()](boost::system::error_code cancelled) {
    const auto self = weak.lock();
    if (!self || cancelled || !self->onCluster_) return;
    if (self->files_) self->files_->arm();
    self->readConfig();
    self->refresh();
    if (self->onCluster_) self->refreshLater();
  });
}

std::vector<Prefix> BgpNode::ownPrefixes() const {
  std::vector<Prefix> out;
  if (own_ && own_->subnet) out.push_back(*own_->subnet);
  if (own_ && own_->subnet6) out.push_back(*own_->subnet6);
  return out;
}

/// Brings the tables to what they should be, and asks BIRD about what has changed in them.
void BgpNode::refresh() {
  const auto looked = [this]() -> Result<std::vector<LearnedRoute>> {
    TWILL_CHECK(options_.tables->prepare());
    if (inForce_ || options_.external) TWILL_CHECK(options_.tables->announce(ownPrefixes()));
    TWILL_TRY(auto learned, options_.tables->learned());
    // What is left of a family that the config has switched off: BIRD does not look after it any more.
    std::erase_if(learned, [this](const LearnedRoute& route) {
      return network_ && network_->family(route.prefix.family()) == nullptr;
    });
    return learned;
  }();
  trouble("tables", looked ? std::string() : looked.error().text);
  if (!looked) return;
  if (options_.external) {
    learned_.takeTable(*looked);
    settled_ = true;
    return tell();
  }
  const auto changed = learned_.see(*looked);
  if (changed.empty() && read_) return tell();
  if (!client_ || !client_->isUp()) return;
  if (asking_) {
    again_ = true;
  } else if (!read_ || changed.size() > kAskOneByOne) {
    askAll();
  } else {
    askAbout(changed);
  }
}

void BgpNode::askAbout(const std::set<Prefix>& prefixes) {
  std::vector<std::string> commands;
  commands.reserve(prefixes.size());
  for (const Prefix& prefix : prefixes)
    commands.push_back(fmt::format("show route {} all table tw_bgp{}", prefix.text(), prefix.isV4() ? 4 : 6));
  collect(commands,
          [this, prefixes](const std::vector<BirdRoute>& routes) { learned_.answer(prefixes, routes); });
}

void BgpNode::askAll() {
  std::vector<std::string> commands;
  if (network_ && network_->v4) commands.emplace_back("show route all table tw_bgp4");
  if (network_ && network_->v6) commands.emplace_back("show route all table tw_bgp6");
  if (commands.empty()) return;
  collect(commands, [this](const std::vector<BirdRoute>& routes) {
    learned_.answerAll(routes);
    read_ = true;
  });
}

/// Asks one after the other. An error of BIRD's own means that there is no such route.
void BgpNode::collect(const std::vector<std::string>& commands,
                      const std::function<void(const std::vector<BirdRoute>&)>& done) {
  struct Answers {
    std::size_t missing;
    bool lost = false;
    std::vector<BirdRoute> routes = {};
  };
  asking_ = true;
  learned_.asking();
  const auto answers = std::make_shared<Answers>(Answers{.missing = commands.size()});
  for (const auto& command : commands) {
    client_->ask(command, [weak = weak_from_this(), answers, done](Result<BirdReply> reply) {
      const auto self = weak.lock();
      if (!self || !self->onCluster_) return;
      if (reply) {
        auto routes = routesIn(*reply);
        std::move(routes.begin(), routes.end(), std::back_inserter(answers->routes));
      } else {
        answers->lost |= reply.error().kind == Error::Kind::busy;
      }
      if (--answers->missing > 0) return;
      self->asking_ = false;
      if (!answers->lost) done(answers->routes);
      self->settle();
      self->tell();
      if (std::exchange(self->again_, false) && self->onCluster_) self->refresh();
    });
  }
}

/// Whether what is known is all there is, or as much as will come.
void BgpNode::settle() {
  if (settled_ || !read_) return;
  const auto waited = Clock::now() - startedAt_;
  // A router outside has nothing to tell that this node would wait for.
  const bool allUp =
      !version_.empty() && std::all_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
        return session.state == "Established" || !session.protocol.starts_with("tw_n");
      });
  if (!allUp && waited < kWaitForSessions) return;
  if (!learned_.isComplete() && waited < kWaitForRecovery) return;
  settled_ = true;
}

PictureInputs BgpNode::inputs() const {
  return {.network = *network_,
          .learned = announced_,
          .node = options_.node,
          .own = own_,
          .dead = echo_.dead(),
          .address = addresses_ ? addresses_->address : IpAddress(),
          .unfiltered = options_.external};
}

Result<Cluster> BgpNode::picture() const {
  std::string why;
  for (const auto& [about, text] : troubles_) why += (why.empty() ? "" : "; ") + text;
  if (!network_) return fail(why.empty() ? "starting" : why, Error::Kind::busy);
  if (!settled_)
    return fail(why.empty() ? "this node waits for the other nodes' routes" : why, Error::Kind::busy);
  Cluster cluster = pictureOf(inputs());
  for (const auto& [about, text] : troubles_) cluster.warnings.push_back(text);
  return cluster;
}

/// What BGP has withdrawn stays while its owner says that nothing has changed.
void BgpNode::linger() {
  const IpAddress self = addresses_ ? addresses_->address : IpAddress();
  announced_ = withLingering(announced_, learned_.announcements(), [&](const Announcement& one) {
    return echo_.heardFrom(probeAddressOf(one, self));
  });
  echo_.say(own_ ? signOf(toData(*own_), ownPrefixes()) : 0);
}

void BgpNode::tell() {
  if (!onCluster_) return;
  linger();
  if (network_) echo_.follow(probeAddresses(inputs()));
  if (!settled_ && !told_ && troubles_.empty()) return;  // to wait for others at the start is no failure
  const auto now = picture();
  const bool same = told_ && told_->has_value() == now.has_value() &&
                    (now ? **told_ == *now : told_->error().text == now.error().text);
  if (same) return;
  told_ = now;
  const auto onCluster = onCluster_;  // it may call watch() or stop() and so end itself
  onCluster(now);
}

Result<void> BgpNode::publish(const Lease& mine) {
  if (!onCluster_) return fail("the datastore is not watched yet", Error::Kind::busy);
  TWILL_TRY(const Cluster now, picture());
  for (const Lease& other : now.leases) {
    if (other.isOf(options_.node, mine.publicIp, mine.publicIp6) && other.node == options_.node) continue;
    const auto overlaps = [](const auto& one, const auto& two) { return one && two && one->overlaps(*two); };
    const bool sameAddress = (mine.publicIp && mine.publicIp == other.publicIp) ||
                             (mine.publicIp6 && mine.publicIp6 == other.publicIp6);
    if (!sameAddress && !overlaps(mine.subnet, other.subnet) && !overlaps(mine.subnet6, other.subnet6))
      continue;
    return fail(fmt::format("node {} cannot have {}: {} has announced {}{} by BGP", options_.node,
                            mine.subnet    ? mine.subnet->text()
                            : mine.subnet6 ? mine.subnet6->text()
                                           : "a lease",
                            other.name(), other.subnet ? other.subnet->text() : "",
                            sameAddress ? " and the same address" : ""),
                Error::Kind::conflict);
  }
  if (own_ == mine) return {};
  if (const auto fits = toCommunities(toData(mine)); !fits) return Failure(fits.error());
  TWILL_CHECK(writeFile(stateFile(options_), toJson(std::vector{mine}), Durability::power));
  own_ = mine;
  applyConfig();
  refresh();
  tell();
  return {};
}

/// `text`: empty when it is over.
void BgpNode::trouble(const std::string& about, const std::string& text) {
  const auto known = troubles_.find(about);
  if (text == (known == troubles_.end() ? std::string() : known->second)) return;
  if (text.empty()) {
    troubles_.erase(known);
  } else {
    troubles_[about] = text;
    spdlog::warn("bgp: {}", text);
  }
  tell();
}

}  // namespace twill::bgp
