// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include "datastore/datastore.hpp"

/// What the agent counts on from any Datastore. A new one makes a Store and runs every rule against it:
///     for (const auto& rule : kRules) { SUBCASE(rule.name) { FileStore store; rule.check(store); } }
/// and, where nodes choose their subnets and the map lives outside of them, kOutsideRules as well.
namespace twill::datastore_conformance {

/// One store that several nodes share, empty but for its network config at the start of each rule.
class Store {
 public:
  virtual ~Store() = default;
  /// A node's own view onto the store, on `loop`. `node`: from 1.
  virtual std::unique_ptr<Datastore> open(boost::asio::io_context& loop, int node) = 0;
  /// Nodes are given their subnets, and are in the picture before they publish anything.
  [[nodiscard]] virtual bool grants() const { return false; }
  /// A node publishes nothing before it has been told a picture: until then it cannot say what is taken.
  [[nodiscard]] virtual bool waits() const { return false; }
  virtual void setNetwork(const std::string& netConf) = 0;
  /// Another value after each write of a lease, the same without.
  virtual std::string fingerprint() = 0;
};

/// A store that nodes have to reach.
class OutsideStore : public Store {
 public:
  /// Makes a new picture impossible to have; mend() makes it possible again, without change.
  virtual void spoil() = 0;
  virtual void mend() = 0;
};

template <class AnyStore>
struct RuleFor {
  const char* name;
  void (*check)(AnyStore& store);
};
using Rule = RuleFor<Store>;
using OutsideRule = RuleFor<OutsideStore>;

inline const std::string kNetwork = R"({"Network":"172.16.0.0/16","Backend":{"Type":"host-gw"}})";

inline Lease lease(int node, int subnet) {
  Lease made;
  made.node = "node" + std::to_string(node);
  made.subnet = Prefix::parse("172.16.0.0/16")->subnet(24, static_cast<std::uint64_t>(subnet));
  made.publicIp = IpAddress::fromV4(0x0a000000U + static_cast<std::uint32_t>(node));
  made.backendType = "vxlan";
  made.backendData = R"({"VNI":1})";
  return made;
}

/// One node: its datastore and what that told it. All of a rule's nodes share one loop.
struct Node {
  Node(Store& store, boost::asio::io_context& loop, int node)
      : datastore(store.open(loop, node)), number(node), granted(store.grants()), waits(store.waits()) {
    watch();
  }

  void watch() {
    inside = true;
    datastore->watch([this](Result<Cluster> cluster) {
      CHECK_FALSE(inside);
      CHECK(std::this_thread::get_id() == thread);
      told.push_back(std::move(cluster));
    });
    inside = false;
  }
  void publish(const Lease& mine) {
    answer.reset();
    inside = true;
    datastore->publish(mine, [this](Result<void> result) {
      CHECK_FALSE(inside);
      CHECK(std::this_thread::get_id() == thread);
      answer = std::move(result);
    });
    inside = false;
  }
  /// The last picture is made of exactly these.
  [[nodiscard]] bool sees(std::vector<Lease> leases) const {
    if (told.empty() || !told.back()) return false;
    auto seen = told.back()->leases;
    std::sort(seen.begin(), seen.end());
    std::sort(leases.begin(), leases.end());
    return seen == leases;
  }
  /// What it has been granted, by its last picture.
  [[nodiscard]] std::optional<Prefix> subnet() const {
    if (told.empty() || !told.back()) return std::nullopt;
    for (const Lease& lease : told.back()->leases) {
      if (lease.node == "node" + std::to_string(number)) return lease.subnet;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool hasPicture() const { return !told.empty() && told.back(); }
  [[nodiscard]] bool failed() const { return !told.empty() && !told.back(); }

  std::unique_ptr<Datastore> datastore;
  int number;
  bool granted;
  bool waits;
  std::vector<Result<Cluster>> told;
  std::optional<Result<void>> answer;
  std::thread::id thread = std::this_thread::get_id();
  bool inside = false;  ///< a call into the datastore has not returned yet
};

/// Runs the loop until `reached`, at most five seconds: less than any datastore's resync, which would hide
/// that a change went unnoticed.
inline bool runUntil(boost::asio::io_context& loop, const std::function<bool()>& reached) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!reached() && std::chrono::steady_clock::now() < deadline) {
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds(20));
  }
  return reached();
}

