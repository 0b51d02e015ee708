// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <stop_token>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "tunnel/admission.hpp"
#include "tunnel/counters.hpp"
#include "tunnel/merge.hpp"
#include "tunnel/tun.hpp"

namespace twill::tunnel {

/// The way from the underlay to the device: receives datagrams, keeps out what may not come, makes large
/// packets, and writes them. Runs in a thread of its own; only the mailbox and the counters are for others.
class Receiver {
 public:
  /// `socket` has UDP_GRO on and does not block. All descriptors stay the caller's.
  Receiver(const Tun& tun, int socket, Admission admission, Dropped& dropped);

  TableMailbox& mailbox() { return mailbox_; }
  /// Until `stop` is requested, also while packets come without end; `wake` is readable then, for when none
  /// comes. An error of the device ends it, too.
  Result<void> run(const std::stop_token& stop, int wake);

  /// What a message of `gsoSize`-byte datagrams (the last may be shorter) from `sender` gives, without any
  /// input or output: adds what is admitted to the packets for the device.
  void take(Bytes message, std::size_t gsoSize, const IpAddress& sender);

 private:
  struct Slot;

  int receive();
  void takeSlot(Slot& slot, std::size_t size);
  Result<void> writeAll();

  const Tun& tun_;
  int socket_;
  Admission admission_;
  Dropped& dropped_;
  TableMailbox mailbox_;
  std::shared_ptr<const PeerTable> table_;
  Merger merger_;
  std::vector<Slot> slots_;
  std::vector<mmsghdr> headers_;
  std::vector<iovec> parts_;
};

/// One message to be received into.
struct Receiver::Slot {
  std::vector<std::uint8_t> buffer;
  sockaddr_storage from{};
  iovec part{};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> control{};
};

}  // namespace twill::tunnel
