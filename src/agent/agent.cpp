// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/network_conflicts.hpp"
#include "agent/unknown_networks.hpp"
#include "attach/desired.hpp"
#include "attach/firewall.hpp"
#include "base/file.hpp"
#include "base/notify.hpp"

namespace twill {
namespace asio = boost::asio;
namespace {

constexpr auto kResync = std::chrono::minutes(5);
/// How soon the kernel is looked at again when it could not be read, or does not become what is wanted.
constexpr auto kSoon = std::chrono::seconds(1);
/// After an evaluation drift waits twenty times as long as that took: on a node where much happens the
/// comparing takes a twentieth of the time, and what containers ask for comes first.
constexpr int kRestRatio = 20;
constexpr auto kLongestRest = std::chrono::milliseconds(100);
/// An operation may bring another to light (a link comes up, its routes are missing); more rounds than this
/// would be a fight with somebody.
constexpr int kRounds = 4;
/// Above this many operations the log gets one line, not one each.
constexpr std::size_t kLogged = 20;

TimePoint now() {
  return std::chrono::steady_clock::now();
}

std::vector<std::string> textsOf(const std::vector<Obstacle>& obstacles) {
  std::vector<std::string> texts;
  texts.reserve(obstacles.size());
  for (const Obstacle& obstacle : obstacles) texts.push_back(obstacle.text);
  return texts;
}

/// What to look at besides our own objects: whatever lies in the networks, the settings that are wanted, and
/// the one that the choice of the underlay depends on.
Interest interestOf(const std::vector<std::unique_ptr<Network>>& networks, const KernelState& wanted) {
  Interest interest;
  for (const auto& [path, sysctl] : wanted.sysctls) interest.sysctls.push_back(path);
  for (const auto& network : networks) {
    const NetworkConfig* config = network->inForce();
    if (config == nullptr) continue;
    for (const Prefix& prefix : config->networks()) interest.networks.push_back(prefix);
    std::string acceptRa = acceptRaOf(network->underlay()->underlay.link);
    auto& known = interest.sysctls;
    if (config->v6 && std::find(known.begin(), known.end(), acceptRa) == known.end())
      known.push_back(std::move(acceptRa));
  }
  return interest;
}

/// What of the node's options is a network's own. Its name is a part of paths, as flannel had it.
Options optionsOf(const std::string& network, Options options) {
  if (network.empty()) return options;
  options.runDir += "/networks/" + network;
  const std::filesystem::path file = options.subnetFile;
  options.subnetFile = file.parent_path() / "networks" / (network + ".env");
  return options;
}

}  // namespace

Agent::Agent(asio::io_context& io, Options options, Kernel& kernel, const std::vector<Datastore*>& datastores,
             Attachments attachments, RouteQuestion routeTo)
    : io_(io),
      options_(std::move(options)),
      kernel_(kernel),
      attachments_(std::move(attachments)),
      routeTo_(std::move(routeTo)),
      kernelEvents_(io),
      driftTimer_(io),
      retryTimer_(io),
      resyncTimer_(io) {
  const auto heard = [this](Cause cause) {
    // What failed may be wanted otherwise now.
    if (cause == Cause::start || cause == Cause::cluster) reconciler_.retryAll(now());
    wake(cause);
  };
  const std::vector<std::string> names =
      options_.networks.empty() ? std::vector{std::string()} : options_.networks;
  for (std::size_t i = 0; i < names.size(); ++i) {
    networks_.push_back(std::make_unique<Network>(io, names[i], optionsOf(names[i], options_),
                                                  *datastores.at(i), problems_, heard));
  }
}

Agent::~Agent() {
  *alive_ = false;
  (void)kernelEvents_.release();  // the descriptor belongs to the kernel object
}

Result<void> Agent::start() {
  problems_.set("attachments", attachmentProblems());
  TWILL_CHECK(readKernel());
  kernelEvents_.assign(kernel_.notifyFd());
  waitForKernel();
  scheduleResync(kResync);
  for (const auto& network : networks_) network->start();
  return {};
}

const Network* Agent::network(const std::string& name) const {
  if (name.empty()) return networks_.front().get();
  const auto found = std::find_if(networks_.begin(), networks_.end(),
                                  [&](const auto& network) { return network->name() == name; });
  return found == networks_.end() ? nullptr : found->get();
}

bool Agent::ready() const {
  return ready_ && std::all_of(networks_.begin(), networks_.end(), [](const auto& network) {
           return network->tunnel().isUp() && network->cloud().isUp();
         });
}

void Agent::waitForKernel() {
  kernelEvents_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this](boost::system::error_code error) {
                             if (error) return;
                             onKernelEvent();
                             waitForKernel();
                           });
}

