// SPDX-License-Identifier: Apache-2.0
#include "etcd_server.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
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

constexpr const char* kProgram = "/usr/bin/etcd";

int anyPort() {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

std::string outputOf(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part{};
  while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe))
    out.append(part.data(), size);
  const int status = ::pclose(pipe);
  CAPTURE(command);
  REQUIRE(status == 0);
  return out;
}

bool answers(int port) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

int EtcdServer::freePort() {
  return anyPort();
}

std::string EtcdServer::makeDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "twill-etcd.XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

std::unique_ptr<EtcdServer> EtcdServer::make(EtcdSettings settings) {
  if (::access(kProgram, X_OK) != 0) {
    skip("/usr/bin/etcd is not there (package etcd-server)");
    return nullptr;
  }
  if (settings.directory.empty()) settings.directory = makeDirectory();
  std::unique_ptr<EtcdServer> server(new EtcdServer(std::move(settings)));
  server->port_ = anyPort();
  server->start();
  return server;
}

EtcdServer::~EtcdServer() {
  kill();
  std::filesystem::remove_all(settings_.directory);
}

std::string EtcdServer::endpoint() const {
  return fmt::format("{}://127.0.0.1:{}", settings_.scheme, port_);
}

void EtcdServer::start() {
  const std::string peer = fmt::format("http://127.0.0.1:{}", anyPort());
  std::vector<std::string> words{kProgram,
                                 "--name=t",
                                 "--data-dir=" + settings_.directory + "/data",
                                 "--listen-client-urls=" + endpoint(),
                                 "--advertise-client-urls=" + endpoint(),
                                 "--listen-peer-urls=" + peer,
                                 "--initial-advertise-peer-urls=" + peer,
                                 "--initial-cluster=t=" + peer,
                                 "--unsafe-no-fsync",
                                 "--log-level=error"};
  words.insert(words.end(), settings_.arguments.begin(), settings_.arguments.end());
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  process_ = ::fork();
  REQUIRE(process_ >= 0);
  if (process_ == 0) {
    const int log = ::open((settings_.directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv(kProgram, arguments.data());
    ::_exit(127);
  }
  if (!settings_.answers) return;
  for (int i = 0; i < 500 && !answers(port_); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  REQUIRE(answers(port_));
}

void EtcdServer::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = 0;
}

void EtcdServer::freeze() const {
  REQUIRE(::kill(process_, SIGSTOP) == 0);
}

void EtcdServer::thaw() const {
  REQUIRE(::kill(process_, SIGCONT) == 0);
}

std::string EtcdServer::ctl(const std::vector<std::string>& arguments) const {
  std::string command = "ETCDCTL_API=3 etcdctl --endpoints " + endpoint();
  for (const auto& argument : settings_.client) command += " '" + argument + "'";
  for (const auto& argument : arguments) command += " '" + argument + "'";
  return outputOf(command);
}

}  // namespace twill::test
