// SPDX-License-Identifier: Apache-2.0
#include "api/client.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string_view>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.hpp"

namespace twill::api {
namespace {

constexpr std::size_t kAnswerLimit = 64U << 20U;
using Clock = std::chrono::steady_clock;

Result<Fd> connectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return fail("socket path " + path + " is longer than 107 bytes");
  std::copy(path.begin(), path.end(), static_cast<char*>(address.sun_path));
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return failErrno("make a socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    int code = errno;
    auto failure = failErrno("connect to the agent on " + path, code);
    if (code == ENOENT || code == ECONNREFUSED) failure.value().text += "; is twilld running on this node?";
    if (code == EACCES) failure.value().text += "; only root and the socket's group may talk to it";
    if (code == ECONNREFUSED) failure.value().kind = Error::Kind::missing;
    return failure;
  }
  return fd;
}

/// Waits until the socket is ready or the time is up.
Result<void> await(int fd, short events, Clock::time_point deadline) {
  auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd waiting{.fd = fd, .events = events, .revents = 0};
  int ready = left <= 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left));
  if (ready < 0 && errno != EINTR) return failErrno("poll");
  if (ready == 0) return fail("the agent did not answer in time", Error::Kind::busy);
  return {};
}

Result<void> send(int fd, std::string_view text, Clock::time_point deadline) {
  while (!text.empty()) {
    TWILL_CHECK(await(fd, POLLOUT, deadline));
    ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return failErrno("send to the agent");
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

/// Everything until the agent closes: the request asks for that.
Result<std::string> receive(int fd, Clock::time_point deadline) {
  std::string answer;
  std::array<char, 65536> chunk{};
  for (;;) {
    TWILL_CHECK(await(fd, POLLIN, deadline));
    ssize_t n = ::recv(fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) return failErrno("receive from the agent");
    if (n == 0) return answer;
    answer.append(chunk.data(), static_cast<std::size_t>(n));
    if (answer.size() > kAnswerLimit) return fail("the agent's answer is longer than 64 MB");
  }
}

std::string toText(const Call& call) {
  std::string text =
      fmt::format("{} {} HTTP/1.1\r\nHost: twill\r\nConnection: close\r\nContent-Length: {}\r\n", call.method,
                  call.target, call.body.size());
  for (const auto& [name, value] : call.headers) text += fmt::format("{}: {}\r\n", name, value);
  return text + "\r\n" + call.body;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

Failure cutOff(std::string text) {
  return Failure(Error{.text = std::move(text), .code = ECONNRESET});
}

Result<Reply> parse(std::string_view answer) {
  Reply reply;
  auto end = answer.find("\r\n\r\n");
  constexpr std::size_t kStatusAt = std::string_view("HTTP/1.1 ").size();
  constexpr std::string_view kStart = "HTTP/1.";
  if (answer.substr(0, kStart.size()) != kStart.substr(0, answer.size()))
    return fail("the answer is not HTTP");
  if (end == std::string_view::npos || end < kStatusAt + 3) return cutOff("the agent's answer is cut off");
  std::from_chars(answer.data() + kStatusAt, answer.data() + kStatusAt + 3, reply.status);
  std::string_view head = answer.substr(0, end + 2);
  head.remove_prefix(head.find("\r\n") + 2);
  while (!head.empty()) {
    std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(line.size() + 2);
    auto colon = std::min(line.find(':'), line.size());
    std::string_view value = line.substr(std::min(colon + 1, line.size()));
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    reply.headers[lower(line.substr(0, colon))] = std::string(value);
  }
  reply.body = std::string(answer.substr(end + 4));
  auto length = reply.headers.find("content-length");
  if (length != reply.headers.end() && length->second != std::to_string(reply.body.size())) {
    return cutOff("the agent's answer is cut off");
  }
  return reply;
}

}  // namespace

Result<Reply> call(const std::string& socketPath, const Call& call) {
  auto deadline = Clock::now() + call.timeout;
  TWILL_TRY(Fd fd, connectTo(socketPath));
  TWILL_CHECK(send(fd.get(), toText(call), deadline));
  TWILL_TRY(std::string answer, receive(fd.get(), deadline));
  return parse(answer);
}

}  // namespace twill::api
