// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <boost/system/error_code.hpp>

#include "base/result.hpp"

/// Handlers for a loop that do nothing once their object is gone. Private to this room.
namespace twill {

/// For timers, descriptors and post(); does nothing when the wait was cancelled, either.
template <class Object>
auto whileAlive(std::weak_ptr<Object> object, void (Object::*action)()) {
  return [object = std::move(object), action](boost::system::error_code cancelled = {}) {
    const auto self = object.lock();
    if (self && !cancelled) (self.get()->*action)();
  };
}

/// For answers.
template <class Object, class Value>
auto whileAlive(std::weak_ptr<Object> object, void (Object::*action)(Result<Value>)) {
  return [object = std::move(object), action](Result<Value> result) {
    if (const auto self = object.lock()) (self.get()->*action)(std::move(result));
  };
}

}  // namespace twill
