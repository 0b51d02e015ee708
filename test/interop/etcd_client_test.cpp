// SPDX-License-Identifier: Apache-2.0
// What a client of a real etcd has to know: each case here has cost somebody a cluster.
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "datastore/etcd/client.hpp"
#include "etcd_server.hpp"

using namespace twill;
using namespace twill::etcd;
using namespace std::chrono_literals;

namespace {

/// Runs the loop until there is an answer.
template <class T>
struct Waiting {
  boost::asio::io_context& loop;
  std::optional<Result<T>> answer = {};

  Client::Answer<T> taker() {
    return [this](Result<T> result) { answer = std::move(result); };
  }
  Result<T> get(std::chrono::milliseconds patience = 10s) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!answer && std::chrono::steady_clock::now() < deadline) {
      loop.restart();
      loop.run_one_for(20ms);
    }
    REQUIRE(answer.has_value());
    return *std::exchange(answer, std::nullopt);
  }
};

struct Fixture {
  explicit Fixture(std::unique_ptr<test::EtcdServer> etcd, Options options = {}) : server(std::move(etcd)) {
    if (!server) return;
    if (options.endpoints.empty()) options.endpoints = {server->endpoint()};
    client = std::make_unique<Client>(loop, std::move(options));
  }

  Result<Listing> list(const std::string& prefix) {
    Waiting<Listing> waiting{loop};
    client->list(prefix, waiting.taker());
    return waiting.get();
  }
  Result<std::int64_t> put(const std::string& key, const std::string& value, std::int64_t lease = 0) {
    Waiting<std::int64_t> waiting{loop};
    client->write({.key = key, .value = value, .lease = lease}, waiting.taker());
    return waiting.get();
  }

  std::unique_ptr<test::EtcdServer> server;
  boost::asio::io_context loop;
  std::unique_ptr<Client> client;
};

bool run(const std::string& command) {
  CAPTURE(command);
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

/// root with a password, and "node" with one that may write under /mine/.
void enableAuth(const test::EtcdServer& server) {
  const auto& as = server;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"user", "add", "root:secret"},
        {"user", "add", "node:pass"},
        {"role", "add", "node"},
        {"role", "grant-permission", "node", "readwrite", "--prefix=true", "/mine/"},
        {"user", "grant-role", "node", "node"},
        {"auth", "enable"}}) {
    (void)as.ctl(words);
  }
}

/// gRPC's own attempts have pauses between them.
bool answersSoon(Fixture& etcd) {
  const auto end = std::chrono::steady_clock::now() + 6s;
  while (!etcd.list("/")) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(100ms);
  }
  return true;
}

}  // namespace

TEST_CASE("a write takes place only if nobody was quicker, as a whole") {
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  const auto first = etcd.put("/a/1", "one");
  REQUIRE(first);
  CHECK(*first > 0);
  CHECK(etcd.put("/a/1", "two") == 0);  // it is there
  Waiting<std::int64_t> waiting{etcd.loop};
  etcd.client->write({.key = "/a/2", .value = "x", .erased = "/a/1", .erasedRevision = *first + 7},
                     waiting.taker());
  CHECK(waiting.get() == 0);
  auto all = etcd.list("/a/");
  REQUIRE(all);
  REQUIRE(all->entries.size() == 1);
  CHECK(all->entries[0].value == "one");
  CHECK(all->entries[0].created == *first);
  etcd.client->write({.key = "/a/2", .value = "x", .erased = "/a/1", .erasedRevision = *first},
                     waiting.taker());
  CHECK(*waiting.get() > *first);
  all = etcd.list("/a/");
  REQUIRE(all->entries.size() == 1);
  CHECK(all->entries[0].key == "/a/2");
}

TEST_CASE("the keep-alive of a lease that is gone is no error but no time at all") {
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  Waiting<std::int64_t> number{etcd.loop};
  etcd.client->grant(60, number.taker());
  const auto lease = number.get();
  REQUIRE(lease);
  REQUIRE(etcd.put("/k", "v", *lease));
  etcd.client->keepAlive(*lease, number.taker());
  CHECK(number.get() == 60);
  Waiting<LeaseTime> time{etcd.loop};
  etcd.client->timeToLive(*lease, time.taker());
  const auto left = time.get();
  REQUIRE(left);
  CHECK(left->granted == 60);
  CHECK(left->left > 50);
  (void)etcd.server->ctl({"lease", "revoke", fmt::format("{:x}", *lease)});
  etcd.client->keepAlive(*lease, number.taker());
  CHECK(number.get() == 0);
  etcd.client->timeToLive(*lease, time.taker());
  CHECK(time.get()->left < 0);
  CHECK(etcd.list("/k")->entries.empty());
  etcd.client->write({.key = "/k", .value = "v", .lease = *lease}, number.taker());
  const auto refused = number.get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Error::Kind::missing);
}

