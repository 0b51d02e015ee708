// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "lab/lab.hpp"

namespace twill {

struct Capture {
  std::string place;
  std::string link = "eth0";
  int count = 1;
  int seconds = 10;                 ///< that it waits at most, all in all
  std::optional<std::string> host;  ///< only packets with this address in one of their headers
  bool json = false;
};

/// Shows packets as they pass an interface of a place, header by header. Exit status 1: fewer came than were
/// asked for.
[[nodiscard]] Result<int> capturePackets(const lab::Lab& lab, const Capture& what);

}  // namespace twill
