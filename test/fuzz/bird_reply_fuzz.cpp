// SPDX-License-Identifier: Apache-2.0
// Whatever answers at BIRD's socket is an error or replies that can be read, and the same however its bytes
// are cut.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "datastore/bgp/bird_reply.hpp"
#include "datastore/bgp/record.hpp"

using namespace twill;
using namespace twill::bgp;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

struct Read {
  bool good = true;
  std::vector<BirdReply> replies;
};

Read readIn(std::string_view bytes, std::size_t piece) {
  Read read;
  ReplyReader reader;
  for (std::size_t at = 0; at < bytes.size() && read.good; at += piece) {
    const auto fed = reader.feed(bytes.substr(at, piece));
    require(fed.has_value() || (!fed.error().text.empty() && fed.error().text.size() < 200));
    read.good = fed.has_value();
    while (auto reply = reader.take()) read.replies.push_back(std::move(*reply));
  }
  return read;
}

void check(const BirdReply& reply) {
  require(!reply.lines.empty() && reply.code() >= 0 && reply.code() <= 9999);
  std::size_t size = 0;
  for (const auto& line : reply.lines) {
    require(line.text.find('\n') == std::string::npos);
    size += line.text.size();
  }
  std::size_t communities = 0;
  for (const auto& route : routesIn(reply)) {
    require(Prefix::parse(route.prefix.text()).value() == route.prefix);
    communities += route.communities.size();
    const auto record = fromCommunities(route.communities);
    if (record) require(record->size() <= 7 * 256);
  }
  require(communities * 7 <= size);  // "(1,2,3)"
  for (const auto& session : sessionsIn(reply)) require(!session.state.empty());
  if (const auto count = countIn(reply)) require(size > 0);
  if (const auto version = versionIn(reply)) {
    const auto fits = checkVersion(*version);
    require(fits.has_value() || fits.error().text.size() < 200);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Read whole = readIn(bytes, bytes.size() + 1);
  for (const auto& reply : whole.replies) check(reply);
  for (const std::size_t piece : {1U, 7U}) {
    const Read cut = readIn(bytes, piece);
    require(cut.good == whole.good && cut.replies.size() == whole.replies.size());
    for (std::size_t i = 0; i < cut.replies.size(); ++i)
      require(cut.replies[i].lines == whole.replies[i].lines);
  }
  return 0;
}
