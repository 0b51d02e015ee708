// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agent/path_mtus.hpp"
#include "base/result.hpp"

namespace twill {

/// Hears what routers say of IPIP packets that they could not send on: nobody in the kernel does where
/// programs, and no driver, make such packets. In the network namespace of the calling thread, on the
/// io_context's one thread.
class TooBigListener {
 public:
  explicit TooBigListener(boost::asio::io_context& io, std::function<void(const TooBig&)> heard);

  /// Takes CAP_NET_RAW.
  [[nodiscard]] Result<void> start();

 private:
  void wait();
  void receive();

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer rest_;
  std::function<void(const TooBig&)> heard_;
};

}  // namespace twill
