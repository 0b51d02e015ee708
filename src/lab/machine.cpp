// SPDX-License-Identifier: Apache-2.0
#include "lab/machine.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/fnv.hpp"
#include "kernel/sysctl.hpp"

namespace twill::lab {
namespace {

using namespace std::chrono_literals;

Result<void> mountOn(const std::string& target, const char* source, const char* type, unsigned long flags,
                     const std::string& options = {}) {
  if (::mount(source, target.c_str(), type, flags, options.empty() ? nullptr : options.c_str()) == 0)
    return {};
  return failErrno("mount on " + target);
}

/// A writable layer over one of the system's directories, so that paths may be made in it without a trace in
/// the system.
Result<void> overlay(const Machine& machine, const std::string& target, const std::string& name) {
  struct stat there {};
  if (::stat(target.c_str(), &there) != 0) return failErrno("look at " + target);
  const std::string own = machineDirectory(machine.labDirectory, machine.name) + "/" + name;
  for (const char* part : {"/upper", "/work"}) TWILL_CHECK(makeDirectories(own + part));
  return mountOn(target, "overlay", "overlay", 0,
                 fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work{}", target, own, own,
                             machine.mapped ? ",userxattr" : ""));
}

Result<void> bindMount(const std::string& from, const std::string& to) {
  TWILL_CHECK(makeDirectories(to));
  return mountOn(to, from.c_str(), nullptr, MS_BIND);
}

/// In a build all programs lie in one folder. An installed twill finds its plugin in place, and the agent in
/// sbin.
bool isBeside(const Machine& machine, const char* program) {
  return ::access((machine.binDirectory + program).c_str(), X_OK) == 0;
}

Result<void> placePlugin(const Machine& machine) {
  const char* place = "/opt/cni/bin/twill-cni";
  if (!isBeside(machine, "/twill-cni")) return {};
  ::unlink(place);  // what is installed on this machine is another build's
  if (::symlink((machine.binDirectory + "/twill-cni").c_str(), place) != 0)
    return failErrno(std::string("make ") + place);
  return {};
}

/// Directories that start empty on a node: what this machine's own Twill and runtimes keep there is no
/// business of a lab, and where root is only mapped it could not be changed either.
Result<void> emptyDirectories(const Machine& machine) {
  for (const std::string path : {"/etc/cni", "/etc/twill", "/var/lib/cni", "/var/lib/twill"}) {
    const std::string own = machineDirectory(machine.labDirectory, machine.name) + "/own" + path;
    TWILL_CHECK(makeDirectories(own));
    TWILL_CHECK(bindMount(own, path));
  }
  return {};
}

/// Each real node has one, and those of a lab have their system's; one without systemd may have none.
Result<void> ensureMachineId(const Machine& machine) {
  constexpr const char* kPath = "/etc/machine-id";
  if (!readFile(kPath, 4096).value_or("").empty()) return {};
  const std::uint64_t id = fnv1a(machine.labDirectory);
  return writeFile(kPath, fmt::format("{0:016x}{0:016x}\n", id), Durability::process);
}

/// The paths that twilld, a runtime and twill-cni use on any node.
Result<void> furnish(const Machine& machine) {
  TWILL_CHECK(overlay(machine, "/etc", "etc"));
  TWILL_CHECK(overlay(machine, "/var/lib", "var-lib"));
  // Of an overlay only the top is surely ours to write to. The plugins that are installed stay in sight.
  const bool hasPlugins = ::access("/opt/cni/bin", F_OK) == 0;
  TWILL_CHECK(overlay(machine, hasPlugins ? "/opt/cni/bin" : "/opt", "opt"));
  TWILL_CHECK(ensureMachineId(machine));
  TWILL_CHECK(emptyDirectories(machine));
  if (machine.isNode) {
    TWILL_CHECK(bindMount(machine.labDirectory + "/network", "/etc/twill/network"));
    TWILL_CHECK(makeDirectories("/etc/cni/net.d"));
    TWILL_CHECK(makeDirectories("/opt/cni/bin"));
    TWILL_CHECK(placePlugin(machine));
    TWILL_CHECK(writeFile("/etc/twill/twilld.toml", machine.twilldConfig, Durability::process));
    TWILL_CHECK(writeFile("/etc/cni/net.d/10-twill.conflist", machine.conflist, Durability::process));
  }
  // Last: the lab's own files are often below /run.
  const std::string run = machineDirectory(machine.labDirectory, machine.name) + "/run";
  for (const char* part : {"/netns", "/lock"}) TWILL_CHECK(makeDirectories(run + part));
  TWILL_CHECK(mountOn("/run", run.c_str(), nullptr, MS_BIND));
  for (const auto& [path, text] : machine.files) TWILL_CHECK(writeFile(path, text, Durability::process));
  return {};
}

/// How IPv6 behaves on links that are made from now on. For the lab's own cables there is no duplicate
/// address detection, since a real node's uplink has been up for long when an agent starts; and an address
/// outlasts its link's going down, for which a real node has a network manager.
Result<void> setDefaults(bool forCables) {
  const Sysctl detect{
      .path = "net/ipv6/conf/default/accept_dad", .value = forCables ? "0" : "1", .owner = {}};
  const Sysctl keep{
      .path = "net/ipv6/conf/default/keep_addr_on_down", .value = forCables ? "1" : "0", .owner = {}};
  if (readSysctls({keep.path}).empty()) return {};  // no IPv6
  TWILL_CHECK(writeSysctl(keep));
  return writeSysctl(detect);
}

Result<void> setUp(const Machine& machine) {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) != 0) return failErrno("make namespaces");
  if (::sethostname(machine.name.data(), machine.name.size()) != 0) return failErrno("set the host name");
  TWILL_CHECK(setDefaults(true));
  return furnish(machine);
}

