// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <thread>

#include "tunnel/receiver.hpp"
#include "tunnel/sender.hpp"

namespace twill::tunnel {

/// What a pump is made with. To have another one, it has to be made again.
struct Settings {
  std::string device;                       ///< name of the TUN
  std::uint16_t port = 8285;                ///< UDP, here and at all peers; flannel's
  std::optional<IpAddress> local4, local6;  ///< this node on the underlay; one of them at least
  std::vector<Prefix> own;                  ///< what is behind this node

  bool operator==(const Settings&) const = default;
};

/// The user-space tunnel: device and sockets, and a thread for each direction. Made, used and destroyed by
/// one thread.
class Pump {
 public:
  /// Without peers. Errors: there is no such device or somebody else has it, the port is taken, rights are
  /// missing.
  [[nodiscard]] static Result<std::unique_ptr<Pump>> start(const Settings& settings);
  ~Pump();
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  /// Counters of peers that were there before (by name) go on.
  void setPeers(std::vector<Peer> peers);
  /// Whether the kernel puts datagrams together before it hands them over.
  void setCoalescing(bool on) const;
  [[nodiscard]] const PeerTable& peers() const { return *table_; }
  [[nodiscard]] const Dropped& dropped() const { return dropped_; }
  /// Readable once a thread has ended by an error, which the device going away is.
  [[nodiscard]] int brokenFd() const { return broken_.get(); }
  /// What it was; empty before.
  [[nodiscard]] std::string error() const { return failed_.load() ? error_ : std::string(); }

 private:
  explicit Pump(Tun tun);
  Result<void> open(const Settings& settings);
  void launch();
  template <class Worker>
  void launchOne(Worker& worker);

  Tun tun_;
  Fd sockets_[2];  ///< by family
  Fd wake_, broken_;
  Dropped dropped_;
  std::atomic<bool> claimed_{false};  ///< a thread is about to write error_, the only one
  std::atomic<bool> failed_{false};   ///< error_ is there, and stays as it is
  std::string error_;
  std::shared_ptr<const PeerTable> table_;
  std::unique_ptr<Sender> sender_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  std::vector<std::jthread> threads_;
};

}  // namespace twill::tunnel
