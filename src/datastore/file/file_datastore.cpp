// SPDX-License-Identifier: Apache-2.0
#include "datastore/file/file_datastore.hpp"

#include <chrono>
#include <deque>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <spdlog/spdlog.h>

#include "datastore/file/cluster_files.hpp"
#include "datastore/file/directory_watch.hpp"
#include "datastore/while_alive.hpp"

namespace twill {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

/// How long an error must last before it is told: editors take a file away and put it back within a few ms.
constexpr auto kSettle = 100ms;
/// How often the files are looked at without being told to.
constexpr auto kResync = 10s;
/// How often, and for how long in all, publishing waits for a lock that another process holds.
constexpr auto kLockRetry = 5ms;
constexpr auto kLockPatience = 10s;

}  // namespace

class FileDatastore::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, std::string directory)
      : files_(directory),
        written_(directory),
        directory_(std::move(directory)),
        loop_(loop),
        events_(loop),
        settle_(loop),
        resync_(loop),
        lockRetry_(loop) {}
  ~State() {
    if (events_.is_open()) events_.release();  // the descriptor is inotify_'s
  }

  void watch(OnCluster onCluster) {
    bool first = !onCluster_;
    onCluster_ = std::move(onCluster);
    wanted_ = true;
    told_.clear();
    if (first) startWatching();
    asio::post(loop_, whileAlive(weak_from_this(), &State::refresh));
  }

  using Action = std::function<Result<void>(const ClusterFiles&)>;

  [[nodiscard]] const ClusterFiles& files() const { return files_; }

  /// What is in a file stays.
  void tenures(Administration::OnTenures onTenures) {
    std::vector<Administration::Tenure> out;
    for (const Lease& lease : files_.cluster().leases) {
      const auto& subnet = lease.subnet ? lease.subnet : lease.subnet6;
      if (subnet) out.push_back({.subnet = *subnet, .left = {}, .granted = {}});
    }
    asio::post(loop_, [weak = weak_from_this(), onTenures = std::move(onTenures), out = std::move(out)] {
      if (const auto self = weak.lock()) onTenures(out);
    });
  }

  void write(Action action, Administration::OnDone onDone) {
    queue_.push_back({std::move(action), std::move(onDone), {}});
    if (queue_.size() == 1) asio::post(loop_, whileAlive(weak_from_this(), &State::serve));
  }

 private:
  struct Writing {
    Action action;
    Administration::OnDone onDone;
    std::chrono::steady_clock::time_point deadline;  ///< set at the first attempt
  };

  void startWatching() {
    auto opened = DirectoryWatch::open(directory_);
    if (opened) {
      inotify_.emplace(std::move(*opened));
      events_.assign(inotify_->fd());
      awaitEvents();
    } else {
      spdlog::warn("{}: {}; changes are seen only every {} s", directory_, opened.error().text,
                   kResync.count());
    }
    awaitResync();
  }

  void awaitEvents() {
    events_.async_wait(asio::posix::stream_descriptor::wait_read,
                       whileAlive(weak_from_this(), &State::onEvents));
  }

  void onEvents() {
    awaitEvents();
    if (inotify_->drain()) refresh();
  }

  void awaitResync() {
    resync_.expires_after(kResync);
    resync_.async_wait(whileAlive(weak_from_this(), &State::onResync));
  }

  void onResync() {
    awaitResync();
    if (inotify_) inotify_->arm();
    refresh();
  }

  void refresh() { look(false); }

  void settled() {
    if (settling_) look(true);  // else all was well again while this handler stood in the loop's queue
  }

  /// Reads, and tells at once what is good; what is bad only if it is still bad a little later.
  void look(bool tellErrors) {
    auto changed = files_.refresh();
    if (changed) {
      settling_ = false;
      settle_.cancel();
      wanted_ = wanted_ || *changed || !told_.empty();
      told_.clear();
      if (wanted_) tell(files_.cluster());
    } else if (tellErrors) {
      settling_ = false;
      if (changed.error().text == told_) return;
      told_ = changed.error().text;
      tell(Failure(std::move(changed).error()));
    } else if (changed.error().text != told_ && !settling_) {
      settling_ = true;
      settle_.expires_after(kSettle);
      settle_.async_wait(whileAlive(weak_from_this(), &State::settled));
    }
  }

  void tell(Result<Cluster> cluster) {
    if (cluster) wanted_ = false;
    auto onCluster = onCluster_;  // it may call watch() and so replace itself
    onCluster(std::move(cluster));
  }

  /// Tries the first in the queue, beside the loop: a disk takes its time, and the loop has others to serve.
  void serve() {
    Writing& first = queue_.front();
    if (first.deadline == std::chrono::steady_clock::time_point{})
      first.deadline = std::chrono::steady_clock::now() + kLockPatience;
    asio::post(writer_,
               [this, weak = weak_from_this(), action = first.action, waits = asio::make_work_guard(loop_)] {
                 asio::post(loop_, [weak, done = action(written_)]() mutable {
                   if (const auto self = weak.lock()) self->served(std::move(done));
                 });
               });
  }

  void served(Result<void> done) {
    Writing& first = queue_.front();
    const bool busy = !done && done.error().kind == Error::Kind::busy;
    if (busy && std::chrono::steady_clock::now() < first.deadline) {
      lockRetry_.expires_after(kLockRetry);
      lockRetry_.async_wait(whileAlive(weak_from_this(), &State::serve));
      return;
    }
    if (busy) {
      done = Failure(std::move(done).error().in(
          fmt::format("{}: waited {} s for the lock", directory_, kLockPatience.count())));
    }
    const auto onDone = std::move(first.onDone);
    queue_.pop_front();
    if (!queue_.empty()) serve();
    onDone(std::move(done));
  }

  ClusterFiles files_;          ///< what was read
  const ClusterFiles written_;  ///< the same files, for the writer's thread alone
  std::string directory_;
  OnCluster onCluster_;
  bool wanted_ = false;    ///< the watcher has not got the picture yet, whether it changed or not
  std::string told_;       ///< the error that the watcher was told last; empty when all was well since
  bool settling_ = false;  ///< an error waits for being told
  std::deque<Writing> queue_;

  asio::io_context& loop_;
  std::optional<DirectoryWatch> inotify_;
  asio::posix::stream_descriptor events_;
  asio::steady_timer settle_;
  asio::steady_timer resync_;
  asio::steady_timer lockRetry_;
  asio::thread_pool writer_{1};  ///< last: its thread ends before what it uses
};

FileDatastore::FileDatastore(asio::io_context& loop, FileDatastoreOptions options)
    : state_(std::make_shared<State>(loop, std::move(options.directory))) {}

FileDatastore::~FileDatastore() = default;

void FileDatastore::watch(OnCluster onCluster) {
  state_->watch(std::move(onCluster));
}

void FileDatastore::publish(const Lease& mine, OnPublished onPublished) {
  state_->write([mine](const ClusterFiles& files) { return files.publish(mine); }, std::move(onPublished));
}

Result<std::string> FileDatastore::config() const {
  return state_->files().config();
}

void FileDatastore::configure(const std::string& text, OnDone onDone) {
  state_->write([text](const ClusterFiles& files) { return files.configure(text); }, std::move(onDone));
}

void FileDatastore::reserve(const Lease& lease, OnDone onDone) {
  state_->write([lease](const ClusterFiles& files) { return files.reserve(lease); }, std::move(onDone));
}

void FileDatastore::release(const Prefix& subnet, OnDone onDone) {
  state_->write([subnet](const ClusterFiles& files) { return files.release(subnet); }, std::move(onDone));
}

void FileDatastore::tenures(OnTenures onTenures) {
  state_->tenures(std::move(onTenures));
}

}  // namespace twill
