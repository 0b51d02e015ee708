// SPDX-License-Identifier: Apache-2.0
// The datastore against a real etcd.
#include "datastore/etcd/etcd_datastore.hpp"

#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "datastore_conformance.hpp"
#include "etcd_server.hpp"

using namespace twill;
using namespace twill::datastore_conformance;

namespace {

constexpr const char* kPrefix = "/coreos.com/network";

class EtcdStore : public OutsideStore {
 public:
  explicit EtcdStore(test::EtcdServer& server) : server_(server) { setNetwork(kNetwork); }

  std::unique_ptr<Datastore> open(boost::asio::io_context& loop, int /*node*/) override {
    EtcdDatastoreOptions options;
    options.client.endpoints = {server_.endpoint()};
    return std::make_unique<EtcdDatastore>(loop, options);
  }
  void setNetwork(const std::string& netConf) override {
    (void)server_.ctl({"put", std::string(kPrefix) + "/config", netConf});
  }
  std::string fingerprint() override {
    const auto all = nlohmann::json::parse(
        server_.ctl({"get", std::string(kPrefix) + "/subnets/", "--prefix", "-w", "json"}));
    return all.value("kvs", nlohmann::json::array()).dump();
  }
  void spoil() override { server_.kill(); }
  void mend() override { server_.start(); }

 private:
  test::EtcdServer& server_;
};

/// One node's datastore, with what it wants and was told.
struct Member {
  Member(test::EtcdServer& server, boost::asio::io_context& io, EtcdDatastoreOptions options = {})
      : Member(io, at(server, std::move(options))) {}
  Member(boost::asio::io_context& io, EtcdDatastoreOptions options) : loop(io) {
    datastore = std::make_unique<EtcdDatastore>(loop, std::move(options));
    datastore->watch([this](Result<Cluster> told) {
      if (told) cluster = std::move(*told);
      error = told ? "" : told.error().text;
    });
  }
  static EtcdDatastoreOptions at(test::EtcdServer& server, EtcdDatastoreOptions options) {
    options.client.endpoints = {server.endpoint()};
    return options;
  }
  Result<void> publish(const Lease& mine, std::chrono::seconds patience = std::chrono::seconds(5)) {
    std::optional<Result<void>> answer;
    datastore->publish(mine, [&](Result<void> done) { answer = std::move(done); });
    REQUIRE(until([&] { return answer.has_value(); }, patience));
    return *answer;
  }
  Result<void> done(const std::function<void(Administration&, Administration::OnDone)>& what) {
    std::optional<Result<void>> answer;
    what(*datastore, [&](Result<void> result) { answer = std::move(result); });
    REQUIRE(until([&] { return answer.has_value(); }));
    return *answer;
  }
  bool until(const std::function<bool()>& reached,
             std::chrono::seconds patience = std::chrono::seconds(8)) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!reached() && std::chrono::steady_clock::now() < deadline) {
      loop.restart();
      loop.run_one_for(std::chrono::milliseconds(20));
    }
    return reached();
  }
  [[nodiscard]] bool sees(const Lease& lease) const {
    return std::find(cluster.leases.begin(), cluster.leases.end(), lease) != cluster.leases.end();
  }
  [[nodiscard]] bool isWarned(const std::string& words) const {
    return std::any_of(cluster.warnings.begin(), cluster.warnings.end(),
                       [&](const auto& warning) { return warning.find(words) != std::string::npos; });
  }

  boost::asio::io_context& loop;
  std::unique_ptr<EtcdDatastore> datastore;
  Cluster cluster;
  std::string error;
};

std::unique_ptr<test::EtcdServer> serverWithNetwork() {
  auto server = test::EtcdServer::make();
  if (server) (void)server->ctl({"put", std::string(kPrefix) + "/config", kNetwork});
  return server;
}

std::string key(const std::string& end) {
  return std::string(kPrefix) + end;
}

/// The etcd lease that a key hangs on, as text; "0" without.
std::string etcdLeaseOf(const test::EtcdServer& server, const std::string& name) {
  const auto all = nlohmann::json::parse(server.ctl({"get", name, "-w", "json"}));
  return all["kvs"][0].contains("lease") ? all["kvs"][0]["lease"].dump() : "0";
}

}  // namespace

