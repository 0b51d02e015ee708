// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/peer.hpp"

#include <array>
#include <set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "datastore/gossip/packet.hpp"
#include "datastore/gossip/stream.hpp"
#include "datastore/while_alive.hpp"

namespace twill::gossip {
namespace {

using boost::asio::ip::udp;
using ErrorCode = boost::system::error_code;

constexpr std::size_t kLongestDatagram = 64U << 10U;
/// Datagrams taken at one go before timers and other sockets have their turn.
constexpr int kDatagramsInARow = 64;
constexpr std::chrono::seconds kStreamTimeout{10};
/// A flood of garbage is a few lines in the log now and then: one of each address, but of so many only.
constexpr std::chrono::seconds kComplaintPause{60};
constexpr std::size_t kMostComplaints = 4;

std::uint64_t seedOf(const PeerOptions& options) {
  return std::random_device{}() ^ (std::uint64_t{std::hash<std::string>{}(options.name)} << 1U);
}

Membership::Options membershipOptions(const PeerOptions& options) {
  Membership::Options made;
  made.name = options.name;
  made.endpoint = options.endpoint;
  made.timers = options.timers;
  made.seed = seedOf(options);
  made.room = datagramRoom(options.keys);
  return made;
}

}  // namespace

class Peer::State final : public Carrier, public std::enable_shared_from_this<State> {
 public:
  State(boost::asio::io_context& loop, PeerOptions options, SerfUser& user, OnRequest onRequest)
      : loop_(loop),
        endpoint_(options.endpoint),
        serf_(membershipOptions(options), options.tags, *this, user),
        keys(std::make_shared<Keyring>(std::move(options.keys))),
        onRequest_(std::move(onRequest)),
        socket_(loop),
        timer_(loop) {}

  Result<void> start() {
    TWILL_CHECK(listen(endpoint_));
    with([](Serf& serf, Time now) { serf.start(now); });
    return {};
  }

  Result<void> move(const Endpoint& endpoint) {
    TWILL_CHECK(listen(endpoint));
    endpoint_ = endpoint;
    with([&](Serf& serf, Time now) { serf.move(now, endpoint); });
    return {};
  }

  void with(const std::function<void(Serf&, Time)>& change) {
    change(serf_, std::chrono::steady_clock::now());
    arm();
  }

  void join(const Endpoint& seed, OnJoined onJoined) {
    exchange(seed, true, [onJoined = std::move(onJoined)](Result<void> done) { onJoined(std::move(done)); });
  }

  void ping(const Endpoint& to, const std::string& name, std::function<void(bool)> onAnswered) {
    callPeer(
        loop_, endpoint_, to, Ping{0, name, endpoint_, serf_.membership().name()}, keys, kStreamTimeout,
        [weak = weak_from_this(), onAnswered = std::move(onAnswered)](const Result<StreamMessage>& answer) {
          if (!weak.expired()) onAnswered(answer && std::holds_alternative<Ack>(*answer));
        });
  }

  void request(const Endpoint& to, const std::string& bytes, OnReply onReply) {
    callPeer(
        loop_, endpoint_, to, User{bytes}, keys, kStreamTimeout,
        [weak = weak_from_this(), onReply = std::move(onReply), to](Result<StreamMessage> answer) {
          if (weak.expired()) return;
          if (!answer) return onReply(Failure(answer.error()));
          if (auto* user = std::get_if<User>(&*answer)) return onReply(std::move(user->bytes));
          const auto* refusal = std::get_if<Refusal>(&*answer);
          onReply(fail(fmt::format("{}: {}", to.text(), refusal ? refusal->text : "an unfitting answer")));
        });
  }

  void send(const Endpoint& to, std::vector<std::string> messages, bool checksum) override {
    const auto datagram = sealDatagram(messages, checksum, true, *keys);
    if (!datagram) return spdlog::debug("gossip: {}", datagram.error().text);
    ErrorCode error;
    socket_.send_to(boost::asio::buffer(*datagram), {toAsio(to.address), to.port}, 0, error);
    // No buffer, no route, a port that is closed: all of them are packets lost, which the protocol is made
    // for.
    if (error) spdlog::debug("gossip: to {}: {}", to.text(), error.message());
  }

