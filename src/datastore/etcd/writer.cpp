// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/writer.hpp"

#include <cerrno>
#include <chrono>
#include <deque>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "datastore/etcd/plans.hpp"
#include "datastore/etcd/registry.hpp"
#include "datastore/while_alive.hpp"

namespace twill::etcd {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

/// So many times somebody else may be quicker before that is an error.
constexpr int kAttempts = 10;
/// How long a rival has to show that it lives.
constexpr auto kAnswer = 10s;
/// How soon a renewal that failed is tried again.
constexpr auto kRenewAgain = 10s;

}  // namespace

class Writer::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, Client& client, Picture& picture, Options options, Owner owner)
      : loop_(loop),
        client_(client),
        picture_(picture),
        options_(std::move(options)),
        owner_(std::move(owner)),
        renewal_(loop),
        patience_(loop) {}

  void add(std::optional<Lease> mine, Plan plan, OnDone onDone) {
    queue_.push_back({.mine = std::move(mine), .plan = std::move(plan), .onDone = std::move(onDone)});
    if (queue_.size() == 1) asio::post(loop_, whileAlive(weak_from_this(), &State::serve));
  }

  void onPicture() {
    ready_ = true;
    serve();
  }

  void onLost(const Error& error) {
    ready_ = false;
    if (!queue_.empty() && !busy_) finish(Failure(error));
  }

 private:
  struct Task {
    std::optional<Lease> mine;  ///< it is this node's own lease
    Plan plan;                  ///< of all others
    OnDone onDone;
    int attempts = 0;
    /// When this node's entry was written, which rivals have to answer.
    std::optional<Clock::time_point> challenged = {};
  };

  void serve() {
    if (busy_ || !ready_) return;
    if (queue_.empty()) return watchOver();
    const Task& first = queue_.front();
    if (first.mine && !isPrepared(*first.mine)) return;
    const auto plan =
        first.mine ? planLease(picture_, amongLeases(*first.mine), mine_, lease_) : first.plan(picture_);
    if (!plan) return finish(Failure(plan.error()));
    if (isNothing(*plan)) return describe();
    send(*plan, &State::onWritten);
  }

  /// A lease as flannel would write it, unless what it leaves out may not be written elsewhere.
  [[nodiscard]] Lease amongLeases(Lease mine) const {
    if (!forbidden_ && isInRegistry(mine)) mine.backendData.clear();  // the type is left out in any case
    return mine;
  }

  /// Whether the node has an etcd lease, is registered, and has no living rival that was there before. False:
  /// something is under way for it, or the first task has got its answer.
  bool isPrepared(const Lease& mine) {
    if (lease_ == 0) {
      busy_ = true;
      client_.grant(options_.leaseSeconds, whileAlive(weak_from_this(), &State::onGranted));
      return false;
    }
    if (forbidden_ || mine.node.empty()) return true;
    Write wanted = registrationOf(mine, options_.machine, picture_.registryPrefix());
    const KeyValue* there = picture_.find(wanted.key);
    registration_ = wanted.key;
    const Registration* own = picture_.registry().find(wanted.key);
    const bool same = own != nullptr && own->node == mine.node && own->publicIp == mine.publicIp &&
                      own->publicIp6 == mine.publicIp6;
    if (same && there->lease == lease_) return hasNoRival(mine);
    wanted.revision = there == nullptr ? 0 : there->revision;
    wanted.lease = lease_;
    send(wanted, &State::onRegistered);
    return false;
  }

  bool hasNoRival(const Lease& mine) {
    const Registry& registry = picture_.registry();
    const Registration* own = registry.find(registration_);
    if (own == nullptr) return true;
    // Its own entry may be known from etcd's answer, while others' from before are still on their way.
    if (picture_.revision() < own->touched) return false;
    Task& task = queue_.front();
    for (const Registration& rival : registry.rivalsOf(*own)) {
      if (rival.created > own->created) continue;  // it is its turn to give way
      if (!task.challenged) {
        touch();
        return false;
      }
      if (rival.touched > own->touched) {
        finish(fail(
            fmt::format("{} cannot have a lease: {} lives and has the same {}", mine.node, rival.node,
                        rival.node == own->node ? "name; give one of them another by --node-name"
                                                : "address, " + addressText(rival) +
                                                      "; give one of them another (--iface, --public-ip)"),
            Error::Kind::conflict));
        return false;
      }
      if (const auto waited = Clock::now() - *task.challenged; waited < kAnswer) {
        patience_.expires_after(kAnswer - waited);
        patience_.async_wait(whileAlive(weak_from_this(), &State::serve));
        return false;
      }
      spdlog::info("{} shows no sign of life: its registration goes", rival.node);
      send({.key = {}, .value = {}, .erased = rival.key, .erasedRevision = rival.touched}, &State::onTouched);
      return false;
    }
    return true;
  }

  /// Writes this node's entry as it stands.
  void touch() {
    const KeyValue* entry = picture_.find(registration_);
    send({.key = entry->key, .value = entry->value, .lease = lease_, .revision = entry->revision},
         &State::onTouched);
  }

  static std::string addressText(const Registration& one) {
    return one.publicIp ? one.publicIp->text() : one.publicIp6 ? one.publicIp6->text() : "none";
  }

  /// When there is nothing else to do: shows rivals that this node lives, and registers it again if its entry
  /// went with an etcd lease that was lost.
  void watchOver() {
    if (!mine_ || forbidden_ || registration_.empty()) return;
    if (std::exchange(looked_, picture_.registryVersion()) == picture_.registryVersion()) return;
    const Registry& registry = picture_.registry();
    const Registration* own = registry.find(registration_);
    if (own == nullptr) return add(mine_, {}, [](const Result<void>&) {});
    for (const Registration& rival : registry.rivalsOf(*own)) {
      if (rival.created > own->created && rival.touched > own->touched) return touch();
    }
  }

  void send(const Write& write, void (State::*then)(Result<std::int64_t>)) {
    busy_ = true;
    write_ = write;
    client_.write(write, whileAlive(weak_from_this(), then));
  }

  void onGranted(Result<std::int64_t> lease) {
    busy_ = false;
    if (!lease) return finish(Failure(std::move(lease).error()));
    lease_ = *lease;
    scheduleRenewal(std::chrono::seconds(options_.leaseSeconds) / 3);
    serve();
  }

  void onRegistered(Result<std::int64_t> revision) {
    busy_ = false;
    if (!revision && revision.error().code == EACCES) {
      spdlog::warn("{}; nodes have no names for this one, and two with one address are not noticed",
                   revision.error().text);
      forbidden_ = true;
      return serve();
    }
    queue_.front().challenged = Clock::now();
    if (isDone(revision)) serve();
  }

  void onTouched(Result<std::int64_t> revision) {
    busy_ = false;
    if (revision && *revision != 0) {
      picture_.apply(write_, *revision);
      owner_.changed();
    }
    if (!revision) {
      spdlog::warn("{}", revision.error().text);
      looked_ = 0;  // so that it is tried again
    }
    if (revision && *revision == 0) return reload();
    if (queue_.empty()) return;
    if (write_.key == registration_) queue_.front().challenged = Clock::now();
    if (!revision) return finish(Failure(std::move(revision).error()));
    serve();
  }

  void onWritten(Result<std::int64_t> revision) {
    busy_ = false;
    if (!isDone(revision)) return;
    describe();
  }

  /// What the registry says beside the lease follows it: a lease that has just become udp's is one at once,
  /// and one that is no more says so itself.
  void describe() {
    const auto& mine = queue_.front().mine;
    const KeyValue* there = registration_.empty() ? nullptr : picture_.find(registration_);
    if (!mine || forbidden_ || there == nullptr) return complete();
    Write wanted = registrationOf(*mine, options_.machine, picture_.registryPrefix());
    if (wanted.key != there->key || wanted.value == there->value) return complete();
    wanted.revision = there->revision;
    wanted.lease = lease_;
    send(wanted, &State::onDescribed);
  }

  void onDescribed(Result<std::int64_t> revision) {
    busy_ = false;
    if (isDone(revision)) complete();
  }

  void complete() {
    if (queue_.front().mine) mine_ = queue_.front().mine;
    finish({});
  }

  /// False: the first task has got its answer, or is tried again.
  bool isDone(Result<std::int64_t>& revision) {
    if (!revision && revision.error().kind == Error::Kind::missing) {  // the etcd lease is gone
      lease_ = 0;
      revision = 0;
    }
    if (!revision) {
      finish(Failure(std::move(revision).error()));
      return false;
    }
    if (*revision != 0) {
      picture_.apply(write_, *revision);
      owner_.changed();
      return true;
    }
    // Somebody was quicker: what stands there now decides.
    if (++queue_.front().attempts == kAttempts) {
      finish(fail("the keys in etcd change faster than this node can write; it is tried again",
                  Error::Kind::busy));
    } else {
      reload();
    }
    return false;
  }

  void reload() {
    ready_ = false;
    owner_.reload();
  }

  void finish(Result<void> result) {
    const auto onDone = std::move(queue_.front().onDone);
    queue_.pop_front();
    if (!queue_.empty()) asio::post(loop_, whileAlive(weak_from_this(), &State::serve));
    onDone(std::move(result));
  }

  void scheduleRenewal(std::chrono::milliseconds pause) {
    renewal_.expires_after(pause);
    renewal_.async_wait(whileAlive(weak_from_this(), &State::renew));
  }

  void renew() {
    if (lease_ != 0) client_.keepAlive(lease_, whileAlive(weak_from_this(), &State::onRenewed));
  }

  /// A lease that is gone takes its keys with it: that is seen, and the agent publishes anew.
  void onRenewed(Result<std::int64_t> seconds) {
    const std::chrono::milliseconds third = std::chrono::seconds(options_.leaseSeconds) / 3;
    if (!seconds) {
      spdlog::warn("{}", seconds.error().text);
      return scheduleRenewal(std::min<std::chrono::milliseconds>(third, kRenewAgain));
    }
    if (*seconds > 0) return scheduleRenewal(third);
    spdlog::warn("this node's lease in etcd has run out");
    lease_ = 0;
    serve();
  }

  asio::io_context& loop_;
  Client& client_;
  Picture& picture_;
  Options options_;
  Owner owner_;
  std::deque<Task> queue_;
  bool ready_ = false;  ///< the picture is what etcd holds, but for what is on its way
  bool busy_ = false;   ///< a request is under way
  Write write_;         ///< that was sent last
  std::optional<Lease> mine_;
  std::string registration_;  ///< key; empty before the first time
  std::uint64_t looked_ = 0;  ///< registryVersion() when rivals were looked for last; 0: they have to be
  bool forbidden_ = false;    ///< this user may not write the registry
  std::int64_t lease_ = 0;    ///< etcd's, that our keys hang on; 0: none
  asio::steady_timer renewal_, patience_;
};

Writer::Writer(asio::io_context& loop, Client& client, Picture& picture, Options options, Owner owner)
    : state_(std::make_shared<State>(loop, client, picture, std::move(options), std::move(owner))) {}

Writer::~Writer() = default;

void Writer::publish(const Lease& mine, OnDone onDone) {
  state_->add(mine, {}, std::move(onDone));
}

void Writer::edit(Plan plan, OnDone onDone) {
  state_->add(std::nullopt, std::move(plan), std::move(onDone));
}

void Writer::onPicture() {
  state_->onPicture();
}

void Writer::onLost(const Error& error) {
  state_->onLost(error);
}

}  // namespace twill::etcd
