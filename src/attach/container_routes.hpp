// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attach/addresses.hpp"
#include "model/attachment.hpp"

namespace twill {

/// Adds what goes with an address that the attachment just has got: its gateway, and the routes of its
/// family. Those that were asked for stand in for the default route, unless the request wants both.
void addRoutes(const AttachRequest& request, const ChosenAddress& chosen, Attachment& attachment);

}  // namespace twill
