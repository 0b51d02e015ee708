// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "datastore/bgp/bgp_datastore.hpp"
#include "datastore_conformance.hpp"
#include "sandbox.hpp"
#include "temporary_directory.hpp"

namespace twill::test {

/// Two nodes with a BIRD and routing tables each, in network namespaces of their own that a cable joins:
/// node N has 10.0.0.N. Their agents share this thread and its namespace, in which the liveness echo goes
/// from one address of loopback to the other.
class BgpStore final : public datastore_conformance::Store {
 public:
  /// Null when this machine cannot: the reason was given to skip().
  static std::unique_ptr<BgpStore> make();
  explicit BgpStore(std::unique_ptr<Sandbox> sandbox);
  ~BgpStore() override;

  /// A node is in the network configs of all from its first call on.
  std::unique_ptr<Datastore> open(boost::asio::io_context& loop, int node) override;
  /// It cannot know which subnets are free before its sessions are up.
  [[nodiscard]] bool waits() const override { return true; }
  void setNetwork(const std::string& netConf) override;
  std::string fingerprint() override;

  /// Process id; 0: there is none.
  [[nodiscard]] int birdOf(int node) const;
  /// What birdc prints there.
  [[nodiscard]] std::string askBird(int node, const std::string& command) const;
  /// Runs a shell command in a node's namespace.
  std::string in(int node, const std::string& command) const;

 private:
  [[nodiscard]] std::string directoryOf(int node) const;
  [[nodiscard]] std::string configOf(int node) const;
  void writeConfigs();

  std::unique_ptr<Sandbox> sandbox_;
  TemporaryDirectory root_;
  std::string network_ = datastore_conformance::kNetwork;
  std::set<int> nodes_;
};

}  // namespace twill::test
