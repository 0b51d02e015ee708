// SPDX-License-Identifier: Apache-2.0
#include "base/file.hpp"

#include <array>
#include <cstdio>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/fd.hpp"

namespace twill {
namespace {

std::string directoryOf(const std::string& path) {
  auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> writeAll(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failErrno("write " + path);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> syncDirectory(const std::string& path) {
  Fd dir(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir || ::fsync(dir.get()) != 0) return failErrno("fsync " + path);
  return {};
}

}  // namespace

Result<std::string> readFile(const std::string& path, std::size_t limit) {
  // O_NONBLOCK: a pipe in place of the file must not make us wait for somebody who writes into it.
  Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return failErrno("open " + path);
  std::string text;
  std::array<char, 65536> chunk{};
  for (;;) {
    ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failErrno("read " + path);
    if (n == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(n));
    if (text.size() > limit) {
      return fail(fmt::format("read {}: longer than {} bytes", path, limit), Error::Kind::invalid);
    }
  }
}

Result<void> writeFile(const std::string& path, std::string_view text, Durability durability, mode_t mode) {
  std::string aside = fmt::format("{}.{}.tmp", path, ::getpid());
  auto write = [&]() -> Result<void> {
    Fd fd(::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd) return failErrno("create " + aside);
    if (::fchmod(fd.get(), mode) != 0) return failErrno("chmod " + aside);
    TWILL_CHECK(writeAll(fd.get(), text, aside));
    if (durability == Durability::power && ::fsync(fd.get()) != 0) return failErrno("fsync " + aside);
    if (::rename(aside.c_str(), path.c_str()) != 0) return failErrno("rename " + aside + " to " + path);
    return {};
  };
  if (auto written = write(); !written) {
    ::unlink(aside.c_str());
    return written;
  }
  return durability == Durability::power ? syncDirectory(directoryOf(path)) : Result<void>{};
}

Result<void> overwriteLine(const std::string& path, std::string_view line) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return failErrno("create " + path);
  return writeAll(fd.get(), std::string(line) + '\n', path);
}

Result<void> makeDirectories(const std::string& path, mode_t mode) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return failErrno("mkdir " + part);
    if (at == std::string::npos) return {};
  }
}

}  // namespace twill
