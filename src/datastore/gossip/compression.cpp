// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/compression.hpp"

#include <fmt/format.h>

#include "datastore/gossip/lzw.hpp"
#include "datastore/gossip/message_body.hpp"
#include "datastore/gossip/msgpack.hpp"

namespace twill::gossip {

namespace {

constexpr std::uint64_t kLzw = 0;  // the only compressionType of memberlist

}  // namespace

std::string compressMessage(std::string_view bytes) {
  MsgpackWriter out;
  out.map(2);
  out.raw("Algo");
  out.number(kLzw);
  out.raw("Buf");
  out.raw(lzwCompress(bytes));
  return byteOf(Type::compressed) + std::move(out).take();
}

Result<std::string> expandMessage(std::string_view body, std::size_t limit) {
  MsgpackReader in(body);
  std::uint64_t algorithm = kLzw;
  std::string_view compressed;
  in.eachKey([&](std::string_view key) {
    if (key == "Algo") {
      algorithm = in.number();
    } else if (key == "Buf") {
      compressed = in.raw();
    } else {
      in.skip();
    }
  });
  if (!in.good()) return fail("gossip: a compressed message is malformed", Error::Kind::invalid);
  if (algorithm != kLzw) {
    return fail(fmt::format("gossip: a message compressed by algorithm {}, which is not known", algorithm),
                Error::Kind::invalid);
  }
  auto expanded = lzwExpand(compressed, limit);
  if (!expanded) return Failure(std::move(expanded).error().in("gossip: a compressed message"));
  if (expanded->empty()) return fail("gossip: a compressed message of nothing", Error::Kind::invalid);
  return expanded;
}

}  // namespace twill::gossip
