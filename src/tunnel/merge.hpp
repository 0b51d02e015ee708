// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <vector>

#include <sys/uio.h>

#include "tunnel/packet.hpp"

namespace twill::tunnel {

/// Makes large packets again of the segments that arrive, since a write to the TUN costs the same for either:
/// neighbours of a TCP flow, and datagrams of a UDP flow that are of one size. Merged ones have had their
/// checksums verified, as the kernel makes new ones. All else passes as it came, and no flow's packets change
/// places.
class Merger {
 public:
  /// A packet, or several as one, for one writev().
  struct Write {
    VnetHeader vnet;
    std::array<std::uint8_t, 128> header{};  ///< IP and transport header; in use when it is several
    std::size_t headerLength = 0;
    std::vector<Bytes> parts;  ///< payloads, or the one packet
  };

  /// `udp`: the TUN takes UDP in large ones, too (Linux 6.2).
  explicit Merger(bool udp) : udp_(udp) {}
  /// `packet` has been parsed to `ip`, and stays where it is until clear().
  void add(const IpView& ip, Bytes packet);
  /// All that is to be written, in order, with headers as the kernel wants them.
  [[nodiscard]] std::span<const Write> finish();
  void clear();

 private:
  struct Flow {
    bool open = false;
    std::size_t write = 0;  ///< into writes_
    Bytes first;            ///< the first packet, to compare with
    IpView ip;
    std::size_t headers = 0;  ///< of IP and transport
    std::size_t size = 0;     ///< payload of each but the last
    std::size_t length = 0;   ///< of the packet that it has become
    bool partial = false;     ///< the first one's checksum has to be completed
    std::uint32_t next = 0;   ///< TCP: sequence number that would follow
  };
  struct Candidate;

  [[nodiscard]] static bool isSameFlow(const Flow& flow, const Candidate& candidate);
  [[nodiscard]] static bool continues(const Flow& flow, const Candidate& candidate);
  [[nodiscard]] Candidate look(const IpView& ip, Bytes packet) const;
  Flow* flowOf(const Candidate& candidate);
  Write& append();
  void open(const Candidate& candidate, bool partial);
  void close(Flow& flow);

  bool udp_;
  std::vector<Write> writes_;  ///< used_ of them; the others keep their memory
  std::size_t used_ = 0;
  std::array<Flow, 8> flows_;
  std::size_t nextFlow_ = 0;
};

}  // namespace twill::tunnel
