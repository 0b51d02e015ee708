// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <system_error>

namespace twill {
namespace {

Error::Kind kindOf(int code) {
  switch (code) {
    case ENOENT:
    case ENODEV:
    case ESRCH:
    case EADDRNOTAVAIL:
      return Error::Kind::missing;
    case EEXIST:
    case EADDRINUSE:
      return Error::Kind::exists;
    case EAGAIN:
    case EBUSY:
    case EINTR:
    case ENOBUFS:
      return Error::Kind::busy;
    default:
      return Error::Kind::failed;
  }
}

}  // namespace

Failure fail(std::string text, Error::Kind kind) {
  return Failure(Error{.text = std::move(text), .kind = kind});
}

Failure failErrno(std::string_view what, int code) {
  return Failure(Error{.text = std::string(what) + ": " + std::generic_category().message(code),
                       .kind = kindOf(code),
                       .code = code});
}

}  // namespace twill