/// Long enough for anything that a datastore still had to say.
inline void runQuietly(boost::asio::io_context& loop) {
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < end) {
    loop.restart();
    loop.run_one_for(std::chrono::milliseconds(20));
  }
}

inline Result<void> published(boost::asio::io_context& loop, Node& node, const Lease& mine) {
  node.publish(mine);
  REQUIRE(runUntil(loop, [&] { return node.answer.has_value(); }));
  return *node.answer;
}

/// A lease that the node may have: in the subnet that it was granted, or chose.
inline Lease ownLease(boost::asio::io_context& loop, const Node& node) {
  Lease mine = lease(node.number, node.number);
  if (node.waits) REQUIRE(runUntil(loop, [&] { return node.hasPicture(); }));
  if (!node.granted) return mine;
  REQUIRE(runUntil(loop, [&] { return node.subnet().has_value(); }));
  mine.subnet = node.subnet();
  return mine;
}

/// Publishes it; the lease.
inline Lease publishOwn(boost::asio::io_context& loop, Node& node) {
  const Lease mine = ownLease(loop, node);
  CHECK(published(loop, node, mine));
  return mine;
}

inline void seenByAll(Store& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  Node b(store, loop, 2);
  const Lease of1 = publishOwn(loop, a);
  const Lease of2 = publishOwn(loop, b);
  CHECK(runUntil(loop, [&] { return a.sees({of1, of2}); }));
  CHECK(runUntil(loop, [&] { return b.sees({of1, of2}); }));
  b.datastore.reset();
  Node again(store, loop, 2);
  CHECK(runUntil(loop, [&] { return again.sees({of1, of2}); }));
}

inline void republish(Store& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  const Lease mine = publishOwn(loop, a);
  REQUIRE(runUntil(loop, [&] { return a.sees({mine}); }));
  auto before = store.fingerprint();
  auto told = a.told.size();
  CHECK(published(loop, a, mine));
  runQuietly(loop);
  CHECK(store.fingerprint() == before);
  CHECK(a.told.size() == told);
}

inline void change(Store& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  Node b(store, loop, 2);
  Lease mine = publishOwn(loop, a);
  const Lease other = publishOwn(loop, b);
  mine.publicIp = *IpAddress::parse("10.0.9.9");
  mine.backendData = R"({"VNI":2})";
  CHECK(published(loop, a, mine));
  CHECK(runUntil(loop, [&] { return b.sees({mine, other}); }));
}

inline void inOrder(Store& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  Lease mine = ownLease(loop, a);
  for (const char* data : {R"({"VNI":2})", R"({"VNI":3})", R"({"VNI":4})"}) {
    mine.backendData = data;
    a.publish(mine);
  }
  CHECK(runUntil(loop, [&] { return a.sees({mine}); }));
  runQuietly(loop);
  CHECK(a.sees({mine}));
}

inline void networkChange(Store& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  const Lease mine = publishOwn(loop, a);
  REQUIRE(runUntil(loop, [&] { return a.sees({mine}); }));
  std::string other = R"({"Network":"172.16.0.0/16","Backend":{"Type":"vxlan"}})";
  store.setNetwork(other);
  CHECK(
      runUntil(loop, [&] { return a.told.back() && a.told.back()->network == *parseNetworkConfig(other); }));
  CHECK(a.sees({mine}));
}

inline void destroyed(Store& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  Node b(store, loop, 2);
  Lease mine = publishOwn(loop, a);
  const Lease other = publishOwn(loop, b);
  REQUIRE(runUntil(loop, [&] { return a.sees({mine, other}) && b.sees({mine, other}); }));
  mine.backendData = R"({"VNI":2})";
  a.publish(mine);
  auto told = b.told.size();
  a.datastore.reset();
  b.datastore.reset();
  runQuietly(loop);
  CHECK_FALSE(a.answer.has_value());
  CHECK(b.told.size() == told);
}

inline void destroyedInside(Store& store) {
  boost::asio::io_context loop;
  int told = 0;
  std::unique_ptr<Datastore> datastore = store.open(loop, 1);
  datastore->watch([&](const Result<Cluster>& /*cluster*/) {
    ++told;
    datastore.reset();
  });
  CHECK(runUntil(loop, [&] { return told > 0; }));
  runQuietly(loop);
  CHECK(told == 1);
}

