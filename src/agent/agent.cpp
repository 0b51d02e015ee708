// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/make_before_break.hpp"
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
Interest interestOf(const NetworkConfig& network, const std::string& underlay, const KernelState& wanted) {
  Interest interest{.networks = network.networks()};
  for (const auto& [path, sysctl] : wanted.sysctls) interest.sysctls.push_back(path);
  std::string acceptRa = acceptRaOf(underlay);
  if (network.v6 && !wanted.sysctls.contains(acceptRa)) interest.sysctls.push_back(std::move(acceptRa));
  return interest;
}

}  // namespace

Agent::Agent(asio::io_context& io, Options options, Kernel& kernel, Datastore& datastore,
             Attachments attachments, RouteQuestion routeTo)
    : io_(io),
      options_(std::move(options)),
      kernel_(kernel),
      datastore_(datastore),
      attachments_(std::move(attachments)),
      routeTo_(std::move(routeTo)),
      tunnel_(io, options_.runDir, [this] { wake(Cause::retry); }),
      kernelEvents_(io),
      driftTimer_(io),
      publishTimer_(io),
      retryTimer_(io),
      resyncTimer_(io),
      recentTimer_(io) {}

Agent::~Agent() {
  *alive_ = false;
  (void)kernelEvents_.release();  // the descriptor belongs to the kernel object
}

Result<void> Agent::start() {
  problems_.set("attachments", attachments_.warnings());
  TWILL_CHECK(readKernel());
  if (auto text = readFile(options_.subnetFile, 65536)) {
    writtenSubnetEnv_ = *text;
    previous_ = parseSubnetEnv(*text);
  }
  kernelEvents_.assign(kernel_.notifyFd());
  waitForKernel();
  scheduleResync(kResync);
  datastore_.watch([this](Result<Cluster> cluster) { onCluster(std::move(cluster)); });
  return {};
}

void Agent::onCluster(Result<Cluster> cluster) {
  if (!cluster) {
    problems_.set("datastore", {cluster.error().text});
    return;
  }
  problems_.set("datastore", {});
  bool first = !cluster_;
  cluster_ = makeSound(std::move(*cluster));
  clusterChanged_ = true;
  reconciler_.retryAll(now());  // what failed may be wanted otherwise now
  wake(first ? Cause::start : Cause::cluster);
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
  if (!cluster_) return;  // what is wanted is not known: the kernel stays as it is
  redecide();
  if (!decided_) return;
  reconcile(cause);
  followFastPath();
  // After the kernel: the process attaches to a device.
  tunnel_.follow(decision_.desired.tunnel);
  problems_.set("tunnel",
                tunnel_.problem().empty() ? std::vector<std::string>{} : std::vector{tunnel_.problem()});
  // Peers are told when all is there that they are told of: a tunnel is there before anything comes.
  if (isCarried() && std::exchange(publishDue_, false)) publish(*decision_.publish);
  confirm();
  // What was wanted before. A large one takes long to free, so the kernel came first.
  decision_.desired.state = {};
  writeSubnetEnv();
  scheduleRetry();
  const TimePoint end = now();
  restsUntil_ = end + std::min<TimePoint::duration>(kRestRatio * (end - begin), kLongestRest);
}

void Agent::redecide() {
  const NetworkConfig& network = cluster_->cluster.network;
  options_.underlay.needV4 = network.v4.has_value();
  options_.underlay.needV6 = network.v6.has_value();
  if (clusterChanged_) rememberHeld();
  auto choice = chooseUnderlay(actual_, options_.underlay, routeTo_);
  if (choice && lookAt(acceptRaOf(choice->underlay.link)))
    choice = chooseUnderlay(actual_, options_.underlay, routeTo_);
  problems_.set("underlay", choice ? choice->notices : std::vector{choice.error().text});
  bool moved = choice && underlay_ != *choice;
  if (moved) {
    auto line = describe(*choice);
    if (!underlay_ || line != describe(*underlay_)) say("underlay: " + line);
    underlay_ = std::move(*choice);
  }
  if (!underlay_ || (!moved && !clusterChanged_)) return;

  clusterChanged_ = false;
  recent_.note(decision_.inUse, now());
  auto decided = decide({*cluster_, *underlay_, options_, previous_, lastLease_, recent_.at(now()),
                         kernel_.driverOf(underlay_->underlay.link)});
  problems_.set("config", decided ? std::vector<std::string>{} : std::vector{decided.error().text});
  if (!decided) return;
  decision_ = std::move(*decided);
  decided_ = true;
  if (decision_.leased) lastLease_ = decision_.self.lease;
  problems_.set("lease", decision_.problems);
  problems_.set("backend", decision_.desired.notices);
  std::swap(wanted_, decision_.desired.state);
  merge(wanted_, attachmentState());
  if (Interest interest = interestOf(network, underlay_->underlay.link, wanted_); interest != interest_) {
    interest_ = std::move(interest);
    readAgain();
    wake(Cause::cluster);  // what is seen now may change the choice of the underlay
  }
  scheduleFarewell();
  if (!decision_.publish) problems_.set("publish", {});
  publishDue_ = decision_.publish && decision_.publish != publishing_;
}

