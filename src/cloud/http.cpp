// SPDX-License-Identifier: Apache-2.0
#include "cloud/http.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include <boost/asio/async_result.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace twill::cloud {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kLargestBody = 32U << 20U;
constexpr std::size_t kMostHeaders = 100;
constexpr long kConnectMillis = 5000;

/// What of a URL may stand in a log: scheme and host.
std::string hostOf(const std::string& url) {
  const auto begin = url.find("//");
  const auto end = begin == std::string::npos ? begin : url.find_first_of("/?", begin + 2);
  return url.substr(0, end);
}

Outcome cancelled(const std::string& url) {
  return {Kind::transient, hostOf(url) + ": not waited for any longer"};
}

void initialize() {
  static const CURLcode once = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)once;
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

struct Http::Socket {
  Socket(asio::io_context& io, curl_socket_t socket) : descriptor(io, socket), fd(socket) {}
  ~Socket() { leave(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  /// libcurl closes it.
  void leave() {
    gone = true;
    if (descriptor.is_open()) descriptor.release();
  }

  asio::posix::stream_descriptor descriptor;
  curl_socket_t fd;
  int wants = 0;                       ///< CURL_POLL_*
  bool reads = false, writes = false;  ///< a wait is in flight
  bool gone = false;
};

struct Http::Transfer {
  ~Transfer() {
    ::curl_slist_free_all(headers);
    ::curl_easy_cleanup(easy);
  }
  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  static std::size_t onBody(char* data, std::size_t, std::size_t length, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.response.body.size() + length > kLargestBody) return 0;
    transfer.response.body.append(data, length);
    return length;
  }
  static std::size_t onHeader(char* data, std::size_t, std::size_t length, void* self) {
    auto& headers = static_cast<Transfer*>(self)->response.headers;
    const std::string line(data, length);
    const auto colon = line.find(':');
    if (colon == std::string::npos || headers.size() >= kMostHeaders) return length;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const auto first = line.find_first_not_of(" \t", colon + 1);
    const auto last = line.find_last_not_of(" \t\r\n");
    headers[name] = first == std::string::npos || last < first ? "" : line.substr(first, last - first + 1);
    return length;
  }

  CURL* easy = ::curl_easy_init();
  curl_slist* headers = nullptr;
  HttpRequest request;
  HttpResponse response;
  Done done;
};

Http::Http(asio::io_context& io) : io_(io), timer_(io) {
  initialize();
  multi_ = ::curl_multi_init();
  ::curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &Http::onSocket);
  ::curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  ::curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &Http::onTimer);
  ::curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
}

Http::~Http() {
  *alive_ = false;
  for (const auto& [easy, transfer] : transfers_) ::curl_multi_remove_handle(multi_, easy);
  transfers_.clear();
  ::curl_multi_cleanup(multi_);  // calls onSocket() for connections that were kept
}

int Http::onSocket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& http = *static_cast<Http*>(self);
  if (what == CURL_POLL_REMOVE) {
    if (const auto found = http.sockets_.find(fd); found != http.sockets_.end()) {
      found->second->leave();
      http.sockets_.erase(found);
    }
    return 0;
  }
  auto& socket = http.sockets_[fd];
  if (!socket) socket = std::make_shared<Socket>(http.io_, fd);
  socket->wants = what;
  http.watch(socket);
  return 0;
}

int Http::onTimer(CURLM*, long milliseconds, void* self) {
  auto& http = *static_cast<Http*>(self);
  http.timer_.cancel();
  if (milliseconds < 0) return 0;
  http.timer_.expires_after(std::chrono::milliseconds(milliseconds));
  http.timer_.async_wait([&http, alive = http.alive_](error_code cancelled) {
    if (!cancelled && *alive) http.act(CURL_SOCKET_TIMEOUT, 0);
  });
  return 0;
}

