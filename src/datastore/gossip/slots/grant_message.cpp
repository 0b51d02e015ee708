// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/slots/grant_message.hpp"

#include "datastore/gossip/slots/slot_reader.hpp"

namespace twill::gossip {
namespace {

constexpr std::size_t kLongestRefusal = 1024;

}  // namespace

std::string encode(const GrantMessage& message) {
  MsgpackWriter out;
  out.map(7);
  out.raw("K");
  out.number(static_cast<std::uint8_t>(message.kind));
  out.raw("C");
  out.raw(message.cluster.raw());
  out.raw("F");
  out.raw(message.from.raw());
  out.raw("G");
  out.number(message.generation);
  out.raw("N");
  out.number(message.request);
  out.raw("R");
  write(out, message.runs);
  out.raw("W");
  out.raw(message.refusal);
  return std::move(out).take();
}

Result<GrantMessage> parseGrantMessage(std::string_view bytes) {
  GrantMessage message;
  SlotReader reader(bytes);
  unsigned needed = 0;
  reader.in.eachKey([&](std::string_view key) {
    if (key == "K") {
      message.kind = static_cast<GrantMessage::Kind>(reader.number(0, 4, "an unknown kind"));
      needed |= 1U;
    } else if (key == "C") {
      message.cluster = reader.id();
      needed |= 2U;
    } else if (key == "F") {
      message.from = reader.id();
      needed |= 4U;
    } else if (key == "G") {
      message.generation = reader.number(1, UINT32_MAX, "an impossible generation");
      needed |= 8U;
    } else if (key == "N") {
      message.request = reader.in.number();
    } else if (key == "R") {
      message.runs = readRuns(reader);
    } else if (key == "W") {
      message.refusal = reader.text(kLongestRefusal, "a refusal that is too long");
    } else {
      reader.in.skip();
    }
  });
  reader.require(needed == 15U, "no kind, cluster, sender or generation");
  TWILL_CHECK(reader.finish());
  return message;
}

}  // namespace twill::gossip
