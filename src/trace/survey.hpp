// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "trace/network.hpp"

namespace twill::trace {

/// A network namespace to look at.
struct Site {
  std::string name;
  PlaceKind kind = PlaceKind::node;
  Fd netns;
  std::optional<TunnelConfig> udp;
};

/// What the kernels of these namespaces hold now, and the cables between them. Enters each namespace for a
/// moment (see NamespaceGuard), later too, whenever Place::lookUp is asked; changes nothing. An error names
/// the site.
[[nodiscard]] Result<Network> survey(std::vector<Site> sites);

}  // namespace twill::trace
