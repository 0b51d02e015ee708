// SPDX-License-Identifier: Apache-2.0
#include "lab/machine.hpp"

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
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
/// the system. `writable`: directories in it that the system may have already. They are then root's, and a
/// lab of somebody else could write nothing there; one that is in the upper layer too has that one's owner.
Result<void> overlay(const Machine& machine, const std::string& target, const std::string& name,
                     std::initializer_list<const char*> writable) {
  struct stat there {};
  if (::stat(target.c_str(), &there) != 0) return failErrno("look at " + target);
  const std::string own = machineDirectory(machine.labDirectory, machine.name) + "/" + name;
  for (const char* part : {"/upper", "/work"}) TWILL_CHECK(makeDirectories(own + part));
  for (const char* directory : writable) TWILL_CHECK(makeDirectories(own + "/upper/" + directory));
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

/// The paths that twilld, a runtime and twill-cni use on any node.
Result<void> furnish(const Machine& machine) {
  TWILL_CHECK(overlay(machine, "/etc", "etc", {"cni/net.d", "twill"}));
  TWILL_CHECK(overlay(machine, "/var/lib", "var-lib", {"cni", "twill"}));
  TWILL_CHECK(overlay(machine, "/opt", "opt", {"cni/bin"}));
  if (machine.isNode) {
    TWILL_CHECK(bindMount(machine.labDirectory + "/network", "/etc/twill/network"));
    TWILL_CHECK(placePlugin(machine));
    TWILL_CHECK(writeFile("/etc/twill/twilld.toml", machine.twilldConfig, Durability::process));
    TWILL_CHECK(writeFile("/etc/cni/net.d/10-twill.conflist", machine.conflist, Durability::process));
  }
  // Last: the lab's own files are often below /run.
  const std::string run = machineDirectory(machine.labDirectory, machine.name) + "/run";
  for (const char* part : {"/netns", "/lock"}) TWILL_CHECK(makeDirectories(run + part));
  return mountOn("/run", run.c_str(), nullptr, MS_BIND);
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

/// As systemd does with Restart=always; an agent that dies at once is not started in a spin.
[[noreturn]] void superviseAgent(const Machine& machine) {
  constexpr auto kShortest = 100ms;  // systemd's default RestartSec
  constexpr auto kLongest = 5s;
  std::chrono::milliseconds pause = kShortest;
  const std::vector<std::string> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  const std::string program =
      machine.binDirectory + (isBeside(machine, "/twilld") ? "" : "/../sbin") + "/twilld";
  for (;;) {
    const auto begin = std::chrono::steady_clock::now();
    auto agent = spawn([&] { return become({program}, environment); });
    auto status = agent ? waitFor(*agent) : Result<int>(Failure(agent.error()));
    const bool lived = std::chrono::steady_clock::now() - begin > 2s;
    pause = lived ? kShortest : std::min<std::chrono::milliseconds>(pause * 2, kLongest);
    fmt::print(stderr, "lab: twilld {}; starting it again in {} ms\n",
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
  if (machine.isNode) superviseAgent(machine);
  for (;;) ::pause();
}

}  // namespace twill::lab
