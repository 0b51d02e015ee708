// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace twill {

/// twill-cni without CNI_COMMAND: a person has called it, not a runtime. Says what it is, or does what the
/// arguments say, and returns the exit status.
int runByHand(int argc, char** argv);

}  // namespace twill