  void pushPull(const Endpoint& to, bool join) override {
    exchange(to, join, [](const Result<void>& done) {
      if (!done) spdlog::debug("gossip: {}", done.error().text);
    });
  }

  void pingByStream(const Endpoint& to, const Ping& ping) override {
    callPeer(loop_, endpoint_, to, ping, keys, kStreamTimeout,
             [weak = weak_from_this(), sequence = ping.sequence](const Result<StreamMessage>& answer) {
               const auto self = weak.lock();
               const auto* ack = answer ? std::get_if<Ack>(&*answer) : nullptr;
               if (!self || ack == nullptr || ack->sequence != sequence) return;
               self->with([&](Serf& serf, Time now) { serf.membership().answeredByStream(now, sequence); });
             });
  }

  [[nodiscard]] const Serf& serf() const { return serf_; }

 private:
  boost::asio::io_context& loop_;
  Endpoint endpoint_;
  Serf serf_;

 public:
  std::shared_ptr<Keyring> keys;
  Dropped dropped;

 private:
  /// In place of the sockets that there are, if any.
  Result<void> listen(const Endpoint& endpoint) {
    ErrorCode error;
    const udp::endpoint local(toAsio(endpoint.address), endpoint.port);
    udp::socket socket(loop_);
    socket.open(local.protocol(), error);
    if (!error) socket.bind(local, error);
    if (!error) socket.non_blocking(true, error);
    if (error)
      return failErrno(fmt::format("cannot bind {} (UDP) for the other nodes", endpoint.text()),
                       error.value());
    auto server = std::make_unique<StreamServer>(
        loop_, keys,
        [weak = weak_from_this()](const Endpoint&, StreamMessage message) {
          const auto self = weak.lock();
          return self ? self->answer(std::move(message)) : std::optional<StreamMessage>();
        },
        [weak = weak_from_this()](const Endpoint& from, const Error& wrong) {
          if (const auto self = weak.lock()) self->drop(from, wrong);
        });
    TWILL_CHECK(server->listen(endpoint));
    socket_ = std::move(socket);
    server_ = std::move(server);
    receive();
    return {};
  }

  void exchange(const Endpoint& with, bool join, OnJoined onDone) {
    callPeer(loop_, endpoint_, with, serf_.membership().state(join), keys, kStreamTimeout,
             [weak = weak_from_this(), with, join, onDone = std::move(onDone)](Result<StreamMessage> answer) {
               if (const auto self = weak.lock()) onDone(self->takeAnswer(with, join, std::move(answer)));
             });
  }

  Result<void> takeAnswer(const Endpoint& from, bool join, Result<StreamMessage> answer) {
    TWILL_TRY(StreamMessage message, std::move(answer));
    if (const auto* refusal = std::get_if<Refusal>(&message))
      return fail(fmt::format("{} refuses this node: {}", from.text(), refusal->text), Error::Kind::conflict);
    const auto* theirs = std::get_if<PushPull>(&message);
    if (theirs == nullptr) return fail(from.text() + ": an unfitting answer");
    Result<void> merged;
    with([&](Serf& serf, Time now) {
      merged = serf.merge(now, *theirs);
      if (merged && join) serf.announceJoin(now);
    });
    if (!merged) return Failure(std::move(merged.error()).in(from.text()));
    return {};
  }

  Result<std::optional<StreamMessage>> answer(StreamMessage message) {
    if (const auto* ping = std::get_if<Ping>(&message)) {
      if (ping->node != serf_.membership().name()) return std::nullopt;
      return StreamMessage(Ack{ping->sequence, {}});
    }
    if (const auto* user = std::get_if<User>(&message)) {
      auto reply = onRequest_(user->bytes);
      if (!reply) return StreamMessage(Refusal{reply.error().text});
      return StreamMessage(User{std::move(*reply)});
    }
    const auto* theirs = std::get_if<PushPull>(&message);
    if (theirs == nullptr) return fail("an answer that nobody asked for", Error::Kind::invalid);
    StreamMessage ours = serf_.membership().state(theirs->join);
    Result<void> merged;
    with([&](Serf& serf, Time now) { merged = serf.merge(now, *theirs); });
    if (!merged) return StreamMessage(Refusal{merged.error().text});
    return ours;
  }

