// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "datastore/gossip/msgpack.hpp"
#include "datastore/gossip/slots/slot_table.hpp"

/// What the messages about slots have in common as MessagePack. Private to this folder.
namespace twill::gossip {

/// Reads our own structures; the first thing that is wrong sticks, as in MsgpackReader.
class SlotReader {
 public:
  explicit SlotReader(std::string_view bytes) : in(bytes) {}

  void require(bool holds, std::string_view what) {
    if (!holds && wrong_.empty() && in.good()) wrong_ = what;
  }
  [[nodiscard]] bool good() const { return in.good() && wrong_.empty(); }
  [[nodiscard]] Result<void> finish() {
    // What comes after the first thing that is wrong is read at a wrong place.
    if (wrong_.empty() && in.state() == MsgpackReader::State::cut) wrong_ = "cut off";
    if (wrong_.empty() && in.state() == MsgpackReader::State::malformed) wrong_ = "not MessagePack";
    require(in.rest().empty(), "bytes after its end");
    if (wrong_.empty()) return {};
    return fail(fmt::format("a message about slots cannot be read: {}", wrong_), Error::Kind::invalid);
  }

  NodeId id() {
    const std::string_view bytes = in.raw();
    require(bytes.size() == NodeId().bytes.size(), "an id that is not 16 bytes");
    return good() ? NodeId::fromBytes(bytes) : NodeId();
  }
  std::uint32_t number(std::uint32_t low, std::uint32_t high, std::string_view what) {
    const std::uint32_t value = in.number32();
    require(value >= low && value <= high, what);
    return value;
  }
  std::string text(std::size_t longest, std::string_view what) {
    const std::string_view bytes = in.raw();
    require(bytes.size() <= longest, what);
    return good() ? std::string(bytes) : std::string();
  }
  /// An array of at least `fields` values: `read` takes those, the others are skipped.
  template <class Read>
  void tuple(std::size_t fields, Read read) {
    const std::size_t count = in.array();
    require(count >= fields, "too few fields");
    if (!good()) return;
    read();
    for (std::size_t i = fields; i < count && good(); ++i) in.skip();
  }
  template <class Read>
  void list(Read read) {
    for (std::size_t left = in.array(); left > 0 && good(); --left) read();
  }

  MsgpackReader in;

 private:
  std::string wrong_;
};

/// The values of a run stand in an array. What a later version appends is passed over.
void write(MsgpackWriter& out, const std::vector<SlotRun>& runs);
[[nodiscard]] std::vector<SlotRun> readRuns(SlotReader& reader);

}  // namespace twill::gossip
