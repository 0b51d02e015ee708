// SPDX-License-Identifier: Apache-2.0
#include "kernel/firewall_text.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace twill {
namespace {

using Json = nlohmann::json;

/// nft's words for priorities in the family inet (nft(8), "Standard priority names"), and where there is but
/// one, the hook that knows it. The family bridge has others, for which numbers do.
struct Priority {
  int number;
  std::string_view word;
  std::string_view hook = "";
};
constexpr std::array kPriorities{
    Priority{-300, "raw"}, Priority{-150, "mangle"}, Priority{-100, "dstnat", "prerouting"},
    Priority{0, "filter"}, Priority{50, "security"}, Priority{100, "srcnat", "postrouting"}};

std::string priorityWord(std::string_view family, std::string_view hook, int number) {
  const auto found = std::find_if(kPriorities.begin(), kPriorities.end(), [&](const Priority& priority) {
    return family == "inet" && priority.number == number && (priority.hook.empty() || priority.hook == hook);
  });
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

/// One of the values that make up an element.
std::string valueText(const Json& element) {
  if (!element.is_object() || element.size() != 1) return wordsOf(element, " . ");
  const std::string& kind = element.begin().key();
  const Json& value = element.begin().value();
  if (kind == "range") return wordsOf(value, "-");
  if (kind == "prefix" && value.is_object() && value.contains("len")) {
    return textOf(value, "addr") + "/" + value["len"].dump();
  }
  return element.dump();
}

std::string elementText(const Json& element) {
  const auto values = element.is_object() ? element.find("concat") : element.end();
  if (values == element.end() || !values->is_array()) return valueText(element);
  std::vector<std::string> texts;
  for (const auto& value : *values) texts.push_back(valueText(value));
  return fmt::format("{}", fmt::join(texts, " . "));
}

/// An element of a set, or of a map, which is a pair.
SetElement parseElement(const Json& json, bool isMap) {
  if (!isMap) return {.key = elementText(json)};
  if (!json.is_array() || json.size() != 2) return {.key = json.dump()};
  return {.key = elementText(json[0]), .data = elementText(json[1])};
}

/// A set or a map. The elements of one that is apart go to `out.setElements`.
void parseSet(const std::string& table, const std::string& name, const Json& json, KernelState& out) {
  const auto data = json.find("map");
  const bool isMap = data != json.end();
  Firewall::Set set{.type = wordsOf(json.value("type", Json("")), " . "),
                    .flags = wordsOf(json.value("flags", Json("")), ","),
                    .apart = textOf(json, "comment") == kApart};
  if (isMap) set.type += " : " + wordsOf(*data, " . ");
  for (const auto& element : json.value("elem", Json::array())) {
    auto parsed = parseElement(element, isMap);
    if (!set.apart) {
      set.elements.push_back(parsed.text());
      continue;
    }
    parsed.table = table;
    parsed.set = name;
    out.put(std::move(parsed));
  }
  std::sort(set.elements.begin(), set.elements.end());
  out.firewalls[table].sets[name] = std::move(set);
}

std::string parseHook(const Json& json) {
  const auto priority = json.find("prio");
  if (priority == json.end() || !priority->is_number_integer()) return {};
  const auto policy = textOf(json, "policy");
  return fmt::format("type {} hook {} priority {}{}", textOf(json, "type"), textOf(json, "hook"),
                     priorityWord(textOf(json, "family"), textOf(json, "hook"), priority->get<int>()),
                     policy == "drop" ? "; policy drop" : "");
}

void parseObject(const std::string& table, const std::string& kind, const Json& json, KernelState& out) {
  auto& chains = out.firewalls[table].chains;
  if (kind == "chain") {
    chains[textOf(json, "name")].hook = parseHook(json);
  } else if (kind == "rule") {
    const auto comment = textOf(json, "comment");
    chains[textOf(json, "chain")].rules.push_back(comment.empty() ? "not made by twilld" : comment);
  } else if (kind == "set" || kind == "map") {
    parseSet(table, textOf(json, "name"), json, out);
  } else if (kind == "counter") {
    out.firewalls[table].counters.insert(textOf(json, "name"));
  } else if (kind == "table" ? json.contains("flags") : kind != "metainfo") {
    chains[fmt::format("not made by twilld: {} {}", kind, textOf(json, "name"))];
  }
}

void writeElements(std::string_view verb, const std::string& table, const std::string& set,
                   const std::vector<std::string>& elements, std::string& out) {
  if (elements.empty()) return;
  fmt::format_to(std::back_inserter(out), "{} element {} {} {{ {} }}\n", verb, table, set,
                 fmt::join(elements, ", "));
}

bool sameButElements(const Firewall::Set& a, const Firewall::Set& b) {
  return a.type == b.type && a.flags == b.flags && a.apart == b.apart;
}

/// True when `wanted` has all that `actual` has, but for elements: then nothing has to go first.
bool onlyGrows(const Firewall& actual, const Firewall& wanted) {
  return std::includes(wanted.counters.begin(), wanted.counters.end(), actual.counters.begin(),
                       actual.counters.end()) &&
         std::all_of(actual.chains.begin(), actual.chains.end(),
                     [&](const auto& entry) {
                       const auto found = wanted.chains.find(entry.first);
                       return found != wanted.chains.end() && found->second == entry.second;
                     }) &&
         std::all_of(actual.sets.begin(), actual.sets.end(), [&](const auto& entry) {
           const auto found = wanted.sets.find(entry.first);
           return found != wanted.sets.end() && sameButElements(found->second, entry.second);
         });
}

void writeSet(const std::string& name, const Firewall::Set& set, const std::vector<std::string>& elements,
              std::string& out) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{} {} {{ {};", set.isMap() ? "map" : "set", name, set.declaration());
  if (!set.flags.empty()) fmt::format_to(to, " flags {};", set.flags);
  if (set.apart) fmt::format_to(to, " comment \"{}\";", kApart);
  if (!elements.empty()) fmt::format_to(to, " elements = {{ {} }};", fmt::join(elements, ", "));
  out += " }\n";
}

/// Those that are not there yet.
void writeCounters(const std::set<std::string>& wanted, const std::set<std::string>& there,
                   std::string& out) {
  for (const auto& name : wanted) {
    if (!there.contains(name)) out += fmt::format("counter {} {{ }}\n", name);
  }
}

void writeChain(const std::string& name, const Firewall::Chain& chain, std::string& out) {
  auto to = std::back_inserter(out);
  fmt::format_to(to, "chain {} {{\n", name);
  if (!chain.hook.empty()) fmt::format_to(to, "{};\n", chain.hook);
  for (const auto& rule : chain.rules) fmt::format_to(to, "{} comment \"{}\"\n", rule, ruleId(rule));
  out += "}\n";
}

}  // namespace

std::string removeScript(const std::string& table) {
  // Deleting what is not there is an error; adding what is there is none.
  return fmt::format("add table {0}\ndelete table {0}\n", table);
}

std::string tableScript(const Firewall& wanted, const std::map<SetElementKey, SetElement>& apart) {
  std::map<std::string, std::vector<std::string>> kept;
  for (auto at = apart.lower_bound({wanted.table, "", ""}); at != apart.end(); ++at) {
    if (at->first.table != wanted.table) break;
    kept[at->first.set].push_back(at->second.text());
  }
  std::string out = removeScript(wanted.table) + fmt::format("table {} {{\n", wanted.table);
  writeCounters(wanted.counters, {}, out);
  for (const auto& [name, set] : wanted.sets) writeSet(name, set, set.apart ? kept[name] : set.elements, out);
  for (const auto& [name, chain] : wanted.chains) writeChain(name, chain, out);
  return out + "}\n";
}

std::optional<std::string> changeScript(const Firewall& actual, const Firewall& wanted) {
  if (!onlyGrows(actual, asRead(wanted))) return std::nullopt;
  std::string fresh;
  writeCounters(wanted.counters, actual.counters, fresh);
  for (const auto& [name, set] : wanted.sets) {
    if (!actual.sets.contains(name)) writeSet(name, set, set.elements, fresh);
  }
  for (const auto& [name, chain] : wanted.chains) {
    if (!actual.chains.contains(name)) writeChain(name, chain, fresh);
  }
  std::string out = fresh.empty() ? "" : fmt::format("table {} {{\n{}}}\n", wanted.table, fresh);
  for (const auto& [name, set] : actual.sets) {
    const auto& before = set.elements;
    const auto& after = wanted.sets.at(name).elements;
    std::vector<std::string> gone;
    std::vector<std::string> added;
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(), std::back_inserter(gone));
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(added));
    writeElements("delete", wanted.table, name, gone, out);
    writeElements("add", wanted.table, name, added, out);
  }
  return out;
}

