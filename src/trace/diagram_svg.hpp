// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "trace/diagram_picture.hpp"

namespace twill::trace::diagram {

/// A whole SVG document, fit to stand in an HTML page too: its classes and ids begin with "tw-".
[[nodiscard]] std::string write(const Picture& picture);

}  // namespace twill::trace::diagram
