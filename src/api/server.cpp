// SPDX-License-Identifier: Apache-2.0
#include "api/server.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <list>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <sys/stat.h>

namespace twill::api {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Unix = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;

namespace {

constexpr std::size_t kRequestLimit = 2U << 20U;
constexpr std::size_t kConnectionLimit = 256;
constexpr auto kIdle = std::chrono::seconds(30);
/// How much of a request that was refused is read on: who still sends would not see the answer otherwise.
constexpr std::size_t kDrainLimit = 16U << 20U;
using Clock = std::chrono::steady_clock;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 1] + 2, value, 16).ptr == &text[i + 1] + 2) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::map<std::string, std::string> parseQuery(std::string_view text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    auto end = std::min(text.find('&'), text.size());
    std::string_view pair = text.substr(0, end);
    auto equals = std::min(pair.find('='), pair.size());
    query[unescape(pair.substr(0, equals))] = unescape(pair.substr(std::min(equals + 1, pair.size())));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return query;
}

Request toRequest(http::request<http::string_body>& message) {
  Request request;
  request.method = std::string(message.method_string());
  std::string_view target(message.target().data(), message.target().size());
  auto question = std::min(target.find('?'), target.size());
  request.target = std::string(target.substr(0, question));
  request.query = parseQuery(target.substr(std::min(question + 1, target.size())));
  for (const auto& field : message) {
    request.headers[lower({field.name_string().data(), field.name_string().size()})] =
        std::string(field.value());
  }
  request.body = std::move(message.body());
  return request;
}

Response errorAnswer(int status, std::string_view text) {
  return {.status = status, .body = "{\"error\":\"" + std::string(text) + "\"}\n"};
}

/// The answer to a request that could not be read; nothing when the client is gone or does not speak HTTP.
std::optional<Response> refusal(beast::error_code error) {
  if (error == http::error::body_limit) return errorAnswer(413, "the request is longer than 2 MB");
  if (error == http::error::header_limit) return errorAnswer(431, "the request's headers are too long");
  return std::nullopt;
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  struct Route {
    Exposure exposure = Exposure::localOnly;
    LateHandler handler;
  };
  struct Closable {
    virtual ~Closable() = default;
    virtual void close() = 0;
    Clock::time_point idleSince = Clock::now();
  };
  template <class Protocol>
  struct Connection;
  template <class Protocol>
  struct Listener;

  explicit Impl(asio::io_context& context) : io(context) {}

  void answer(const Request& request, bool tcp, const Answer& answer) const {
    auto path = routes.find(request.target);
    if (path == routes.end()) return answer(errorAnswer(404, "no such path"));
    auto route = path->second.find(request.method);
    if (route == path->second.end()) return answer(errorAnswer(405, "method not allowed"));
    if (tcp && route->second.exposure == Exposure::localOnly) {
      return answer(errorAnswer(403, "only served on the unix socket"));
    }
    route->second.handler(request, answer);
  }

  /// Makes room for one more. The one that has been idle longest goes: it costs its client a new connection,
  /// while refusing would lock out everybody for as long as 256 of them hang on.
  void makeRoom() {
    connections.remove_if([](const auto& connection) { return connection.expired(); });
    if (connections.size() < kConnectionLimit) return;
    auto idleSince = [](const std::weak_ptr<Closable>& connection) {
      auto live = connection.lock();
      return live ? live->idleSince : Clock::time_point();
    };
    auto oldest = std::min_element(connections.begin(), connections.end(),
                                   [&](const auto& a, const auto& b) { return idleSince(a) < idleSince(b); });
    if (auto live = oldest->lock()) live->close();
    connections.erase(oldest);
  }

  asio::io_context& io;
  std::map<std::string, std::map<std::string, Route>> routes;  // path, method
  std::vector<std::shared_ptr<Closable>> listeners;
  std::list<std::weak_ptr<Closable>> connections;
  std::string socketPath;
};

template <class Protocol>
struct Server::Impl::Connection : Closable, std::enable_shared_from_this<Connection<Protocol>> {
  Connection(typename Protocol::socket socket, std::shared_ptr<Impl> server)
      : stream(std::move(socket)), impl(std::move(server)) {}

  void close() override { stream.close(); }

