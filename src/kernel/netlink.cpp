// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace twill::netlink {
namespace {

/// A window's failures must fit into the receive buffer at once: each takes about 1 KB there, and 256 of them
/// fit into the smallest usual buffer (net.core.rmem_default, 208 KB, which SO_RCVBUF doubles).
constexpr std::size_t kWindowMessages = 256;
constexpr std::size_t kWindowBytes = 32U << 10U;
constexpr int kRequestReceiveBuffer = 1 << 20;
/// The kernel answers before send() returns; this only ends a wait for an answer that was dropped.
constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};

template <class T>
std::optional<T> scalar(Bytes bytes) {
  if (bytes.size() != sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// The kernel negates errno values; MAX_ERRNO of its linux/err.h bounds them.
int toErrno(int code) {
  return code < 0 && code > -4096 ? -code : 0;
}

Failure refusal(std::string_view what, const Answer& answer) {
  auto failure = failErrno(what, answer.code);
  if (!answer.text.empty()) failure.value().text += fmt::format(" ({})", answer.text);
  if (answer.code == EPERM) failure.value().text += "; this takes CAP_NET_ADMIN, run as root";
  return failure;
}

Result<void> toResult(const Answer& answer) {
  if (answer.code == 0) return {};
  return refusal("the kernel refused", answer);
}

}  // namespace

Attributes::Attributes(Bytes bytes) {
  const auto* at = reinterpret_cast<const nlattr*>(bytes.data());
  const auto* end = bytes.data() + bytes.size();
  const auto left = [&] { return static_cast<int>(end - reinterpret_cast<const std::uint8_t*>(at)); };
  for (; left() > 0 && mnl_attr_ok(at, left()); at = mnl_attr_next(at)) {
    const auto type = mnl_attr_get_type(at);
    if (type < kTypes) byType_[type] = at;
  }
}

Attributes::Attributes(Bytes payload, std::size_t headerSize)
    : Attributes(payload.size() > MNL_ALIGN(headerSize) ? payload.subspan(MNL_ALIGN(headerSize)) : Bytes{}) {}

Bytes Attributes::bytes(std::uint16_t type) const {
  const auto* attribute = find(type);
  if (attribute == nullptr) return {};
  return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
          mnl_attr_get_payload_len(attribute)};
}

std::optional<std::uint8_t> Attributes::u8(std::uint16_t type) const {
  return scalar<std::uint8_t>(bytes(type));
}

std::optional<std::uint32_t> Attributes::u32(std::uint16_t type) const {
  return scalar<std::uint32_t>(bytes(type));
}

std::optional<std::uint16_t> Attributes::port(std::uint16_t type) const {
  const auto value = scalar<std::uint16_t>(bytes(type));
  return value ? std::optional(ntohs(*value)) : std::nullopt;
}

std::string_view Attributes::text(std::uint16_t type) const {
  const auto value = bytes(type);
  const auto end = std::find(value.begin(), value.end(), 0);
  return {reinterpret_cast<const char*>(value.data()), static_cast<std::size_t>(end - value.begin())};
}

std::optional<IpAddress> Attributes::address(std::uint16_t type) const {
  const auto value = bytes(type);
  if (value.size() != 4 && value.size() != 16) return std::nullopt;
  return IpAddress::fromBytes(value);
}

std::optional<MacAddress> Attributes::mac(std::uint16_t type) const {
  const auto value = bytes(type);
  MacAddress mac;
  if (value.size() != mac.bytes.size()) return std::nullopt;
  std::copy(value.begin(), value.end(), mac.bytes.begin());
  return mac;
}

Message::Message(std::uint16_t type, std::uint16_t flags) {
  auto* header = mnl_nlmsg_put_header(buffer_.data());
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | flags;
}

void Message::put(std::uint16_t type, Bytes value) {
  fits_ = mnl_attr_put_check(head(), kSize, type, value.size(), value.data()) && fits_;
}

