// SPDX-License-Identifier: Apache-2.0
// The datastore against a real etcd.
#include "datastore/etcd/etcd_datastore.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "datastore_conformance.hpp"
#include "etcd_server.hpp"

using namespace twill;
using namespace twill::datastore_conformance;

namespace {

constexpr const char* kPrefix = "/coreos.com/network";

class EtcdStore : public Store {
 public:
  explicit EtcdStore(test::EtcdServer& server) : server_(server) { setNetwork(kNetwork); }

  std::unique_ptr<Datastore> open(boost::asio::io_context& loop) override {
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

}  // namespace

TEST_CASE("etcd is a datastore as the agent counts on it") {
  for (const auto& rule : kRules) {
    SUBCASE(rule.name) {
      const auto server = test::EtcdServer::make();
      if (!server) return;
      EtcdStore store(*server);
      rule.check(store);
    }
  }
}
