// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace twill::tc {

/// A pair of links in the calling thread's network namespace, that puts packets of one TCP connection
/// together (GRO): what a program sends by the one comes out of the other with as many as have come in at
/// once in one piece. No link alone does that for what a program hands on. Neither has an address.
struct MergingLink {
  static constexpr std::string_view kEntrance = "twill-merge", kExit = "twill-merged";

  int entrance = 0, exit = 0;  ///< link indexes

  /// Makes the pair, or takes the one that is there. Errors: no right, no veths in this kernel, or a link by
  /// itself has one of the names.
  [[nodiscard]] static Result<MergingLink> make();
  /// Both links are up, and the same.
  [[nodiscard]] bool isUp() const;
  /// False: there was none.
  static bool remove();
};

}  // namespace twill::tc