void Agent::onKernelEvent() {
  if (!refreshActual()) return;
  // Whatever stood in a failing peer's way may be gone now.
  reconciler_.retryAll(now());
  wake(Cause::drift);
}

void Agent::wake(Cause cause) {
  const bool waits = pending_.has_value();
  // The most telling cause wins: drift is what is left when nobody else asked for a change.
  if (!waits || *pending_ > cause) pending_ = cause;
  const bool rests = cause == Cause::drift && now() < restsUntil_;
  if (rests && !waits) {
    driftTimer_.expires_at(restsUntil_);
    driftTimer_.async_wait([this, alive = alive_](boost::system::error_code cancelled) {
      if (!cancelled && *alive) evaluate();
    });
  }
  if (rests || posted_) return;
  posted_ = true;
  asio::post(io_, [this, alive = alive_] {
    if (*alive) evaluate();
  });
}

void Agent::evaluate() {
  posted_ = false;
  if (!pending_) return;  // done already, by whichever of post and timer came first
  const TimePoint begin = now();
  Cause cause = *pending_;
  pending_.reset();
  redecide();
  const auto isDecided = [](const auto& network) { return network->inForce() != nullptr; };
  // Of a network that is not known yet nothing is known to be wanted, which is not to want nothing.
  if (std::none_of(networks_.begin(), networks_.end(), isDecided)) return;
  reconcile(cause);
  followIpip();
  followTunnelPorts();
  followFastPath();
  for (const auto& network : networks_) network->settle(actual_);
  retired_ = {};
  scheduleRetry();
  const TimePoint end = now();
  restsUntil_ = end + std::min<TimePoint::duration>(kRestRatio * (end - begin), kLongestRest);
}

/// What stands in the way of each network's config. Configs that go together as the datastores have them now
/// are all taken, so that two networks can swap what they have; else what is in force on this node goes
/// first, and before anything is, who is named first. Nobody starts before all have been heard: what one
/// looks like depends on the others.
void Agent::findObstacles() {
  const auto isHeard = [](const auto& network) { return network->hasHeard(); };
  const bool allHeard = std::all_of(networks_.begin(), networks_.end(), isHeard);
  const auto obstacleOf = [&](std::size_t one) -> std::optional<std::string> {
    if (!allHeard && networks_[one]->inForce() == nullptr) return "";
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      const Network& other = *networks_[i];
      const bool first = i < one && networks_[one]->inForce() == nullptr;
      const auto* config = other.inForce() != nullptr || !first ? other.inForce() : other.latest();
      if (i == one || config == nullptr) continue;
      const auto conflict = conflictOf(*networks_[one]->latest(), *config, other.lingering());
      if (!conflict.empty())
        return fmt::format("{} of network {}, which is in force on this node; change one of them", conflict,
                           other.name());
    }
    return std::nullopt;
  };
  bool together = allHeard;
  for (const auto& one : networks_) {
    for (const auto& other : networks_) {
      if (one == other || one->latest() == nullptr || other->latest() == nullptr) continue;
      together = together && conflictOf(*one->latest(), *other->latest(), other->lingering()).empty();
    }
  }
  for (std::size_t i = 0; i < networks_.size(); ++i)
    networks_[i]->setObstacle(together || networks_[i]->latest() == nullptr ? std::nullopt : obstacleOf(i));
}

