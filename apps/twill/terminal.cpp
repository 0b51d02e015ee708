// SPDX-License-Identifier: Apache-2.0
#include "terminal.hpp"

#include <cstdlib>

#include <unistd.h>

namespace twill {
namespace {

const char* codeOf(Tone tone) {
  switch (tone) {
    case Tone::good:
      return "32";
    case Tone::bad:
      return "31";
    case Tone::dim:
      return "2";
    case Tone::bold:
      return "1";
  }
  return "0";
}

}  // namespace

std::string paint(Tone tone, std::string_view text) {
  static const bool wanted = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  if (!wanted) return std::string(text);
  return std::string("\033[") + codeOf(tone) + "m" + std::string(text) + "\033[0m";
}

}  // namespace twill
