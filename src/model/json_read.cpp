// SPDX-License-Identifier: Apache-2.0
#include "model/json_read.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace twill::json {
namespace {

constexpr std::size_t kDeepest = 64;
constexpr std::size_t kLongestShown = 80;
constexpr std::size_t kLongestReason = 200;
constexpr std::size_t kLongestName = 253;  // RFC 1035 in text form

/// simdjson does not say where a text is wrong; nlohmann's parser does, and is asked only then.
class FaultFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*elements*/) override { return true; }
  bool key(string_t& /*value*/) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*elements*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& fault) override {
    position_ = position;
    text_ = fault.what();
    return false;
  }

  [[nodiscard]] bool found() const { return !text_.empty(); }
  /// Bytes read when the fault was seen.
  [[nodiscard]] std::size_t position() const { return position_; }
  /// The library's sentence without its prefix and without the raw bytes that it read last.
  [[nodiscard]] std::string reason() const {
    std::size_t start = text_.find("syntax error");
    if (start == std::string::npos) start = 0;
    return text_.substr(start, text_.find("; last read") - start);
  }

 private:
  std::size_t position_ = 0;
  std::string text_;
};

Failure syntaxError(std::string_view text, simdjson::error_code code) {
  if (code == simdjson::DEPTH_ERROR) {
    return fail(fmt::format("not acceptable JSON: nested deeper than {} levels", kDeepest),
                Error::Kind::invalid);
  }
  FaultFinder fault;
  nlohmann::json::sax_parse(text, &fault);
  if (!fault.found()) {
    return fail(fmt::format("not valid JSON: {}", simdjson::error_message(code)), Error::Kind::invalid);
  }
  std::string_view before = text.substr(0, fault.position() == 0 ? 0 : fault.position() - 1);
  auto line = std::count(before.begin(), before.end(), '\n') + 1;
  std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
  return fail(fmt::format("not valid JSON at line {}, column {}: {}", line, column, fault.reason()),
              Error::Kind::invalid);
}

/// The value as JSON, cut between characters.
std::string shown(Value value) {
  std::string text = simdjson::minify(value);
  if (text.size() <= kLongestShown) return text;
  std::size_t end = kLongestShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80)
    --end;  // inside a UTF-8 sequence
  return text.substr(0, end) + "...";
}

template <class T>
Result<T> read(std::string_view key, Value value, std::string_view expected) {
  T out;
  if (value.get(out) != simdjson::SUCCESS) return unexpected(key, value, expected);
  return out;
}

/// `parsed` if it is of the family; otherwise an error that also tells what the parser had to say.
template <class T>
Result<T> ofFamily(std::string_view key, Value value, std::string_view expected, Family family,
                   Result<T> parsed) {
  if (!parsed) return unexpected(key, value, expected, parsed.error());
  if (parsed->family() != family) return unexpected(key, value, expected);
  return parsed;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

Result<Value> parse(simdjson::dom::parser& parser, std::string_view text, std::size_t limit) {
  if (text.size() > limit) {
    return fail(fmt::format("{} bytes long; expected at most {}", text.size(), limit), Error::Kind::invalid);
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return fail("empty; expected a JSON object", Error::Kind::invalid);
  }
  Value root;
  simdjson::error_code code = parser.allocate(text.size(), kDeepest);
  if (code == simdjson::SUCCESS) code = parser.parse(text.data(), text.size()).get(root);
  if (code != simdjson::SUCCESS) return syntaxError(text, code);
  return root;
}

Failure unexpected(std::string_view key, Value value, std::string_view expected) {
  return fail(fmt::format("{} is {}; expected {}", key, shown(value), expected), Error::Kind::invalid);
}

Failure unexpected(std::string_view key, Value value, std::string_view expected, const Error& why) {
  if (why.text.size() > kLongestReason) return unexpected(key, value, expected);
  return unexpected(key, value, fmt::format("{} ({})", expected, why.text));
}

Result<Object> object(std::string_view key, Value value) {
  return read<Object>(key, value, "an object");
}

Result<bool> boolean(std::string_view key, Value value) {
  return read<bool>(key, value, "true or false");
}

Result<std::int64_t> number(std::string_view key, Value value, std::int64_t low, std::int64_t high) {
  std::int64_t out = 0;
  if (value.get(out) != simdjson::SUCCESS || out < low || out > high) {
    return unexpected(key, value, fmt::format("a whole number from {} to {}", low, high));
  }
  return out;
}

Result<std::string_view> text(std::string_view key, Value value) {
  return read<std::string_view>(key, value, "text in quotes");
}

Result<std::string_view> name(std::string_view key, Value value) {
  TWILL_TRY(std::string_view out, text(key, value));
  auto isControl = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (out.empty() || out.size() > kLongestName || std::any_of(out.begin(), out.end(), isControl)) {
    return unexpected(key, value, "1 to 253 printable characters");
  }
  return out;
}

Result<IpAddress> address(std::string_view key, Value value, Family family) {
  std::string_view expected =
      family == Family::v4 ? "an IPv4 address such as \"10.0.0.10\"" : "an IPv6 address such as \"fd00::10\"";
  TWILL_TRY(std::string_view out, read<std::string_view>(key, value, expected));
  return ofFamily(key, value, expected, family, IpAddress::parse(out));
}

Result<Prefix> prefix(std::string_view key, Value value, Family family) {
  std::string_view expected = family == Family::v4 ? "an IPv4 prefix such as \"172.16.0.0/16\""
                                                   : "an IPv6 prefix such as \"fd42::/56\"";
  TWILL_TRY(std::string_view out, read<std::string_view>(key, value, expected));
  return ofFamily(key, value, expected, family, Prefix::parse(out));
}

bool sameKey(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return a == b ||
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<Value> find(Object object, std::string_view key) {
  std::optional<Value> found;
  for (auto field : object) {
    if (sameKey(field.key, key) && !field.value.is_null()) found = field.value;
  }
  return found;
}

}  // namespace twill::json
