// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "datastore/gossip/keyring.hpp"

/// The keys of the cluster on this node's disk: one a line in base64, the first encrypts. Lines that begin
/// with # are passed over.
namespace twill::gossip {

/// A new key: 32 bytes of the system's random numbers.
[[nodiscard]] Result<std::string> newKey();

/// No file: an empty ring. Kind::invalid: others than its owner may read it, or it holds something else.
[[nodiscard]] Result<Keyring> readKeyFile(const std::string& path);
/// A file with a new key. Kind::exists: there is one.
[[nodiscard]] Result<void> makeKeyFile(const std::string& path);
/// For the owner's eyes alone, and safe from power failure.
[[nodiscard]] Result<void> writeKeyFile(const std::string& path, const Keyring& keys);

}  // namespace twill::gossip
