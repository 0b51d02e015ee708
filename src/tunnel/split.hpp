// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "tunnel/packet.hpp"

namespace twill::tunnel {

/// One packet as it goes into a datagram: its headers, and its payload, which stays where it was read to.
struct Datagram {
  Bytes header;
  Bytes payload;  ///< may be empty

  [[nodiscard]] std::size_t size() const { return header.size() + payload.size(); }
};

/// Room for the headers of many packets, until all of it is given back at once.
class Arena {
 public:
  explicit Arena(std::size_t size) : bytes_(size) {}
  /// Empty when there is no room left.
  MutableBytes take(std::size_t size) {
    if (size > left()) return {};
    used_ += size;
    return MutableBytes(bytes_).subspan(used_ - size, size);
  }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - used_; }
  void clear() { used_ = 0; }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t used_ = 0;
};

/// Makes packets of what one read from the TUN gave: the kernel leaves it to the device to cut large ones
/// into segments and to fill in checksums. Appends to `out`; payloads point into `packet`, and an uncut
/// packet's checksum is written there. False when header and packet do not fit together, or the arena is
/// full.
[[nodiscard]] bool split(const VnetHeader& vnet, MutableBytes packet, Arena& arena,
                         std::vector<Datagram>& out);

}  // namespace twill::tunnel
