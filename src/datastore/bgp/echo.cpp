// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/echo.hpp"

#include <array>
#include <cstring>
#include <map>
#include <random>

#include <boost/asio/ip/icmp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <endian.h>
#include <fmt/format.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <spdlog/spdlog.h>

#include "datastore/asio_address.hpp"
#include "datastore/bgp/liveness.hpp"
#include "datastore/while_alive.hpp"
#include "net/checksum.hpp"

namespace twill::bgp {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using asio::ip::icmp;
using asio::ip::udp;

/// "twl", then whether it is the question or the answer; eight bytes that an answer repeats; and in an answer
/// the sign, in network order.
constexpr std::array<char, 3> kMark{'t', 'w', 'l'};
constexpr char kQuestion = '?';
constexpr char kAnswer = '!';
constexpr std::size_t kSize = 16;
constexpr std::size_t kSignAt = 12;
using Datagram = std::array<char, kSize>;

/// Echo request and reply (RFC 792, RFC 4443): type, code, checksum, identifier, sequence, then our eight
/// bytes.
constexpr std::uint8_t kIcmpRequest = 8, kIcmpReply = 0, kIcmp6Request = 128, kIcmp6Reply = 129;
constexpr std::size_t kIcmpHead = 8;
/// More in a row would keep the loop from other work.
constexpr int kInARow = 256;

}  // namespace

