// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>

#include "cloud/cloud_routes.hpp"

namespace twill::cloud::gce {

/// The routes of a VPC network of Google's, which has one table. A route leads to the node's instance.
[[nodiscard]] std::unique_ptr<CloudRoutes> networkRoutes(boost::asio::io_context& io, const CloudWish& wish,
                                                         const Environment& environment);

}  // namespace twill::cloud::gce
