// SPDX-License-Identifier: Apache-2.0
#include "api/server.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/client.hpp"
#include "base/fd.hpp"

using namespace twill;

namespace {

/// A server on a thread of its own that answers /echo with the length of what it got.
class Served {
 public:
  Served() {
    std::string name = std::filesystem::temp_directory_path() / "twill-api-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    server_.route("POST", "/echo", api::Server::Exposure::localOnly, [](const api::Request& request) {
      return api::Response{.body = std::to_string(request.body.size())};
    });
    REQUIRE(server_.listenUnix(socket()));
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Served() {
    io_.stop();
    thread_.join();
    server_.stop();
    std::filesystem::remove_all(directory_);
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  [[nodiscard]] std::string socket() const { return directory_ + "/socket"; }
  [[nodiscard]] Result<api::Reply> send(std::size_t bytes) const {
    return api::call(socket(), {.method = "POST",
                                .target = "/echo",
                                .body = std::string(bytes, 'x'),
                                .timeout = std::chrono::seconds(5)});
  }
  /// A connection that says nothing.
  [[nodiscard]] Fd connect() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy_n(socket().c_str(), socket().size(), static_cast<char*>(address.sun_path));
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
  }

 private:
  std::string directory_;
  boost::asio::io_context io_{1};
  api::Server server_{io_};
  std::thread thread_;
};

}  // namespace

TEST_CASE("clients that hang on without a word lock nobody out") {
  Served served;
  std::vector<Fd> idle;
  for (int i = 0; i < 300; ++i) idle.push_back(served.connect());
  auto reply = served.send(7);
  REQUIRE_MESSAGE(reply, (reply ? "" : reply.error().text));
  CHECK(reply->body == "7");
  char nothing = 0;
  CHECK(::recv(idle.front().get(), &nothing, 1, 0) == 0);  // the one that was idle longest
  CHECK(::recv(idle.back().get(), &nothing, 1, MSG_DONTWAIT) < 0);
}

TEST_CASE("a request that is too long is told so, also while it is still being sent") {
  Served served;
  CHECK(served.send(1U << 20U)->status == 200);
  auto reply = served.send(5U << 20U);
  REQUIRE_MESSAGE(reply, (reply ? "" : reply.error().text));
  CHECK(reply->status == 413);
  CHECK(reply->body.find("2 MB") != std::string::npos);
}
