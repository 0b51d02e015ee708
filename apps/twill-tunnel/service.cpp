// SPDX-License-Identifier: Apache-2.0
#include "service.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/lock.hpp"

namespace twill {
namespace {

constexpr auto kRest = std::chrono::seconds(5);

tunnel::Settings settingsOf(const TunnelConfig& config) {
  return {.device = config.device,
          .port = config.port,
          .local4 = config.local4,
          .local6 = config.local6,
          .own = config.own};
}

std::vector<tunnel::Peer> peersOf(const TunnelConfig& config) {
  std::vector<tunnel::Peer> peers;
  peers.reserve(config.peers.size());
  for (const auto& peer : config.peers)
    peers.push_back({.name = peer.name,
                     .endpoint = peer.endpoint,
                     .prefixes = peer.prefixes,
                     .partialChecksums = peer.partialChecksums});
  return peers;
}

Result<Fd> openSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  // Before any thread is made, so that all of them leave these to the descriptor.
  if (const int code = ::pthread_sigmask(SIG_BLOCK, &set, nullptr)) return failErrno("block signals", code);
  Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return failErrno("make a descriptor for signals");
  return signals;
}

/// What tells when programs or links come and go. Without it the service goes on, and does not repair.
Fd openLinks() {
  Fd links(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_TC;
  if (!links || ::bind(links.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    spdlog::warn("watch links: {}", std::strerror(errno));
    return {};
  }
  return links;
}

}  // namespace

Result<std::unique_ptr<TunnelService>> TunnelService::start(const TunnelPlaces& places) {
  std::unique_ptr<TunnelService> service(new TunnelService(places));
  TWILL_TRY(service->lock_, takeLock(places.socket + ".lock"));
  TWILL_TRY(service->signals_, openSignals());
  TWILL_CHECK(service->watchConfig());
  service->links_ = openLinks();
  TWILL_CHECK(service->readConfig());
  TWILL_CHECK(service->listen());
  return service;
}

Result<void> TunnelService::watchConfig() {
  changes_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes_) return failErrno("watch files");
  const auto directory = std::filesystem::path(places_.config).parent_path().string();
  if (::inotify_add_watch(changes_.get(), directory.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
    return failErrno("watch " + directory);
  return {};
}

Result<void> TunnelService::listen() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (places_.socket.size() >= sizeof address.sun_path)
    return fail(places_.socket + " is too long for a socket");
  std::memcpy(address.sun_path, places_.socket.data(), places_.socket.size());
  listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_) return failErrno("open a socket");
  ::unlink(places_.socket.c_str());  // that of one who was killed; the lock says that there is no other
  const mode_t before = ::umask(0117);
  const int bound = ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int code = errno;
  ::umask(before);
  if (bound != 0) return failErrno("listen at " + places_.socket, code);
  if (::listen(listener_.get(), 16) != 0) return failErrno("listen at " + places_.socket);
  return {};
}

/// Other peers are handed to the running pump; for anything else there is a new one, as its sockets and what
/// it lets in are made once.
Result<void> TunnelService::readConfig() {
  TWILL_TRY(const std::string text, readFile(places_.config));
  auto config = TunnelConfig::parse(text);
  if (!config) return Failure(std::move(config).error().in(places_.config));
  if (!pump_ || settingsOf(*config) != settingsOf(config_)) {
    pump_.reset();  // its device and port have to be free
    TWILL_TRY(pump_, tunnel::Pump::start(settingsOf(*config)));
    spdlog::info("{} at UDP port {}", config->device, config->port);
  }
  config_ = std::move(*config);
  pump_->setPeers(peersOf(config_));
  setEngine();
  spdlog::info("{} peers", config_.peers.size());
  return {};
}

/// A level: what the config asks for, and what the links and the kernel allow now. The pump is there in any
/// case.
void TunnelService::setEngine() {
  retryAt_.reset();
  auto done = config_.engine == "user" ? fail("the network config says so") : useKernel();
  if (!done) {
    kernel_.reset();
    if (reason_ != done.error().text) {
      const auto level = config_.engine == "kernel" ? spdlog::level::warn : spdlog::level::info;
      spdlog::log(level, "engine: user; {}", done.error().text);
    }
    reason_ = done.error().text;
    if (config_.engine != "user")
      retryAt_ = Clock::now() + (done.error().kind == Error::Kind::missing ? Clock::duration(0) : kRest);
  }
  // The kernel engine by itself takes datagrams one by one.
  pump_->setCoalescing(!kernel_ || config_.engine != "kernel");
}

Result<void> TunnelService::useKernel() {
  const auto settings = settingsOf(config_);
  const bool automatic = config_.engine == "auto";
  const tunnel::KernelEngine::Where where{.underlay = config_.underlay, .floodsByUser = automatic};
  if (kernel_ && kernel_->serves(settings, where) && kernel_->isIntact() &&
      kernel_->setPeers(peersOf(config_)))
    return {};
  TWILL_TRY(auto fresh, tunnel::KernelEngine::start(settings, where, peersOf(config_)));
  if (kernel_) fresh->takeOver(*kernel_);
  kernel_ = std::move(fresh);
  reason_ = automatic
                ? "this kernel takes it; floods of what is not TCP go by user space, which is faster for them"
                : "the network config says so";
  if (!kernel_->unmerged().empty()) spdlog::warn("bulk is slow: {}", kernel_->unmerged());
  spdlog::info("engine: {} at {}; {}", automatic ? "kernel and user" : "kernel", config_.underlay, reason_);
  return {};
}

/// Many events, one look. A link that is missing may be there now; for another reason not to take the
/// programs the kernel is asked less often.
void TunnelService::onLinkChange() {
  std::array<char, 8192> buffer{};
  while (::recv(links_.get(), buffer.data(), buffer.size(), 0) > 0 || errno == ENOBUFS) continue;
  if (kernel_ ? !kernel_->isIntact() : retryAt_ && Clock::now() >= *retryAt_) setEngine();
}

bool TunnelService::configChanged() const {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  const auto name = std::filesystem::path(places_.config).filename().string();
  bool changed = false;
  for (ssize_t n = 0; (n = ::read(changes_.get(), buffer.data(), buffer.size())) > 0;) {
    for (const char* at = buffer.data(); at < buffer.data() + n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      changed = changed || (event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && name == event->name);
      at += sizeof(inotify_event) + event->len;
    }
  }
  return changed;
}

Result<void> TunnelService::run() {
  while (true) {
    std::array<pollfd, 5> events{{{signals_.get(), POLLIN, 0},
                                  {changes_.get(), POLLIN, 0},
                                  {listener_.get(), POLLIN, 0},
                                  {pump_->brokenFd(), POLLIN, 0},
                                  {links_.get(), POLLIN, 0}}};
    if (::poll(events.data(), events.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return failErrno("poll");
    }
    if (events[0].revents != 0) return {};
    if (events[3].revents != 0) return fail(config_.device + ": " + pump_->error());
    if (events[2].revents != 0) answer();
    if (events[4].revents != 0) onLinkChange();
    if (events[1].revents != 0 && configChanged()) {
      auto read = readConfig();
      if (!read && !pump_) return read;
      if (!read) spdlog::error("{}; what was before stays", read.error().text);
    }
  }
}

void TunnelService::answer() const {
  const Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return;
  // Whoever does not read it is not waited for long.
  const timeval patience{1, 0};
  (void)::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const std::string text = status();
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = ::send(client.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return;
    at += static_cast<std::size_t>(n);
  }
}

std::string TunnelService::status() const {
  const auto& dropped = pump_->dropped();
  nlohmann::json root{{"device", config_.device},
                      {"port", config_.port},
                      {"pid", ::getpid()},
                      {"engine", !kernel_                   ? "user"
                                 : config_.engine == "auto" ? "kernel and user"
                                                            : "kernel"},
                      {"engine_wanted", config_.engine},
                      {"engine_reason", reason_},
                      {"dropped",
                       {{"strangers", dropped.strangers.load()},
                        {"misdirected", dropped.misdirected.load()},
                        {"malformed", dropped.malformed.load()},
                        {"unreachable", dropped.unreachable.load()},
                        {"too_large", dropped.tooLarge.load()},
                        {"unwritten", dropped.unwritten.load()}}},
                      {"peers", nlohmann::json::array()}};
  const auto inKernel = kernel_ ? kernel_->numbers() : std::map<std::string, tunnel::PeerNumbers>();
  for (const auto& peer : pump_->peers().peers()) {
    const auto& counters = *peer.counters;
    const auto found = inKernel.find(peer.name);
    const auto more = found != inKernel.end() ? found->second : tunnel::PeerNumbers{};
    root["peers"].push_back({{"name", peer.name},
                             {"endpoint", peer.endpoint.text()},
                             {"sent_packets", counters.sentPackets.load() + more.sentPackets},
                             {"sent_bytes", counters.sentBytes.load() + more.sentBytes},
                             {"received_packets", counters.receivedPackets.load() + more.receivedPackets},
                             {"received_bytes", counters.receivedBytes.load() + more.receivedBytes},
                             {"sent_packets_by_kernel", more.sentPackets},
                             {"received_packets_by_kernel", more.receivedPackets}});
  }
  return root.dump(1) + "\n";
}

}  // namespace twill
