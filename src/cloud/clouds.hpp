// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>

#include "cloud/cloud_routes.hpp"

namespace twill::cloud {

/// The cloud of the wish's type, with credentials and endpoints of the process's environment; null when there
/// is none of that type.
[[nodiscard]] std::unique_ptr<CloudRoutes> cloudOf(boost::asio::io_context& io, const CloudWish& wish);

}  // namespace twill::cloud
