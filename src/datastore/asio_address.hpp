// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include <boost/asio/ip/address.hpp>

#include "net/address.hpp"

/// Between Twill's addresses and Boost's. Private to this room.
namespace twill {

inline boost::asio::ip::address toAsio(const IpAddress& address) {
  if (address.isV4()) return boost::asio::ip::address_v4(address.v4());
  boost::asio::ip::address_v6::bytes_type bytes{};
  std::copy(address.bytes().begin(), address.bytes().end(), bytes.begin());
  return boost::asio::ip::address_v6(bytes);
}

inline IpAddress fromAsio(const boost::asio::ip::address& address) {
  if (address.is_v4()) return IpAddress::fromV4(address.to_v4().to_uint());
  return IpAddress::fromBytes(address.to_v6().to_bytes());
}

}  // namespace twill
