// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/bird_process.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include "base/process.hpp"
#include "datastore/bgp/bird_reply.hpp"

namespace twill::bgp {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kSteady = 1s;
constexpr std::chrono::milliseconds kFirstDelay = 100ms;
constexpr std::chrono::milliseconds kLongestDelay = 5s;
constexpr const char* kHint = "; install Debian's package bird2, or say where it is by --bird";
constexpr auto kCheckPatience = 5s;

}  // namespace

BirdProcess::BirdProcess(boost::asio::io_context& loop, BirdFiles files, std::function<void()> changed)
    : files_(std::move(files)), changed_(std::move(changed)), process_(loop), timer_(loop) {}

void BirdProcess::keep() {
  if (runs()) return;
  if (const int pid = listenerOf(files_.socket); pid > 0) {
    spdlog::info("bgp: took over BIRD, process {}", pid);
    startedAt_ = Clock::now();
    watch(pid, false);
  } else {
    start();
  }
}

void BirdProcess::start() {
  std::vector<std::string> words{files_.program, "-f",          "-c", files_.config,
                                 "-s",           files_.socket, "-P", files_.pidFile};
  // In a directory that a reboot empties: since then one has run, and the kernel has its routes.
  std::error_code unseen;
  if (std::filesystem::exists(files_.socket, unseen)) words.emplace_back("-R");
  startedAt_ = Clock::now();
  const auto pid = spawnApart(words);
  if (!pid) {
    problem_ = pid.error().text + kHint;
    return keepLater(kLongestDelay);
  }
  spdlog::info("bgp: started BIRD, process {}{}", *pid,
               words.back() == "-R" ? ", which recovers its routes" : "");
  watch(*pid, true);
}

void BirdProcess::watch(int pid, bool child) {
  auto process = openProcess(pid);
  if (!process) {
    problem_ = process.error().text;
    return keepLater(kLongestDelay);
  }
  process_.assign(process->release());
  pid_ = pid;
  child_ = child;
  problem_.clear();
  process_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this](boost::system::error_code error) {
                        if (!error) onEnd();
                      });
}

void BirdProcess::onEnd() {
  int status = 0;
  if (child_) ::waitpid(pid_, &status, WNOHANG);
  spdlog::warn("bgp: BIRD, process {}, ended{}", pid_,
               WIFSIGNALED(status) ? fmt::format(" by signal {}", WTERMSIG(status)) : "");
  process_.close();
  pid_ = 0;
  const bool steady = Clock::now() - startedAt_ >= kSteady;
  delay_ = steady ? 0ms : std::clamp<std::chrono::milliseconds>(delay_ * 2, kFirstDelay, kLongestDelay);
  if (!steady) problem_ = "BIRD ends as soon as it is started; its own words are in the agent's log";
  keepLater(delay_);
  changed_();
}

void BirdProcess::keepLater(std::chrono::milliseconds delay) {
  timer_.expires_after(delay);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) return;
    keep();
    changed_();
  });
}

void BirdProcess::kill() {
  if (pid_ != 0) ::kill(pid_, SIGKILL);
}

Result<void> BirdProcess::check(const std::string& file) const {
  auto said = outputOf({files_.program, "-p", "-c", file}, kCheckPatience);
  if (said) return {};
  return Failure(std::move(said).error());
}

Result<std::string> BirdProcess::version() const {
  auto output = outputOf({files_.program, "--version"}, kCheckPatience);
  if (!output) return fail(output.error().text + kHint, output.error().kind);
  const std::string said = std::move(*output);
  constexpr std::string_view kBefore = "BIRD version ";
  std::string version =
      said.starts_with(kBefore) ? said.substr(kBefore.size()) : said.substr(0, said.find('\n'));
  if (auto fits = checkVersion(version); !fits) return Failure(std::move(fits.error()).in(files_.program));
  return version;
}

Result<int> endBird(const std::string& socket) {
  const int pid = listenerOf(socket);
  if (pid <= 0) return 0;
  TWILL_TRY(const Fd process, openProcess(pid));
  if (::kill(pid, SIGTERM) != 0) return failErrno(fmt::format("end process {}", pid));
  pollfd end{process.get(), POLLIN, 0};
  if (::poll(&end, 1, 5000) == 1) return pid;
  return fail(fmt::format("BIRD, process {}, does not end; end it by hand", pid));
}

}  // namespace twill::bgp
