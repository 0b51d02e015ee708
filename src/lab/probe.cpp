// SPDX-License-Identifier: Apache-2.0
#include "lab/probe.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <random>

#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include "kernel/netns.hpp"
#include "lab/sockets.hpp"

namespace twill::lab {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kResend = 250ms;  // ARP may still be busy when the first echo request goes out
constexpr std::array kFamilies{Family::v4, Family::v6};

/// One subject's sockets of one family.
struct Station {
  Fd icmp;
  Listener listener;
};

class Prober {
 public:
  explicit Prober(const std::vector<Subject>& subjects) : subjects_(subjects) {}

  Result<void> openStations() {
    for (const Subject& subject : subjects_) {
      TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(subject.netns));
      for (const Family family : kFamilies) {
        Station& station = stations_.emplace_back();
        if (!target(subject, family)) continue;
        TWILL_TRY(station.icmp, openIcmp(family));
        TWILL_TRY(station.listener, openListener(family));
      }
    }
    return {};
  }

  /// Everything from one subject to all others.
  Result<void> runFrom(std::size_t from, std::chrono::milliseconds patience) {
    first_ = observations_.size();
    starts_.clear();
    TWILL_CHECK(begin(from));
    const auto deadline = Clock::now() + patience;
    auto resend = Clock::now() + kResend;
    while (Clock::now() < deadline && !allDone()) {
      awaitSockets(std::min(deadline, resend));
      if (Clock::now() < resend) continue;
      for (std::size_t i = first_; i < observations_.size(); ++i) sendAgain(i);
      resend += kResend;
    }
    attempts_.clear();
    accepted_.clear();
    open_.clear();
    return {};
  }

  std::vector<Observation> take() { return std::move(observations_); }

 private:
  static std::optional<IpAddress> target(const Subject& subject, Family family) {
    for (const IpAddress& address : subject.targets) {
      if (address.family() == family) return address;
    }
    return std::nullopt;
  }

  Station& station(std::size_t subject, Family family) {
    return stations_[subject * kFamilies.size() + (family == Family::v4 ? 0 : 1)];
  }

