// SPDX-License-Identifier: Apache-2.0
#include "sandbox.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/mounts.hpp"
#include "skip.hpp"

namespace twill::test {

std::unique_ptr<Sandbox> Sandbox::make() {
  Fd network(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  Fd mounts(::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC));
  Fd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  // TSan starts a thread of its own with the first of ours. In the sandbox it would share our root directory
  // for ever, and the kernel would refuse the way back (EINVAL, setns(2)).
  std::thread([] {}).join();
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
    skip(std::string("no namespaces: ") + std::strerror(errno) + "; run as root");
    return nullptr;
  }
  auto sandbox = std::make_unique<Sandbox>(std::move(network), std::move(mounts), std::move(root));
  REQUIRE(makeMountsPrivate());
  REQUIRE(::mount("none", "/run", "tmpfs", 0, nullptr) == 0);
  // Nobody else is on these links; without the wait for a duplicate a test need not wait either.
  sh("ip link set lo up; sysctl -qw net.ipv6.conf.default.accept_dad=0");
  return sandbox;
}

Sandbox::~Sandbox() {
  // A thread that was joined still shares our root directory for a moment, and until then the kernel refuses,
  // too.
  const auto enterMounts = [&] { return ::setns(homeMounts_.get(), CLONE_NEWNS) == 0 || errno != EINVAL; };
  for (int attempt = 0; attempt < 1000 && !enterMounts(); ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  // Going on in the sandbox would let the next test damage it, or this one's leavings damage the next.
  if (::setns(homeNetwork_.get(), CLONE_NEWNET) != 0 || ::setns(homeMounts_.get(), CLONE_NEWNS) != 0)
    std::abort();
  // A mount namespace's root is not ours when the tests run in a chroot.
  if (::fchdir(homeRoot_.get()) != 0 || ::chroot(".") != 0) std::abort();
}

std::string sh(const std::string& command) {
  std::string output;
  std::FILE* pipe = ::popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4096> part{};
  for (std::size_t size = 0; (size = std::fread(part.data(), 1, part.size(), pipe)) > 0;) {
    output.append(part.data(), size);
  }
  const int status = ::pclose(pipe);
  INFO(command << '\n' << output);
  CHECK(status == 0);
  return output;
}

}  // namespace twill::test
