// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/gossip_datastore.hpp"

#include <algorithm>
#include <filesystem>

#include <boost/asio/ip/tcp.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "datastore_conformance.hpp"
#include "temporary_directory.hpp"

using namespace twill;
using namespace twill::datastore_conformance;
namespace fs = std::filesystem;

namespace {

/// Two nodes on loopback, real sockets and disks: node 1 founds the cluster, node 2 asks it to be let in.
class GossipStore : public Store {
 public:
  GossipStore() {
    for (int node : {1, 2}) {
      fs::create_directory(directoryOf(node));
      ports_[node] = freePort();
    }
  }

  std::unique_ptr<Datastore> open(boost::asio::io_context& loop, int node) override {
    GossipDatastoreOptions options;
    options.node = prefix + std::to_string(node);
    options.endpoint = [port = ports_.at(node)] {
      return gossip::Endpoint{IpAddress::parse("127.0.0.1").value(), port};
    };
    if (node == 1) options.network = kNetwork;
    if (node != 1) {
      options.network = joinersNetwork;
      options.join = {{"127.0.0.1", ports_.at(1)}};
    }
    options.stateDir = directoryOf(node);
    options.keyFile = root_.path("key");
    auto opened = std::make_unique<GossipDatastore>(loop, std::move(options));
    if (node == 1) founder_ = opened.get();
    return opened;
  }
  std::string prefix = "node";      ///< of the names of nodes that are opened from now on
  std::string joinersNetwork = {};  ///< node 2's own network config

  [[nodiscard]] bool grants() const override { return true; }
  void setNetwork(const std::string& netConf) override {
    founder_->configure(netConf, [](const Result<void>& done) { CHECK(done); });
  }
  std::string fingerprint() override {
    const auto text = readFile(directoryOf(1) / "gossip.json", 1U << 20U);
    REQUIRE(text);
    return nlohmann::json::parse(*text).at("State").at("Slots").dump();
  }

 private:
  static std::uint16_t freePort() {
    boost::asio::io_context loop;
    boost::asio::ip::tcp::acceptor acceptor(loop, {boost::asio::ip::address_v4::loopback(), 0});
    return acceptor.local_endpoint().port();
  }
  [[nodiscard]] fs::path directoryOf(int node) const { return root_.path("node" + std::to_string(node)); }

  test::TemporaryDirectory root_;
  std::map<int, std::uint16_t> ports_;
  GossipDatastore* founder_ = nullptr;  ///< node 1's, which the rule owns
};

}  // namespace

TEST_CASE("gossip keeps the rules of all datastores") {
  for (const Rule& rule : kRules) {
    SUBCASE(rule.name) {
      GossipStore store;
      rule.check(store);
    }
  }
}

TEST_CASE("a node that gets another name keeps its subnet, and its lease has the new name") {
  GossipStore store;
  boost::asio::io_context loop;
  std::optional<Prefix> before;
  {
    Node node(store, loop, 1);
    REQUIRE(runUntil(loop, [&] { return (before = node.subnet()).has_value(); }));
    Lease mine = lease(1, 0);
    mine.subnet = before;
    REQUIRE(published(loop, node, mine));
  }
  store.prefix = "renamed";
  Node node(store, loop, 1);
  Lease mine = lease(1, 0);
  mine.node = "renamed1";
  mine.subnet = before;
  REQUIRE(runUntil(loop, [&] { return node.sees({mine}); }));
  REQUIRE(published(loop, node, mine));
  CHECK(store.fingerprint().find("renamed1") != std::string::npos);
}

TEST_CASE("a node whose network config has another pool takes no part, and both sides say why") {
  GossipStore store;
  store.joinersNetwork = R"({"Network":"10.99.0.0/16","Backend":{"Type":"host-gw"}})";
  boost::asio::io_context loop;
  Node founder(store, loop, 1);
  const Lease mine = publishOwn(loop, founder);
  Node joiner(store, loop, 2);
  const auto says = [](const Node& node, const std::string& text) {
    if (node.told.empty()) return false;
    const auto& told = node.told.back();
    const auto warnings = told ? told->warnings : std::vector<std::string>{told.error().text};
    return std::any_of(warnings.begin(), warnings.end(),
                       [&](const auto& warning) { return warning.find(text) != std::string::npos; });
  };
  CHECK(runUntil(loop, [&] { return says(joiner, "this node's network config says 10.99.0.0/16"); }));
  CHECK(runUntil(loop, [&] { return says(founder, "node node2 takes no part, it says: cluster "); }));
  CHECK(says(founder, "this node's network config says 10.99.0.0/16"));
  CHECK(founder.sees({mine}));
  joiner.datastore.reset();
  store.joinersNetwork.clear();
  Node again(store, loop, 2);
  const Lease of2 = publishOwn(loop, again);
  CHECK(runUntil(loop, [&] { return founder.sees({mine, of2}) && !says(founder, "takes no part"); }));
}
