// SPDX-License-Identifier: Apache-2.0
// What travels inside queries: filters, and the requests and answers about keys.
#include <algorithm>

#include <regex.h>

#include "datastore/gossip/base64.hpp"
#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/serf_message.hpp"

namespace twill::gossip {
namespace {

/// serf/messages.go
constexpr char kNodeFilter = 0, kTagFilter = 1;
constexpr char kKeyRequest = 7, kKeyResponse = 8;

/// Serf's tag filters are Go's regular expressions; what POSIX calls extended is common to both.
bool matches(const std::string& expression, const std::string& text) {
  constexpr std::size_t kLongest = 256;
  regex_t compiled{};
  if (expression.size() > kLongest || regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NOSUB) != 0)
    return false;
  const bool found = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
  regfree(&compiled);
  return found;
}

bool passes(const std::string& filter, const std::string& node, const Tags& tags) {
  if (filter.empty()) return false;
  MsgpackReader in(std::string_view(filter).substr(1));
  if (filter.front() == kNodeFilter) {
    bool named = false;
    for (std::size_t left = in.array(); left > 0 && in.good(); --left) named |= in.raw() == node;
    return in.good() && named;
  }
  if (filter.front() != kTagFilter) return false;
  std::string tag, expression;
  in.eachKey([&](std::string_view key) {
    if (key == "Tag")
      tag = in.raw();
    else if (key == "Expr")
      expression = in.raw();
    else
      in.skip();
  });
  // As with Serf, a tag that the node does not have is an empty one.
  const auto value = tags.find(tag);
  return in.good() && matches(expression, value == tags.end() ? std::string() : value->second);
}

}  // namespace

std::string nodeFilter(const std::vector<std::string>& nodes) {
  MsgpackWriter out;
  out.array(nodes.size());
  for (const auto& node : nodes) out.raw(node);
  return kNodeFilter + std::move(out).take();
}

bool isFor(const Query& query, const std::string& node, const Tags& tags) {
  return std::all_of(query.filters.begin(), query.filters.end(),
                     [&](const std::string& filter) { return passes(filter, node, tags); });
}

std::string encodeKeyRequest(const std::string& key) {
  MsgpackWriter out;
  out.map(1);
  out.raw("Key");
  out.raw(key);
  return kKeyRequest + std::move(out).take();
}

Result<std::string> parseKeyRequest(std::string_view payload) {
  std::string key;
  MsgpackReader in(payload.substr(std::min<std::size_t>(1, payload.size())));
  in.eachKey([&](std::string_view name) {
    if (name == "Key")
      key = in.raw();
    else
      in.skip();
  });
  if (payload.empty() || payload.front() != kKeyRequest || !in.good())
    return fail("a malformed request about keys", Error::Kind::invalid);
  return key;
}

std::string encode(const KeyAnswer& answer) {
  MsgpackWriter out;
  out.map(4);
  out.raw("Keys");
  out.array(answer.keys.size());
  for (const auto& key : answer.keys) out.raw(toBase64(key));
  out.raw("Message");
  out.raw(answer.message);
  out.raw("PrimaryKey");
  out.raw(answer.primary.empty() ? std::string() : toBase64(answer.primary));
  out.raw("Result");
  out.boolean(answer.done);
  return kKeyResponse + std::move(out).take();
}

Result<KeyAnswer> parseKeyAnswer(std::string_view payload) {
  KeyAnswer answer;
  const auto malformed = [] { return fail("a malformed answer about keys", Error::Kind::invalid); };
  if (payload.empty() || payload.front() != kKeyResponse) return malformed();
  std::vector<std::string> keys;
  std::string primary;
  MsgpackReader in(payload.substr(1));
  in.eachKey([&](std::string_view name) {
    if (name == "Keys") {
      for (std::size_t left = in.array(); left > 0 && in.good(); --left) keys.emplace_back(in.raw());
    } else if (name == "PrimaryKey") {
      primary = in.raw();
    } else if (name == "Message") {
      answer.message = in.raw();
    } else if (name == "Result") {
      answer.done = in.boolean();
    } else {
      in.skip();
    }
  });
  if (!in.good()) return malformed();
  for (const auto& key : keys) {
    TWILL_TRY(answer.keys.emplace_back(), fromBase64(key));
  }
  if (!primary.empty()) {
    TWILL_TRY(answer.primary, fromBase64(primary));
  }
  return answer;
}

}  // namespace twill::gossip
