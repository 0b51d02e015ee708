// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trace/diagram.hpp"
#include "trace/diagram_content.hpp"
#include "trace/diagram_picture.hpp"

namespace twill::trace::diagram {

/// Segments one below the other, each with its nodes in rows under it; routers in columns to their left. No
/// two boxes overlap unless one is inside the other, and no text leaves its box: what is too long is cut and
/// has a tip.
[[nodiscard]] Picture layOut(const Content& content, const DiagramLabels& labels);

}  // namespace twill::trace::diagram
