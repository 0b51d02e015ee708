// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "datastore/bgp/bgp_datastore.hpp"
#include "datastore/bgp/bird_client.hpp"
#include "datastore/bgp/bird_config.hpp"
#include "datastore/bgp/echo.hpp"
#include "datastore/bgp/learned_routes.hpp"
#include "datastore/file/directory_watch.hpp"

/// Joins the parts of this room: the network config's file, the two routing tables, BIRD and the echo.
/// Private to it.
namespace twill::bgp {

class BgpNode final : public std::enable_shared_from_this<BgpNode> {
 public:
  BgpNode(boost::asio::io_context& loop, BgpDatastoreOptions options);
  ~BgpNode();
  BgpNode(const BgpNode&) = delete;
  BgpNode& operator=(const BgpNode&) = delete;

  /// The first call starts the node.
  void watch(Datastore::OnCluster onCluster);
  void stop();
  [[nodiscard]] Result<void> publish(const Lease& mine);
  [[nodiscard]] Result<Cluster> picture() const;
  [[nodiscard]] Result<std::string> config() const;
  [[nodiscard]] Result<void> configure(const std::string& text);
  [[nodiscard]] BgpView::Status status() const;

 private:
  void later(void (BgpNode::*action)());
  void start();
  void loadOwn();
  void awaitTables();
  void awaitFiles();
  void refreshLater();

  // The network config, and what BIRD is told.
  void readConfig();
  void takeAddresses();
  [[nodiscard]] Result<std::map<std::string, std::string>> passwords() const;
  void applyConfig();
  [[nodiscard]] Result<void> applyText(const std::string& text);
  void reconfigure();
  [[nodiscard]] std::string configFile() const { return options_.directory + "/net-conf.json"; }

  // BIRD.
  void startBird();
  void processChanged();
  void birdUp();
  void birdInTrouble();
  void poll();
  void pollLater();
  void countRoutes();

  // The map.
  void refresh();
  void askAbout(const std::set<Prefix>& prefixes);
  void askAll();
  void collect(const std::vector<std::string>& commands,
               const std::function<void(const std::vector<BirdRoute>&)>& done);
  void settle();
  void linger();
  void tell();
  [[nodiscard]] PictureInputs inputs() const;
  [[nodiscard]] std::vector<Prefix> ownPrefixes() const;
  void trouble(const std::string& about, const std::string& text);

  boost::asio::io_context& loop_;
  BgpDatastoreOptions options_;
  Datastore::OnCluster onCluster_;
  BirdProcess process_;
  std::unique_ptr<BirdClient> client_;
  Echo echo_;
  std::optional<DirectoryWatch> files_;
  boost::asio::posix::stream_descriptor fileEvents_;
  boost::asio::posix::stream_descriptor tableEvents_;
  boost::asio::steady_timer resyncTimer_;
  boost::asio::steady_timer pollTimer_;

  std::string configText_;  ///< as it was parsed last
  std::optional<NetworkConfig> network_;
  BgpConfig bgp_;
  std::optional<BgpDatastoreOptions::Addresses> addresses_;
  std::string applied_;   ///< bird.conf
  std::string refused_;   ///< what BIRD would not take in its place
  bool inForce_ = false;  ///< BIRD has read applied_: subnets go out with what is to go with them

  std::optional<Lease> own_;
  LearnedRoutes learned_;
  std::vector<Announcement> announced_;  ///< by others: what was learned, and what lingers
  bool read_ = false;                    ///< BIRD was asked for all routes
  bool asking_ = false;                  ///< it is being asked
  bool again_ = false;                   ///< and then again
  bool settled_ = false;                 ///< what is known is fit to be told
  std::chrono::steady_clock::time_point startedAt_;

  std::string version_;        ///< known once the sessions are
  std::optional<Error> lost_;  ///< why there is no connection to BIRD
  std::optional<std::chrono::steady_clock::time_point> lostAt_;
  int silences_ = 0;  ///< so often in a row it said nothing
  std::vector<BirdSession> sessions_;
  std::uint64_t counted_ = 0;                    ///< routes, while they are being counted
  std::map<std::string, std::string> troubles_;  ///< by what they are about
  std::optional<Result<Cluster>> told_;
};

}  // namespace twill::bgp
