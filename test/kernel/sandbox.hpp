// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "base/fd.hpp"

namespace twill::test {

/// An empty network namespace and a private /run for the calling thread and the programs it starts, for as
/// long as this lives. Whatever a test makes in it goes with it.
class Sandbox {
 public:
  /// Null when this process may not make one: the reason was given to skip() and the test returns.
  static std::unique_ptr<Sandbox> make();
  Sandbox(Fd homeNetwork, Fd homeMounts, Fd homeRoot)
      : homeNetwork_(std::move(homeNetwork)),
        homeMounts_(std::move(homeMounts)),
        homeRoot_(std::move(homeRoot)) {}
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;
  ~Sandbox();

 private:
  Fd homeNetwork_;
  Fd homeMounts_;
  Fd homeRoot_;
};

/// Runs a shell command; a status other than 0 fails the test and shows what it wrote. Returns its output.
std::string sh(const std::string& command);

}  // namespace twill::test
