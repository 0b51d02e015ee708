// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/server.hpp"

namespace twill {

/// {"error": TEXT} with 400 (wrong in itself), 404, 409 (somebody or something is in the way) or 502 (the
/// datastore failed).
[[nodiscard]] api::Response refusal(const Error& error);

}  // namespace twill