void Message::putU32(std::uint16_t type, std::uint32_t value) {
  put(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

void Message::putPort(std::uint16_t type, std::uint16_t port) {
  const std::uint16_t value = htons(port);
  put(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

void Message::putText(std::uint16_t type, std::string_view text) {
  const std::string terminated(text);
  put(type, {reinterpret_cast<const std::uint8_t*>(terminated.c_str()), terminated.size() + 1});
}

void Message::nest(std::uint16_t type, const std::function<void()>& body) {
  auto* start = mnl_attr_nest_start_check(head(), kSize, type);
  fits_ = start != nullptr && fits_;
  body();
  if (start != nullptr) mnl_attr_nest_end(head(), start);
}

void Message::putRaw(Bytes header) {
  fits_ = head()->nlmsg_len + MNL_ALIGN(header.size()) <= kSize && fits_;
  if (!fits_) return;
  auto* at = static_cast<std::uint8_t*>(mnl_nlmsg_put_extra_header(head(), header.size()));
  std::copy(header.begin(), header.end(), at);
}

void Batch::add(const Message& message) {
  if (message.fits()) {
    const auto bytes = message.bytes();
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    bytes_.resize(MNL_ALIGN(bytes_.size()));
  }
  ends_.push_back(bytes_.size());
}

void Batch::clear() {
  bytes_.clear();
  ends_.clear();
}

void forEachMessage(Bytes datagram, const std::function<void(const Received&)>& each) {
  // Not mnl_nlmsg_ok(): it takes a length of 2 GB or more for a negative one, which fits everywhere.
  while (const auto header = headerOf<nlmsghdr>(datagram)) {
    const std::size_t size = header->nlmsg_len;
    if (size < sizeof(nlmsghdr) || size > datagram.size()) return;
    each({.type = header->nlmsg_type,
          .flags = header->nlmsg_flags,
          .sequence = header->nlmsg_seq,
          .payload = datagram.first(size).subspan(sizeof(nlmsghdr))});
    datagram = datagram.subspan(std::min<std::size_t>(MNL_ALIGN(size), datagram.size()));
  }
}

Answer decodeAnswer(const Received& message) {
  if (message.type == NLMSG_DONE) {  // the end of a dump carries the same number, without a request
    const auto code = headerOf<int>(message.payload).value_or(0);
    return {.code = toErrno(code), .text = Attributes(message.payload, sizeof code).text(NLMSGERR_ATTR_MSG)};
  }
  const auto error = headerOf<nlmsgerr>(message.payload);
  if (!error) return {.code = EBADMSG, .text = {}};
  // The request follows, whole unless NETLINK_CAP_ACK cut it to its header; then the attributes.
  std::size_t size = sizeof(nlmsgerr);
  if ((message.flags & NLM_F_CAPPED) == 0 && error->msg.nlmsg_len > sizeof(nlmsghdr)) {
    size += error->msg.nlmsg_len - sizeof(nlmsghdr);
  }
  const bool explained = (message.flags & NLM_F_ACK_TLVS) != 0;
  return {.code = toErrno(error->error),
          .text = explained ? Attributes(message.payload, size).text(NLMSGERR_ATTR_MSG) : ""};
}

Result<Socket> Socket::open(int protocol) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!fd) return failErrno("cannot open a netlink socket");
  sockaddr_nl local{.nl_family = AF_NETLINK};
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
    return failErrno("cannot bind a netlink socket");
  }
  // Absent before Linux 4.12 (CAP_ACK 4.3) and 4.20: then errors come without words, and dumps unfiltered.
  const int on = 1;
  for (int option : {NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK}) {
    ::setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on);
  }
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  Socket socket(std::move(fd));
  socket.setReceiveBuffer(kRequestReceiveBuffer);
  return socket;
}

