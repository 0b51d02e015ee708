// SPDX-License-Identifier: Apache-2.0
#include "fake_cloud.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <string_view>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/process.hpp"
#include "cloud/http.hpp"
#include "skip.hpp"

namespace twill::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPython = "/usr/bin/python3";

/// "ready PORT", the fake's first line.
int portIn(int pipe) {
  std::string line;
  std::array<char, 64> part{};
  while (line.find('\n') == std::string::npos) {
    const ssize_t size = ::read(pipe, part.data(), part.size());
    if (size <= 0) return 0;
    line.append(part.data(), static_cast<std::size_t>(size));
  }
  constexpr std::string_view kReady = "ready ";
  int port = 0;
  if (line.starts_with(kReady)) std::from_chars(line.data() + kReady.size(), line.data() + line.size(), port);
  return port;
}

}  // namespace

std::unique_ptr<FakeCloud> FakeCloud::make(const std::string& program, const std::string& judge,
                                           const nlohmann::json& cloud) {
  if (!outputOf({kPython, "-c", "import " + judge}, 60s)) {
    skip(fmt::format("{} has no module {} (package python3-{})", kPython, judge, judge));
    return nullptr;
  }
  std::unique_ptr<FakeCloud> fake(new FakeCloud);
  const std::string spec = fake->directory_.path("cloud.json");
  REQUIRE(writeFile(spec, cloud.dump(), Durability::process));
  std::array<int, 2> pipe{};
  REQUIRE(::pipe2(pipe.data(), O_CLOEXEC) == 0);
  const std::string path = std::string(TWILL_SOURCE_DIR "/test/cloud/") + program;
  fake->process_ = ::fork();
  REQUIRE(fake->process_ >= 0);
  if (fake->process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // not to outlive a test that crashed
    ::dup2(pipe[1], STDOUT_FILENO);
    ::execl(kPython, kPython, path.c_str(), "--cloud", spec.c_str(), "127.0.0.1:0", nullptr);
    ::_exit(127);
  }
  ::close(pipe[1]);
  fake->port_ = portIn(pipe[0]);
  ::close(pipe[0]);
  REQUIRE(fake->port_ != 0);
  return fake;
}

FakeCloud::~FakeCloud() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

std::string FakeCloud::host() const {
  return fmt::format("127.0.0.1:{}", port_);
}

std::string FakeCloud::url() const {
  return "http://" + host();
}

nlohmann::json FakeCloud::control(const nlohmann::json& faults) const {
  boost::asio::io_context io(1);
  cloud::Http http(io);
  std::string body;
  auto ask = [&]() -> cloud::Task<void> {
    cloud::HttpRequest request{.method = faults.is_null() ? "GET" : "POST", .url = url() + "/control"};
    if (!faults.is_null()) request.body = faults.dump();
    auto answer = co_await http.send(std::move(request));
    REQUIRE(answer);
    body = std::move(answer->body);
  };
  boost::asio::co_spawn(io, ask, boost::asio::detached);
  io.run_for(30s);
  return nlohmann::json::parse(body);
}

cloud::Environment environmentOf(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

bool CloudNode::until(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!holds() && std::chrono::steady_clock::now() < end) {
    io.restart();
    io.run_for(20ms);
  }
  return holds();
}

bool CloudNode::up() {
  return until([this] { return keeper->isUp(); });
}

bool CloudNode::saysSoon(const std::string& words) {
  return until([&] {
    const auto status = keeper->status();
    return status && !status->problems.empty() && status->problems.front().find(words) != std::string::npos;
  });
}

}  // namespace twill::test
