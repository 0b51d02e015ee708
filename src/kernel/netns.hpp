// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <sys/types.h>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace twill {

/// A network namespace by its path (/run/netns/x, /proc/PID/ns/net). An error names the path; anything that
/// is not a network namespace is Kind::invalid.
[[nodiscard]] Result<Fd> openNamespace(const std::string& path);
/// That of a process.
[[nodiscard]] Result<Fd> openNamespace(pid_t pid);
/// That of the calling thread.
[[nodiscard]] Result<Fd> ownNamespace();
/// True when both descriptors are the same namespace.
[[nodiscard]] bool sameNamespace(const Fd& a, const Fd& b);

/// Tells a namespace from others that come to be under the same path: /proc/PID/ns/net is another container's
/// once the process id is used again, and after a reboot. Boot, device and inode; no blanks.
[[nodiscard]] std::string namespaceId(const Fd& netns);

/// The calling thread works in another network namespace for as long as this lives. It must die on the same
/// thread; when the way back fails the process aborts, since all that follows would hit the wrong namespace.
/// Sockets belong to the namespace in which they were opened, wherever they are used later.
class NamespaceGuard {
 public:
  [[nodiscard]] static Result<NamespaceGuard> enter(const Fd& target);
  NamespaceGuard(NamespaceGuard&&) noexcept = default;
  NamespaceGuard& operator=(NamespaceGuard&&) = delete;
  ~NamespaceGuard();

 private:
  explicit NamespaceGuard(Fd home) : home_(std::move(home)) {}
  Fd home_;
};

}  // namespace twill
