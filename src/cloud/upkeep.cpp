// SPDX-License-Identifier: Apache-2.0
#include "cloud/upkeep.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

namespace twill::cloud {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

/// Of one change that is refused for a moment, before all is looked at again.
constexpr unsigned kMostTries = 5;
constexpr auto kTurn = 300s;         ///< of one sweeper; longer where nodes look less often than that
constexpr auto kUsagePeriod = 600s;  ///< from one look at how full the tables are to the next
constexpr double kNearlyFull = 0.9;

double random01() {
  static std::mt19937 source{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(source);
}

std::vector<Prefix> prefixesOf(const CloudWish& wish) {
  std::vector<Prefix> out;
  for (const FamilyConfig& network : wish.networks) out.push_back(network.network);
  return out;
}

std::chrono::milliseconds jittered(std::chrono::milliseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time * (0.75 + 0.5 * random01()));
}

bool isForAMoment(Kind kind) {
  return kind == Kind::throttled || kind == Kind::transient;
}

bool isSweeper(const CloudWish& wish, const Pace& pace) {
  const auto turn = std::max<std::chrono::milliseconds>(kTurn, periodOf(pace, wish.colleagues.size()));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return sweeperOf(wish.colleagues, static_cast<std::uint64_t>(now / turn)) == wish.node;
}

}  // namespace

Upkeep::Upkeep(asio::io_context& io, CloudWish wish, std::unique_ptr<CloudRoutes> cloud,
               std::function<void()> changed, const Pace& pace)
    : io_(io),
      wish_(std::move(wish)),
      cloud_(std::move(cloud)),
      changed_(std::move(changed)),
      pace_(pace),
      timer_(io) {
  status_.type = wish_.type;
}

void Upkeep::start() {
  auto loop = [self = shared_from_this()] { return self->loop(); };
  asio::co_spawn(io_, std::move(loop), asio::detached);
}

void Upkeep::stop() {
  stopped_ = true;
  changed_ = nullptr;
  timer_.cancel();
  cloud_->cancel();
}

void Upkeep::follow(const CloudWish& wish) {
  // Peers that come and go change nothing about our routes; what they leave behind can wait.
  const bool news = wish.own != wish_.own || wish.networks != wish_.networks;
  wish_ = wish;
  if (!news) return;
  status_.inPlace = false;
  due_ = true;
  timer_.cancel();
}

Status Upkeep::status() const {
  Status out = status_;
  out.calls = cloud_->calls();
  return out;
}

Task<void> Upkeep::loop() {
  const auto keep = shared_from_this();
  while (!stopped_) {
    due_ = false;
    const Outcome outcome = co_await pass();
    if (stopped_) co_return;
    refusals_ = outcome.done() ? 0 : refusals_ + 1;
    tell(outcome);
    if (stopped_ || (outcome.done() && isFarewell())) co_return;
    const auto pause =
        outcome.done() ? jittered(periodOf(pace_, wish_.colleagues.size())) : waitAfter(outcome);
    co_await rest(pause);
  }
}

std::chrono::milliseconds Upkeep::waitAfter(const Outcome& outcome) const {
  return backOff(pace_, outcome, refusals_, wish_.colleagues.size(), random01());
}

Task<void> Upkeep::rest(std::chrono::milliseconds time) {
  if (due_ || stopped_) co_return;
  timer_.expires_after(time);
  boost::system::error_code cancelled;
  auto token = asio::redirect_error(asio::use_awaitable, cancelled);
  co_await timer_.async_wait(token);
}

/// One look at the tables, and all that follows from it.
Task<Outcome> Upkeep::pass() {
  conflicts_.clear();
  if (!status_.self) {
    Outcome introduced = co_await introduce();
    if (stopped_ || !introduced.done()) co_return introduced;
  }
  const Self self = *status_.self;
  const CloudWish wish = wish_;  // another may come while we wait
  const std::vector<Prefix> networks = prefixesOf(wish);
  auto table = co_await cloud_->list(self, networks);
  if (stopped_) co_return Outcome();
  if (!table) co_return consider(table.error());
  noteRoutes(*table, networks);
  Actions actions =
      compare(wish, self, *table, isSweeper(wish, pace_), pace_, std::chrono::steady_clock::now(), orphans_);
  conflicts_ = actions.conflicts;
  Outcome outcome = co_await carryOut(self, std::move(actions));
  if (stopped_) co_return Outcome();
  if (!outcome.done()) co_return consider(std::move(outcome));
  status_.inPlace = conflicts_.empty() && wish.own == wish_.own;
  status_.checkedAt = std::chrono::system_clock::now();
  co_return co_await lookAtUsage(self);
}

