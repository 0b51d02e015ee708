// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace twill {

/// What went wrong, as a person should read it: what was tried, on which object, what came back, what to do
/// next.
struct Error {
  enum class Kind {
    failed,    ///< anything without a more exact kind below
    invalid,   ///< the input is wrong; trying again with the same input is pointless
    conflict,  ///< somebody else holds what was asked for
    missing,   ///< the object is not there
    exists,    ///< the object is there already
    busy,      ///< may succeed later, unchanged
  };
  std::string text;
  Kind kind = Kind::failed;
  int code = 0;  ///< errno, 0 when no system call was involved

  /// The same error seen from further up: "<what>: <text>".
  [[nodiscard]] Error in(std::string_view what) && {
    text = std::string(what) + ": " + text;
    return std::move(*this);
  }
};

/// tl::expected under an own name, so that std::expected is a one-line change later.
template <class T>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

/// A failure without a system call behind it.
[[nodiscard]] Failure fail(std::string text, Error::Kind kind = Error::Kind::failed);

/// A failed system call: "<what>: <strerror(code)>", kind derived from the errno value.
[[nodiscard]] Failure failErrno(std::string_view what, int code = errno);

}  // namespace twill

#define TWILL_CONCAT_(a, b) a##b
#define TWILL_CONCAT(a, b) TWILL_CONCAT_(a, b)
#define TWILL_TRY_(tmp, target, expr)                        \
  auto tmp = (expr);                                         \
  if (!tmp) return ::twill::Failure(std::move(tmp).error()); \
  target = std::move(*tmp)

/// TWILL_TRY(auto value, expression): unwrap a Result, or return its error from the enclosing function.
#define TWILL_TRY(target, expr) TWILL_TRY_(TWILL_CONCAT(result_, __LINE__), target, expr)

/// TWILL_CHECK(expression): the same for a Result<void>.
#define TWILL_CHECK(expr)                                                              \
  if (auto TWILL_CONCAT(result_, __LINE__) = (expr); !TWILL_CONCAT(result_, __LINE__)) \
  return ::twill::Failure(std::move(TWILL_CONCAT(result_, __LINE__)).error())
