// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trace/diagram_metrics.hpp"

namespace twill::trace::diagram {

/// Puts a card with everything inside it at `at`; the answer is its box. It grows downwards as it needs.
std::size_t placeCard(Picture& out, const Card& card, const Metrics& metrics, BoxStyle style, Point at);

/// Adds `text`, cut to `width` px; an end-anchored one ends at `text.at`.
void write(Picture& out, Text text, int width);

}  // namespace twill::trace::diagram
