// SPDX-License-Identifier: Apache-2.0
#include "lab/forwarder.hpp"

#include <array>
#include <cstring>
#include <memory>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "kernel/netns.hpp"
#include "lab/process.hpp"

namespace twill::lab {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Code = boost::system::error_code;

Result<void> sendFd(const Fd& wire, const Fd& what) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int number = what.get();
  std::memcpy(CMSG_DATA(header), &number, sizeof number);
  if (::sendmsg(wire.get(), &message, MSG_NOSIGNAL) != 1) return failErrno("hand a socket over");
  return {};
}

/// None: the other end is gone.
Fd receiveFd(const Fd& wire) {
  char byte = 0;
  iovec part{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(wire.get(), &message, MSG_CMSG_CLOEXEC) != 1) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return {};
  int number = -1;
  std::memcpy(&number, CMSG_DATA(header), sizeof number);
  return Fd(number);
}

/// One connection and its other half.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Tcp::socket inside, std::vector<Tcp::endpoint> targets)
      : inside_(std::move(inside)), outside_(inside_.get_executor()), targets_(std::move(targets)) {}

  void start() {
    asio::async_connect(outside_, targets_, [self = shared_from_this()](Code failed, const Tcp::endpoint&) {
      if (failed) return;  // both go with this
      self->pass(self->inside_, self->outside_, self->there_);
      self->pass(self->outside_, self->inside_, self->back_);
    });
  }

 private:
  using Buffer = std::array<char, 65536>;

  void pass(Tcp::socket& from, Tcp::socket& to, Buffer& buffer) {
    from.async_read_some(asio::buffer(buffer), [&, self = shared_from_this()](Code failed, std::size_t size) {
      if (failed) return end(to);
      asio::async_write(to, asio::buffer(buffer, size), [&, self](Code broken, std::size_t) {
        if (!broken) self->pass(from, to, buffer);
      });
    });
  }

  static void end(Tcp::socket& to) {
    Code ignored;
    to.shutdown(Tcp::socket::shutdown_send, ignored);
  }

  Tcp::socket inside_, outside_;
  std::vector<Tcp::endpoint> targets_;
  Buffer there_{}, back_{};
};

class Acceptor {
 public:
  Acceptor(asio::io_context& loop, Fd listener, std::vector<Tcp::endpoint> targets)
      : acceptor_(loop, Tcp::v4(), listener.release()), targets_(std::move(targets)) {}

  void accept() {
    acceptor_.async_accept([this](Code failed, Tcp::socket socket) {
      if (!failed) std::make_shared<Connection>(std::move(socket), targets_)->start();
      accept();
    });
  }

 private:
  Tcp::acceptor acceptor_;
  std::vector<Tcp::endpoint> targets_;
};

Result<std::vector<Tcp::endpoint>> resolve(asio::io_context& loop,
                                           const std::vector<std::string>& endpoints) {
  std::vector<Tcp::endpoint> out;
  for (const auto& endpoint : endpoints) {
    TWILL_TRY(const auto parts, parseEndpoint(endpoint));
    Code failed;
    const auto found = Tcp::resolver(loop).resolve(parts.first, parts.second, failed);
    if (failed) return fail(fmt::format("{}: {}", endpoint, failed.message()));
    for (const auto& entry : found) out.push_back(entry.endpoint());
  }
  return out;
}

}  // namespace

Result<std::pair<std::string, std::string>> parseEndpoint(const std::string& endpoint) {
  constexpr std::string_view kScheme = "http://";
  const auto colon = endpoint.rfind(':');
  if (!endpoint.starts_with(kScheme) || colon == std::string::npos || colon <= kScheme.size() ||
      colon + 1 == endpoint.size() || endpoint.find('/', kScheme.size()) != std::string::npos) {
    return fail(fmt::format("--etcd-endpoints {}: expected http://HOST:PORT", endpoint),
                Error::Kind::invalid);
  }
  std::string host = endpoint.substr(kScheme.size(), colon - kScheme.size());
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::pair(host, endpoint.substr(colon + 1));
}

Result<Forwarder> Forwarder::start(const std::vector<std::string>& endpoints) {
  asio::io_context loop(1);
  TWILL_TRY(const auto targets, resolve(loop, endpoints));
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return failErrno("make a socket pair");
  Fd ours(ends[0]);
  Fd its(ends[1]);
  TWILL_TRY(const pid_t process, spawn([&] {
              ours.reset();
              Fd listener = receiveFd(its);
              if (!listener) return 1;
              asio::io_context own(1);
              Acceptor acceptor(own, std::move(listener), targets);
              acceptor.accept();
              own.run();
              return 0;
            }));
  return Forwarder(std::move(ours), process);
}

Result<void> Forwarder::open(const Fd& netns, std::uint16_t port) {
  TWILL_TRY(const NamespaceGuard guard, NamespaceGuard::enter(netns));
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!listener) return failErrno("open a socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), SOMAXCONN) != 0)
    return failErrno(fmt::format("listen on port {}", port));
  return sendFd(wire_, listener);
}

}  // namespace twill::lab
