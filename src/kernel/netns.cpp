// SPDX-License-Identifier: Apache-2.0
#include "kernel/netns.hpp"

#include <cstdlib>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file.hpp"

namespace twill {

Result<Fd> openNamespace(const std::string& path) {
  // Without O_NONBLOCK a FIFO under this path would hold us for ever.
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return failErrno(fmt::format("cannot open network namespace {}", path));
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return fail(fmt::format("{} is not a network namespace", path), Error::Kind::invalid);
  }
  return fd;
}

Result<Fd> openNamespace(pid_t pid) {
  return openNamespace(fmt::format("/proc/{}/ns/net", pid));
}

Result<Fd> ownNamespace() {
  return openNamespace("/proc/thread-self/ns/net");
}

bool sameNamespace(const Fd& a, const Fd& b) {
  struct stat one {};
  struct stat other {};
  return ::fstat(a.get(), &one) == 0 && ::fstat(b.get(), &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

std::string namespaceId(const Fd& netns) {
  static const std::string kBoot = readFile("/proc/sys/kernel/random/boot_id", 64).value_or("").substr(0, 8);
  struct stat status {};
  if (::fstat(netns.get(), &status) != 0) return {};
  return fmt::format("{}:{}:{}", kBoot, status.st_dev, status.st_ino);
}

Result<NamespaceGuard> NamespaceGuard::enter(const Fd& target) {
  TWILL_TRY(Fd home, ownNamespace());
  if (::setns(target.get(), CLONE_NEWNET) != 0) return failErrno("cannot enter the network namespace");
  return NamespaceGuard(std::move(home));
}

NamespaceGuard::~NamespaceGuard() {
  if (home_ && ::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace twill
