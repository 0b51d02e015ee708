// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/bird_client.hpp"

#include <chrono>
#include <deque>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "datastore/while_alive.hpp"

namespace twill::bgp {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

constexpr std::chrono::milliseconds kReconnect{200};
/// BIRD does one thing at a time; to read a large config may take it a second.
constexpr std::chrono::seconds kPatience{5};

}  // namespace

class BirdClient::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, std::string path, Hooks hooks)
      : path_(std::move(path)),
        hooks_(std::move(hooks)),
        loop_(loop),
        socket_(loop),
        timer_(loop),
        pause_(loop) {}

  void connect() {
    reader_ = {};
    socket_.async_connect(path_, [weak = weak_from_this()](ErrorCode error) {
      const auto self = weak.lock();
      if (!self) return;
      if (error) return self->lose(fmt::format("connect to BIRD at {}: {}", self->path_, error.message()));
      self->await();
      self->read();
    });
  }

  void ask(const std::string& command, OnReply onReply) {
    if (!up_) {
      asio::post(loop_, [weak = weak_from_this(), onReply = std::move(onReply)] {
        if (!weak.expired()) onReply(fail("BIRD is not up", Error::Kind::busy));
      });
      return;
    }
    waiting_.push_back({command + "\n", std::move(onReply)});
    if (waiting_.size() == 1) send();
  }

  void close() {
    ErrorCode ignored;
    socket_.close(ignored);
    timer_.cancel();
    pause_.cancel();
  }

  [[nodiscard]] bool isUp() const { return up_; }

 private:
  struct Question {
    std::string command;
    OnReply onReply;
  };

  void send() {
    await();
    asio::async_write(socket_, asio::buffer(waiting_.front().command),
                      [weak = weak_from_this()](ErrorCode error, std::size_t) {
                        const auto self = weak.lock();
                        if (self && error && error != asio::error::operation_aborted)
                          self->lose(fmt::format("BIRD at {}: {}", self->path_, error.message()));
                      });
  }

  void await() {
    timer_.expires_after(kPatience);
    timer_.async_wait([weak = weak_from_this()](ErrorCode cancelled) {
      const auto self = weak.lock();
      if (self && !cancelled)
        self->lose(fmt::format("BIRD says nothing at {} for {} s", self->path_, kPatience.count()),
                   Error::Kind::failed);
    });
  }

  void read() {
    socket_.async_read_some(
        asio::buffer(buffer_), [weak = weak_from_this()](ErrorCode error, std::size_t size) {
          const auto self = weak.lock();
          if (!self || error == asio::error::operation_aborted) return;
          if (error) return self->lose(fmt::format("BIRD at {}: {}", self->path_, error.message()));
          self->take({self->buffer_.data(), size});
        });
  }

  void take(std::string_view bytes) {
    if (const auto fed = reader_.feed(bytes); !fed)
      return lose(fmt::format("what answers at {} is not BIRD: {}", path_, fed.error().text),
                  Error::Kind::invalid);
    timer_.expires_after(kPatience);
    if (up_ && !waiting_.empty()) await();
    while (auto reply = reader_.take()) {
      if (!up_) {
        if (!greeted(*reply)) return;
        continue;
      }
      if (waiting_.empty()) continue;
      timer_.cancel();
      const OnReply onReply = std::move(waiting_.front().onReply);
      waiting_.pop_front();
      if (!waiting_.empty()) send();
      if (reply->isError())
        onReply(fail("BIRD says: " + reply->lines.back().text, Error::Kind::invalid));
      else
        onReply(std::move(*reply));
      if (!socket_.is_open()) return;
    }
    read();
  }

  bool greeted(const BirdReply& reply) {
    timer_.cancel();
    auto version = versionIn(reply);
    const auto fits = version ? checkVersion(*version) : Result<void>(Failure(version.error()));
    if (!fits) {
      lose(fmt::format("{}: {}", path_, fits.error().text), Error::Kind::invalid);
      return false;
    }
    up_ = true;
    hooks_.up();
    return true;
  }

  void lose(const std::string& why, Error::Kind kind = Error::Kind::missing) {
    close();
    up_ = false;
    const auto waiting = std::exchange(waiting_, {});
    pause_.expires_after(kReconnect);
    pause_.async_wait(whileAlive(weak_from_this(), &State::connect));
    for (const auto& question : waiting) question.onReply(fail(why, Error::Kind::busy));
    hooks_.trouble({why, kind});
  }

  std::string path_;
  Hooks hooks_;
  asio::io_context& loop_;
  asio::local::stream_protocol::socket socket_;
  asio::steady_timer timer_;  ///< for what is being waited for
  asio::steady_timer pause_;  ///< before the next connection
  std::array<char, 64U << 10U> buffer_{};
  ReplyReader reader_;
  std::deque<Question> waiting_;  ///< the first one is being answered
  bool up_ = false;
};

BirdClient::BirdClient(asio::io_context& loop, std::string path, Hooks hooks)
    : state_(std::make_shared<State>(loop, std::move(path), std::move(hooks))) {
  asio::post(loop, whileAlive(std::weak_ptr(state_), &State::connect));
}

BirdClient::~BirdClient() {
  state_->close();
}

bool BirdClient::isUp() const {
  return state_->isUp();
}

void BirdClient::ask(const std::string& command, OnReply onReply) {
  state_->ask(command, std::move(onReply));
}

}  // namespace twill::bgp
