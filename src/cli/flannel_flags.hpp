// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace twill::cli {

/// What somebody wanted of flanneld, in twilld's words.
struct FlannelTranslation {
  std::vector<std::string> arguments;  ///< for twilld
  std::vector<std::string> notes;      ///< what was asked for and needs no doing, and why
  std::string error;  ///< what cannot be done, or is no flag of flanneld's; empty: all is well
};

/// A variable of the environment; none: it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// flanneld's flags (0.28), as Go's flag package reads them: one dash or two, "-flag=value" or "-flag value",
/// of booleans "-flag" or "-flag=false" alone. A flag that is not given is taken from FLANNELD_*. What
/// neither names has flanneld's default, not twilld's: the map is in etcd, subnet.env in /run/flannel. Pure.
[[nodiscard]] FlannelTranslation fromFlannel(const std::vector<std::string>& arguments,
                                             const Environment& environment);

}  // namespace twill::cli