/// True when a network has decided anew.
bool Agent::decideAll() {
  bool fresh = false;
  for (const auto& network : networks_) {
    const auto setting = network->look(actual_, routeTo_);
    if (setting && lookAt(*setting)) (void)network->look(actual_, routeTo_);
  }
  // What one of them gives up another may have.
  for (bool again = true; again;) {
    again = false;
    findObstacles();
    for (const auto& network : networks_) {
      std::vector<Prefix> others;
      for (const auto& other : networks_) {
        const auto* config = other->hasObstacle() ? other->inForce() : other->latest();
        if (other == network || config == nullptr) continue;
        for (const Prefix& prefix : config->networks()) others.push_back(prefix);
      }
      network->setOthers(std::move(others));
      const bool decided = network->decide(kernel_);
      again = (decided && networks_.size() > 1) || again;
      fresh = decided || fresh;
    }
  }
  return fresh;
}

void Agent::redecide() {
  if (!decideAll()) return;
  retired_ = std::exchange(wanted_, {});
  for (const auto& network : networks_) network->giveWanted(wanted_, networks_.size() == 1);
  findQuarantined();
  merge(wanted_, attachmentState());
  if (Interest interest = interestOf(networks_, wanted_); interest != interest_) {
    interest_ = std::move(interest);
    readAgain();
    wake(Cause::cluster);  // what is seen now may change the choice of the underlay
  }
}

/// Makes sure that a setting which decides something is known before the decision; true when it was not.
bool Agent::lookAt(const std::string& setting) {
  auto& known = interest_.sysctls;
  if (std::find(known.begin(), known.end(), setting) != known.end()) return false;
  known.push_back(setting);
  readAgain();
  return true;
}

std::optional<Agent::TunnelNumbers> Agent::tunnelNumbers() const {
  TunnelNumbers out;
  bool tunnels = false;
  for (const auto& [name, table] : wanted_.firewalls) {
    if (table.counters.empty()) continue;
    tunnels = true;
    const auto counted = kernel_.counted(name);
    if (!counted) continue;
    for (const auto& [counter, packets] : *counted) out.strangers += packets;
  }
  out.ipip = kernel_.ipipNumbers();
  if (out.ipip) out.strangers += out.ipip->strangers;
  if (!tunnels && !out.ipip) return std::nullopt;
  for (const auto& network : networks_) {
    auto status = network->tunnel().status();
    if (!status) continue;
    out.strangers += status->strangers;
    out.processes[network->name()] = std::move(status->json);
    if (!status->problem.empty()) out.problems.push_back(std::move(status->problem));
  }
  return out;
}

std::vector<std::string> Agent::problemsWith(const std::optional<TunnelNumbers>& tunnel) const {
  auto all = problems_.all();
  if (tunnel) {
    for (const auto& problem : tunnel->problems) all.push_back("tunnel: " + problem);
  }
  return all;
}

/// While a network is not known yet, what may be its stays.
Difference Agent::difference() const {
  Difference difference = diff(wanted_, actual_);
  spareUnknown(networks_, wanted_, difference.operations);
  for (const auto& [key, record] : attachments_.unknown()) spare(record.hostIfname, difference.operations);
  return difference;
}

Result<void> Agent::readKernel() {
  TWILL_TRY(actual_, kernel_.read(interest_));
  problems_.set("kernel", {});
  return {};
}

/// What the kernel held before stays the picture when it cannot be read now; its notifications are gone then,
/// so that nothing else would bring the picture up to date for minutes.
void Agent::readAgain() {
  auto read = readKernel();
  if (!read) problems_.set("kernel", {read.error().text});
  scheduleResync(read ? std::chrono::seconds(kResync) : kSoon);
}

/// Folds notifications in; true when something may have changed.
bool Agent::refreshActual() {
  switch (kernel_.drain(actual_, interest_)) {
    case Kernel::Drained::nothing:
      return false;
    case Kernel::Drained::changed:
      return true;
    case Kernel::Drained::lost:
      break;
  }
  readAgain();
  return true;
}

