// SPDX-License-Identifier: Apache-2.0
#include "lab/lab.hpp"

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.hpp"
#include "base/lock.hpp"
#include "kernel/netns.hpp"
#include "lab/lab_files.hpp"

namespace twill::lab {
namespace {

using namespace std::chrono_literals;

Result<pid_t> readPid(const std::string& path) {
  TWILL_TRY(const std::string text, readFile(path, 64));
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  if (pid > 0) return pid;
  return fail(path + " holds no process id");
}

/// The keeper has the lock as long as anything of the lab lives.
bool isLocked(const std::string& directory) {
  if (!std::filesystem::exists(lockFile(directory))) return false;
  auto lock = takeLock(lockFile(directory));
  return !lock && lock.error().kind == Error::Kind::busy;
}

Failure notUp(const std::string& name) {
  const std::string option = name == Spec().name ? "" : " --name " + name;
  return fail(fmt::format("no lab '{}' is up; start it with: twill lab up{}", name, option),
              Error::Kind::missing);
}

/// Into the namespaces of init, and to its root.
Result<void> enterLab(pid_t init, bool mapped) {
  // The user namespace first: only somebody inside may look at the others.
  if (mapped) TWILL_CHECK(enterNamespaces(init, {{"user", CLONE_NEWUSER}}));
  TWILL_CHECK(enterNamespaces(init, {{"pid", CLONE_NEWPID}, {"net", CLONE_NEWNET}, {"mnt", CLONE_NEWNS}}));
  // Only a child is in the PID namespace, and without being in it a process has no /proc/self there.
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return failErrno("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    return {};
  }
  ::signal(SIGINT, SIG_IGN);  // from the keyboard it is for the child, and we report how that one ended
  ::signal(SIGQUIT, SIG_IGN);
  const auto status = waitFor(child);
  ::_exit(status ? *status : 1);
}

}  // namespace

Result<Lab> Lab::open(const std::string& name) {
  Lab lab(labDirectory(name));
  lab.programs_ = programDirectory();  // before we enter: from inside, a chroot's path to it would be another
  if (!isLocked(lab.directory_)) return notUp(name);
  TWILL_TRY(const pid_t init, readPid(initFile(lab.directory_)));
  if (auto inside = enterLab(init, ::geteuid() != 0); !inside) {
    return Failure(std::move(inside.error()).in("lab " + name));
  }
  auto text = readFile(specFile(lab.directory_), 65536);
  if (!text) {
    return fail(
        fmt::format("lab {} is only half up ({}); twill lab down, then up again", name, text.error().text));
  }
  TWILL_TRY(lab.spec_, parseSpec(*text));
  lab.topology_ = topologyOf(lab.spec_);
  return lab;
}

std::vector<PlaceName> Lab::places() const {
  std::vector<PlaceName> places;
  for (const NodePlan& node : topology_.nodes) places.push_back({node.name, ""});
  if (topology_.hasRouter()) places.push_back({"router", ""});
  for (const NodePlan& node : topology_.nodes) {
    for (int i = 0; i < spec_.containers; ++i) {
      PlaceName place{node.name, containerName(i)};
      if (namespaceOf(place)) places.push_back(std::move(place));
    }
  }
  return places;
}

Result<pid_t> Lab::processOf(const std::string& machine) const {
  auto pid = readPid(pidFile(directory_, machine));
  if (pid && ::kill(*pid, 0) == 0) return pid;
  if (pid) {
    return fail(fmt::format("{} is gone; twill lab down, then up again", machine), Error::Kind::missing);
  }
  return fail(fmt::format("no machine '{}' in lab {}; there are {}", machine, spec_.name,
                          fmt::join(machinesOf(topology_), ", ")),
              Error::Kind::missing);
}

Result<std::string> Lab::namespaceOf(const PlaceName& place) const {
  if (place.machine == "wire" && place.container.empty()) return std::string("/proc/1/ns/net");
  TWILL_TRY(const pid_t pid, processOf(place.machine));
  if (place.container.empty()) return fmt::format("/proc/{}/ns/net", pid);
  const std::string path = fmt::format("/proc/{}/root/run/netns/{}", pid, place.container);
  if (openNamespace(path)) return path;
  return fail(fmt::format("no container '{}' on {}", place.container, place.machine), Error::Kind::missing);
}

Result<void> Lab::enter(const PlaceName& place) const {
  TWILL_TRY(const std::string path, namespaceOf(place));
  TWILL_TRY(const Fd netns, openNamespace(path));
  if (place.machine != "wire") {
    TWILL_TRY(const pid_t pid, processOf(place.machine));
    TWILL_CHECK(enterNamespaces(pid, {{"mnt", CLONE_NEWNS}, {"net", CLONE_NEWNET}, {"uts", CLONE_NEWUTS}}));
  }
  if (::setns(netns.get(), CLONE_NEWNET) != 0) return failErrno("enter " + place.text());
  return {};
}

Result<int> Lab::execute(const PlaceName& place, const std::vector<std::string>& command) const {
  TWILL_TRY(const std::string found,
            namespaceOf(place));  // so that a wrong name is our error, not the command's
  TWILL_TRY(const pid_t child, spawn([&] {
              ::prctl(PR_SET_PDEATHSIG, SIGTERM);
              if (auto inside = enter(place); !inside) {
                fmt::print(stderr, "twill: {}\n", inside.error().text);
                return 126;
              }
              const char* path = std::getenv("PATH");
              ::setenv("PATH",
                       fmt::format("{}:{}", programs_, path == nullptr ? "/usr/sbin:/usr/bin" : path).c_str(),
                       1);
              std::vector<std::string> environment;
              for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
              return become(command, environment);
            }));
  // An interrupt from the keyboard is for the command.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  return waitFor(child);
}

bool isRunning(const std::string& name) {
  return isLocked(labDirectory(name));
}

Result<bool> takeDown(const std::string& name) {
  const std::string directory = labDirectory(name);
  const bool running = isLocked(directory);
  if (running) {
    TWILL_TRY(const pid_t keeper, readPid(lockFile(directory)));
    constexpr int kTries = 500;
    for (int i = 0; isLocked(directory); ++i) {
      if (i == kTries)
        return fail(fmt::format("lab {} does not end; its keeper is process {}", name, keeper));
      // The keeper ends init. Should it not get to that, init follows it.
      if (i == 0 || i == kTries / 2) ::kill(keeper, i == 0 ? SIGTERM : SIGKILL);
      std::this_thread::sleep_for(10ms);
    }
  }
  std::error_code error;
  const bool left = std::filesystem::exists(directory, error);
  std::filesystem::remove_all(directory, error);  // of a keeper that was killed
  if (error) return failErrno("remove " + directory, error.value());
  return running || left;
}

std::string programDirectory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace twill::lab