TEST_CASE("what Twill writes is what flannel writes, and hangs on a lease of a day") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  Member node(*server, loop);
  REQUIRE(node.publish(lease(1, 1)));
  CHECK(server->ctl({"get", key("/subnets/"), "--prefix"}) ==
        key("/subnets/172.16.1.0-24") +
            "\n"
            R"({"PublicIP":"10.0.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1}})"
            "\n");
  std::optional<Result<std::vector<Administration::Tenure>>> tenures;
  node.datastore->tenures([&](auto told) { tenures = std::move(told); });
  REQUIRE(node.until([&] { return tenures.has_value(); }));
  REQUIRE(*tenures);
  REQUIRE((*tenures)->size() == 1);
  CHECK((**tenures)[0].granted == 86400);
  CHECK((**tenures)[0].left > 86000);
}

TEST_CASE(
    "a lease of udp has no data, as with flannel, and what Twill says beside it is known all the same") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  Member node(*server, loop);
  Member other(*server, loop);
  Lease mine = lease(1, 1);
  mine.backendType = "udp";
  mine.backendData = R"({"PartialChecksums":true})";
  REQUIRE(node.publish(mine));
  CHECK(server->ctl({"get", "--print-value-only", key("/subnets/172.16.1.0-24")}) ==
        R"({"PublicIP":"10.0.0.1","PublicIPv6":null})"
        "\n");
  CHECK(other.until([&] { return other.sees(mine); }));
  const Lease after = lease(1, 1);
  REQUIRE(node.publish(after));
  CHECK(other.until([&] { return other.sees(after); }));
  CHECK(server->ctl({"get", "--print-value-only", "--prefix", key("/twill/nodes/")}) ==
        R"({"Node":"node1","PublicIP":"10.0.0.1"})"
        "\n");
}

TEST_CASE("a reservation stays one when its node takes it, and a released lease is free") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  Member node(*server, loop);
  Lease wanted = lease(1, 7);
  wanted.backendType = wanted.backendData = "";
  REQUIRE(node.done([&](auto& map, auto then) { map.reserve(wanted, then); }));
  CHECK(etcdLeaseOf(*server, key("/subnets/172.16.7.0-24")) == "0");
  REQUIRE(node.publish(lease(1, 7)));
  CHECK(etcdLeaseOf(*server, key("/subnets/172.16.7.0-24")) == "0");
  CHECK(node.until([&] { return node.sees(lease(1, 7)); }));

  Lease others = lease(2, 7);
  const auto taken = node.done([&](auto& map, auto then) { map.reserve(others, then); });
  REQUIRE_FALSE(taken);
  CHECK(taken.error().kind == Error::Kind::conflict);
  CHECK(taken.error().text.find("node1 at 10.0.0.1 holds 172.16.7.0/24") != std::string::npos);
  REQUIRE(node.done([&](auto& map, auto then) { map.release(*wanted.subnet, then); }));
  CHECK(node.done([&](auto& map, auto then) { map.release(*wanted.subnet, then); }).error().kind ==
        Error::Kind::missing);
  CHECK(node.until([&] { return node.cluster.leases.empty(); }));
}

TEST_CASE("a lease that was lost is taken again, with the node's name") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  Member node(*server, loop);
  REQUIRE(node.publish(lease(1, 1)));
  REQUIRE(node.until([&] { return node.sees(lease(1, 1)); }));
  const auto number = std::stoll(etcdLeaseOf(*server, key("/subnets/172.16.1.0-24")));
  (void)server->ctl({"lease", "revoke", fmt::format("{:x}", number)});
  CHECK(node.until([&] { return node.cluster.leases.empty(); }));
  CHECK(node.until([&] { return node.sees(lease(1, 1)); }));
}

TEST_CASE("two living nodes with one address: the first keeps its lease, and both are named to both") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  Member first(*server, loop, {.client = {}, .machine = "a"});
  Member second(*server, loop, {.client = {}, .machine = "b"});
  REQUIRE(first.publish(lease(1, 1)));
  Lease rival = lease(2, 2);
  rival.publicIp = lease(1, 1).publicIp;
  const auto refused = second.publish(rival);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Error::Kind::conflict);
  CHECK(refused.error().text.find("node1 lives and has the same address, 10.0.0.1") != std::string::npos);
  for (const Member* member : {&first, &second})
    CHECK(member->until([&] { return member->isWarned("as 10.0.0.1: node1 (10.0.0.1) and node2"); }));
  CHECK(first.sees(lease(1, 1)));

  // The same name on another machine is no better.
  Member third(*server, loop, {.client = {}, .machine = "c"});
  Lease namesake = lease(1, 3);
  namesake.publicIp = *IpAddress::parse("10.0.0.33");
  CHECK(third.publish(namesake).error().text.find("name") != std::string::npos);
}

