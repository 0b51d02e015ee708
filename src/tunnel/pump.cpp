// SPDX-License-Identifier: Apache-2.0
#include "tunnel/pump.hpp"

#include <map>

#include <fmt/format.h>
#include <netinet/udp.h>
#include <sys/eventfd.h>

namespace twill::tunnel {
namespace {

/// Of a socket, in either direction: some tens of milliseconds at 10 Gbit/s.
constexpr int kBuffer = 8 * 1024 * 1024;

Result<Fd> openSocket(const IpAddress& local, std::uint16_t port) {
  const SocketAddress address(local, port);
  Fd socket(::socket(local.isV4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return failErrno("open a UDP socket");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    const int code = errno;
    const char* hint = code == EADDRINUSE ? " (end who has it, or choose another Port)" : "";
    return failErrno(fmt::format("listen at UDP port {} of {}{}", port, local.text(), hint), code);
  }
  // What is too large for the path is told to who sent it, and not cut.
  if (!setFragmentation(socket.get(), local.family(), false)) return failErrno("turn fragmentation off");
  // The kernel engine of a peer makes no outer checksum, which IPv6 allows tunnels (RFC 6935) and Linux only
  // so.
  const int on = 1;
  if (!local.isV4() && ::setsockopt(socket.get(), SOL_UDP, UDP_NO_CHECK6_RX, &on, sizeof on) != 0)
    return failErrno("take UDP without a checksum");
  // For speed; without it goes, too.
  for (const int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE})
    (void)::setsockopt(socket.get(), SOL_SOCKET, option, &kBuffer, sizeof kBuffer);
  return socket;
}

}  // namespace

Pump::Pump(Tun tun)
    : tun_(std::move(tun)), wake_(::eventfd(0, EFD_CLOEXEC)), broken_(::eventfd(0, EFD_CLOEXEC)) {}

Result<std::unique_ptr<Pump>> Pump::start(const Settings& settings) {
  TWILL_TRY(Tun tun, attachTun(settings.device));
  std::unique_ptr<Pump> pump(new Pump(std::move(tun)));
  if (!pump->wake_ || !pump->broken_) return failErrno("make an event descriptor");
  TWILL_CHECK(pump->open(settings));
  pump->launch();
  return pump;
}

Result<void> Pump::open(const Settings& settings) {
  const std::optional<IpAddress>* locals[] = {&settings.local4, &settings.local6};
  for (std::size_t i = 0; i < 2; ++i) {
    if (!*locals[i]) continue;
    TWILL_TRY(sockets_[i], openSocket(**locals[i], settings.port));
    receivers_.push_back(
        std::make_unique<Receiver>(tun_, sockets_[i].get(), Admission{settings.own}, dropped_));
  }
  sender_ = std::make_unique<Sender>(tun_, sockets_[0].get(), sockets_[1].get(), settings.port, dropped_);
  table_ = std::make_shared<PeerTable>();
  setCoalescing(true);
  return {};
}

template <class Worker>
void Pump::launchOne(Worker& worker) {
  threads_.emplace_back([this, &worker](const std::stop_token& stop) {
    const auto result = worker.run(stop, wake_.get());
    if (result || claimed_.exchange(true)) return;
    error_ = result.error().text;
    failed_.store(true);
    ::eventfd_write(broken_.get(), 1);
  });
}

void Pump::launch() {
  launchOne(*sender_);
  for (auto& receiver : receivers_) launchOne(*receiver);
}

Pump::~Pump() {
  for (auto& thread : threads_) thread.request_stop();
  ::eventfd_write(wake_.get(), 1);
}

/// For speed, too.
void Pump::setCoalescing(bool on) const {
  const int value = on ? 1 : 0;
  for (const Fd& socket : sockets_) {
    if (socket) (void)::setsockopt(socket.get(), SOL_UDP, UDP_GRO, &value, sizeof value);
  }
}

void Pump::setPeers(std::vector<Peer> peers) {
  std::map<std::string_view, std::shared_ptr<PeerCounters>> before;
  for (const Peer& peer : table_->peers()) before.emplace(peer.name, peer.counters);
  for (Peer& peer : peers) {
    if (const auto found = before.find(peer.name); found != before.end()) peer.counters = found->second;
  }
  table_ = std::make_shared<const PeerTable>(std::move(peers));
  sender_->mailbox().put(table_);
  for (auto& receiver : receivers_) receiver->mailbox().put(table_);
}

}  // namespace twill::tunnel