Result<Fd> openLog(const Machine& machine) {
  const std::string path = fmt::format("{}/logs/{}.log", machine.labDirectory, machine.name);
  Fd log(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return failErrno("open " + path);
  return log;
}

std::string endOf(int status) {
  return status > 128 ? fmt::format("was ended by signal {}", status - 128)
                      : fmt::format("ended with status {}", status);
}

std::vector<std::string> serviceOf(const Machine& machine) {
  if (!machine.isNode) return machine.service;
  return {machine.binDirectory + (isBeside(machine, "/twilld") ? "" : "/../sbin") + "/twilld"};
}

/// As systemd does with Restart=always; one that dies at once is not started in a spin.
[[noreturn]] void supervise(const std::vector<std::string>& service, std::vector<std::string> environment) {
  constexpr auto kShortest = 100ms;  // systemd's default RestartSec
  constexpr auto kLongest = 5s;
  std::chrono::milliseconds pause = kShortest;
  environment.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  const std::string name = std::filesystem::path(service.front()).filename();
  for (;;) {
    const auto begin = std::chrono::steady_clock::now();
    auto running = spawn([&] { return become(service, environment); });
    auto status = running ? waitFor(*running) : Result<int>(Failure(running.error()));
    const bool lived = std::chrono::steady_clock::now() - begin > 2s;
    pause = lived ? kShortest : std::min<std::chrono::milliseconds>(pause * 2, kLongest);
    fmt::print(stderr, "lab: {} {}; starting it again in {} ms\n", name,
               status ? endOf(*status) : status.error().text, pause.count());
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

std::string machineDirectory(const std::string& labDirectory, const std::string& name) {
  return labDirectory + "/machines/" + name;
}

int runMachine(const Machine& machine, Pipe ready, Pipe go) {
  go.write.reset();
  ready.read.reset();
  auto log = openLog(machine);
  auto done = log ? setUp(machine) : Result<void>(Failure(log.error()));
  const std::string said = done ? "ok" : machine.name + ": " + done.error().text;
  if (::write(ready.write.get(), said.data(), said.size()) < 0 || !done) return 1;
  ready.write.reset();
  if (!readAll(go.read) || !setDefaults(false)) return 1;
  if (::dup2(log->get(), STDOUT_FILENO) < 0 || ::dup2(log->get(), STDERR_FILENO) < 0) return 1;
  if (const auto service = serviceOf(machine); !service.empty()) supervise(service, machine.environment);
  for (;;) ::pause();
}

}  // namespace twill::lab
