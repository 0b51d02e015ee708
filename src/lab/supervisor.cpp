// SPDX-License-Identifier: Apache-2.0
#include "lab/supervisor.hpp"

#include <array>
#include <csignal>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/lock.hpp"
#include "lab/init.hpp"
#include "lab/process.hpp"

namespace twill::lab {
namespace {

Result<void> writeSmall(const std::string& path, std::string_view text) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
  return failErrno("write " + path);
}

/// A user who is not root becomes root of a namespace of their own, in which nobody else exists.
Result<void> becomeRoot() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER) != 0) {
    auto failure = failErrno("make a user namespace");
    failure.value().text +=
        "; this system does not let users make one (user.max_user_namespaces, "
        "kernel.unprivileged_userns_clone, "
        "AppArmor). Run the lab as root: sudo twill lab up";
    return failure;
  }
  TWILL_CHECK(writeSmall("/proc/self/setgroups", "deny"));
  TWILL_CHECK(writeSmall("/proc/self/uid_map", fmt::format("0 {} 1", uid)));
  return writeSmall("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

void silence() {
  Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) (void)::dup2(null.get(), fd);
}

/// Waits for init to end, or ends it when told to.
void await(pid_t init, const sigset_t& signals) {
  for (;;) {
    int signal = 0;
    if (::sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGCHLD) ::kill(init, SIGKILL);  // and the kernel ends everything in its PID namespace
    if (::waitpid(init, nullptr, signal == SIGCHLD ? WNOHANG : 0) == init) return;
  }
}

Result<pid_t> startInit(const InitTask& task, Fd& report, const sigset_t& blocked) {
  if (task.mapped) TWILL_CHECK(becomeRoot());
  if (::unshare(CLONE_NEWPID) != 0) return failErrno("make a PID namespace");
  TWILL_TRY(const pid_t init, spawn([&] {
              ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
              return runInit(task, std::move(report));
            }));
  auto written = writeFile(initFile(task.directory), fmt::format("{}\n", init), Durability::process);
  if (written) return init;
  ::kill(init, SIGKILL);
  return Failure(std::move(written.error()));
}

/// The keeper's life. It must not hold on to anything of the caller's, a terminal or a pipe.
int keep(const InitTask& task, Fd report) {
  ::setsid();
  auto say = [&report](const std::string& text) {
    const std::string line = "! " + text + "\n";
    (void)!::write(report.get(), line.data(), line.size());
    return 1;
  };
  auto lock = takeLock(lockFile(task.directory));
  if (!lock) return say(lock.error().text);
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  silence();

  auto init = startInit(task, report, signals);
  if (!init) say(init.error().text);
  report.reset();
  if (init) await(*init, signals);
  ::unlink(initFile(task.directory).c_str());
  ::unlink(lockFile(task.directory).c_str());
  ::rmdir(task.directory.c_str());
  ::rmdir(task.directory.substr(0, task.directory.rfind('/')).c_str());  // the last lab's keeper succeeds
  return 0;
}

/// Hands on what init says until it is up.
Result<void> listen(const Fd& report, const Progress& progress) {
  std::string waiting;
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t n = ::read(report.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("the lab's first process ended before the lab was up");
    waiting.append(chunk.data(), static_cast<std::size_t>(n));
    for (std::size_t end = 0; (end = waiting.find('\n')) != std::string::npos; waiting.erase(0, end + 1)) {
      const std::string line = waiting.substr(0, end);
      if (line.starts_with("+")) return {};
      if (line.starts_with("! ")) return fail(line.substr(2));
      if (line.starts_with(". ")) progress(line.substr(2));
    }
  }
}

}  // namespace

Result<void> launch(const Spec& spec, const std::string& directory, const std::string& binDirectory,
                    const Progress& progress) {
  InitTask task{
      .spec = spec, .directory = directory, .binDirectory = binDirectory, .mapped = ::geteuid() != 0};
  TWILL_TRY(Pipe report, makePipe());
  // Twice, so that the keeper is nobody's child and the caller has nothing to wait for later.
  TWILL_TRY(const pid_t between, spawn([&] {
              report.read.reset();
              return spawn([&] { return keep(task, std::move(report.write)); }) ? 0 : 1;
            }));
  report.write.reset();
  TWILL_TRY(const int status, waitFor(between));
  if (status != 0) return fail("fork failed");
  return listen(report.read, progress);
}

std::string lockFile(const std::string& directory) {
  return directory + "/lock";
}

std::string initFile(const std::string& directory) {
  return directory + "/init";
}

}  // namespace twill::lab