  void read() {
    parser.emplace();
    parser->body_limit(kRequestLimit);
    stream.expires_after(kIdle);
    http::async_read(stream, buffer, *parser,
                     [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) return self->respond();
                       if (auto why = refusal(error)) self->refuse(std::move(*why));
                     });
    this->idleSince = Clock::now();
  }

  void respond() {
    const Request request = toRequest(parser->get());
    impl->answer(request, std::is_same_v<Protocol, Tcp>,
                 [self = this->shared_from_this()](Response response) {
                   self->prepare(std::move(response), self->parser->get().keep_alive());
                   self->write();
                 });
  }

  void write() {
    http::async_write(stream, message,
                      [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                        if (!error && self->message.keep_alive()) self->read();
                      });
  }

  void refuse(Response response) {
    prepare(std::move(response), false);
    http::async_write(stream, message,
                      [self = this->shared_from_this()](beast::error_code error, std::size_t) {
                        if (error) return;
                        self->stream.socket().shutdown(asio::socket_base::shutdown_send, error);
                        self->drain(0);
                      });
  }

  void drain(std::size_t before) {
    buffer.clear();
    stream.async_read_some(buffer.prepare(1U << 16U), [self = this->shared_from_this(), before](
                                                          beast::error_code error, std::size_t more) {
      if (!error && before + more < kDrainLimit) self->drain(before + more);
    });
  }

  void prepare(Response response, bool keepAlive) {
    message = {};
    message.result(static_cast<unsigned>(response.status));
    message.version(parser->get().version());
    message.set(http::field::content_type, response.contentType);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    message.body() = std::move(response.body);
    message.keep_alive(keepAlive);
    message.prepare_payload();
  }

  beast::basic_stream<Protocol, asio::any_io_executor> stream;
  std::shared_ptr<Impl> impl;
  beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  http::response<http::string_body> message;
};

template <class Protocol>
struct Server::Impl::Listener : Closable, std::enable_shared_from_this<Listener<Protocol>> {
  Listener(asio::io_context& io, Impl& server) : acceptor(io), impl(server) {}

  void close() override {
    beast::error_code ignored;
    acceptor.close(ignored);
  }

  void accept() {
    acceptor.async_accept(
        [self = this->shared_from_this()](beast::error_code error, typename Protocol::socket socket) {
          if (error == asio::error::operation_aborted) return;
          if (!error) {
            self->impl.makeRoom();
            auto connection =
                std::make_shared<Connection<Protocol>>(std::move(socket), self->impl.shared_from_this());
            self->impl.connections.push_back(connection);
            connection->read();
          }
          self->accept();
        });
  }

  typename Protocol::acceptor acceptor;
  Impl& impl;
};

Server::Server(asio::io_context& io) : impl_(std::make_shared<Impl>(io)) {}

Server::~Server() {
  stop();
}

void Server::route(const std::string& method, const std::string& path, Exposure exposure, Handler handler) {
  routeLate(method, path, exposure,
            [handler = std::move(handler)](const Request& request, const Answer& answer) {
              answer(handler(request));
            });
}

void Server::routeLate(const std::string& method, const std::string& path, Exposure exposure,
                       LateHandler handler) {
  impl_->routes[path][method] = {exposure, std::move(handler)};
}

Result<void> Server::listenUnix(const std::string& path) {
  beast::error_code error;
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return fail("socket path " + path + " is longer than 107 bytes");
  Unix::socket probe(impl_->io);
  if (!probe.connect(Unix::endpoint(path), error)) {
    return fail("another agent answers on " + path + "; stop it first", Error::Kind::exists);
  }
  ::unlink(path.c_str());
  auto listener = std::make_shared<Impl::Listener<Unix>>(impl_->io, *impl_);
  listener->acceptor.open(Unix(), error);
  // Until chmod below nobody but root may connect.
  mode_t mask = ::umask(0177);
  if (!error) listener->acceptor.bind(Unix::endpoint(path), error);
  ::umask(mask);
  if (!error) listener->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failErrno("listen on " + path, error.value());
  if (::chmod(path.c_str(), 0660) != 0) return failErrno("chmod " + path);
  impl_->socketPath = path;
  impl_->listeners.push_back(listener);
  listener->accept();
  return {};
}

Result<void> Server::listenTcp(const std::string& endpoint) {
  auto colon = endpoint.rfind(':');
  std::string host = colon == std::string::npos ? "" : endpoint.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  unsigned port = 0;
  const char* end = endpoint.data() + endpoint.size();
  bool parsed = colon != std::string::npos &&
                std::from_chars(endpoint.data() + colon + 1, end, port).ptr == end && port > 0 &&
                port < 65536;
  beast::error_code error;
  auto address = asio::ip::make_address(host.empty() ? "::" : host, error);
  if (!parsed || error) {
    return fail("'" + endpoint + "' is not ADDRESS:PORT, for example 127.0.0.1:9116", Error::Kind::invalid);
  }
  Tcp::endpoint where(address, static_cast<std::uint16_t>(port));
  auto listener = std::make_shared<Impl::Listener<Tcp>>(impl_->io, *impl_);
  listener->acceptor.open(where.protocol(), error);
  if (!error) listener->acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) listener->acceptor.bind(where, error);
  if (!error) listener->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failErrno("listen on " + endpoint, error.value());
  impl_->listeners.push_back(listener);
  listener->accept();
  return {};
}

void Server::stop() {
  for (auto& listener : impl_->listeners) listener->close();
  for (auto& connection : impl_->connections) {
    if (auto live = connection.lock()) live->close();
  }
  impl_->listeners.clear();
  if (!impl_->socketPath.empty()) ::unlink(impl_->socketPath.c_str());
  impl_->socketPath.clear();
}

}  // namespace twill::api
