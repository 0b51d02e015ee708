// SPDX-License-Identifier: Apache-2.0
#include "lab/process.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace twill::lab {
namespace {

std::vector<char*> pointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<pid_t> spawn(const std::function<int()>& body) {
  std::fflush(nullptr);  // or what waits in a buffer would be written twice
  const pid_t pid = ::fork();
  if (pid < 0) return failErrno("fork");
  if (pid > 0) return pid;
  const int status = body();
  std::fflush(nullptr);
  ::_exit(status);
}

Result<int> waitFor(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return failErrno(fmt::format("wait for process {}", pid));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

Result<Pipe> makePipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failErrno("make a pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<std::string> readAll(const Fd& fd) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failErrno("read from a process");
    if (n == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(n));
  }
}

Result<Output> capture(const std::function<int()>& body, const std::string& input) {
  TWILL_TRY(Pipe in, makePipe());
  TWILL_TRY(Pipe out, makePipe());
  if (::fcntl(in.write.get(), F_SETFL, O_NONBLOCK) != 0) return failErrno("set up a pipe");
  if (::write(in.write.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size())) {
    return failErrno("write a process's input");
  }
  TWILL_TRY(const pid_t pid, spawn([&] {
              if (::dup2(in.read.get(), STDIN_FILENO) < 0 || ::dup2(out.write.get(), STDOUT_FILENO) < 0)
                return 126;
              in.write.reset();
              return body();
            }));
  in.write.reset();
  out.write.reset();
  auto text = readAll(out.read);
  TWILL_TRY(const int status, waitFor(pid));
  if (!text) return Failure(std::move(text.error()));
  return Output{.status = status, .text = std::move(*text)};
}

int become(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  auto own = arguments;
  auto ownEnvironment = environment;
  ::execvpe(own.front().c_str(), pointersTo(own).data(), pointersTo(ownEnvironment).data());
  const int code = errno;
  fmt::print(stderr, "{}: {}\n", arguments.front(), std::strerror(code));
  return code == ENOENT ? 127 : 126;
}

Result<void> enterNamespaces(pid_t pid, const std::vector<NamespaceKind>& kinds) {
  // All are opened before any is entered: after a mount namespace /proc is another one.
  std::vector<Fd> doors;
  Fd root;
  for (const NamespaceKind& kind : kinds) {
    const std::string path = fmt::format("/proc/{}/ns/{}", pid, kind.name);
    doors.emplace_back(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!doors.back()) return failErrno("open " + path);
    if (kind.type != CLONE_NEWNS) continue;
    // A mount namespace's own root is not where its processes have theirs when all of this runs in a chroot.
    root = Fd(::open(fmt::format("/proc/{}/root", pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) return failErrno(fmt::format("open /proc/{}/root", pid));
  }
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (::setns(doors[i].get(), kinds[i].type) != 0) {
      return failErrno(fmt::format("enter the {} namespace of process {}", kinds[i].name, pid));
    }
  }
  if (!root) return {};
  if (::fchdir(root.get()) != 0 || ::chroot(".") != 0 || ::chdir("/") != 0)
    return failErrno("enter its root");
  return {};
}

}  // namespace twill::lab
