// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.hpp"
#include "base/result.hpp"

/// Processes and namespaces as the lab needs them. Every caller has one thread only.
namespace twill::lab {

/// Forks. The child runs `body`, whose result is its exit status, and never comes back to the caller's code.
[[nodiscard]] Result<pid_t> spawn(const std::function<int()>& body);

/// Exit status; 128 and the signal's number for one that a signal ended, as a shell has it.
[[nodiscard]] Result<int> waitFor(pid_t pid);

struct Pipe {
  Fd read;
  Fd write;
};
/// Both ends close on exec.
[[nodiscard]] Result<Pipe> makePipe();
/// Up to the other end's close.
[[nodiscard]] Result<std::string> readAll(const Fd& fd);

struct Output {
  int status = 0;
  std::string text;
};
/// Runs `body` in a child whose stdin holds `input` (up to 64 KB, what a pipe takes) and whose stdout is
/// collected.
[[nodiscard]] Result<Output> capture(const std::function<int()>& body, const std::string& input = {});

/// Becomes `arguments[0]`, found in PATH, with this environment ("NAME=value"). Returns only when that
/// failed: 127 (not found) or 126, after a message on stderr.
int become(const std::vector<std::string>& arguments, const std::vector<std::string>& environment);

/// One of a process's namespaces: its file below /proc/PID/ns, and CLONE_NEW*.
struct NamespaceKind {
  const char* name;
  int type;
};
/// The calling process moves into these namespaces of another one, all or none; with a mount namespace, to
/// "/" as the other one sees it, and its working directory becomes that.
[[nodiscard]] Result<void> enterNamespaces(pid_t pid, const std::vector<NamespaceKind>& kinds);

}  // namespace twill::lab
