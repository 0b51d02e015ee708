// SPDX-License-Identifier: Apache-2.0
#include "base/mounts.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace twill {
namespace {

int setPrivate() {
  return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
}

}  // namespace

Result<void> makeMountsPrivate() {
  if (setPrivate() == 0) return {};
  if (errno != EINVAL) return failErrno("keep mounts to ourselves");
  // The root of a chroot is seldom a mount point. Entering our own mount namespace takes us to its root,
  // which is one; afterwards we go back.
  Fd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  Fd own(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (!root || !own) return failErrno("open /proc/self/ns/mnt (is /proc mounted in this chroot?)");
  if (::setns(own.get(), CLONE_NEWNS) != 0) return failErrno("leave the chroot for a moment");
  const int failed = setPrivate() == 0 ? 0 : errno;
  if (::fchdir(root.get()) != 0 || ::chroot(".") != 0) return failErrno("go back into the chroot");
  if (failed != 0) return failErrno("keep mounts to ourselves", failed);
  return {};
}

}  // namespace twill
