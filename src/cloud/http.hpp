// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <curl/curl.h>

#include "cloud/cloud_routes.hpp"

namespace twill::cloud {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers;  ///< "name: value"
  std::string body;
  std::chrono::milliseconds timeout = std::chrono::seconds(15);  ///< of the whole call
  bool proxy = true;  ///< may go through the proxy of the environment; a metadata server's never does
};

struct HttpResponse {
  long status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  ///< names in lower case

  /// "" when it is not there.
  [[nodiscard]] std::string header(const std::string& name) const;
};

/// HTTP and HTTPS by libcurl, on the loop. Certificates are checked, redirects are not followed.
/// Threading: the loop's thread.
class Http {
 public:
  explicit Http(boost::asio::io_context& io);
  ~Http();
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;

  /// Any status is an answer. Without one, or with a body over 32 MiB: Kind::transient, and the text names
  /// the host, not the request.
  Task<Answer<HttpResponse>> send(HttpRequest request);
  /// Ends what is in flight, and what comes later, as transient.
  void cancel();

 private:
  struct Transfer;
  struct Socket;
  using Done = std::function<void(Answer<HttpResponse>)>;
  static int onSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket);
  static int onTimer(CURLM* multi, long milliseconds, void* self);
  void begin(HttpRequest request, Done done);
  void watch(const std::shared_ptr<Socket>& socket);
  void act(curl_socket_t fd, int events);
  void collect();

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::map<curl_socket_t, std::shared_ptr<Socket>> sockets_;
  std::map<CURL*, std::unique_ptr<Transfer>> transfers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  CURLM* multi_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace twill::cloud
