// SPDX-License-Identifier: Apache-2.0
#include "base/lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "base/file.hpp"

namespace twill {

Result<Fd> takeLock(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return failErrno("open lock file " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failErrno("lock " + path);
    auto holder = readFile(path, 64);
    return fail(
        fmt::format("{} is held by process {}", path, holder ? holder->substr(0, holder->find('\n')) : "?"),
        Error::Kind::busy);
  }
  std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
    return failErrno("write " + path);
  }
  return fd;
}

}  // namespace twill
