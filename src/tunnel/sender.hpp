// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "tunnel/counters.hpp"
#include "tunnel/icmp.hpp"
#include "tunnel/outbox.hpp"
#include "tunnel/tun.hpp"

namespace twill::tunnel {

/// The way from the device to the underlay: reads packets, cuts them, and sends them to their peers. Runs in
/// a thread of its own; only the mailbox and the counters are for others.
class Sender {
 public:
  /// A socket of -1: there is no underlay of that family. All descriptors stay the caller's.
  Sender(const Tun& tun, int socket4, int socket6, std::uint16_t port, Dropped& dropped);

  TableMailbox& mailbox() { return mailbox_; }
  /// Until `stop` is requested, also while packets come without end; `wake` is readable then, for when none
  /// comes. An error of the device ends it, too.
  Result<void> run(const std::stop_token& stop, int wake);

 private:
  enum class Read { packet, nothing, failed };
  [[nodiscard]] bool hasRoom() const;
  Read readOne();
  void route(const Datagram& datagram);
  void flush();
  void flush(Outbox& outbox);
  void resend(const Outbox::Failed& failed);
  void report(Bytes packet, int code, const Peer& peer);

  const Tun& tun_;
  int sockets_[2];  ///< by family
  std::uint16_t port_;
  Dropped& dropped_;
  TableMailbox mailbox_;
  std::shared_ptr<const PeerTable> table_;
  std::vector<std::uint8_t> buffer_;
  std::size_t filled_ = 0;  ///< of buffer_, by packets that have not been sent
  Arena arena_;
  std::vector<Datagram> datagrams_;
  std::optional<Outbox> outboxes_[2];  ///< by family
  IcmpSender icmp_;
  int error_ = 0;
};

}  // namespace twill::tunnel
