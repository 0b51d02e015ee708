// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/etcd_datastore.hpp"

#include <chrono>
#include <deque>
#include <random>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include "datastore/etcd/picture.hpp"

namespace twill {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr auto kFirstPause = 200ms;
constexpr auto kLongestPause = 5000ms;
constexpr auto kResync = std::chrono::minutes(5);
/// So many times somebody else may be quicker before that is an error.
constexpr int kAttempts = 10;

}  // namespace

class EtcdDatastore::State : public std::enable_shared_from_this<State> {
 private:
  /// For the loop; does nothing once the datastore is gone or the wait was cancelled.
  auto handler(void (State::*action)()) {
    return [weak = weak_from_this(), action](boost::system::error_code cancelled = {}) {
      const auto self = weak.lock();
      if (self && !cancelled) (self.get()->*action)();
    };
  }
  /// For the client, whose answers end with it, which is ours.
  template <class T>
  auto answer(void (State::*action)(Result<T>)) {
    return [weak = weak_from_this(), action](Result<T> result) {
      if (const auto self = weak.lock()) (self.get()->*action)(std::move(result));
    };
  }

 public:
  State(asio::io_context& loop, EtcdDatastoreOptions options)
      : loop_(loop),
        options_(std::move(options)),
        client_(loop, options_.client),
        picture_(options_.prefix),
        pause_(loop),
        resync_(loop),
        renewal_(loop) {}

  void watch(OnCluster onCluster) {
    const bool first = !onCluster_;
    onCluster_ = std::move(onCluster);
    told_.clear();
    wanted_ = true;
    if (first) {
      load();
    } else if (loaded_) {
      asio::post(loop_, handler(&State::tellPicture));
    }
  }

  void publish(const Lease& mine, OnPublished onPublished) {
    queue_.push_back({mine, std::move(onPublished), 0});
    if (queue_.size() == 1) asio::post(loop_, handler(&State::serve));
  }

 private:
  struct Publication {
    Lease mine;
    OnPublished onPublished;
    int attempts = 0;
  };

  void load() {
    resync_.expires_after(kResync);
    resync_.async_wait(handler(&State::load));
    client_.list(options_.prefix + "/", answer<etcd::Listing>(&State::onListing));
  }

  void onListing(Result<etcd::Listing> listing) {
    if (!listing) return lost(std::move(listing).error());
    pauseLength_ = kFirstPause;
    outage_ = false;
    picture_.replace(*listing);
    loaded_ = true;
    client_.watch(options_.prefix + "/", picture_.revision(), answer<etcd::Changes>(&State::onChanges));
    wanted_ = wanted_ || !told_.empty();
    tellPicture();
    serveWaiting();
  }

  void onChanges(Result<etcd::Changes> changes) {
    // What etcd has forgotten is read as a whole, at once.
    if (!changes) {
      // What etcd has forgotten, or a stream that broke, is read as a whole, at once; that says if all is
      // well.
      loaded_ = false;
      return load();
    }
    if (picture_.apply(*changes)) tellPicture();
  }

  /// The picture stays in force; another endpoint may know more.
  void lost(Error error) {
    loaded_ = false;
    client_.useNextEndpoint();
    const auto jitter = std::uniform_int_distribution<int>(50, 100)(random_);
    pause_.expires_after(pauseLength_ * jitter / 100);
    pauseLength_ = std::min<std::chrono::milliseconds>(pauseLength_ * 2, kLongestPause);
    pause_.async_wait(handler(&State::load));
    if (!queue_.empty()) answerFirst(Failure(error));
    if (std::exchange(outage_, true)) return;  // each endpoint and each attempt has other words for it
    told_ = error.text;
    tell(Failure(std::move(error)));
  }

  void tellPicture() {
    if (!onCluster_) return;
    std::set<std::string> unreadable;
    auto cluster = picture_.cluster(unreadable);
    for (const auto& text : unreadable) {
      if (!unreadable_.contains(text)) spdlog::warn("left out: {}", text);
    }
    unreadable_ = std::move(unreadable);
    if (!cluster) {
      if (cluster.error().text == told_) return;
      told_ = cluster.error().text;
      return tell(std::move(cluster));
    }
    told_.clear();
    if (!wanted_ && cluster_ == *cluster) return;
    wanted_ = false;
    cluster_ = *cluster;
    tell(std::move(cluster));
  }

