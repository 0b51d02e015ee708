// SPDX-License-Identifier: Apache-2.0
#include "agent/cleanup.hpp"

#include <filesystem>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "agent/tunnel_process.hpp"
#include "base/lock.hpp"
#include "kernel/linux.hpp"
#include "kernel/programs.hpp"

namespace twill {
namespace {

namespace fs = std::filesystem;

Result<void> removeFile(const fs::path& path) {
  std::error_code error;
  const bool removed = fs::remove(path, error);
  if (error) return failErrno("remove " + path.string(), error.value());
  if (removed) fmt::print("remove {}\n", path.string());
  return {};
}

/// One that holds more than ours stays, and so does one that is a mount.
Result<void> removeEmpty(const fs::path& directory) {
  if (::rmdir(directory.c_str()) == 0) {
    fmt::print("remove {}\n", directory.string());
  } else if (errno == ENOTEMPTY || errno == EEXIST || errno == EBUSY) {
    fmt::print("keep {}: it holds other files, or is a mount\n", directory.string());
  } else if (errno != ENOENT) {
    return failErrno("remove " + directory.string());
  }
  return {};
}

/// Files of `directory` whose names `isOurs` knows.
template <class IsOurs>
Result<void> removeMatching(const fs::path& directory, IsOurs isOurs) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (isOurs(entry.path().filename().string())) found.push_back(entry.path());
  }
  if (error && error.value() != ENOENT) return failErrno("read " + directory.string(), error.value());
  for (const auto& path : found) TWILL_CHECK(removeFile(path));
  return {};
}

bool isRecord(std::string_view name) {
  return name.ends_with(".json") || name.ends_with(".json.broken") || name.starts_with("last_reserved.");
}

/// What writeFile() leaves beside its target when it is killed.
bool isAside(std::string_view name, std::string_view target) {
  return name.starts_with(std::string(target) + ".") && name.ends_with(".tmp");
}

}  // namespace

Result<void> cleanUp(const Options& options) {
  std::string lockFile = options.runDir + "/twilld.lock";
  Fd lock;
  if (std::filesystem::exists(lockFile)) {
    auto taken = takeLock(lockFile);
    if (!taken) return Failure(std::move(taken.error()).in("stop the agent first"));
    lock = std::move(*taken);
  }
  TWILL_TRY(const int ended, endTunnel(options.runDir));
  if (ended != 0) fmt::print("end twill-tunnel, process {}\n", ended);
  TWILL_TRY(const auto links, removePrograms(kTunnelPrograms));
  for (const auto& link : links) fmt::print("remove the tunnel's program at {}\n", link);
  TWILL_TRY(const auto passed, removePrograms(kFastPathPrograms));
  for (const auto& link : passed) fmt::print("remove the fast path's program at {}\n", link);
  TWILL_TRY(std::unique_ptr<LinuxKernel> kernel, LinuxKernel::open());
  TWILL_TRY(KernelState actual, kernel->read({}));
  auto operations = diff({}, actual).operations;
  auto results = kernel->apply(operations);
  std::size_t failed = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    fmt::print("{}\n", describe(operations[i]));
    if (results[i]) continue;
    failed++;
    spdlog::error("{}: {}", describe(operations[i]), results[i].error().text);
  }
  if (failed > 0)
    return fail(fmt::format("{} of {} objects could not be removed", failed, operations.size()));
  // Records only once their interfaces are gone: they are what a second attempt would go by.
  return removeFiles(options);
}

Result<void> removeFiles(const Options& options) {
  const fs::path records = fs::path(options.stateDir) / "attachments";
  TWILL_CHECK(removeMatching(records, [](std::string_view name) {
    return isRecord(name) || (name.ends_with(".tmp") && name.find(".json.") != std::string_view::npos);
  }));
  TWILL_CHECK(removeEmpty(records));
  TWILL_CHECK(removeEmpty(options.stateDir));
  const fs::path subnetFile = options.subnetFile;
  TWILL_CHECK(removeFile(subnetFile));
  TWILL_CHECK(removeMatching(subnetFile.parent_path(), [&](std::string_view name) {
    return isAside(name, subnetFile.filename().string());
  }));
  const fs::path runDir = options.runDir;
  // The lock last: until then no agent starts.
  for (const char* name : {"tunnel.json", "tunnel.sock", "tunnel.sock.lock", "twill.sock", "twilld.lock"})
    TWILL_CHECK(removeFile(runDir / name));
  return removeEmpty(runDir);
}

}  // namespace twill
