// SPDX-License-Identifier: Apache-2.0
#include "cli/describe.hpp"

#include <cstdlib>
#include <iostream>
#include <string_view>

namespace twill::cli {

bool describeSelf(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2) return false;
  const std::string_view question = argv[1];
  if (question == "--complete") {
    for (const auto& word : completions(app, {argv + 2, argv + argc})) std::cout << word << '\n';
    return true;
  }
  if (question == "--manual" && argc > 2) {
    std::cout << manual(app, std::atoi(argv[2]), {argv + 3, argv + argc});
    return true;
  }
  return false;
}

}  // namespace twill::cli
