// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "cli/describe.hpp"

namespace twill::cli {
namespace {

bool takesValue(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

// The option that `word` names, if it is one; "--name=value" brings its value along and needs no other.
const CLI::Option* optionNamed(const CLI::App& app, const std::string& word) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional() && option->check_name(word)) return option;
  }
  return nullptr;
}

const CLI::App* commandNamed(const CLI::App& app, const std::string& word) {
  const auto found = app.get_subcommands([&](const CLI::App* command) { return command->check_name(word); });
  return found.empty() ? nullptr : found.front();
}

// CLI::IsMember describes itself as "{a,b}" behind the type's name.
std::vector<std::string> valuesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto open = type.find('{');
  const auto close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

std::vector<std::string> namesIn(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty() && !option->get_positional()) names.push_back(option->get_name());
  }
  return names;
}

}  // namespace

std::vector<std::string> completions(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* where = &app;
  const CLI::Option* waiting = nullptr;  // an option whose value comes next
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "--") return {};
    if (waiting != nullptr) {
      waiting = nullptr;
    } else if (const CLI::Option* option = optionNamed(*where, words[i])) {
      waiting = takesValue(*option) ? option : nullptr;
    } else if (const CLI::App* command = commandNamed(*where, words[i])) {
      where = command;
    }
  }
  auto found = waiting != nullptr ? valuesOf(*waiting) : namesIn(*where);
  const std::string typed = words.empty() ? "" : words.back();
  std::erase_if(found, [&](const std::string& name) { return name.rfind(typed, 0) != 0; });
  return found;
}

}  // namespace twill::cli
