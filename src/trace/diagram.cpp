// SPDX-License-Identifier: Apache-2.0
#include "trace/diagram.hpp"

#include "trace/diagram_content.hpp"
#include "trace/diagram_layout.hpp"
#include "trace/diagram_svg.hpp"

namespace twill::trace {

std::string toSvg(const Network& network, const DiagramLabels& labels) {
  return diagram::write(diagram::layOut(diagram::contentOf(network), labels));
}

}  // namespace twill::trace
