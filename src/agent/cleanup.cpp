// SPDX-License-Identifier: Apache-2.0
#include "agent/cleanup.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/lock.hpp"
#include "kernel/linux.hpp"

namespace twill {
namespace {

Result<void> removePath(const std::string& path) {
  std::error_code error;
  auto removed = std::filesystem::remove_all(path, error);
  if (error) return failErrno("remove " + path, error.value());
  if (removed > 0) fmt::print("remove {}\n", path);
  return {};
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
  TWILL_CHECK(removePath(options.stateDir));
  TWILL_CHECK(removePath(options.subnetFile));
  return removePath(options.runDir);
}

}  // namespace twill
