// SPDX-License-Identifier: Apache-2.0
#include "agent/cleanup.hpp"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "agent/bgp_files.hpp"
#include "agent/tunnel_process.hpp"
#include "base/lock.hpp"
#include "cloud/clouds.hpp"
#include "cloud/reconciler.hpp"
#include "kernel/linux.hpp"
#include "kernel/programs.hpp"
#include "tc/merging_link.hpp"

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

fs::path networkDir(const fs::path& directory, const std::string& network) {
  return directory / "networks" / network;
}

/// Those that an agent has had a directory for, whether or not the options still name them.
std::vector<std::string> networksIn(const fs::path& directory) {
  std::error_code none;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory / "networks", none)) {
    if (entry.is_directory(none)) names.push_back(entry.path().filename());
  }
  return names;
}

Result<void> removeAll(const fs::path& directory, std::initializer_list<const char*> names) {
  for (const char* name : names) TWILL_CHECK(removeFile(directory / name));
  return removeEmpty(directory);
}

Result<void> removeWithAsides(const fs::path& file) {
  TWILL_CHECK(removeFile(file));
  return removeMatching(file.parent_path(),
                        [&](std::string_view name) { return isAside(name, file.filename().string()); });
}

/// What the networks of a node have in directories of their own.
Result<void> removeNetworks(const Options& options) {
  const fs::path subnetFiles = fs::path(options.subnetFile).parent_path() / "networks";
  for (const auto& name : networksIn(options.runDir)) {
    TWILL_CHECK(removeWithAsides(subnetFiles / (name + ".env")));
    TWILL_CHECK(
        removeAll(networkDir(options.runDir, name), {"tunnel.json", "tunnel.sock", "tunnel.sock.lock"}));
  }
  for (const auto& name : networksIn(options.stateDir))
    TWILL_CHECK(removeAll(networkDir(options.stateDir, name), {"etcd.json"}));
  for (const fs::path& directory :
       {fs::path(options.runDir) / "networks", fs::path(options.stateDir) / "networks"})
    TWILL_CHECK(removeEmpty(directory));
  return subnetFiles == fs::path(options.runDir) / "networks" ? Result<void>() : removeEmpty(subnetFiles);
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
  std::vector<fs::path> runDirs{options.runDir};
  for (const auto& network : networksIn(options.runDir))
    runDirs.push_back(networkDir(options.runDir, network));
  for (const auto& directory : runDirs) {
    TWILL_TRY(const int ended, endTunnel(directory));
    if (ended != 0) fmt::print("end twill-tunnel, process {}\n", ended);
  }
  std::vector<fs::path> stateDirs{options.stateDir};
  for (const auto& network : networksIn(options.stateDir))
    stateDirs.push_back(networkDir(options.stateDir, network));
  for (const auto& directory : stateDirs) {
    TWILL_CHECK(
        cloud::removeRememberedRoutes(directory / "cloud.json", cloud::cloudOf,
                                      [](const std::string& route) { fmt::print("remove {}\n", route); }));
  }
  TWILL_TRY(const int bird, bgp::endBird(birdFiles(options).socket));
  if (bird != 0) fmt::print("end BIRD, process {}\n", bird);
  TWILL_TRY(PrivateRoutes bgpRoutes, PrivateRoutes::open(bgpTables()));
  TWILL_TRY(const auto announced, bgpRoutes.clear());
  for (const auto& object : announced) fmt::print("remove {}\n", object);
  TWILL_TRY(const auto links, removePrograms(kTunnelPrograms));
  for (const auto& link : links) fmt::print("remove the tunnel's program at {}\n", link);
  if (tc::MergingLink::remove()) fmt::print("remove the link {}\n", tc::MergingLink::kEntrance);
  TWILL_TRY(const auto encapsulated, removePrograms(kIpipPrograms));
  for (const auto& link : encapsulated) fmt::print("remove ipip's program at {}\n", link);
  TWILL_TRY(const auto bridges, removePrograms(kPortPrograms));
  for (const auto& link : bridges) fmt::print("remove the tunnels' program at {}\n", link);
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

Result<void> endStrayTunnels(const Options& options) {
  const auto& names = options.networks;
  if (!names.empty()) {
    TWILL_TRY(const int ended, endTunnel(options.runDir));
    if (ended != 0) spdlog::info("ended twill-tunnel, process {}, of the network without a name", ended);
  }
  for (const auto& name : networksIn(options.runDir)) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    TWILL_TRY(const int ended, endTunnel(networkDir(options.runDir, name)));
    if (ended != 0) spdlog::info("ended twill-tunnel, process {}, of network {}", ended, name);
  }
  return {};
}

Result<void> removeFiles(const Options& options) {
  const fs::path records = fs::path(options.stateDir) / "attachments";
  TWILL_CHECK(removeMatching(records, [](std::string_view name) {
    return isRecord(name) || (name.ends_with(".tmp") && name.find(".json.") != std::string_view::npos);
  }));
  TWILL_CHECK(removeEmpty(records));
  TWILL_CHECK(removeNetworks(options));
  TWILL_CHECK(removeAll(options.stateDir, {"etcd.json", "bgp.json"}));
  TWILL_CHECK(removeWithAsides(options.subnetFile));
  // The lock last: until then no agent starts.
  return removeAll(options.runDir, {"bird.conf", "bird.conf.new", "bird.ctl", "bird.pid", "tunnel.json",
                                    "tunnel.sock", "tunnel.sock.lock", "twill.sock", "twilld.lock"});
}

}  // namespace twill
