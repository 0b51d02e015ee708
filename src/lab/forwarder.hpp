// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace twill::lab {

/// A process that stays in the network namespace in which it was made, outside of the lab, and takes
/// connections from within: each goes on to the first of some endpoints that answers.
class Forwarder {
 public:
  /// `endpoints`: "http://HOST:PORT". The process waits for open().
  [[nodiscard]] static Result<Forwarder> start(const std::vector<std::string>& endpoints);
  /// Listens on all of the namespace's addresses.
  [[nodiscard]] Result<void> open(const Fd& netns, std::uint16_t port);
  [[nodiscard]] pid_t process() const { return process_; }

 private:
  Forwarder(Fd wire, pid_t process) : wire_(std::move(wire)), process_(process) {}
  Fd wire_;  ///< the listening socket goes this way
  pid_t process_;
};

/// HOST and PORT of "http://HOST:PORT". Kind::invalid: it is something else, such as https, whose
/// certificates name another address than the lab's nodes see.
[[nodiscard]] Result<std::pair<std::string, std::string>> parseEndpoint(const std::string& endpoint);

}  // namespace twill::lab
