// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/etcd_datastore.hpp"

#include <chrono>
#include <random>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include "base/file.hpp"
#include "datastore/etcd/plans.hpp"
#include "datastore/etcd/tenure_query.hpp"
#include "datastore/etcd/writer.hpp"
#include "datastore/while_alive.hpp"

namespace twill {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr auto kFirstPause = 200ms;
/// Of an etcd that is away; all else that goes wrong, each time after a whole listing, is not tried as often.
constexpr auto kPauseAway = 1000ms;
constexpr auto kLongestPause = 5000ms;
/// A watch that lasted so long was a good one: the next pause is a short one again.
constexpr auto kGoodWatch = 10s;
constexpr auto kResync = std::chrono::minutes(5);
/// The disk gets the picture so often at most.
constexpr auto kSave = 5s;
constexpr std::size_t kLargestPicture = 64U << 20U;

}  // namespace

class EtcdDatastore::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, EtcdDatastoreOptions options)
      : loop_(loop),
        options_(std::move(options)),
        client_(loop, options_.client),
        picture_(options_.prefix),
        writer_(
            loop, client_, picture_, {.leaseSeconds = options_.leaseSeconds, .machine = options_.machine},
            {.reload = [this] { load(); },
             .changed = [this] { asio::post(loop_, whileAlive(weak_from_this(), &State::tellPicture)); }}),
        pause_(loop),
        resync_(loop),
        save_(loop) {}

  void watch(OnCluster onCluster) {
    onCluster_ = std::move(onCluster);
    told_.clear();
    wanted_ = true;
    if (loaded_) asio::post(loop_, whileAlive(weak_from_this(), &State::tellPicture));
    begin();
  }

  /// Follows etcd from now on.
  void begin() {
    if (!std::exchange(begun_, true)) load();
  }

  [[nodiscard]] etcd::Writer& writer() { return writer_; }
  [[nodiscard]] const etcd::Picture& picture() const { return picture_; }

  void tenures(OnTenures onTenures) {
    asio::post(loop_, [weak = weak_from_this(), onTenures = std::move(onTenures)] {
      if (const auto self = weak.lock()) etcd::askTenures(self->client_, self->picture_, onTenures);
    });
  }

 private:
  void load() {
    resync_.expires_after(kResync);
    resync_.async_wait(whileAlive(weak_from_this(), &State::load));
    client_.list(options_.prefix + "/", whileAlive(weak_from_this(), &State::onListing));
  }

  void onListing(Result<etcd::Listing> listing) {
    if (!listing) return lost(std::move(listing).error());
    outage_ = false;
    refused_ = 0;
    picture_.replace(*listing);
    loaded_ = true;
    watchBegan_ = std::chrono::steady_clock::now();
    client_.watch(options_.prefix + "/", picture_.revision(),
                  whileAlive(weak_from_this(), &State::onChanges));
    wanted_ = wanted_ || !told_.empty();
    onPicture();
  }

  void onChanges(Result<etcd::Changes> changes) {
    if (!changes) return onWatchEnded();
    if (picture_.apply(*changes)) {
      onPicture();
    } else {
      writer_.onPicture();  // which may wait to have heard all up to its own write
    }
  }

  void onPicture() {
    if (!saving_ && !options_.pictureFile.empty()) {
      saving_ = true;
      save_.expires_after(kSave);
      save_.async_wait(whileAlive(weak_from_this(), &State::save));
    }
    const auto self = shared_from_this();  // whom we tell may be done with us
    tellPicture();
    writer_.onPicture();
  }

  /// What etcd has forgotten, or a stream that broke, is read as a whole, which says whether all is well; at
  /// once, unless watches end all the time.
  void onWatchEnded() {
    if (std::chrono::steady_clock::now() < watchBegan_ + kGoodWatch) return loadLater(kLongestPause);
    pauseLength_ = kFirstPause;
    load();
  }

  void loadLater(std::chrono::milliseconds longest) {
    const auto jitter = std::uniform_int_distribution<int>(50, 100)(random_);
    pause_.expires_after(pauseLength_ * jitter / 100);
    pauseLength_ = std::min(pauseLength_ * 2, longest);
    pause_.async_wait(whileAlive(weak_from_this(), &State::load));
  }

  /// The picture stays in force. Only when no endpoint knows more is that an outage.
  void lost(Error error) {
    client_.useNextEndpoint();
    if (++refused_ % options_.client.endpoints.size() != 0) return load();
    loadLater(error.kind == Error::Kind::busy ? kPauseAway : kLongestPause);
    const auto self = shared_from_this();
    if (!loaded_) tellSaved();
    writer_.onLost(error);
    if (std::exchange(outage_, true)) return;  // each endpoint and each attempt has other words for it
    told_ = error.text;
    tell(Failure(std::move(error)));
  }

  /// Once: what was known when this node's agent ended.
  void tellSaved() {
    if (options_.pictureFile.empty() || std::exchange(restored_, true)) return;
    auto text = readFile(options_.pictureFile, kLargestPicture);
    if (!text) return;  // there was none
    auto picture = etcd::Picture::parse(options_.prefix, *text);
    if (!picture) return spdlog::warn("{}: {}", options_.pictureFile, picture.error().text);
    picture_ = std::move(*picture);
    spdlog::warn("etcd does not answer: this node goes on by what it knew last");
    tellPicture();
  }

  void save() {
    saving_ = false;
    const auto written = writeFile(options_.pictureFile, picture_.toJson(), Durability::power);
    if (!written) spdlog::warn("{}: {}", options_.pictureFile, written.error().text);
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
    if (!unreadable_.empty())
      cluster->warnings.push_back(fmt::format("{} of the keys in etcd are no leases and left out, such as {}",
                                              unreadable_.size(), *unreadable_.begin()));
    if (!outage_) told_.clear();
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

  asio::io_context& loop_;
  EtcdDatastoreOptions options_;
  etcd::Client client_;
  etcd::Picture picture_;
  etcd::Writer writer_;
  OnCluster onCluster_;
  bool begun_ = false;
  bool loaded_ = false;      ///< etcd has answered since this began
  std::size_t refused_ = 0;  ///< so many endpoints, one after the other
  bool outage_ = false;      ///< and told
  bool wanted_ = false;      ///< the watcher waits for a picture, whatever it is
  bool restored_ = false;    ///< the picture on disk has had its turn
  bool saving_ = false;      ///< at save_'s end
  std::string told_;         ///< the error that was told last; empty: it is over
  Cluster cluster_;          ///< told last
  std::set<std::string> unreadable_;
  std::chrono::steady_clock::time_point watchBegan_;
  std::chrono::milliseconds pauseLength_ = kFirstPause;
  std::mt19937 random_{std::random_device{}()};
  asio::steady_timer pause_, resync_, save_;
};

