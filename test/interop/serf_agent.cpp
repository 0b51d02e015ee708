// SPDX-License-Identifier: Apache-2.0
#include "serf_agent.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "skip.hpp"

namespace twill::test {
namespace {

constexpr const char* kProgram = "/usr/bin/serf";

sockaddr_in socketAddress(const std::string& address, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  REQUIRE(::inet_pton(AF_INET, address.c_str(), &at.sin_addr) == 1);
  return at;
}

bool bindTo(const Fd& socket, sockaddr_in& at) {
  socklen_t size = sizeof at;
  return ::bind(socket.get(), reinterpret_cast<sockaddr*>(&at), size) == 0 &&
         ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0;
}

std::string textOf(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

std::uint16_t SerfAgent::freePort(const std::string& address) {
  for (int i = 0; i < 100; ++i) {
    const Fd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Fd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in at = socketAddress(address, 0);
    REQUIRE(bindTo(tcp, at));
    if (bindTo(udp, at)) return ntohs(at.sin_port);
  }
  FAIL("no port is free for both UDP and TCP");
  return 0;
}

SerfAgent::SerfAgent(SerfSettings settings) : settings_(std::move(settings)) {
  directory_ = (std::filesystem::temp_directory_path() / "twill-serf.XXXXXX").string();
  REQUIRE(::mkdtemp(directory_.data()) != nullptr);
  port_ = freePort(settings_.address);
  rpcPort_ = freePort("127.0.0.1");
}

std::unique_ptr<SerfAgent> SerfAgent::make(SerfSettings settings) {
  if (::access(kProgram, X_OK) != 0) {
    skip("/usr/bin/serf is not there (package serf)");
    return nullptr;
  }
  std::unique_ptr<SerfAgent> agent(new SerfAgent(std::move(settings)));
  agent->start();
  return agent;
}

SerfAgent::~SerfAgent() {
  kill();
  std::filesystem::remove_all(directory_);
}

void SerfAgent::start() {
  std::vector<std::string> words{
      kProgram,
      "agent",
      "-node=" + settings_.node,
      fmt::format("-bind={}:{}", settings_.address, port_),
      fmt::format("-rpc-addr=127.0.0.1:{}", rpcPort_),
      "-tag=role=stock",
      "-log-level=debug",
      fmt::format("-event-handler=user=echo \"$SERF_USER_EVENT $(cat)\" >> {}/events", directory_)};
  words.insert(words.end(), settings_.arguments.begin(), settings_.arguments.end());
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  process_ = ::fork();
  REQUIRE(process_ >= 0);
  if (process_ == 0) {
    const int log = ::open((directory_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv(kProgram, arguments.data());
    ::_exit(127);
  }
  for (int i = 0; i < 200 && ctl("members").status != 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::string log = textOf(directory_ + "/log");
  CAPTURE(log);
  REQUIRE(ctl("members").status == 0);
}

void SerfAgent::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = 0;
}

SerfAgent::Outcome SerfAgent::ctl(const std::string& command,
                                  const std::vector<std::string>& arguments) const {
  std::string line = fmt::format("timeout 60 {} {} -rpc-addr=127.0.0.1:{}", kProgram, command, rpcPort_);
  for (const auto& argument : arguments) line += fmt::format(" '{}'", argument);
  Outcome outcome;
  FILE* pipe = ::popen((line + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return outcome;
  std::array<char, 4096> part{};
  while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe))
    outcome.output.append(part.data(), size);
  outcome.status = ::pclose(pipe);
  return outcome;
}

std::string SerfAgent::events() const {
  return textOf(directory_ + "/events");
}

std::string SerfAgent::complaints() const {
  std::istringstream log(textOf(directory_ + "/log"));
  std::string found;
  for (std::string line; std::getline(log, line);) {
    if (line.find("agent.ipc") != std::string::npos)
      continue;  // its command line's connection, not a member's
    for (const auto* sign : {"decode", "unknown message", "not supported", "unexpected", "checksum",
                             "ompress", "crypt", "rejected", "failed to receive"}) {
      const bool isComplaint =
          line.find("[ERR]") != std::string::npos || line.find("[WARN]") != std::string::npos;
      if (!isComplaint || line.find(sign) == std::string::npos) continue;
      found += line + '\n';
      break;
    }
  }
  return found;
}

}  // namespace twill::test
