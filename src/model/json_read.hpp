// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <simdjson.h>

#include "net/address.hpp"

/// From JSON to plain values. Every error names key, value and what was expected. Private to this room:
/// included from its .cpp files only, since simdjson is slow to compile (docs/adr/0003 says why simdjson).
namespace twill::json {

using Value = simdjson::dom::element;
using Object = simdjson::dom::object;

/// Parses the whole of `text`; the result lives in `parser`. Refuses more than `limit` bytes, nesting deeper
/// than 64, bytes that are not UTF-8, and anything after the value. Errors name line and column.
[[nodiscard]] Result<Value> parse(simdjson::dom::parser& parser, std::string_view text, std::size_t limit);

/// "<key> is <value>; expected <expected>", the value cut to a readable length.
[[nodiscard]] Failure unexpected(std::string_view key, Value value, std::string_view expected);
/// The same for text that its own parser refused; `why` is added unless the text in it is too long to show.
[[nodiscard]] Failure unexpected(std::string_view key, Value value, std::string_view expected,
                                 const Error& why);

[[nodiscard]] Result<Object> object(std::string_view key, Value value);
[[nodiscard]] Result<bool> boolean(std::string_view key, Value value);
/// A whole number from `low` to `high`, both included; 24.0 is none, as for Go's encoding/json.
[[nodiscard]] Result<std::int64_t> number(std::string_view key, Value value, std::int64_t low,
                                          std::int64_t high);
[[nodiscard]] Result<std::string_view> text(std::string_view key, Value value);
/// Text of 1 to 253 characters without control characters: fit for a log line, as long as a DNS name may be.
[[nodiscard]] Result<std::string_view> name(std::string_view key, Value value);
[[nodiscard]] Result<IpAddress> address(std::string_view key, Value value, Family family);
/// Host bits must be zero.
[[nodiscard]] Result<Prefix> prefix(std::string_view key, Value value, Family family);

/// True when both are the same but for the case of ASCII letters.
[[nodiscard]] bool sameKey(std::string_view a, std::string_view b);

/// Finds a key as Go's encoding/json does: whatever its case, of several the last one. A null does
/// not count.
[[nodiscard]] std::optional<Value> find(Object object, std::string_view key);

}  // namespace twill::json
