// SPDX-License-Identifier: Apache-2.0
#include "agent/tunnel_process.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.hpp"
#include "base/process.hpp"
#include "kernel/programs.hpp"

namespace twill {
namespace {

constexpr auto kSteady = std::chrono::seconds(1);
constexpr auto kFirstDelay = std::chrono::milliseconds(100);
constexpr std::chrono::milliseconds kLongestDelay = std::chrono::seconds(5);
constexpr auto kLook = std::chrono::milliseconds(5);
constexpr int kLooks = 400;  // two seconds
constexpr std::size_t kLongestStatus = 16U << 20U;

TimePoint now() {
  return std::chrono::steady_clock::now();
}

/// Beside this program.
std::string programPath() {
  std::error_code unseen;
  return (std::filesystem::read_symlink("/proc/self/exe", unseen).parent_path() / "twill-tunnel").string();
}

}  // namespace

TunnelProcess::TunnelProcess(boost::asio::io_context& io, const std::string& runDir,
                             std::function<void()> changed)
    : config_(runDir + "/tunnel.json"),
      socket_(runDir + "/tunnel.sock"),
      changed_(std::move(changed)),
      process_(io),
      timer_(io) {}

void TunnelProcess::follow(const std::optional<TunnelConfig>& config) {
  if (!config) {
    if (wanted_ || pid_ == 0) stop();
    return;
  }
  if (wanted_ != config) {
    if (auto done = write(*config); !done) {
      problem_ = done.error().text;
      callAgain(now() + kLongestDelay);
      return;
    }
    wanted_ = config;
    if (up_) problem_.clear();
  }
  if (pid_ != 0 || adopt()) return;
  if (now() < notBefore_) {
    callAgain(notBefore_);
  } else {
    start();
  }
}

void TunnelProcess::callAgain(TimePoint when) {
  timer_.expires_at(when);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) changed_();
  });
}

Result<void> TunnelProcess::write(const TunnelConfig& config) {
  std::string text = config.text();
  if (text == written_) return {};
  TWILL_CHECK(writeFile(config_, text, Durability::process));
  written_ = std::move(text);
  return {};
}

/// One that an agent before this one has started.
bool TunnelProcess::adopt() {
  const int pid = listenerOf(socket_);
  if (pid == 0) return false;
  spdlog::info("twill-tunnel: took over process {}", pid);
  watch(pid, false);
  up_ = pid_ != 0;
  if (up_) problem_.clear();
  return up_;
}

void TunnelProcess::start() {
  startedAt_ = now();
  auto pid = spawnApart({programPath(), "--config", config_, "--socket", socket_});
  if (!pid) {
    problem_ = pid.error().text;
    callAgain(now() + kLongestDelay);
    return;
  }
  spdlog::info("twill-tunnel: started process {}", *pid);
  watch(*pid, true);
  lookForSocket(kLooks);
}

void TunnelProcess::watch(int pid, bool child) {
  auto process = openProcess(pid);
  if (!process) {
    problem_ = process.error().text;
    return;
  }
  process_.assign(process->release());
  pid_ = pid;
  child_ = child;
  process_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](boost::system::error_code error) {
                        if (!error) onEnd();
                      });
}

void TunnelProcess::onEnd() {
  int status = 0;
  if (child_) ::waitpid(pid_, &status, WNOHANG);
  spdlog::warn("twill-tunnel: process {} ended{}", pid_,
               WIFSIGNALED(status) ? fmt::format(" by signal {}", WTERMSIG(status)) : "");
  process_.close();
  pid_ = 0;
  up_ = false;
  timer_.cancel();
  const bool steady = now() - startedAt_ >= kSteady;
  delay_ = steady ? std::chrono::milliseconds(0)
                  : std::clamp<std::chrono::milliseconds>(delay_ * 2, kFirstDelay, kLongestDelay);
  notBefore_ = now() + delay_;
  if (wanted_) {
    problem_ = "twill-tunnel ended; it is started again. Its own words are in the agent's log";
    changed_();
  }
}

/// It listens once its device and its port are in use.
void TunnelProcess::lookForSocket(int attempts) {
  if (listenerOf(socket_) == pid_) {
    up_ = true;
    problem_.clear();
    changed_();
    return;
  }
  if (attempts == 0) {
    problem_ = "twill-tunnel runs, but does not answer at " + socket_;
    changed_();
    return;
  }
  timer_.expires_after(kLook);
  timer_.async_wait([this, attempts](boost::system::error_code cancelled) {
    if (!cancelled && pid_ != 0) lookForSocket(attempts - 1);
  });
}

/// Also one that an agent before this one has left.
void TunnelProcess::stop() {
  wanted_.reset();
  written_.clear();
  problem_.clear();
  timer_.cancel();
  std::error_code unseen;
  if (!std::filesystem::exists(config_, unseen) && pid_ == 0) return;
  if (const int pid = pid_ != 0 ? pid_ : listenerOf(socket_); pid > 0) {
    ::kill(pid, SIGTERM);
  } else if (const auto left = removePrograms(kTunnelPrograms); !left) {
    spdlog::warn("twill-tunnel: {}", left.error().text);
  }
  std::filesystem::remove(config_, unseen);
  std::filesystem::remove(socket_, unseen);
}

Result<TunnelProcess::Status> TunnelProcess::status() const {
  if (pid_ == 0) return fail("twill-tunnel does not run", Error::Kind::missing);
  TWILL_TRY(const Fd socket, connectTo(socket_));
  std::string text;
  char buffer[65536];
  for (ssize_t n = 0; (n = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > kLongestStatus) return fail(socket_ + " answers without end");
  }
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("dropped"))
    return fail(socket_ + " does not answer as twill-tunnel does");
  // One from before an upgrade says less.
  auto problem = engineProblem(json.value("engine_wanted", ""), json.value("engine", ""),
                               json.value("engine_reason", ""));
  return Status{std::move(text), json["dropped"].value("strangers", std::uint64_t{0}), std::move(problem)};
}

std::string engineProblem(std::string_view wanted, std::string_view engine, std::string_view reason) {
  if (wanted != "kernel" || engine != "user") return {};
  return fmt::format(
      "Backend.Engine is \"kernel\", but packets go by user space: {}; mend that and end twill-tunnel, which "
      "is started again at once, or set Backend.Engine to \"auto\"",
      reason);
}

Result<int> endTunnel(const std::string& runDir) {
  const int pid = listenerOf(runDir + "/tunnel.sock");
  if (pid == 0) return 0;
  TWILL_TRY(const Fd process, openProcess(pid));
  if (::kill(pid, SIGTERM) != 0) return failErrno(fmt::format("end process {}", pid));
  pollfd end{process.get(), POLLIN, 0};
  if (::poll(&end, 1, 2000) == 1) return pid;
  return fail(fmt::format("twill-tunnel, process {}, does not end; end it by hand", pid));
}

}  // namespace twill