TEST_CASE("a node that is no more keeps nobody from its address") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  {
    Member gone(*server, loop, {.client = {}, .machine = "a"});
    REQUIRE(gone.publish(lease(1, 1)));
  }
  Member heir(*server, loop, {.client = {}, .machine = "b"});
  Lease mine = lease(2, 1);
  mine.publicIp = lease(1, 1).publicIp;
  CHECK(heir.publish(mine, std::chrono::seconds(30)));
  CHECK(heir.until([&] { return heir.sees(mine) && heir.cluster.warnings.empty(); }));
}

TEST_CASE("keys and values that are no leases are left out, counted and named, and spoil nothing") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  Member node(*server, loop);
  REQUIRE(node.publish(lease(1, 1)));
  (void)server->ctl({"put", key("/subnets/garbage"), "{}"});
  (void)server->ctl({"put", key("/subnets/172.16.2.0-24"), "{\"PublicIP\": 7}"});
  (void)server->ctl(
      {"put", key("/subnets/172.16.3.0-24"), "{\"PublicIP\":\"10.0.0.3\",\"PublicIPv6\":null}"});
  CHECK(node.until([&] { return node.cluster.leases.size() == 2; }));
  CHECK(node.until([&] { return node.isWarned("2 of the keys in etcd are no leases"); }));
  CHECK(node.sees(lease(1, 1)));
}

TEST_CASE("without a config the node says where to put one, and a bad one leaves the last in force") {
  const auto server = test::EtcdServer::make();
  if (!server) return;
  boost::asio::io_context loop;
  Member node(*server, loop);
  CHECK(node.until([&] { return node.error.find(key("/config")) != std::string::npos; }));
  REQUIRE(node.done([&](auto& map, auto then) { map.configure(kNetwork, then); }));
  CHECK(node.until([&] { return node.error.empty(); }));
  CHECK(node.datastore->config() == kNetwork);
  (void)server->ctl({"put", key("/config"), "{"});
  CHECK(node.until([&] { return node.error.find(key("/config")) != std::string::npos; }));
  CHECK(node.cluster.network == *parseNetworkConfig(kNetwork));
}

TEST_CASE("a node that starts while etcd is away goes on by what it knew, and hears the news afterwards") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  const std::string directory = test::EtcdServer::makeDirectory();
  const EtcdDatastoreOptions options{.client = {}, .pictureFile = directory + "/etcd.json"};
  {
    Member before(*server, loop, options);
    REQUIRE(before.publish(lease(1, 1)));
    REQUIRE(before.until([&] { return std::filesystem::exists(options.pictureFile); }));
  }
  server->kill();
  Member after(*server, loop, options);
  CHECK(after.until([&] { return after.sees(lease(1, 1)); }));
  CHECK(after.until([&] { return !after.error.empty(); }));
  server->start();
  (void)server->ctl(
      {"put", key("/subnets/172.16.3.0-24"), "{\"PublicIP\":\"10.0.0.3\",\"PublicIPv6\":null}"});
  CHECK(after.until([&] { return after.error.empty() && after.cluster.leases.size() == 2; }));

  // Half a file, or another's, is no picture; the node waits as if there was none.
  server->kill();
  std::ofstream(options.pictureFile) << "{\"prefix\":\"/coreos.com/network\",\"entries\":[[1";
  Member spoilt(*server, loop, options);
  CHECK(spoilt.until([&] { return !spoilt.error.empty(); }));
  CHECK(spoilt.cluster.leases.empty());
  std::filesystem::remove_all(directory);
}

TEST_CASE("what changed while a node could not hear is seen afterwards, compacted away or not") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  Member node(*server, loop);
  REQUIRE(node.publish(lease(1, 1)));
  REQUIRE(node.until([&] { return node.sees(lease(1, 1)); }));
  server->kill();
  REQUIRE(node.until([&] { return !node.error.empty(); }));
  server->start();
  const auto put = [&](int subnet, const char* address) {
    (void)server->ctl({"put", key(fmt::format("/subnets/172.16.{}.0-24", subnet)),
                       fmt::format("{{\"PublicIP\":\"{}\",\"PublicIPv6\":null}}", address)});
  };
  put(3, "10.0.0.3");
  put(3, "10.0.0.33");
  const auto now =
      nlohmann::json::parse(server->ctl({"get", "x", "-w", "json"}))["header"]["revision"].dump();
  (void)server->ctl({"compact", now});
  CHECK(node.until([&] {
    return std::any_of(node.cluster.leases.begin(), node.cluster.leases.end(),
                       [](const Lease& one) { return one.publicIp && one.publicIp->text() == "10.0.0.33"; });
  }));
  CHECK(node.sees(lease(1, 1)));
}

