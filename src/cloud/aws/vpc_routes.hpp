// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <boost/asio/io_context.hpp>

#include "cloud/cloud_routes.hpp"

namespace twill::cloud::aws {

/// The route tables of a VPC, by EC2's query API. A route leads to the network interface that holds the
/// node's address; the tables are those that the wish names, else the one of that interface's subnet, else
/// the VPC's main one.
[[nodiscard]] std::unique_ptr<CloudRoutes> vpcRoutes(boost::asio::io_context& io, const CloudWish& wish,
                                                     Environment environment);

}  // namespace twill::cloud::aws
