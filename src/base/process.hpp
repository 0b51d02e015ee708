// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace twill {

/// Starts a program that outlives this process: in a session of its own, with no signal blocked and none of
/// this process's descriptors but its standard ones. Returns its id; it is this process's child.
[[nodiscard]] Result<int> spawnApart(const std::vector<std::string>& words);

/// Runs a program to its end, and returns what it says on standard output and error, 64 KB at most. An error,
/// with these words in it, when it ends with another status than 0; Kind::busy: it took longer than
/// `patience`, and was killed.
[[nodiscard]] Result<std::string> outputOf(const std::vector<std::string>& words,
                                           std::chrono::milliseconds patience);

/// A stream socket to a unix socket's listener; no call on it takes longer than a second.
[[nodiscard]] Result<Fd> connectTo(const std::string& path);

/// Who listens at a unix socket, by process id; 0 when nobody does.
[[nodiscard]] int listenerOf(const std::string& path);

/// Readable when the process has ended.
[[nodiscard]] Result<Fd> openProcess(int pid);

}  // namespace twill