TEST_CASE("a watch from before what etcd remembers says so") {
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  const auto first = etcd.put("/w/1", "1");
  for (int i = 2; i < 6; ++i) REQUIRE(etcd.put(fmt::format("/w/{}", i), "x"));
  (void)etcd.server->ctl({"compact", std::to_string(*first + 3)});
  Waiting<Changes> changes{etcd.loop};
  etcd.client->watch("/w/", *first, changes.taker());
  const auto told = changes.get();
  REQUIRE_FALSE(told);
  CHECK(told.error().kind == Error::Kind::missing);
  // Where it does remember, the changes come.
  etcd.client->watch("/w/", *first + 3, changes.taker());
  const auto late = changes.get();
  REQUIRE(late);
  CHECK(late->events.size() == 1);
}

TEST_CASE("of thousands of changes to catch up with none is missed") {
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  constexpr std::size_t kMany = 2500;  // etcd sends a thousand revisions at once, with the last one's number
  const auto begin = etcd.put("/c/begin", "x");
  for (std::size_t i = 0; i < kMany; ++i) REQUIRE(etcd.put(fmt::format("/c/{}", i), "x"));
  std::size_t seen = 0;
  etcd.client->watch("/c/", *begin, [&](const Result<Changes>& changes) {
    REQUIRE(changes);
    seen += changes->events.size();
  });
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (seen < kMany && std::chrono::steady_clock::now() < deadline) {
    etcd.loop.restart();
    etcd.loop.run_one_for(20ms);
  }
  CHECK(seen == kMany);
}

TEST_CASE("lists and changes may be longer than gRPC's 4 MB") {
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  const auto begin = etcd.put("/big/0", "x");
  const std::string large(1000 * 1000, 'x');
  for (int i = 1; i < 7; ++i) REQUIRE(etcd.put(fmt::format("/big/{}", i), large));
  const auto all = etcd.list("/big/");
  REQUIRE(all);
  CHECK(all->entries.size() == 7);
  std::size_t seen = 0;
  etcd.client->watch("/big/", *begin, [&](const Result<Changes>& changes) {
    REQUIRE(changes);
    seen += changes->events.size();
  });
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (seen < 6 && std::chrono::steady_clock::now() < deadline) {
    etcd.loop.restart();
    etcd.loop.run_one_for(20ms);
  }
  CHECK(seen == 6);
}

TEST_CASE("while etcd is away calls fail at once, and soon after it is back they do not") {
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  REQUIRE(etcd.put("/k", "v"));
  etcd.server->kill();
  const auto away = etcd.list("/");
  REQUIRE_FALSE(away);
  CHECK(away.error().kind == Error::Kind::busy);
  CHECK(away.error().text.find(etcd.server->endpoint()) != std::string::npos);
  CHECK(away.error().text.find("list /") != std::string::npos);
  std::this_thread::sleep_for(3s);  // the pauses between gRPC's own attempts grow meanwhile
  etcd.server->start();
  CHECK(answersSoon(etcd));
}

TEST_CASE("another endpoint is asked when one is away") {
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  Client client(etcd.loop, {.endpoints = {"http://127.0.0.1:1", etcd.server->endpoint()}});
  Waiting<Listing> waiting{etcd.loop};
  client.list("/", waiting.taker());
  CHECK_FALSE(waiting.get());
  client.useNextEndpoint();
  client.list("/", waiting.taker());
  CHECK(waiting.get());
}

TEST_CASE("an etcd that answers nothing is not waited for without end") {
  // A socket that listens and never speaks.
  Fixture etcd(test::EtcdServer::make());
  if (!etcd.server) return;
  etcd.server->freeze();
  const auto begin = std::chrono::steady_clock::now();
  const auto silent = etcd.list("/");
  CHECK_FALSE(silent);
  CHECK(silent.error().kind == Error::Kind::busy);
  CHECK(std::chrono::steady_clock::now() < begin + 9s);
  etcd.server->thaw();
  CHECK(answersSoon(etcd));
}

