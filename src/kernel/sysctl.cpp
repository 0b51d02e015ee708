// SPDX-License-Identifier: Apache-2.0
#include "kernel/sysctl.hpp"

#include <array>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace twill {
namespace {

/// /proc/sys/net is the opener's own namespace, by way of its thread.
Result<Fd> openSysctl(const std::string& path, int flags) {
  const bool below = !path.starts_with('/') && ("/" + path + "/").find("/../") == std::string::npos;
  if (!below) return fail(fmt::format("'{}' is no path below /proc/sys", path), Error::Kind::invalid);
  Fd fd(::open(("/proc/sys/" + path).c_str(), flags | O_CLOEXEC));
  if (!fd) return failErrno("cannot open /proc/sys/" + path);
  return fd;
}

std::optional<std::string> readSysctl(const std::string& path) {
  const auto fd = openSysctl(path, O_RDONLY);
  if (!fd) return std::nullopt;
  std::array<char, 4096> text{};  // one page is the most that the kernel gives
  const auto size = ::read(fd->get(), text.data(), text.size());
  if (size < 0) return std::nullopt;
  std::string value(text.data(), static_cast<std::size_t>(size));
  while (value.ends_with('\n')) value.pop_back();
  return value;
}

}  // namespace

std::map<std::string, Sysctl> readSysctls(const std::vector<std::string>& paths) {
  std::map<std::string, Sysctl> out;
  for (const auto& path : paths) {
    if (auto value = readSysctl(path))
      out[path] = Sysctl{.path = path, .value = std::move(*value), .owner = {}};
  }
  return out;
}

Result<void> writeSysctl(const Sysctl& sysctl) {
  TWILL_TRY(const Fd fd, openSysctl(sysctl.path, O_WRONLY));
  // The kernel takes a value in one write or not at all.
  if (::write(fd.get(), sysctl.value.data(), sysctl.value.size()) < 0) {
    return failErrno(fmt::format("cannot write '{}' to /proc/sys/{}", sysctl.value, sysctl.path));
  }
  return {};
}

}  // namespace twill
