// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace twill::api {

/// One request of a local client. Header names are in lower case.
struct Request {
  std::string method;
  std::string target;  ///< path without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;
  std::string body;
};

struct Response {
  int status = 200;
  std::string body;
  std::string contentType = "application/json";
  std::map<std::string, std::string> headers;
};

/// The agent's HTTP server: a unix socket for everything, and on request a TCP port for health and metrics
/// alone.
///
/// Threading: everything runs on the io_context's thread. Limits: 2 MB a request
/// (more is answered 413), 30 s a connection without traffic, 256 connections: with one more the one that has
/// been idle longest is closed.
class Server {
 public:
  using Handler = std::function<Response(const Request&)>;
  /// Takes the answer, once, at any time before the server is gone.
  using Answer = std::function<void(Response)>;
  using LateHandler = std::function<void(const Request&, Answer)>;
  enum class Exposure { localOnly, alsoTcp };

  explicit Server(boost::asio::io_context& io);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void route(const std::string& method, const std::string& path, Exposure exposure, Handler handler);
  /// For what has to wait for somebody else.
  void routeLate(const std::string& method, const std::string& path, Exposure exposure, LateHandler handler);

  /// Listens on a unix socket (mode 0660). A stale socket file is replaced; one that somebody answers on is
  /// an error.
  [[nodiscard]] Result<void> listenUnix(const std::string& path);
  /// "127.0.0.1:9116", "[::1]:9116", ":9116" (all addresses)
  [[nodiscard]] Result<void> listenTcp(const std::string& endpoint);
  /// Takes no further connections and closes those that are open.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace twill::api