inline void watcherReplaced(Store& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  Lease mine = publishOwn(loop, a);
  REQUIRE(runUntil(loop, [&] { return a.sees({mine}); }));
  int told = 0;
  a.datastore->watch([&](const Result<Cluster>& /*cluster*/) { ++told; });
  CHECK(runUntil(loop, [&] { return told == 1; }));
  auto before = a.told.size();
  mine.backendData = R"({"VNI":2})";
  CHECK(published(loop, a, mine));
  CHECK(runUntil(loop, [&] { return told == 2; }));
  CHECK(a.told.size() == before);
}

inline void watcherReplacedInside(Store& store) {
  boost::asio::io_context loop;
  auto datastore = store.open(loop, 1);
  std::vector<std::string> told;
  datastore->watch([&, name = std::string(64, '1')](const Result<Cluster>& /*cluster*/) {
    datastore->watch([&](const Result<Cluster>& /*cluster*/) { told.emplace_back("second"); });
    told.push_back(name);  // what this callback holds is still there
  });
  CHECK(runUntil(loop, [&] { return told.size() == 2; }));
  CHECK(told.front() == std::string(64, '1'));
  CHECK(told.back() == "second");
}

inline void emptyStore(OutsideStore& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  REQUIRE(runUntil(loop, [&] { return a.sees({}); }));
  CHECK(a.told.back()->network == *parseNetworkConfig(kNetwork));
  runQuietly(loop);
  CHECK(a.told.size() == 1);
}

inline void conflict(OutsideStore& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  Node b(store, loop, 2);
  CHECK(published(loop, a, lease(1, 1)));
  REQUIRE(runUntil(loop, [&] { return b.sees({lease(1, 1)}); }));
  auto before = store.fingerprint();
  Lease sameSubnet = lease(2, 1);
  Lease aroundIt = lease(2, 0);
  aroundIt.subnet = Prefix::parse("172.16.0.0/20").value();
  Lease sameAddress = lease(2, 2);
  sameAddress.publicIp = lease(1, 1).publicIp;
  for (const Lease& wrong : {sameSubnet, aroundIt, sameAddress}) {
    auto answer = published(loop, b, wrong);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().kind == Error::Kind::conflict);
    CHECK(answer.error().text.find("node1") != std::string::npos);
    CHECK(answer.error().text.find("node2") != std::string::npos);
  }
  runQuietly(loop);
  CHECK(store.fingerprint() == before);
  CHECK(b.sees({lease(1, 1)}));
}

inline void move(OutsideStore& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  Node b(store, loop, 2);
  CHECK(published(loop, a, lease(1, 1)));
  CHECK(published(loop, a, lease(1, 9)));
  CHECK(runUntil(loop, [&] { return b.sees({lease(1, 9)}); }));
}

inline void trouble(OutsideStore& store) {
  boost::asio::io_context loop;
  Node a(store, loop, 1);
  CHECK(published(loop, a, lease(1, 1)));
  REQUIRE(runUntil(loop, [&] { return a.sees({lease(1, 1)}); }));
  auto told = a.told.size();
  store.spoil();
  REQUIRE(runUntil(loop, [&] { return a.failed(); }));
  CHECK_FALSE(a.told.back().error().text.empty());
  runQuietly(loop);
  CHECK(a.told.size() == told + 1);  // said once
  store.mend();
  CHECK(runUntil(loop, [&] { return a.sees({lease(1, 1)}); }));
}

inline const std::vector<Rule> kRules = {
    {"what one node publishes all see, late comers too", seenByAll},
    {"publishing what is there already writes nothing and tells nothing", republish},
    {"a node that changes its address or data is seen in its new form alone", change},
    {"several publications take effect in their order", inOrder},
    {"a new network config is a new picture", networkChange},
    {"a destroyed datastore says nothing any more", destroyed},
    {"a datastore may be destroyed by its own callback", destroyedInside},
    {"a second watcher takes the place of the first", watcherReplaced},
    {"a watcher may be replaced by its own callback", watcherReplacedInside},
};

inline const std::vector<OutsideRule> kOutsideRules = {
    {"an empty store is an empty picture, told once", emptyStore},
    {"a subnet or an address that another node holds is a conflict and changes nothing", conflict},
    {"a node that changes its subnet is seen in the new one alone", move},
    {"trouble is told once, and the picture again when it is over", trouble},
};

}  // namespace twill::datastore_conformance