std::string elementScript(std::span<const Operation* const> steps) {
  std::string out;
  std::vector<std::string> texts;
  const auto write = [&](std::string_view verb, const SetElement& of) {
    writeElements(verb, of.table, of.set, std::exchange(texts, {}), out);
  };
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto& element = std::get<SetElement>(steps[i]->object);
    const auto verb = steps[i]->verb;
    if (verb == Verb::change) {
      texts.push_back(element.key);
      write("delete", element);
    }
    texts.push_back(verb == Verb::remove ? element.key : element.text());
    const auto* next = i + 1 < steps.size() ? &std::get<SetElement>(steps[i + 1]->object) : nullptr;
    const bool goesOn = next != nullptr && verb != Verb::change && steps[i + 1]->verb == verb &&
                        next->table == element.table && next->set == element.set;
    if (!goesOn) write(verb == Verb::remove ? "delete" : "add", element);
  }
  return out;
}

Firewall asRead(const Firewall& wanted) {
  Firewall out = wanted;
  out.owner.clear();
  for (auto& [name, set] : out.sets) set.declared.clear();
  for (auto& [name, chain] : out.chains) {
    std::transform(chain.rules.begin(), chain.rules.end(), chain.rules.begin(), ruleId);
  }
  return out;
}

namespace {

/// Calls `each` with the objects of that kind in a listing.
template <class Each>
void forEach(std::string_view json, const char* kind, Each each) {
  const auto document = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  const auto objects = document.is_object() ? document.find("nftables") : document.end();
  if (objects == document.end() || !objects->is_array()) return;
  for (const auto& object : *objects) {
    const auto found = object.is_object() ? object.find(kind) : object.end();
    if (found != object.end() && found->is_object()) each(*found);
  }
}

}  // namespace

std::map<std::string, std::uint64_t> parseCounters(std::string_view json) {
  std::map<std::string, std::uint64_t> out;
  forEach(json, "counter", [&](const Json& counter) {
    const auto packets = counter.find("packets");
    if (packets != counter.end() && packets->is_number_unsigned())
      out[textOf(counter, "name")] = packets->get<std::uint64_t>();
  });
  return out;
}

std::vector<std::string> parseTables(std::string_view json) {
  std::vector<std::string> out;
  forEach(json, "table",
          [&](const Json& table) { out.push_back(textOf(table, "family") + " " + textOf(table, "name")); });
  return out;
}

Result<KernelState> parseTable(const std::string& table, std::string_view json) {
  const auto document = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  const auto objects = document.is_object() ? document.find("nftables") : document.end();
  if (objects == document.end() || !objects->is_array()) {
    return fail(
        fmt::format("nftables listed something that is no JSON list of objects: '{}'", json.substr(0, 80)));
  }
  KernelState out;
  out.put(Firewall{.table = table});
  for (const auto& object : *objects) {
    if (!object.is_object()) continue;
    for (const auto& [kind, value] : object.items()) {
      if (value.is_object()) parseObject(table, kind, value, out);
    }
  }
  return out;
}

}  // namespace twill
