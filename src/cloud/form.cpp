// SPDX-License-Identifier: Apache-2.0
#include "cloud/form.hpp"

#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace twill::cloud {
namespace {

bool isPlain(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

void encode(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (isPlain(c)) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
}

}  // namespace

std::string formOf(const Parameters& parameters) {
  std::string out;
  for (const auto& [name, value] : parameters) {
    if (!out.empty()) out += '&';
    encode(name, out);
    out += '=';
    encode(value, out);
  }
  return out;
}

}  // namespace twill::cloud