  Result<void> begin(std::size_t from) {
    TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(subjects_[from].netns));
    for (std::size_t to = 0; to < subjects_.size(); ++to) {
      if (to == from) continue;
      for (const IpAddress& address : subjects_[to].targets) {
        if (!target(subjects_[from], address.family())) continue;
        for (const Protocol protocol : {Protocol::icmp, Protocol::tcp}) {
          observations_.push_back({.from = from, .to = to, .address = address, .protocol = protocol});
          TWILL_CHECK(start(observations_.size() - 1));
        }
      }
    }
    return {};
  }

  Result<void> start(std::size_t number) {
    Observation& observation = observations_[number];
    starts_.push_back(Clock::now());
    const Family family = observation.address.family();
    if (observation.protocol == Protocol::icmp) {
      noteError(observation, sendEcho(station(observation.from, family).icmp.get(), observation.address,
                                      nonce_, static_cast<std::uint32_t>(number)));
      return {};
    }
    TWILL_TRY(Attempt attempt,
              beginConnection({observation.address, station(observation.to, family).listener.port}));
    noteError(observation, attempt.error);
    if (attempt.error == 0) attempts_[number] = std::move(attempt.fd);
    return {};
  }

  void sendAgain(std::size_t number) {
    Observation& observation = observations_[number];
    if (observation.protocol != Protocol::icmp || observation.complete()) return;
    starts_[number - first_] = Clock::now();
    noteError(observation, sendEcho(station(observation.from, observation.address.family()).icmp.get(),
                                    observation.address, nonce_, static_cast<std::uint32_t>(number)));
  }

  static void noteError(Observation& observation, int code) {
    observation.error = code == 0 ? "" : std::strerror(code);
  }

  bool allDone() const {
    return std::all_of(observations_.begin() + static_cast<std::ptrdiff_t>(first_), observations_.end(),
                       [](const Observation& one) { return one.complete(); });
  }

  void awaitSockets(Clock::time_point until) {
    std::vector<pollfd> waiting;
    auto add = [&waiting](const Fd& fd, short events) {
      if (fd) waiting.push_back({.fd = fd.get(), .events = events, .revents = 0});
    };
    for (const Station& station : stations_) {
      add(station.icmp, POLLIN);
      add(station.listener.fd, POLLIN);
    }
    for (const auto& [number, fd] : attempts_) add(fd, POLLOUT);
    for (const Fd& fd : accepted_) add(fd, POLLIN);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(std::max<long>(left, 0))) <= 0) return;
    for (std::size_t i = 0; i < stations_.size(); ++i) {
      if (!stations_[i].icmp) continue;
      hear(stations_[i], kFamilies[i % kFamilies.size()]);
      accept(stations_[i]);
    }
    finishAttempts();
    readAccepted();
  }

  Observation* observationOf(std::uint32_t number) {
    return number >= first_ && number < observations_.size() ? &observations_[number] : nullptr;
  }

  void hear(const Station& station, Family family) {
    while (auto echo = receiveEcho(station.icmp.get(), family)) {
      Observation* observation = echo->nonce == nonce_ ? observationOf(echo->number) : nullptr;
      if (observation == nullptr) continue;
      if (echo->request) {
        saw(*observation, echo->ttl, echo->source);
      } else {
        answer(*observation, echo->number);
      }
    }
  }

  static void saw(Observation& observation, int ttl, const IpAddress& source) {
    observation.reached = true;
    observation.ttl = ttl;
    observation.seenAs = source;
  }

  void answer(Observation& observation, std::size_t number) {
    if (observation.answered) return;
    observation.answered = true;
    observation.rtt =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - starts_[number - first_]);
  }

  void accept(const Station& station) {
    for (;;) {
      Fd fd(::accept4(station.listener.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) return;
      accepted_.push_back(std::move(fd));
    }
  }

  /// A connection that stands says which observation it is: behind a NAT its address would not tell.
  void finishAttempts() {
    for (auto at = attempts_.begin(); at != attempts_.end();) {
      pollfd ready{.fd = at->second.get(), .events = POLLOUT, .revents = 0};
      if (::poll(&ready, 1, 0) <= 0) {
        ++at;
        continue;
      }
      const std::size_t number = at->first;
      Observation& observation = observations_[number];
      int code = 0;
      socklen_t size = sizeof code;
      ::getsockopt(at->second.get(), SOL_SOCKET, SO_ERROR, &code, &size);
      const auto told = static_cast<std::uint32_t>(number);
      if (code == 0 && ::send(at->second.get(), &told, sizeof told, MSG_NOSIGNAL) < 0) code = errno;
      noteError(observation, code);
      if (code == 0) {
        answer(observation, number);
        open_.push_back(std::move(at->second));
      }
      at = attempts_.erase(at);
    }
  }

  void readAccepted() {
    std::erase_if(accepted_, [this](const Fd& fd) {
      std::uint32_t number = 0;
      const ssize_t size = ::recv(fd.get(), &number, sizeof number, 0);
      if (size < 0 && errno == EAGAIN) return false;
      SocketAddress peer;
      Observation* observation = size == sizeof number ? observationOf(number) : nullptr;
      if (observation != nullptr && ::getpeername(fd.get(), peer.get(), &peer.size) == 0) {
        saw(*observation, ttlOfSyn(fd.get()), peer.endpoint().address);
      }
      return true;
    });
  }

  const std::vector<Subject>& subjects_;
  const std::uint64_t nonce_ = std::random_device()() | 1U;  // 0 stands for "no echo"
  std::vector<Station> stations_;                            ///< by subject and family
  std::vector<Observation> observations_;
  std::size_t first_ = 0;                  ///< of this source
  std::vector<Clock::time_point> starts_;  ///< of its observations
  std::map<std::size_t, Fd> attempts_;     ///< connections on their way, by observation
  std::vector<Fd> open_;      ///< connections that stand; closing one early would lose what was sent
  std::vector<Fd> accepted_;  ///< the other ends, until they have said who they are
};

}  // namespace

Result<std::vector<Observation>> probe(const std::vector<Subject>& subjects,
                                       std::chrono::milliseconds patience) {
  Prober prober(subjects);
  TWILL_CHECK(prober.openStations());
  constexpr int kPatientSources = 5;
  int waited = 0;  // sources whose patience ran out
  for (std::size_t from = 0; from < subjects.size(); ++from) {
    // A large network that is broken all over is not waited for anew at each of its places.
    const auto begin = Clock::now();
    const auto enough = waited < kPatientSources ? patience : patience / 4;
    if (auto done = prober.runFrom(from, enough); !done) {
      return Failure(std::move(done.error()).in(subjects[from].name));
    }
    waited += int{Clock::now() - begin >= enough};
  }
  return prober.take();
}

}  // namespace twill::lab
