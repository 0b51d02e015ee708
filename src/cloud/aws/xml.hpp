// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace twill::cloud::aws {

/// An element of an answer: its text, or its children.
struct Element {
  std::string name;
  std::string text;
  std::vector<Element> children;

  /// The first child of that name; null when there is none.
  [[nodiscard]] const Element* child(std::string_view wanted) const;
  /// Its text; "" when it is not there.
  [[nodiscard]] std::string textOf(std::string_view wanted) const;
  /// The `item`s of a child; none when it is not there.
  [[nodiscard]] std::vector<const Element*> items(std::string_view list) const;
};

/// The document's root. Refused: a document type declaration (with it come entities), more than 32 levels,
/// more than a million elements.
[[nodiscard]] Result<Element> parseXml(std::string_view text);

}  // namespace twill::cloud::aws
