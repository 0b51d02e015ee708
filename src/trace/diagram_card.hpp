// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "trace/diagram_content.hpp"

namespace twill::trace::diagram {

/// What is to be said about the node or router `place`, but for its uplinks. A container belongs to the place
/// at the other end of its cable; one without a cable to the node that its name starts with: "node1/con1".
[[nodiscard]] Card cardOf(const Network& network, std::size_t place);

/// True for a container that cardOf() shows with another place.
[[nodiscard]] bool hasParent(const Network& network, std::size_t container);

/// Other end of the cable, null when it is not known.
[[nodiscard]] const Interface* otherEnd(const Network& network, const Interface& interface);

/// What stops frames on an interface and its cable: "eth0 down", "eth0 no carrier".
[[nodiscard]] std::string faultOf(const Network& network, const Interface& interface);

/// Those that are worth showing: no loopback, no link-local ones.
[[nodiscard]] std::vector<InterfaceAddress> addressesOf(const Interface& interface);

}  // namespace twill::trace::diagram
