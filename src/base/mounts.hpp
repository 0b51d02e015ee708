// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.hpp"

namespace twill {

/// After unshare(CLONE_NEWNS): from now on no mount of this namespace is seen elsewhere, and none from
/// elsewhere is seen here. Works in a chroot, too. The caller has one thread.
[[nodiscard]] Result<void> makeMountsPrivate();

}  // namespace twill