TEST_CASE("a user who may not write the registry has leases without names") {
  auto server = test::EtcdServer::make();
  if (!server) return;
  (void)server->ctl({"put", key("/config"), kNetwork});
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"user", "add", "root:secret"},
        {"user", "add", "node:pass"},
        {"role", "add", "node"},
        {"role", "grant-permission", "node", "readwrite", "--prefix=true", key("/subnets/")},
        {"role", "grant-permission", "node", "read", "--prefix=true", key("/")},
        {"user", "grant-role", "node", "node"},
        {"auth", "enable"}}) {
    (void)server->ctl(words);
  }
  boost::asio::io_context loop;
  Member node(*server, loop, {.client = {.endpoints = {}, .username = "node", .password = "pass"}});
  REQUIRE(node.publish(lease(1, 1)));
  Lease nameless = lease(1, 1);
  nameless.node.clear();
  CHECK(node.until([&] { return node.sees(nameless); }));
}

TEST_CASE("an endpoint that is away is passed over without a word while another answers") {
  const auto server = serverWithNetwork();
  if (!server) return;
  boost::asio::io_context loop;
  EtcdDatastoreOptions options;
  options.client.endpoints = {"http://127.0.0.1:1", "http://127.0.0.1:2", server->endpoint()};
  EtcdDatastore datastore(loop, options);
  std::optional<bool> first;
  datastore.watch([&](const Result<Cluster>& told) { first = first.value_or(told.has_value()); });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!first && std::chrono::steady_clock::now() < deadline) {
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds(20));
  }
  CHECK(first == true);
}

TEST_CASE("of three members the leader may be lost") {
  std::string cluster;
  std::vector<std::string> peers;
  for (int i = 0; i < 3; ++i) {
    peers.push_back(fmt::format("http://127.0.0.1:{}", test::EtcdServer::freePort()));
    cluster += fmt::format("{}m{}={}", i == 0 ? "" : ",", i, peers.back());
  }
  std::vector<std::unique_ptr<test::EtcdServer>> members;
  EtcdDatastoreOptions options;
  for (int i = 0; i < 3; ++i) {
    const auto& peer = peers[static_cast<std::size_t>(i)];
    members.push_back(test::EtcdServer::make(
        {.arguments = {fmt::format("--name=m{}", i), "--initial-cluster=" + cluster,
                       "--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer},
         .answers = i == 2}));
    if (!members.back()) return;
    options.client.endpoints.push_back(members.back()->endpoint());
  }
  (void)members[2]->ctl({"put", key("/config"), kNetwork});
  boost::asio::io_context loop;
  // Each node begins with another member, so that one of them has the leader.
  std::vector<std::unique_ptr<Member>> nodes;
  for (int i = 0; i < 3; ++i) {
    nodes.push_back(std::make_unique<Member>(loop, options));
    auto& endpoints = options.client.endpoints;
    std::rotate(endpoints.begin(), endpoints.begin() + 1, endpoints.end());
    REQUIRE(nodes.back()->publish(lease(i + 1, i + 1), std::chrono::seconds(15)));
  }
  std::size_t leader = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto status =
        nlohmann::json::parse(members[i]->ctl({"endpoint", "status", "-w", "json"}))[0]["Status"];
    if (status["leader"] == status["header"]["member_id"]) leader = i;
  }
  members[leader]->kill();
  Lease moved = lease(2, 2);
  moved.backendData = R"({"VNI":2})";
  const auto begin = std::chrono::steady_clock::now();
  while (!nodes[1]->publish(moved, std::chrono::seconds(15)))
    REQUIRE(std::chrono::steady_clock::now() < begin + std::chrono::seconds(30));
  for (const auto& node : nodes) {
    CHECK(node->until([&] { return node->sees(moved) && node->sees(lease(1, 1)) && node->sees(lease(3, 3)); },
                      std::chrono::seconds(20)));
  }
}

TEST_CASE("etcd is a datastore as the agent counts on it") {
  const auto check = [](const auto& rule) {
    SUBCASE(rule.name) {
      const auto server = test::EtcdServer::make();
      if (!server) return;
      EtcdStore store(*server);
      rule.check(store);
    }
  };
  std::for_each(kRules.begin(), kRules.end(), check);
  std::for_each(kOutsideRules.begin(), kOutsideRules.end(), check);
}
