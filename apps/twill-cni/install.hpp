// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace twill {

/// twill-cni install: puts this program among the CNI plugins and writes the conflist, each by rename, so
/// that a runtime sees the old file or the new one. What stands already and is the same stays. Prints what it
/// does and returns the exit status.
int install(int argc, char** argv);

}  // namespace twill
