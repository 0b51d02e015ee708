// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/cluster.hpp"

namespace twill {

/// Whether an entry says what `mine` does; a person may have left out the node's name and the backend's.
[[nodiscard]] bool says(const Lease& entry, const Lease& mine);

/// The lease file `text` with `mine` in place of all earlier entries of the same node, also of those that
/// name no node and have its address; nothing when it is
/// there already. All other entries, and what stands around the list, keep their very bytes. An empty text is
/// an empty list. Kind::conflict: another node holds an overlapping subnet or the same public address;
/// Kind::invalid: the text is malformed, or `mine` has no node or could not be read back. Pure.
[[nodiscard]] Result<std::optional<std::string>> withLease(std::string_view text, const Lease& mine);

/// The lease file `text` without the entries of that subnet; nothing when there are none. Errors as above.
/// Pure.
[[nodiscard]] Result<std::optional<std::string>> withoutLease(std::string_view text, const Prefix& subnet);

}  // namespace twill