class Echo::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, std::function<void()> onChange)
      : onChange_(std::move(onChange)), udp_(loop), icmp_(loop), timer_(loop) {
    std::random_device dice;
    nonce_ = std::uint64_t{dice()} << 32U | dice();
  }

  Result<void> open(const IpAddress& self, std::uint16_t port) {
    if (udp_.is_open() && self == self_ && port == port_) return {};
    close();
    self_ = self;
    port_ = port;
    ErrorCode error;
    const udp::endpoint at(toAsio(self), port);
    udp_.open(at.protocol(), error);
    if (!error) udp_.non_blocking(true, error);
    if (!error) udp_.bind(at, error);
    if (error) {
      close();
      return fail(
          fmt::format("liveness echo at {} port {}/udp: {}; is another program there? Another port is "
                      "BGP.EchoPort of the network config, on all nodes",
                      self.text(), port, error.message()));
    }
    openIcmp();
    receive();
    turnLater();
    return {};
  }

  void close() {
    ErrorCode ignored;
    udp_.close(ignored);
    icmp_.close(ignored);
    timer_.cancel();
  }

  void follow(const std::set<IpAddress>& peers) { liveness_.follow(peers); }
  [[nodiscard]] std::set<IpAddress> dead() const { return liveness_.dead(); }
  void say(std::uint32_t sign) { sign_ = sign; }
  [[nodiscard]] std::optional<std::uint32_t> heardFrom(const IpAddress& peer) const {
    const auto answer = answers_.find(peer);
    return answer == answers_.end() ? std::nullopt : std::optional(answer->second.sign);
  }

 private:
  /// Without it (CAP_NET_RAW) a node whose agent has ended is taken for dead.
  void openIcmp() {
    ErrorCode error;
    const icmp::endpoint at(toAsio(self_), 0);
    icmp_.open(at.protocol(), error);
    if (!error) icmp_.non_blocking(true, error);
    if (!error) icmp_.bind(at, error);
    if (!error) return takeRepliesOnly();
    spdlog::warn("bgp: no ICMP echo ({}): a node whose agent stops will be taken for dead", error.message());
    icmp_.close(error);
  }

  /// Else all that comes to this node by ICMP would fill the socket.
  void takeRepliesOnly() {
    if (self_.isV4()) {
      const icmp_filter filter{~(1U << kIcmpReply)};
      (void)::setsockopt(icmp_.native_handle(), SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
      return;
    }
    icmp6_filter filter{};
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(kIcmp6Reply, &filter);
    (void)::setsockopt(icmp_.native_handle(), IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
  }

  void receive() {
    udp_.async_wait(udp::socket::wait_read, [weak = weak_from_this()](ErrorCode error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->drainUdp();
      self->tellIfChanged();
      self->receive();
    });
  }

  void turnLater() {
    timer_.expires_after(liveness_.step());
    timer_.async_wait(whileAlive(weak_from_this(), &State::turn));
  }

  void turn() {
    drainUdp();
    drainIcmp();
    const auto now = std::chrono::steady_clock::now();
    forgetSilent(now);
    for (const IpAddress& peer : liveness_.turn(now)) {
      if (peer.family() != self_.family()) continue;
      ask(peer);
      const auto answer = answers_.find(peer);
      const bool answersByUdp = answer != answers_.end() && now - answer->second.at < 3 * liveness_.step();
      if (!answersByUdp && icmp_.is_open()) askByIcmp(peer);
    }
    tellIfChanged();
    turnLater();
  }

  /// What cannot be sent is not answered.
  void ask(const IpAddress& peer) {
    ErrorCode ignored;
    udp_.send_to(asio::buffer(datagram(kQuestion, nonce_)), {toAsio(peer), port_}, 0, ignored);
  }

  static Datagram datagram(char kind, std::uint64_t nonce, std::uint32_t sign = 0) {
    Datagram out{};
    const std::uint32_t ordered = htobe32(sign);
    std::memcpy(out.data() + kSignAt, &ordered, sizeof ordered);
    std::copy(kMark.begin(), kMark.end(), out.begin());
    out[3] = kind;
    std::memcpy(out.data() + 4, &nonce, sizeof nonce);
    return out;
  }

  void askByIcmp(const IpAddress& peer) {
    std::array<std::uint8_t, kIcmpHead + sizeof nonce_> packet{};
    packet[0] = peer.isV4() ? kIcmpRequest : kIcmp6Request;
    std::memcpy(packet.data() + kIcmpHead, &nonce_, sizeof nonce_);
    if (peer.isV4()) {  // of IPv6 the kernel computes it
      const std::uint16_t sum = foldChecksum(addToChecksum(packet));
      std::memcpy(packet.data() + 2, &sum, sizeof sum);
    }
    ErrorCode ignored;
    icmp_.send_to(asio::buffer(packet), {toAsio(peer), 0}, 0, ignored);
  }

  void drainUdp() {
    for (int taken = 0; taken < kInARow; ++taken) {
      Datagram in{};
      udp::endpoint from;
      ErrorCode error;
      const std::size_t size = udp_.receive_from(asio::buffer(in), from, 0, error);
      if (error == asio::error::would_block || error == asio::error::bad_descriptor) return;
      if (error || size != kSize || !std::equal(kMark.begin(), kMark.end(), in.begin())) continue;
      std::uint64_t nonce = 0;
      std::memcpy(&nonce, in.data() + 4, sizeof nonce);
      if (in[3] == kQuestion) {
        udp_.send_to(asio::buffer(datagram(kAnswer, nonce, sign_)), from, 0, error);
      } else if (in[3] == kAnswer && nonce == nonce_) {
        std::uint32_t sign = 0;
        std::memcpy(&sign, in.data() + kSignAt, sizeof sign);
        answered(fromAsio(from.address()), be32toh(sign));
      }
    }
  }

  void answered(const IpAddress& peer, std::uint32_t sign) {
    const auto now = std::chrono::steady_clock::now();
    liveness_.heard(peer, now);
    Answer& last = answers_[peer];
    changed_ = changed_ || last.sign != sign;
    last = {sign, now};
  }

  /// Those that have not answered by UDP for as long as makes a node dead.
  void forgetSilent(TimePoint now) {
    changed_ = std::erase_if(answers_,
                             [&](const auto& entry) {
                               return now - entry.second.at >= Liveness::kSilentSteps * liveness_.step();
                             }) > 0 ||
               changed_;
  }

  void drainIcmp() {
    if (!icmp_.is_open()) return;
    for (int taken = 0; taken < kInARow; ++taken) {
      std::array<std::uint8_t, 256> in{};
      icmp::endpoint from;
      ErrorCode error;
      const std::size_t size = icmp_.receive_from(asio::buffer(in), from, 0, error);
      if (error) return;
      // Of IPv4 the packet's own header comes along.
      const std::size_t head = self_.isV4() ? 4U * (in[0] & 0xfU) : 0;
      if (size < head + kIcmpHead + sizeof nonce_) continue;
      const bool isReply = in[head] == (self_.isV4() ? kIcmpReply : kIcmp6Reply);
      if (isReply && std::memcmp(in.data() + head + kIcmpHead, &nonce_, sizeof nonce_) == 0)
        liveness_.heard(fromAsio(from.address()), std::chrono::steady_clock::now());
    }
  }

  void tellIfChanged() {
    auto dead = liveness_.dead();
    if (dead == dead_ && !std::exchange(changed_, false)) return;
    for (const auto& peer : dead) {
      if (!dead_.contains(peer)) spdlog::warn("bgp: {} does not answer any more; its routes go", peer.text());
    }
    for (const auto& peer : dead_) {
      if (!dead.contains(peer)) spdlog::info("bgp: {} is not missing any more", peer.text());
    }
    dead_ = std::move(dead);
    onChange_();
  }

  struct Answer {
    std::uint32_t sign = 0;
    TimePoint at;
  };

  std::function<void()> onChange_;
  udp::socket udp_;
  icmp::socket icmp_;
  asio::steady_timer timer_;
  IpAddress self_;
  std::uint16_t port_ = 0;
  std::uint64_t nonce_ = 0;  ///< what only who hears this node's questions can answer with
  Liveness liveness_;
  std::map<IpAddress, Answer> answers_;  ///< by UDP, the last of each
  std::uint32_t sign_ = 0;               ///< this node's
  bool changed_ = false;                 ///< answers_ has other signs than were told
  std::set<IpAddress> dead_;             ///< as was told
};

Echo::Echo(asio::io_context& loop, std::function<void()> changed)
    : state_(std::make_shared<State>(loop, std::move(changed))) {}

Echo::~Echo() {
  state_->close();
}

Result<void> Echo::open(const IpAddress& self, std::uint16_t port) {
  return state_->open(self, port);
}

void Echo::follow(const std::set<IpAddress>& peers) {
  state_->follow(peers);
}

std::set<IpAddress> Echo::dead() const {
  return state_->dead();
}

void Echo::say(std::uint32_t sign) {
  state_->say(sign);
}

std::optional<std::uint32_t> Echo::heardFrom(const IpAddress& peer) const {
  return state_->heardFrom(peer);
}

}  // namespace twill::bgp
