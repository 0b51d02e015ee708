// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <cstdlib>

#include <unistd.h>

namespace twill {
namespace {

const char* codeOf(Colour colour) {
  switch (colour) {
    case Colour::good:
      return "32";
    case Colour::bad:
      return "31";
    case Colour::dim:
      return "2";
    case Colour::bold:
      return "1";
  }
  return "0";
}

}  // namespace

std::string paint(Colour colour, std::string_view text) {
  static const bool wanted = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  if (!wanted) return std::string(text);
  return std::string("\033[") + codeOf(colour) + "m" + std::string(text) + "\033[0m";
}

}  // namespace twill
