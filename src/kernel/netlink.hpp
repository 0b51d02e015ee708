// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <libmnl/libmnl.h>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "net/address.hpp"

/// A thin typed layer over libmnl: what the files beside this one share to speak rtnetlink.
namespace twill::netlink {

using Bytes = std::span<const std::uint8_t>;

/// The attributes of one message or nest, by type; the last of a type counts, as in the kernel. Points into
/// the bytes it was made from. Whatever the bytes are, nothing outside of them is read: an attribute that is
/// cut off ends the list, one of an unexpected size counts as absent.
class Attributes {
 public:
  Attributes() = default;
  explicit Attributes(Bytes bytes);
  /// Those that follow a message's fixed header of `headerSize` bytes.
  Attributes(Bytes payload, std::size_t headerSize);

  [[nodiscard]] bool has(std::uint16_t type) const { return find(type) != nullptr; }
  [[nodiscard]] Bytes bytes(std::uint16_t type) const;
  [[nodiscard]] std::optional<std::uint8_t> u8(std::uint16_t type) const;
  [[nodiscard]] std::optional<std::uint32_t> u32(std::uint16_t type) const;
  /// In network byte order on the wire.
  [[nodiscard]] std::optional<std::uint16_t> port(std::uint16_t type) const;
  /// Up to the first NUL; empty when absent.
  [[nodiscard]] std::string_view text(std::uint16_t type) const;
  [[nodiscard]] std::optional<IpAddress> address(std::uint16_t type) const;
  [[nodiscard]] std::optional<MacAddress> mac(std::uint16_t type) const;
  [[nodiscard]] Attributes nest(std::uint16_t type) const { return Attributes(bytes(type)); }

 private:
  /// Enough for every type that Twill reads; higher ones are skipped.
  static constexpr std::size_t kTypes = 64;
  [[nodiscard]] const nlattr* find(std::uint16_t type) const {
    return type < kTypes ? byType_[type] : nullptr;
  }
  std::array<const nlattr*, kTypes> byType_{};
};

/// The fixed header of a message, copied out; nothing when the message is shorter.
template <class Header>
[[nodiscard]] std::optional<Header> headerOf(Bytes payload) {
  if (payload.size() < sizeof(Header)) return std::nullopt;
  Header header{};
  std::copy_n(payload.data(), sizeof(Header), reinterpret_cast<std::uint8_t*>(&header));
  return header;
}

/// One request while it is written. Attributes that do not fit make it unusable, which sending it reports.
class Message {
 public:
  /// `flags` are added to NLM_F_REQUEST.
  Message(std::uint16_t type, std::uint16_t flags);
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  /// Appends the family's fixed header, zeroed; comes before any attribute.
  template <class Header>
  Header& header() {
    return *static_cast<Header*>(mnl_nlmsg_put_extra_header(head(), sizeof(Header)));
  }
  void put(std::uint16_t type, Bytes value);
  void putU8(std::uint16_t type, std::uint8_t value) { put(type, {&value, 1}); }
  void putU32(std::uint16_t type, std::uint32_t value);
  void putPort(std::uint16_t type, std::uint16_t port);  ///< in network byte order
  void putFlag(std::uint16_t type) { put(type, {}); }
  void putText(std::uint16_t type, std::string_view text);
  void putAddress(std::uint16_t type, const IpAddress& address) { put(type, address.bytes()); }
  void putMac(std::uint16_t type, const MacAddress& mac) { put(type, mac.bytes); }
  /// Writes what `body` puts as the content of one attribute.
  void nest(std::uint16_t type, const std::function<void()>& body);
  /// A fixed header inside a nest, zeroed unless given: VETH_INFO_PEER has one.
  template <class Header>
  void putInnerHeader(const Header& header = {}) {
    putRaw({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
  }

  [[nodiscard]] bool fits() const { return fits_; }
  [[nodiscard]] Bytes bytes() const { return {buffer_.data(), head()->nlmsg_len}; }

 private:
  static constexpr std::size_t kSize = 1024;  // the longest request, with a 255 byte alias, takes half of it
  void putRaw(Bytes header);
  nlmsghdr* head() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  [[nodiscard]] const nlmsghdr* head() const { return reinterpret_cast<const nlmsghdr*>(buffer_.data()); }
  alignas(nlmsghdr) std::array<std::uint8_t, kSize> buffer_{};
  bool fits_ = true;
};

/// Requests that travel together, in order.
class Batch {
 public:
  void add(const Message& message);
  [[nodiscard]] std::size_t size() const { return ends_.size(); }
  [[nodiscard]] bool empty() const { return ends_.empty(); }
  void clear();

 private:
  friend class Socket;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::size_t> ends_;  ///< where each message ends; equal to its start: it did not fit
};

/// One received message, pointing into the receive buffer.
struct Received {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  Bytes payload;
};

/// Splits a datagram; stops at the first message that is cut off.
void forEachMessage(Bytes datagram, const std::function<void(const Received&)>& each);

/// What an NLMSG_ERROR or NLMSG_DONE says: errno (0 for an acknowledgement), and the kernel's own words where
/// it has some.
struct Answer {
  int code = 0;
  std::string_view text;
};
[[nodiscard]] Answer decodeAnswer(const Received& message);

/// One netlink socket, bound to the network namespace that the calling thread was in at open().
class Socket {
 public:
  [[nodiscard]] static Result<Socket> open(int protocol);

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// As large as the system allows; more than net.core.rmem_max takes CAP_NET_ADMIN.
  void setReceiveBuffer(int bytes);
  [[nodiscard]] Result<void> join(unsigned group);

  /// Sends them and waits for the verdict on each. Only the last request of a window asks for an
  /// acknowledgement: the kernel reports failures unasked, so the rest are known to have succeeded.
  [[nodiscard]] std::vector<Result<void>> run(const Batch& batch);
  [[nodiscard]] Result<void> run(const Message& message);
  /// A transaction of nfnetlink's, with the messages that begin and end it: all of it or nothing.
  [[nodiscard]] Result<void> transact(Batch batch);

  /// Sends a dump request and hands over each object. Kind::busy: the objects changed meanwhile and the
  /// answer may have gaps; ask again. A table that does not exist yet has no objects.
  [[nodiscard]] Result<void> dump(const Message& request, const std::function<void(const Received&)>& each);
  /// Sends a request for one object and returns the answer's payload.
  [[nodiscard]] Result<std::vector<std::uint8_t>> get(const Message& request);

  /// The next datagram, empty when none waits. Kind::busy with ENOBUFS: some were lost.
  [[nodiscard]] Result<Bytes> poll() { return receive(MSG_DONTWAIT); }
  /// Throws away what waits.
  void discard();

 private:
  explicit Socket(Fd fd) : fd_(std::move(fd)), buffer_(kReceiveSize) {}
  [[nodiscard]] Result<void> send(Bytes bytes);
  [[nodiscard]] Result<Bytes> receive(int flags);
  void runWindow(const Batch& batch, std::size_t first, std::size_t last, std::vector<Result<void>>& results);
  [[nodiscard]] Result<void> awaitVerdicts(std::uint32_t firstSequence, std::uint32_t lastSequence,
                                           std::span<Result<void>> results);

  /// The kernel never builds a larger datagram for a dump (32 KB, netlink_dump() in af_netlink.c).
  static constexpr std::size_t kReceiveSize = 64U << 10U;
  Fd fd_;
  std::vector<std::uint8_t> buffer_;
  std::uint32_t sequence_ = 0;
};

}  // namespace twill::netlink