/// Makes sure that a setting which decides something is known before the decision; true when it was not. With
/// IPv4 alone there is none.
bool Agent::lookAt(const std::string& setting) {
  auto& known = interest_.sysctls;
  if (!options_.underlay.needV6 || std::find(known.begin(), known.end(), setting) != known.end())
    return false;
  known.push_back(setting);
  readAgain();
  return true;
}

std::optional<Agent::TunnelNumbers> Agent::tunnelNumbers() const {
  const auto table = wanted_.firewalls.find(kTable);
  if (table == wanted_.firewalls.end() || table->second.counters.empty()) return std::nullopt;
  TunnelNumbers out;
  if (const auto counted = kernel_.counted(kTable)) {
    for (const auto& [name, packets] : *counted) out.strangers += packets;
  }
  if (auto status = tunnel_.status()) {
    out.strangers += status->strangers;
    out.process = std::move(status->json);
    out.problem = std::move(status->problem);
  }
  return out;
}

std::vector<std::string> Agent::problemsWith(const std::optional<TunnelNumbers>& tunnel) const {
  auto all = problems_.all();
  if (tunnel && !tunnel->problem.empty()) all.push_back("tunnel: " + tunnel->problem);
  return all;
}

Difference Agent::difference() const {
  Difference difference = diff(wanted_, actual_);
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
    complete = difference.empty() && difference.obstacles.empty() && decision_.leased;
    auto operations = reconciler_.due(std::move(difference.operations), now());
    if (!isCarried()) holdUntilCarried(decision_.desired.tunnel->device, operations);
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

/// Whether packets can go by the tunnel that a process is to carry: the process is up, and its device runs,
/// which the kernel brings about a moment later. A node where that fails goes on as before; its peers know by
/// its lease.
bool Agent::isCarried() const {
  const auto& tunnel = decision_.desired.tunnel;
  if (!tunnel) return true;
  const auto device = actual_.links.find(tunnel->device);
  return tunnel_.isUp() && device != actual_.links.end() && device->second.running;
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

void Agent::writeSubnetEnv() {
  if (!decision_.leased) return;
  std::string text =
      toText(makeSubnetEnv(cluster_->cluster.network, decision_.self.lease, decision_.mtu, options_.ipMasq));
  std::filesystem::path file(options_.subnetFile);
  std::error_code unseen;  // it counts as gone, and the attempt to write says why
  if (text == writtenSubnetEnv_ && std::filesystem::exists(file, unseen)) return;
  auto written = file.has_parent_path() ? makeDirectories(file.parent_path()) : Result<void>();
  if (written) written = writeFile(options_.subnetFile, text, Durability::process);
  problems_.set("subnet.env", written ? std::vector<std::string>{} : std::vector{written.error().text});
  if (written) writtenSubnetEnv_ = std::move(text);
}

void Agent::scheduleRetry() {
  auto next = reconciler_.nextRetry();
  if (!next) return;
  retryTimer_.expires_at(*next);
  retryTimer_.async_wait([this](boost::system::error_code error) {
    if (!error) wake(Cause::retry);
  });
}

/// A backend that is used no more goes when what peers still sent by it has arrived.
void Agent::scheduleFarewell() {
  const auto end = recent_.nextEnd(decision_.inUse, now());
  if (!end) return;
  recentTimer_.expires_at(*end);
  recentTimer_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) return;
    clusterChanged_ = true;
    wake(Cause::cluster);
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
