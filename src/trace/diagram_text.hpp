// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Text as a picture needs it: how wide it will be, cut to fit, safe to put into XML.
namespace twill::trace::diagram {

enum class Font : std::uint8_t {
  heading,    ///< the picture's title
  name,       ///< a node's or a router's
  smallName,  ///< a container's
  label,      ///< a sentence
  code,       ///< addresses, monospace
  codeBold,
  smallCode,
};

/// In px.
[[nodiscard]] int sizeOf(Font font);
[[nodiscard]] bool isMonospace(Font font);

/// Upper bound in px, whichever font of the list the viewer has.
[[nodiscard]] int widthOf(std::string_view text, Font font);

/// `text`, or as much of both its ends as `width` px hold, with an ellipsis in the middle: names that differ
/// in their last letters stay apart. Never less than the ellipsis.
[[nodiscard]] std::string fit(std::string_view text, Font font, int width);

/// Well-formed XML in UTF-8. What XML may not hold, and what would turn the direction of the text around it,
/// becomes U+FFFD.
[[nodiscard]] std::string escape(std::string_view text);

}  // namespace twill::trace::diagram