TEST_CASE("user and password: a token is renewed when it has run out, and refusals say what is missing") {
  auto server = test::EtcdServer::make({.arguments = {"--auth-token-ttl=2"}});
  if (!server) return;
  enableAuth(*server);
  const std::string endpoint = server->endpoint();
  Fixture etcd(std::move(server), {.endpoints = {endpoint}, .username = "node", .password = "pass"});
  CHECK(etcd.put("/mine/1", "x"));
  std::this_thread::sleep_for(4s);
  CHECK(etcd.put("/mine/2", "x"));
  CHECK(etcd.list("/mine/")->entries.size() == 2);
  Waiting<std::int64_t> number{etcd.loop};
  std::this_thread::sleep_for(4s);
  etcd.client->grant(60, number.taker());
  CHECK(number.get());

  const auto denied = etcd.put("/others/1", "x");
  REQUIRE_FALSE(denied);
  CHECK(denied.error().code == EACCES);
  CHECK(denied.error().text.find("grant-permission") != std::string::npos);
  Waiting<Changes> changes{etcd.loop};
  etcd.client->watch("/others/", 1, changes.taker());  // refused, and the stream stays open
  const auto unwatched = changes.get();
  REQUIRE_FALSE(unwatched);
  CHECK(unwatched.error().text.find("permission denied") != std::string::npos);

  Client stranger(etcd.loop, {.endpoints = {endpoint}, .username = "node", .password = "wrong"});
  Waiting<Listing> waiting{etcd.loop};
  stranger.list("/mine/", waiting.taker());
  const auto wrong = waiting.get();
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().text.find("authenticate as 'node'") != std::string::npos);
  CHECK(wrong.error().text.find("wrong") == std::string::npos);  // no password in an error

  Client nobody(etcd.loop, {.endpoints = {endpoint}});
  nobody.list("/mine/", waiting.taker());
  CHECK_FALSE(waiting.get());
}

TEST_CASE("certificates: of the server's, of the client's, and of those that are not good") {
  const std::string dir = test::EtcdServer::makeDirectory();
  const auto file = [&](const char* name) { return dir + "/" + name; };
  const auto certificate = [&](const std::string& name, const std::string& ca, int days) {
    return run(fmt::format(
        "cd {} && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {}.key -out "
        "{}.csr -subj /CN={} && printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,"
        "clientAuth\\n' > ext && openssl x509 -req -in {}.csr -CA {}.pem -CAkey {}.key -CAcreateserial -out "
        "{}.pem -days {} -extfile ext",
        dir, name, name, name, name, ca, ca, name, days));
  };
  for (const char* ca : {"ca", "otherca"}) {
    REQUIRE(run(fmt::format(
        "cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {}.key "
        "-out {}.pem -subj /CN={} -days 10",
        dir, ca, ca, ca)));
  }
  REQUIRE(certificate("server", "ca", 10));
  REQUIRE(certificate("node", "ca", 10));
  REQUIRE(certificate("stranger", "otherca", 10));
  REQUIRE(certificate("expired", "ca", -1));
  Fixture etcd(test::EtcdServer::make(
      {.arguments = {"--cert-file=" + file("server.pem"), "--key-file=" + file("server.key"),
                     "--trusted-ca-file=" + file("ca.pem"), "--client-cert-auth"},
       .client = {"--cacert=" + file("ca.pem"), "--cert=" + file("node.pem"), "--key=" + file("node.key")},
       .scheme = "https",
       .directory = dir}));
  if (!etcd.server) return;
  const auto listed = [&](const char* ca, const char* name) {
    Client client(etcd.loop, {.endpoints = {etcd.server->endpoint()},
                              .caFile = file(ca),
                              .certFile = *name == 0 ? "" : file(name) + ".pem",
                              .keyFile = *name == 0 ? "" : file(name) + ".key"});
    Waiting<Listing> waiting{etcd.loop};
    client.list("/", waiting.taker());
    return waiting.get();
  };
  CHECK(listed("ca.pem", "node"));
  for (const auto& [ca, name] : {std::pair{"otherca.pem", "node"},
                                 {"ca.pem", "stranger"},
                                 {"ca.pem", ""},
                                 {"ca.pem", "expired"},
                                 {"missing.pem", "node"}}) {
    CAPTURE(ca);
    CAPTURE(name);
    const auto refused = listed(ca, name);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find(etcd.server->endpoint()) != std::string::npos);
  }
}
