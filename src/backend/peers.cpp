// SPDX-License-Identifier: Apache-2.0
#include "backend/peers.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace twill {

bool isOwn(const Lease& lease, const Self& self) {
  if (!lease.node.empty() && !self.node.empty()) return lease.node == self.node;
  return (lease.publicIp && lease.publicIp == self.lease.publicIp) ||
         (lease.publicIp6 && lease.publicIp6 == self.lease.publicIp6);
}

void Notices::add(std::string text) {
  if (texts_.size() < kLimit) {
    texts_.push_back(std::move(text));
  } else {
    ++omitted_;
  }
}

void Notices::moveTo(std::vector<std::string>& out, std::string_view what) && {
  std::move(texts_.begin(), texts_.end(), std::back_inserter(out));
  if (omitted_ > 0) out.push_back(fmt::format("and {} more {}", omitted_, what));
}

}  // namespace twill