/// In two steps, so that who is throttled at the second does not ask the first again.
Task<Outcome> Upkeep::introduce() {
  if (!found_) {
    auto self = co_await cloud_->discover();
    if (!self) co_return self.error();
    found_ = std::move(*self);
  }
  if (stopped_) co_return Outcome();
  if (!isFarewell()) {
    const auto call = [this] { return cloud_->prepare(*found_); };
    Outcome prepared = co_await repeat(call);
    if (!prepared.done()) {
      if (!isForAMoment(prepared.kind)) found_.reset();  // a person may change something about it
      co_return prepared;
    }
  }
  spdlog::info("{}: this node is {} ({}); its routes are in {}", wish_.type, found_->instance, found_->target,
               fmt::join(found_->tables, ", "));
  status_.self = std::exchange(found_, std::nullopt);
  co_return Outcome();
}

Task<Outcome> Upkeep::carryOut(Self self, Actions actions) {
  for (const Put& put : actions.put) {
    const auto call = [&] { return cloud_->put(self, put); };
    Outcome outcome = co_await repeat(call);
    if (stopped_ || !outcome.done()) co_return outcome;
    status_.routes += put.replaces ? 0 : 1;
    spdlog::info("{}: {} leads to {}{}", wish_.type, put.dst.text(), self.target,
                 put.replaces ? ", no more to " + put.replaces->target : "");
  }
  for (const Route& route : actions.erase) {
    const auto call = [&] { return cloud_->erase(self, route); };
    Outcome outcome = co_await repeat(call);
    if (stopped_ || !outcome.done()) co_return outcome;
    status_.routes -= std::min<std::size_t>(status_.routes, 1);
    spdlog::info("{}: removed the route {} to {}", wish_.type, route.dst.text(), route.target);
    if (onErase_) onErase_(route);
  }
  co_return Outcome();
}

/// A call that is refused for a moment is made again, without a new look at the tables.
template <class Call>
Task<Outcome> Upkeep::repeat(const Call& call) {
  for (unsigned tries = 1;; ++tries) {
    Outcome outcome = co_await call();
    if (stopped_ || !isForAMoment(outcome.kind) || tries == kMostTries) co_return outcome;
    ++refusals_;
    const auto pause = waitAfter(outcome);
    co_await rest(pause);
    if (stopped_ || due_) co_return outcome;
  }
}

/// Good to know, and no reason to fail.
Task<Outcome> Upkeep::lookAtUsage(Self self) {
  const auto now = std::chrono::steady_clock::now();
  if (isFarewell() || (usageAt_ && now < *usageAt_ + kUsagePeriod)) co_return Outcome();
  usageAt_ = now;
  auto usage = co_await cloud_->usage(self);
  if (!stopped_ && usage) status_.usage = std::move(*usage);
  co_return Outcome();
}

/// What has changed in the cloud, an interface or a table, is asked for again after a refusal that may come
/// of that.
Outcome Upkeep::consider(Outcome outcome) {
  const bool stale = outcome.kind == Kind::permanent || outcome.kind == Kind::missing;
  if (stale) status_.self.reset();
  if (outcome.kind == Kind::permanent || outcome.kind == Kind::quota) status_.inPlace = false;
  return outcome;
}

void Upkeep::noteRoutes(const std::vector<Route>& table, const std::vector<Prefix>& networks) {
  status_.routes =
      static_cast<std::size_t>(std::count_if(table.begin(), table.end(), [&](const Route& route) {
        return std::any_of(networks.begin(), networks.end(),
                           [&](const Prefix& network) { return network.contains(route.dst); });
      }));
}

void Upkeep::tell(const Outcome& outcome) {
  status_.problems = conflicts_;
  if (!outcome.done()) status_.problems.push_back(outcome.text);
  for (const Usage& usage : status_.usage) {
    const bool full = static_cast<double>(usage.used) >= kNearlyFull * static_cast<double>(usage.allowed);
    if (usage.allowed == 0 || !full) continue;
    status_.problems.push_back(
        fmt::format("{} holds {} of {} routes; ask for a higher quota before it is full", usage.table,
                    usage.used, usage.allowed));
  }
  if (const auto changed = changed_) changed();  // which may stop us
}

}  // namespace twill::cloud
