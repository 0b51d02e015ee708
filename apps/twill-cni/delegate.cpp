// SPDX-License-Identifier: Apache-2.0
#include "delegate.hpp"

#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace twill {
namespace {

/// Longer answers are none that CNI knows.
constexpr off_t kLongestAnswer = 1 << 20;

Result<std::string> find(const std::string& plugin, std::string_view path) {
  const std::string_view all = path;
  while (!path.empty()) {
    const std::string_view directory = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(directory.size() + 1, path.size()));
    std::string candidate = std::string(directory) + "/" + plugin;
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return fail(
      "the ipam plugin " + plugin + " is not in CNI_PATH " + std::string(all) +
          "; install it there, or take ipam.type out of the network config to leave the addresses to Twill",
      Error::Kind::invalid);
}

/// A file in memory: it takes any amount before somebody reads it, which a pipe does not.
Result<Fd> fileWith(std::string_view text) {
  Fd file(::memfd_create("twill-cni", MFD_CLOEXEC));
  if (!file) return failErrno("memfd_create");
  while (!text.empty()) {
    const ssize_t n = ::write(file.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failErrno("write to memory");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return failErrno("lseek");
  return file;
}

Result<std::string> contentOf(const Fd& file) {
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0) return failErrno("lseek");
  if (size > kLongestAnswer) return fail("the ipam plugin's answer is longer than 1 MB");
  std::string text(static_cast<std::size_t>(size), '\0');
  const ssize_t n = ::pread(file.get(), text.data(), text.size(), 0);
  if (n != size) return failErrno("read the ipam plugin's answer");
  return text;
}

Result<pid_t> start(const std::string& program, const Fd& input, const Fd& output) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
  std::string name = program;
  char* const arguments[] = {name.data(), nullptr};
  pid_t child = 0;
  const int failed = ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return failErrno("run " + program, failed);
  return child;
}

}  // namespace

Result<PluginAnswer> runPlugin(const std::string& plugin, const std::string& path, const std::string& command,
                               const std::string& config) {
  TWILL_TRY(const std::string program, find(plugin, path));
  TWILL_TRY(const Fd input, fileWith(config));
  TWILL_TRY(const Fd output, fileWith(""));
  if (::setenv("CNI_COMMAND", command.c_str(), 1) != 0) return failErrno("setenv");
  TWILL_TRY(const pid_t child, start(program, input, output));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failErrno("wait for " + program);
  }
  TWILL_TRY(std::string text, contentOf(output));
  const int exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return PluginAnswer{.exit = exit, .output = std::move(text)};
}

}  // namespace twill
