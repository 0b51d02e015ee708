// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace twill::test {

/// Says that the running test case cannot run here, and why; the case returns right after it. Unless another
/// check failed, the program then exits with 77, which ctest shows as "Skipped" and never as a pass.
void skip(std::string_view reason);

}  // namespace twill::test