void Socket::setReceiveBuffer(int bytes) {
  if (::setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
    ::setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
}

Result<void> Socket::join(unsigned group) {
  if (::setsockopt(fd(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    return refusal(fmt::format("cannot listen to netlink group {}", group), {.code = errno, .text = {}});
  }
  return {};
}

Result<void> Socket::send(Bytes bytes) {
  ssize_t sent = -1;
  do {
    sent = ::send(fd(), bytes.data(), bytes.size(), 0);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return failErrno("cannot send to the kernel over netlink");
  return {};
}

Result<Bytes> Socket::receive(int flags) {
  while (true) {
    sockaddr_nl from{};
    socklen_t fromSize = sizeof from;
    const auto size = ::recvfrom(fd(), buffer_.data(), buffer_.size(), flags | MSG_TRUNC,
                                 reinterpret_cast<sockaddr*>(&from), &fromSize);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) != 0) return Bytes{};
    if (size < 0 && errno == EAGAIN) return fail("the kernel gave no answer over netlink", Error::Kind::busy);
    if (size < 0) return failErrno("cannot receive from the kernel over netlink");
    if (from.nl_pid != 0) continue;  // only the kernel itself has port 0; anybody may send to us
    if (static_cast<std::size_t>(size) > buffer_.size()) {
      return failErrno(fmt::format("a netlink message of {} bytes was cut", size), ENOBUFS);
    }
    return Bytes(buffer_.data(), static_cast<std::size_t>(size));
  }
}

void Socket::discard() {
  // Bounded by what fits into the buffer, even when more keeps coming.
  constexpr int kMost = 1 << 10;
  std::array<mmsghdr, 64> messages{};  // without room for anything: each is cut to nothing
  for (int i = 0; i < kMost; ++i) {
    const int received = ::recvmmsg(fd(), messages.data(), messages.size(), MSG_DONTWAIT, nullptr);
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
  }
}

std::vector<Result<void>> Socket::run(const Batch& batch) {
  std::vector<Result<void>> results(batch.size());
  const auto begins = [&](std::size_t i) { return i == 0 ? 0 : batch.ends_[i - 1]; };
  for (std::size_t first = 0, last = 0; first < batch.size(); first = last) {
    for (last = first; last < batch.size() && last - first < kWindowMessages; ++last) {
      if (last > first && batch.ends_[last] - begins(first) > kWindowBytes) break;
      if (batch.ends_[last] == begins(last)) {
        results[last] =
            fail("the request is longer than netlink allows; shorten its names", Error::Kind::invalid);
      }
    }
    runWindow(batch, first, last, results);
  }
  return results;
}

void Socket::runWindow(const Batch& batch, std::size_t first, std::size_t last,
                       std::vector<Result<void>>& results) {
  const std::size_t begin = first == 0 ? 0 : batch.ends_[first - 1];
  const auto* data = batch.bytes_.data() + begin;
  std::vector<std::uint8_t> window(data, data + (batch.ends_[last - 1] - begin));
  if (window.empty()) return;
  const auto firstSequence = sequence_ + 1;
  nlmsghdr* header = nullptr;
  for (std::size_t i = first, at = 0; i < last; ++i) {
    ++sequence_;
    if (batch.ends_[i] - begin == at) continue;
    header = reinterpret_cast<nlmsghdr*>(window.data() + at);
    header->nlmsg_seq = sequence_;
    at = batch.ends_[i] - begin;
  }
  header->nlmsg_flags |= NLM_F_ACK;
  const auto lastSequence = header->nlmsg_seq;
  auto done = send(window);
  if (done) done = awaitVerdicts(firstSequence, lastSequence, {results.data() + first, last - first});
  if (done) return;
  for (auto& result : std::span(results).subspan(first, last - first)) {
    if (result) result = Failure(done.error());
  }
}

Result<void> Socket::awaitVerdicts(std::uint32_t firstSequence, std::uint32_t lastSequence,
                                   std::span<Result<void>> results) {
  for (bool complete = false; !complete;) {
    TWILL_TRY(const Bytes datagram, receive(0));
    forEachMessage(datagram, [&](const Received& message) {
      const std::uint32_t position = message.sequence - firstSequence;  // left over from before: far out
      if (message.type != NLMSG_ERROR || position >= results.size()) return;
      results[position] = toResult(decodeAnswer(message));
      complete = complete || message.sequence == lastSequence;
    });
  }
  return {};
}

Result<void> Socket::run(const Message& message) {
  Batch batch;
  batch.add(message);
  return std::move(run(batch).front());
}

Result<void> Socket::transact(Batch batch) {
  // It has to go as one datagram; where this is refused, a large one is, and says so.
  const auto room = static_cast<int>(2 * batch.bytes_.size());
  ::setsockopt(fd(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  const auto first = sequence_ + 1;
  std::uint32_t acknowledged = 0;
  for (std::size_t i = 0, at = 0; i < batch.size(); at = batch.ends_[i++]) {
    if (batch.ends_[i] == at) return fail("a request is longer than netlink allows", Error::Kind::invalid);
    auto* header = reinterpret_cast<nlmsghdr*>(batch.bytes_.data() + at);
    header->nlmsg_seq = ++sequence_;
    if (i + 2 != batch.size()) continue;  // the end itself is acknowledged by some kernels only
    header->nlmsg_flags |= NLM_F_ACK;
    acknowledged = header->nlmsg_seq;
  }
  TWILL_CHECK(send(batch.bytes_));
  Result<void> verdict;
  for (bool complete = false; !complete;) {
    TWILL_TRY(const Bytes datagram, receive(0));
    forEachMessage(datagram, [&](const Received& message) {
      if (message.type != NLMSG_ERROR || message.sequence - first >= batch.size()) return;
      auto result = toResult(decodeAnswer(message));
      // What concerns all of it has the number of the beginning.
      complete = complete || message.sequence == acknowledged || (!result && message.sequence == first);
      if (verdict && !result) verdict = std::move(result);
    });
  }
  return verdict;
}

Result<void> Socket::dump(const Message& request, const std::function<void(const Received&)>& each) {
  Batch batch;
  batch.add(request);
  auto* header = reinterpret_cast<nlmsghdr*>(batch.bytes_.data());
  header->nlmsg_flags |= NLM_F_DUMP;
  header->nlmsg_seq = ++sequence_;
  TWILL_CHECK(send(batch.bytes_));
  bool done = false;
  bool interrupted = false;
  Result<void> verdict;
  while (!done) {
    TWILL_TRY(const Bytes datagram, receive(0));
    forEachMessage(datagram, [&](const Received& message) {
      if (message.sequence != sequence_ || done) return;
      interrupted = interrupted || (message.flags & NLM_F_DUMP_INTR) != 0;
      done = message.type == NLMSG_DONE || message.type == NLMSG_ERROR;
      if (done) verdict = toResult(decodeAnswer(message));
      if (message.type >= NLMSG_MIN_TYPE) each(message);
    });
  }
  // A routing table is made with its first route: in a new namespace there is none to list.
  if (!verdict && verdict.error().code == ENOENT) return {};
  if (verdict && interrupted) return failErrno("the kernel's list changed while it was read", EAGAIN);
  return verdict;
}

Result<std::vector<std::uint8_t>> Socket::get(const Message& request) {
  Batch batch;
  batch.add(request);
  reinterpret_cast<nlmsghdr*>(batch.bytes_.data())->nlmsg_seq = ++sequence_;
  TWILL_CHECK(send(batch.bytes_));
  while (true) {
    TWILL_TRY(const Bytes datagram, receive(0));
    std::optional<Result<std::vector<std::uint8_t>>> found;
    forEachMessage(datagram, [&](const Received& message) {
      if (message.sequence != sequence_) return;
      if (message.type == NLMSG_ERROR) {
        auto verdict = toResult(decodeAnswer(message));
        if (!verdict) found = Failure(std::move(verdict).error());
      } else {
        found = std::vector<std::uint8_t>(message.payload.begin(), message.payload.end());
      }
    });
    if (found) return std::move(*found);
  }
}

}  // namespace twill::netlink
