// SPDX-License-Identifier: Apache-2.0
#include "base/process.hpp"

#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace twill {
namespace {

constexpr std::size_t kLongestOutput = 64U << 10U;

/// `output`: where its standard output and error go; -1: where ours do.
Result<int> spawn(const std::vector<std::string>& words, int output) {
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (output >= 0) {
    ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  std::vector<std::string> copies = words;
  std::vector<char*> arguments;
  arguments.reserve(copies.size() + 1);
  for (auto& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int pid = 0;
  const int code = ::posix_spawn(&pid, arguments.front(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) return failErrno("start " + words.front(), code);
  return pid;
}

/// Until the other end is closed, or the time is over.
Result<std::string> readAll(int fd, std::chrono::steady_clock::time_point deadline) {
  std::string text;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    pollfd end{fd, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&end, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return fail("it does not end", Error::Kind::busy);
    if (ready < 0) return failErrno("wait for its words");
    char buffer[4096];
    const ssize_t size = ::read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failErrno("read its words");
    if (size == 0) return text;
    if (text.size() < kLongestOutput) text.append(buffer, static_cast<std::size_t>(size));
  }
}

}  // namespace

Result<int> spawnApart(const std::vector<std::string>& words) {
  return spawn(words, -1);
}

Result<std::string> outputOf(const std::vector<std::string>& words, std::chrono::milliseconds patience) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failErrno("make a pipe");
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  TWILL_TRY(const int pid, spawn(words, writing.get()));
  writing.reset();
  auto text = readAll(reading.get(), std::chrono::steady_clock::now() + patience);
  if (!text) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (!text) return Failure(std::move(text.error()).in(words.front()));
  while (!text->empty() && text->back() == '\n') text->pop_back();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  return fail(text->empty() ? fmt::format("{} failed without a word", words.front()) : *text,
              Error::Kind::invalid);
}

Result<Fd> connectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(path + " is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return failErrno("make a socket");
  const timeval patience{1, 0};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failErrno("connect to " + path);
  return socket;
}

int listenerOf(const std::string& path) {
  const auto socket = connectTo(path);
  ucred peer{};
  socklen_t size = sizeof peer;
  if (!socket || ::getsockopt(socket->get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.pid;
}

Result<Fd> openProcess(int pid) {
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return failErrno(fmt::format("watch process {}", pid));
  return process;
}

}  // namespace twill
