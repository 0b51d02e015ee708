// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "cni/call.hpp"

namespace twill::cni {

/// "<key>: <value> is not <expected>", code 7.
[[nodiscard]] tl::unexpected<CniError> bad(const std::string& key, const nlohmann::json& value,
                                           std::string_view expected);

/// Whether two words differ in case at most.
[[nodiscard]] bool sameWord(std::string_view a, std::string_view b);

/// ""; runtimes send it for what is not given.
[[nodiscard]] bool isEmptyText(const nlohmann::json& value);

/// A member by name whatever its case: containerd writes "PortMappings" where the specification has
/// "portMappings". Null counts as absent.
[[nodiscard]] const nlohmann::json* memberOf(const nlohmann::json& object, std::string_view name);

/// The config as JSON object, what the plugin flannel has under `delegate` included; code 6 for anything
/// else: not UTF-8, nested deeper than 64, longer than kConfigLimit.
[[nodiscard]] CniResult<nlohmann::json> decodeConfig(std::string_view config);

/// cniVersion of a config; 0.1.0 when there is none, as the specification says. Code 7 when it is not text.
[[nodiscard]] CniResult<std::string> versionOf(const nlohmann::json& config);

/// Fills in what config, runtimeConfig, args and CNI_ARGS say about the interface.
[[nodiscard]] CniResult<void> readConfig(const nlohmann::json& config, std::string_view cniArgs,
                                         AttachRequest& request);

}  // namespace twill::cni