/// Takes in what the kernel says after an operation of ours. With that may come somebody else's change, whose
/// notification is used up by this, so that the loop has to look at it.
void Agent::lookAround() {
  if (refreshActual()) wake(Cause::drift);
}

void Agent::reconcile(Cause cause) {
  bool complete = false;
  for (int round = 0; round < kRounds; ++round) {
    Difference difference = this->difference();
    problems_.set("obstacle", textsOf(difference.obstacles));
    problems_.set("notice", textsOf(difference.notices));
    reconciler_.keepOnly(difference.operations);
    complete = difference.empty() && difference.obstacles.empty() &&
               std::all_of(networks_.begin(), networks_.end(),
                           [](const auto& network) { return network->decision().leased; });
    auto operations = reconciler_.due(std::move(difference.operations), now());
    for (const auto& network : networks_) {
      if (!network->isCarried(actual_)) network->holdUntilCarried(operations);
    }
    holdForIpip(operations);
    if (operations.empty()) break;
    auto results = carryOut(operations, cause);
    reconciler_.record(operations, results, now());
    letGo(operations, results, cause);
    refreshActual();
    if (round + 1 == kRounds)
      scheduleResync(kSoon);  // nothing may be left to do, or somebody works against us
  }
  setReady(complete);
  std::vector<std::string> failures;
  for (const auto& [owner, failure] : reconciler_.failures()) failures.push_back(failure.error);
  problems_.set("operation", std::move(failures));
}

/// Said after the repair, not before it: damage that is repaired at once is said as such.
void Agent::setReady(bool ready) {
  if (ready != ready_) say(ready ? "ready" : "not ready");
  if (ready && !ready_) {
    if (const auto told = notifyReady(); !told) spdlog::warn("{}", told.error().text);
  }
  ready_ = ready;
}

/// Drift is what somebody else has done. What failed before, and is tried again because the kernel has
/// changed, is not: a route that was in the way until its device, which we remove, was gone.
Cause Agent::causeOf(const Operation& operation, Cause cause) const {
  return cause == Cause::drift && reconciler_.failures().contains(operation.owner()) ? Cause::retry : cause;
}

std::vector<Result<void>> Agent::carryOut(std::span<const Operation> operations, Cause cause) {
  std::vector<Cause> causes;
  causes.reserve(operations.size());
  for (const Operation& operation : operations) causes.push_back(causeOf(operation, cause));
  auto results = kernel_.apply(operations);
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const auto* address = std::get_if<Address>(&operations[i].object);
    if (address == nullptr || operations[i].verb != Verb::add || !results[i]) continue;
    // The kernel tells of an IPv6 address some time after it has it; until then it would look like drift.
    actual_.addresses.try_emplace(keyOf(*address), *address).first->second.owner.clear();
  }
  if (noteGuard(operations, results)) withoutGuard(wanted_);
  journal_.record(causes, operations, results);
  auto failed = std::count_if(results.begin(), results.end(), [](const auto& result) { return !result; });
  if (operations.size() > kLogged) {
    say(fmt::format("{}: {} operations, {} failed, first: {}", textOf(cause), operations.size(), failed,
                    describe(operations.front())));
  } else {
    // What failed is said once as a problem, not at each attempt; what a container needed goes to its
    // runtime.
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (results[i]) say(fmt::format("{}: {}", textOf(causes[i]), describe(operations[i])));
      if (!results[i] && cause == Cause::attachment) spdlog::warn("{}", results[i].error().text);
    }
  }
  return results;
}

/// A line of the log that may come again and again while somebody works against us.
void Agent::say(const std::string& text) {
  if (auto line = said_.line(text, now())) spdlog::info("{}", *line);
}

void Agent::scheduleRetry() {
  auto next = reconciler_.nextRetry();
  if (!next) return;
  retryTimer_.expires_at(*next);
  retryTimer_.async_wait([this](boost::system::error_code error) {
    if (!error) wake(Cause::retry);
  });
}

void Agent::scheduleResync(std::chrono::seconds delay) {
  resyncTimer_.expires_after(delay);
  resyncTimer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    readAgain();
    wake(Cause::drift);
  });
}

}  // namespace twill
