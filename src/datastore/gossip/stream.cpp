// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

namespace twill::gossip {
namespace {

using boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;

constexpr std::size_t kPiece = 64U << 10U;
/// Connections that are answered at the same time; memberlist allows 128 push/pulls.
constexpr int kMostSessions = 64;
/// Anybody may open connections and begin a message on each. Three of the largest fit.
constexpr std::size_t kMostUnread = 3 * StreamReader::kLimit;
constexpr std::chrono::seconds kSessionTimeout{10};
/// What cannot be opened is not answered, so as to tell a stranger nothing.
constexpr const char* kNoWord =
    "it gave no answer, as a node with another key does; if that is so, give both the same key file";

/// What came in on a connection and is no whole message yet, as a part of what all of them hold.
class Unread {
 public:
  explicit Unread(std::shared_ptr<std::size_t> ofAll) : ofAll_(std::move(ofAll)) {}
  ~Unread() { clear(); }
  Unread(const Unread&) = delete;
  Unread& operator=(const Unread&) = delete;

  /// False when it is too much for all together.
  [[nodiscard]] bool add(std::size_t bytes) {
    own_ += bytes;
    *ofAll_ += bytes;
    return *ofAll_ <= kMostUnread;
  }
  void clear() { *ofAll_ -= std::exchange(own_, 0); }

 private:
  std::shared_ptr<std::size_t> ofAll_;
  std::size_t own_ = 0;
};

/// One connection, whichever side opened it: a socket, a limit in time, and what has come so far.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using OnMessage = std::function<void(Result<StreamMessage>)>;

  Connection(tcp::socket opened, std::shared_ptr<const Keyring> keys, std::chrono::seconds timeout,
             std::shared_ptr<std::size_t> unreadOfAll)
      : socket(std::move(opened)),
        keys_(std::move(keys)),
        reader_(*keys_),
        unread_(std::move(unreadOfAll)),
        timer_(this->socket.get_executor()),
        timeout_(timeout) {}

  /// The next step has the whole time again.
  void restartTimer() {
    timer_.expires_after(timeout_);
    timer_.async_wait([weak = weak_from_this()](ErrorCode cancelled) {
      const auto self = weak.lock();
      if (!self || cancelled) return;
      ErrorCode ignored;
      self->socket.close(ignored);
    });
  }

  void read(OnMessage onMessage) {
    socket.async_read_some(boost::asio::buffer(piece_), [self = shared_from_this(),
                                                         onMessage = std::move(onMessage)](
                                                            ErrorCode error, std::size_t size) mutable {
      if (error == boost::asio::error::eof) return onMessage(fail("ended too early", Error::Kind::missing));
      if (error) return onMessage(fail(error.message()));
      if (!self->unread_.add(size))
        return onMessage(fail("a stream at a time when too much has come in others", Error::Kind::invalid));
      auto message = self->reader_.take({self->piece_.data(), size});
      if (!message) return onMessage(Failure(message.error()));
      if (*message) {
        self->unread_.clear();
        return onMessage(std::move(**message));
      }
      self->read(std::move(onMessage));
    });
  }

  void write(std::string bytes, std::function<void(ErrorCode)> onWritten) {
    restartTimer();
    out_ = std::move(bytes);
    boost::asio::async_write(socket, boost::asio::buffer(out_),
                             [self = shared_from_this(), onWritten = std::move(onWritten)](
                                 ErrorCode error, std::size_t) { onWritten(error); });
  }

  tcp::socket socket;

 private:
  std::shared_ptr<const Keyring> keys_;
  StreamReader reader_;
  Unread unread_;
  std::array<char, kPiece> piece_{};
  std::string out_;
  boost::asio::steady_timer timer_;
  std::chrono::seconds timeout_;
};

/// Whatever ends a call for good.
struct Call {
  std::shared_ptr<Connection> connection;
  Endpoint to;
  OnAnswer onAnswer;

  void fails(const std::string& what) const {
    onAnswer(fail(fmt::format("{}: {}", to.text(), what), Error::Kind::busy));
  }
};

}  // namespace