  void receive() {
    socket_.async_wait(udp::socket::wait_read, whileAlive(weak_from_this(), &State::takeDatagrams));
  }

  void takeDatagrams() {
    for (int taken = 0; taken < kDatagramsInARow; ++taken) {
      udp::endpoint source;
      ErrorCode error;
      const std::size_t size = socket_.receive_from(boost::asio::buffer(buffer_), source, 0, error);
      if (error == boost::asio::error::would_block) break;
      if (error) continue;  // what an earlier packet met: a closed port
      const Endpoint from{fromAsio(source.address()), source.port()};
      const auto messages = openDatagram({buffer_.data(), size}, *keys);
      if (!messages) {
        drop(from, messages.error());
        continue;
      }
      for (const auto& bytes : *messages) takeMessage(from, bytes);
    }
    arm();
    receive();
  }

  void takeMessage(const Endpoint& from, const std::string& bytes) {
    const auto message = parseMessage(bytes);
    if (!message) return drop(from, message.error());
    serf_.receive(std::chrono::steady_clock::now(), *message, from);
  }

  void drop(const Endpoint& from, const Error& error) {
    const bool isLocked = error.kind == Error::Kind::conflict;
    std::uint64_t& counter = isLocked ? dropped.wrongKey : dropped.garbage;
    ++counter;
    const auto now = std::chrono::steady_clock::now();
    if (now >= complainAgainAt_) {
      complainAgainAt_ = now + kComplaintPause;
      complainedOf_.clear();
    }
    if (complainedOf_.size() >= kMostComplaints || !complainedOf_.insert(from.address).second) return;
    spdlog::warn("gossip: dropped what came from {}: {} (so far {} that no key opens, {} malformed){}",
                 from.text(), error.text, dropped.wrongKey, dropped.garbage,
                 isLocked ? "; if it is a node of this cluster, give it a copy of this node's key file" : "");
  }

  void arm() {
    const Time due = serf_.next();
    if (due == armedFor_) return;
    armedFor_ = due;
    timer_.expires_at(due);
    timer_.async_wait(whileAlive(weak_from_this(), &State::advance));
  }

  void advance() {
    armedFor_ = {};
    with([](Serf& serf, Time now) { serf.advance(now); });
  }

  OnRequest onRequest_;
  udp::socket socket_;
  std::unique_ptr<StreamServer> server_;
  boost::asio::steady_timer timer_;
  Time armedFor_{};
  Time complainAgainAt_{};
  std::set<IpAddress> complainedOf_;  ///< until then
  std::array<char, kLongestDatagram> buffer_{};
};

Peer::Peer(boost::asio::io_context& loop, PeerOptions options, SerfUser& user, OnRequest onRequest)
    : state_(std::make_shared<State>(loop, std::move(options), user, std::move(onRequest))) {}

Peer::~Peer() = default;

Result<void> Peer::start() {
  return state_->start();
}
Result<void> Peer::move(const Endpoint& endpoint) {
  return state_->move(endpoint);
}
void Peer::join(const Endpoint& seed, OnJoined onJoined) {
  state_->join(seed, std::move(onJoined));
}
void Peer::ping(const Endpoint& to, const std::string& name, std::function<void(bool)> onAnswered) {
  state_->ping(to, name, std::move(onAnswered));
}
void Peer::request(const Endpoint& to, const std::string& bytes, OnReply onReply) {
  state_->request(to, bytes, std::move(onReply));
}
const Serf& Peer::serf() const {
  return state_->serf();
}
void Peer::with(const std::function<void(Serf&, Time)>& change) {
  state_->with(change);
}
Keyring& Peer::keys() {
  return *state_->keys;
}
Dropped Peer::dropped() const {
  return state_->dropped;
}

}  // namespace twill::gossip
