// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/xml.hpp"

#include <memory>
#include <type_traits>
#include <utility>

#include <expat.h>
#include <fmt/format.h>

namespace twill::cloud::aws {
namespace {

constexpr std::size_t kDeepest = 32;
constexpr std::size_t kMost = 1000000;

struct Parse {
  XML_Parser parser;
  std::vector<Element> open;  ///< from the root down
  Element root;
  std::size_t count = 0;
  const char* refused = nullptr;

  void refuse(const char* why) {
    refused = why;
    ::XML_StopParser(parser, XML_FALSE);
  }
};

void onStart(void* user, const XML_Char* name, const XML_Char**) {
  auto& parse = *static_cast<Parse*>(user);
  if (parse.open.size() == kDeepest) return parse.refuse("it is nested too deep");
  if (++parse.count > kMost) return parse.refuse("it has too many elements");
  parse.open.push_back({.name = name, .text = {}, .children = {}});
}

void onEnd(void* user, const XML_Char*) {
  auto& parse = *static_cast<Parse*>(user);
  Element done = std::move(parse.open.back());
  parse.open.pop_back();
  if (parse.open.empty()) {
    parse.root = std::move(done);
  } else {
    parse.open.back().children.push_back(std::move(done));
  }
}

void onText(void* user, const XML_Char* text, int length) {
  auto& parse = *static_cast<Parse*>(user);
  if (!parse.open.empty()) parse.open.back().text.append(text, static_cast<std::size_t>(length));
}

void onDoctype(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  static_cast<Parse*>(user)->refuse("it has a document type");
}

}  // namespace

const Element* Element::child(std::string_view wanted) const {
  for (const Element& one : children) {
    if (one.name == wanted) return &one;
  }
  return nullptr;
}

std::string Element::textOf(std::string_view wanted) const {
  const Element* found = child(wanted);
  return found == nullptr ? std::string() : found->text;
}

std::vector<const Element*> Element::items(std::string_view list) const {
  std::vector<const Element*> out;
  const Element* found = child(list);
  if (found == nullptr) return out;
  for (const Element& one : found->children) {
    if (one.name == "item") out.push_back(&one);
  }
  return out;
}

Result<Element> parseXml(std::string_view text) {
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&::XML_ParserFree)> parser(
      ::XML_ParserCreate("UTF-8"), &::XML_ParserFree);
  Parse parse{.parser = parser.get(), .open = {}, .root = {}};
  ::XML_SetUserData(parser.get(), &parse);
  ::XML_SetElementHandler(parser.get(), onStart, onEnd);
  ::XML_SetCharacterDataHandler(parser.get(), onText);
  ::XML_SetStartDoctypeDeclHandler(parser.get(), onDoctype);
  if (::XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), XML_TRUE) == XML_STATUS_OK)
    return std::move(parse.root);
  return fail(
      fmt::format(
          "the answer is not XML as expected, line {}: {}", ::XML_GetCurrentLineNumber(parser.get()),
          parse.refused != nullptr ? parse.refused : ::XML_ErrorString(::XML_GetErrorCode(parser.get()))),
      Error::Kind::invalid);
}

}  // namespace twill::cloud::aws