void callPeer(boost::asio::io_context& loop, const Endpoint& from, const Endpoint& to,
              const StreamMessage& message, std::shared_ptr<const Keyring> keys, std::chrono::seconds timeout,
              OnAnswer onAnswer) {
  auto sealed = sealStream(message, true, *keys);
  auto call =
      std::make_shared<Call>(Call{std::make_shared<Connection>(tcp::socket(loop), std::move(keys), timeout,
                                                               std::make_shared<std::size_t>(0)),
                                  to, std::move(onAnswer)});
  ErrorCode error;
  auto& socket = call->connection->socket;
  if (sealed) socket.open(to.address.isV4() ? tcp::v4() : tcp::v6(), error);
  // From the address that this node is known by, which is what the other side's firewall lets in.
  if (sealed && !error) socket.bind({toAsio(from.address), 0}, error);
  if (!sealed || error) {
    boost::asio::post(loop,
                      [call, text = sealed ? error.message() : sealed.error().text] { call->fails(text); });
    return;
  }
  call->connection->restartTimer();
  socket.async_connect({toAsio(to.address), to.port}, [call, bytes = std::move(*sealed)](ErrorCode refused) {
    if (refused) return call->fails(refused.message());
    call->connection->write(bytes, [call](ErrorCode broken) {
      if (broken) return call->fails(broken.message());
      call->connection->restartTimer();
      call->connection->read([call](Result<StreamMessage> answer) {
        if (!answer)
          return call->fails(answer.error().kind == Error::Kind::missing ? kNoWord : answer.error().text);
        call->onAnswer(std::move(answer));
      });
    });
  });
}

class StreamServer::State : public std::enable_shared_from_this<State> {
 public:
  State(boost::asio::io_context& loop, std::shared_ptr<const Keyring> keys, OnMessage onMessage,
        OnGarbage onGarbage)
      : acceptor(loop),
        keys_(std::move(keys)),
        onMessage_(std::move(onMessage)),
        onGarbage_(std::move(onGarbage)),
        pause_(loop) {}

  void accept() {
    acceptor.async_accept([weak = weak_from_this()](ErrorCode error, tcp::socket socket) {
      const auto self = weak.lock();
      if (!self || error == boost::asio::error::operation_aborted) return;
      if (error) return self->acceptLater();
      if (self->sessions_ < kMostSessions) self->serve(std::move(socket));
      self->accept();
    });
  }

  tcp::acceptor acceptor;

 private:
  /// Out of descriptors, most likely: trying at once would spin.
  void acceptLater() {
    pause_.expires_after(std::chrono::milliseconds(100));
    pause_.async_wait([weak = weak_from_this()](ErrorCode cancelled) {
      if (const auto self = weak.lock(); self && !cancelled) self->accept();
    });
  }

  void serve(tcp::socket socket) {
    ErrorCode error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return;
    const Endpoint from{fromAsio(remote.address()), remote.port()};
    auto connection = std::make_shared<Connection>(std::move(socket), keys_, kSessionTimeout, unread_);
    ++sessions_;
    connection->restartTimer();
    connection->read([weak = weak_from_this(), connection, from](Result<StreamMessage> message) {
      const auto self = weak.lock();
      if (!self) return;
      --self->sessions_;
      auto answer = message ? self->onMessage_(from, std::move(*message))
                            : Result<std::optional<StreamMessage>>(Failure(message.error()));
      if (!answer) return self->onGarbage_(from, answer.error());
      if (!*answer) return;
      auto sealed = sealStream(**answer, true, *self->keys_);
      if (sealed) connection->write(std::move(*sealed), [connection](ErrorCode) {});
    });
  }

  std::shared_ptr<const Keyring> keys_;
  OnMessage onMessage_;
  OnGarbage onGarbage_;
  int sessions_ = 0;
  std::shared_ptr<std::size_t> unread_ = std::make_shared<std::size_t>(0);
  boost::asio::steady_timer pause_;
};

StreamServer::StreamServer(boost::asio::io_context& loop, std::shared_ptr<const Keyring> keys,
                           OnMessage onMessage, OnGarbage onGarbage)
    : state_(std::make_shared<State>(loop, std::move(keys), std::move(onMessage), std::move(onGarbage))) {}

StreamServer::~StreamServer() = default;

Result<void> StreamServer::listen(const Endpoint& at) {
  ErrorCode error;
  auto& acceptor = state_->acceptor;
  const tcp::endpoint local(toAsio(at.address), at.port);
  acceptor.open(local.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(local, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) {
    return failErrno(fmt::format("cannot listen on {} (TCP) for the other nodes", at.text()), error.value());
  }
  state_->accept();
  return {};
}

}  // namespace twill::gossip