  void tell(Result<Cluster> cluster) {
    if (!onCluster_) return;
    const auto onCluster = onCluster_;  // it may call watch() and so replace itself
    onCluster(std::move(cluster));
  }

  void serveWaiting() {
    if (!queue_.empty() && !serving_) serve();
  }

  /// The first publication in the queue.
  void serve() {
    if (queue_.empty() || serving_) return;
    if (!loaded_) {
      if (!onCluster_) client_.list(options_.prefix + "/", answer<etcd::Listing>(&State::onListing));
      return;  // served when the picture is there
    }
    serving_ = true;
    Publication& first = queue_.front();
    const auto plan = picture_.planFor(first.mine, ownKey_);
    if (!plan) return answerFirst(Failure(plan.error()));
    write_ = plan->write;
    if (plan->done) return onWritten(true);
    if (!plan->isNew || lease_ != 0) {
      if (plan->isNew) write_.lease = lease_;
      return client_.write(write_, answer<bool>(&State::onWritten));
    }
    client_.grant(options_.leaseSeconds, answer<std::int64_t>(&State::onGranted));
  }

  void onGranted(Result<std::int64_t> lease) {
    if (!lease) return answerFirst(Failure(std::move(lease).error()));
    write_.lease = lease_ = *lease;
    client_.write(write_, answer<bool>(&State::onWritten));
  }

  void onWritten(Result<bool> written) {
    if (!written && written.error().kind == Error::Kind::missing) {  // its etcd lease is gone
      lease_ = 0;
      written = false;
    }
    if (!written) return answerFirst(Failure(std::move(written).error()));
    if (!*written) return again();
    ownKey_ = write_.key;
    lease_ = write_.lease;
    keepAlive();
    answerFirst({});
  }

  /// Somebody was quicker: what stands there now decides.
  void again() {
    if (++queue_.front().attempts == kAttempts) {
      return answerFirst(
          fail("the leases in etcd change faster than this node can add its own; it is tried again",
               Error::Kind::busy));
    }
    serving_ = false;
    loaded_ = false;
    client_.list(options_.prefix + "/", answer<etcd::Listing>(&State::onListing));
  }

  void answerFirst(Result<void> result) {
    serving_ = false;
    const auto onPublished = std::move(queue_.front().onPublished);
    queue_.pop_front();
    if (!queue_.empty()) asio::post(loop_, handler(&State::serve));
    onPublished(std::move(result));
  }

  /// Three times within its life.
  void keepAlive() {
    if (lease_ == 0) return;
    renewal_.expires_after(std::chrono::seconds(options_.leaseSeconds) / 3);
    renewal_.async_wait(handler(&State::renew));
  }

  void renew() {
    client_.keepAlive(lease_, answer<std::int64_t>(&State::onRenewed));
    keepAlive();
  }

  /// A lease that is gone takes the key with it: that is seen, and the agent publishes anew.
  void onRenewed(Result<std::int64_t> seconds) {
    if (seconds && *seconds == 0) lease_ = 0;
    if (!seconds) spdlog::warn("{}", seconds.error().text);
  }

  asio::io_context& loop_;
  EtcdDatastoreOptions options_;
  etcd::Client client_;
  etcd::Picture picture_;
  OnCluster onCluster_;
  bool loaded_ = false;  ///< the picture is what etcd holds, but for what is on its way
  bool outage_ = false;  ///< and told
  bool wanted_ = false;  ///< the watcher waits for a picture, whatever it is
  std::string told_;     ///< the error that was told last; empty: it is over
  Cluster cluster_;      ///< told last
  std::set<std::string> unreadable_;
  std::deque<Publication> queue_;
  bool serving_ = false;
  etcd::Write write_;
  std::string ownKey_;
  std::int64_t lease_ = 0;  ///< etcd's, that our key hangs on
  std::chrono::milliseconds pauseLength_ = kFirstPause;
  std::mt19937 random_{std::random_device{}()};
  asio::steady_timer pause_, resync_, renewal_;
};

EtcdDatastore::EtcdDatastore(asio::io_context& loop, EtcdDatastoreOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}

EtcdDatastore::~EtcdDatastore() = default;

void EtcdDatastore::watch(OnCluster onCluster) {
  state_->watch(std::move(onCluster));
}

void EtcdDatastore::publish(const Lease& mine, OnPublished onPublished) {
  state_->publish(mine, std::move(onPublished));
}

}  // namespace twill
