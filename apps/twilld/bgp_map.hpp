// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "agent/options.hpp"
#include "agent/underlay.hpp"
#include "datastore/bgp/bgp_datastore.hpp"

namespace twill {

/// The map by BGP, as the options say. `options` must outlive it. An error: the kernel does not let itself be
/// asked for routes.
[[nodiscard]] Result<std::unique_ptr<BgpDatastore>> openBgp(boost::asio::io_context& io,
                                                            const Options& options,
                                                            const RouteQuestion& routeTo);

}  // namespace twill
