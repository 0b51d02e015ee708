// SPDX-License-Identifier: Apache-2.0
#include "kernel/firewall_text.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace twill {
namespace {

using Json = nlohmann::json;

constexpr const char* kTable = "inet twill";

/// nft's words for priorities (table in nft(8), "Standard priority names").
struct Priority {
  int number;
  std::string_view word;
};
constexpr std::array kPriorities{Priority{-300, "raw"}, Priority{-150, "mangle"}, Priority{-100, "dstnat"},
                                 Priority{0, "filter"}, Priority{50, "security"}, Priority{100, "srcnat"}};

std::string priorityWord(int number) {
  const auto found = std::find_if(kPriorities.begin(), kPriorities.end(),
                                  [&](const Priority& priority) { return priority.number == number; });
  return found == kPriorities.end() ? std::to_string(number) : std::string(found->word);
}

std::string textOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// A type or an element: a word, a number, or several of them.
std::string wordsOf(const Json& value, const char* separator) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> words;
  for (const auto& word : value) words.push_back(word.is_string() ? word.get<std::string>() : word.dump());
  return fmt::format("{}", fmt::join(words, separator));
}

std::string elementText(const Json& element) {
  if (!element.is_object() || element.size() != 1) return wordsOf(element, " . ");
  const std::string& kind = element.begin().key();
  const Json& value = element.begin().value();
  if (kind == "concat") return wordsOf(value, " . ");
  if (kind == "range") return wordsOf(value, "-");
  if (kind == "prefix" && value.is_object() && value.contains("len")) {
    return textOf(value, "addr") + "/" + value["len"].dump();
  }
  return element.dump();
}

Firewall::Set parseSet(const Json& json) {
  Firewall::Set out{.type = wordsOf(json.value("type", Json("")), " . "),
                    .flags = wordsOf(json.value("flags", Json("")), ","),
                    .elements = {}};
  for (const auto& element : json.value("elem", Json::array())) out.elements.push_back(elementText(element));
  std::sort(out.elements.begin(), out.elements.end());
  return out;
}

std::string parseHook(const Json& json) {
  const auto priority = json.find("prio");
  if (priority == json.end() || !priority->is_number_integer()) return {};
  const auto policy = textOf(json, "policy");
  return fmt::format("type {} hook {} priority {}{}", textOf(json, "type"), textOf(json, "hook"),
                     priorityWord(priority->get<int>()), policy == "drop" ? "; policy drop" : "");
}

void parseObject(const std::string& kind, const Json& json, Firewall& out) {
  if (kind == "chain") {
    out.chains[textOf(json, "name")].hook = parseHook(json);
  } else if (kind == "rule") {
    const auto comment = textOf(json, "comment");
    out.chains[textOf(json, "chain")].rules.push_back(comment.empty() ? "not made by twilld" : comment);
  } else if (kind == "set") {
    out.sets[textOf(json, "name")] = parseSet(json);
  } else if (kind == "table" ? json.contains("flags") : kind != "metainfo") {
    out.chains[fmt::format("not made by twilld: {} {}", kind, textOf(json, "name"))];
  }
}

void writeElements(std::string_view verb, const std::string& set, const std::vector<std::string>& elements,
                   std::string& out) {
  if (elements.empty()) return;
  fmt::format_to(std::back_inserter(out), "{} element {} {} {{ {} }}\n", verb, kTable, set,
                 fmt::join(elements, ", "));
}

/// Differs in nothing but elements.
bool sameShape(const Firewall& a, const Firewall& b) {
  return a.chains == b.chains && std::equal(a.sets.begin(), a.sets.end(), b.sets.begin(), b.sets.end(),
                                            [](const auto& one, const auto& other) {
                                              return one.first == other.first &&
                                                     one.second.type == other.second.type &&
                                                     one.second.flags == other.second.flags;
                                            });
}

}  // namespace

std::string removeScript() {
  // Deleting what is not there is an error; adding what is there is none.
  return fmt::format("add table {0}\ndelete table {0}\n", kTable);
}

std::string tableScript(const Firewall& wanted) {
  std::string out = removeScript();
  auto to = std::back_inserter(out);
  fmt::format_to(to, "table {} {{\n", kTable);
  for (const auto& [name, set] : wanted.sets) {
    fmt::format_to(to, "set {} {{ type {};", name, set.type);
    if (!set.flags.empty()) fmt::format_to(to, " flags {};", set.flags);
    if (!set.elements.empty()) fmt::format_to(to, " elements = {{ {} }};", fmt::join(set.elements, ", "));
    fmt::format_to(to, " }}\n");
  }
  for (const auto& [name, chain] : wanted.chains) {
    fmt::format_to(to, "chain {} {{\n", name);
    if (!chain.hook.empty()) fmt::format_to(to, "{};\n", chain.hook);
    for (const auto& rule : chain.rules) fmt::format_to(to, "{} comment \"{}\"\n", rule, ruleId(rule));
    fmt::format_to(to, "}}\n");
  }
  fmt::format_to(to, "}}\n");
  return out;
}

std::optional<std::string> elementScript(const Firewall& actual, const Firewall& wanted) {
  if (!sameShape(actual, asRead(wanted))) return std::nullopt;
  std::string out;
  for (const auto& [name, set] : wanted.sets) {
    const auto& before = actual.sets.at(name).elements;
    const auto& after = set.elements;
    std::vector<std::string> gone;
    std::vector<std::string> fresh;
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(gone));
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(fresh));
    writeElements("delete", name, gone, out);
    writeElements("add", name, fresh, out);
  }
  return out;
}

Firewall asRead(const Firewall& wanted) {
  Firewall out = wanted;
  out.owner.clear();
  for (auto& [name, chain] : out.chains) {
    std::transform(chain.rules.begin(), chain.rules.end(), chain.rules.begin(), ruleId);
  }
  return out;
}

Result<Firewall> parseTable(std::string_view json) {
  const auto document = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  const auto objects = document.is_object() ? document.find("nftables") : document.end();
  if (objects == document.end() || !objects->is_array()) {
    return fail(
        fmt::format("nftables listed something that is no JSON list of objects: '{}'", json.substr(0, 80)));
  }
  Firewall out;
  for (const auto& object : *objects) {
    if (!object.is_object()) continue;
    for (const auto& [kind, value] : object.items()) {
      if (value.is_object()) parseObject(kind, value, out);
    }
  }
  return out;
}

}  // namespace twill