/// One wait for each direction that libcurl wants; it comes again until libcurl says otherwise.
void Http::watch(const std::shared_ptr<Socket>& socket) {
  const auto wait = [&](int direction, asio::posix::stream_descriptor::wait_type type, bool Socket::*waits,
                        int event) {
    if ((socket->wants & direction) == 0 || (*socket).*waits) return;
    (*socket).*waits = true;
    socket->descriptor.async_wait(type, [=, this, alive = alive_](error_code failed) {
      (*socket).*waits = false;
      if (!*alive || socket->gone || failed) return;
      act(socket->fd, event);
      if (*alive && !socket->gone) watch(socket);
    });
  };
  wait(CURL_POLL_IN, asio::posix::stream_descriptor::wait_read, &Socket::reads, CURL_CSELECT_IN);
  wait(CURL_POLL_OUT, asio::posix::stream_descriptor::wait_write, &Socket::writes, CURL_CSELECT_OUT);
}

void Http::act(curl_socket_t fd, int events) {
  int running = 0;
  ::curl_multi_socket_action(multi_, fd, events, &running);
  collect();
}

void Http::collect() {
  int left = 0;
  while (const CURLMsg* message = ::curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    const auto found = transfers_.find(easy);
    if (found == transfers_.end()) continue;
    ::curl_multi_remove_handle(multi_, easy);
    const std::unique_ptr<Transfer> transfer = std::move(found->second);
    transfers_.erase(found);
    if (code == CURLE_OK) {
      ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &transfer->response.status);
      transfer->done(std::move(transfer->response));
    } else {
      const char* why = code == CURLE_WRITE_ERROR ? "the answer is too large" : ::curl_easy_strerror(code);
      Outcome outcome{Kind::transient, fmt::format("{}: {}", hostOf(transfer->request.url), why)};
      transfer->done(Refusal(std::move(outcome)));
    }
  }
}

void Http::begin(HttpRequest request, Done done) {
  if (cancelled_) return done(Refusal(cancelled(request.url)));
  // A token may come from a file, or from a server.
  if (std::any_of(request.headers.begin(), request.headers.end(), [](const std::string& header) {
        return header.find_first_of("\r\n") != std::string::npos;
      })) {
    Outcome broken{Kind::permanent, hostOf(request.url) + ": a token or key has a line break in it"};
    return done(Refusal(std::move(broken)));
  }
  auto transfer = std::make_unique<Transfer>();
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  CURL* const easy = transfer->easy;
  const HttpRequest& asked = transfer->request;
  for (const auto& header : asked.headers)
    transfer->headers = ::curl_slist_append(transfer->headers, header.c_str());
  ::curl_easy_setopt(easy, CURLOPT_URL, asked.url.c_str());
  ::curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, asked.method.c_str());
  ::curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
  if (!asked.body.empty() || asked.method == "POST" || asked.method == "PUT") {
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, asked.body.c_str());
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(asked.body.size()));
  }
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMillis);
  ::curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(asked.timeout.count()));
  if (!asked.proxy) ::curl_easy_setopt(easy, CURLOPT_PROXY, "");
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Transfer::onBody);
  ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer.get());
  ::curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::onHeader);
  ::curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer.get());
  const CURLMcode added = ::curl_multi_add_handle(multi_, easy);  // goes on from onTimer()
  if (added == CURLM_OK) {
    transfers_.emplace(easy, std::move(transfer));
    return;
  }
  Outcome refused{Kind::transient, fmt::format("{}: {}", hostOf(asked.url), ::curl_multi_strerror(added))};
  transfer->done(Refusal(std::move(refused)));
}

Task<Answer<HttpResponse>> Http::send(HttpRequest request) {
  auto start = [this, &request](auto handler) {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    // Never from within libcurl, which may not be left by way of its own callback.
    begin(std::move(request), [this, shared](Answer<HttpResponse> answer) {
      asio::post(io_,
                 [shared, answer = std::move(answer)]() mutable { std::move (*shared)(std::move(answer)); });
    });
  };
  asio::use_awaitable_t<> token;
  co_return co_await asio::async_initiate<decltype(token), void(Answer<HttpResponse>)>(start, token);
}

void Http::cancel() {
  cancelled_ = true;
  const auto ended = std::exchange(transfers_, {});
  for (const auto& [easy, transfer] : ended) {
    ::curl_multi_remove_handle(multi_, easy);
    transfer->done(Refusal(cancelled(transfer->request.url)));
  }
}

}  // namespace twill::cloud