EtcdDatastore::EtcdDatastore(asio::io_context& loop, EtcdDatastoreOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}

EtcdDatastore::~EtcdDatastore() = default;

void EtcdDatastore::watch(OnCluster onCluster) {
  state_->watch(std::move(onCluster));
}

void EtcdDatastore::publish(const Lease& mine, OnPublished onPublished) {
  state_->writer().publish(mine, std::move(onPublished));
  state_->begin();
}

Result<std::string> EtcdDatastore::config() const {
  return state_->picture().config();
}

void EtcdDatastore::configure(const std::string& text, OnDone onDone) {
  state_->writer().edit([text](const etcd::Picture& picture) { return planConfig(picture, text); },
                        std::move(onDone));
  state_->begin();
}

void EtcdDatastore::reserve(const Lease& lease, OnDone onDone) {
  state_->writer().edit([lease](const etcd::Picture& picture) { return planReservation(picture, lease); },
                        std::move(onDone));
  state_->begin();
}

void EtcdDatastore::release(const Prefix& subnet, OnDone onDone) {
  state_->writer().edit([subnet](const etcd::Picture& picture) { return planRelease(picture, subnet); },
                        std::move(onDone));
  state_->begin();
}

void EtcdDatastore::tenures(OnTenures onTenures) {
  state_->tenures(std::move(onTenures));
}

}  // namespace twill
