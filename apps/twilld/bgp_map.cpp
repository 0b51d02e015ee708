// SPDX-License-Identifier: Apache-2.0
#include "bgp_map.hpp"

#include "agent/bgp_files.hpp"
#include "kernel/private_routes.hpp"
#include "node_address.hpp"

namespace twill {
namespace {

class KernelTables final : public bgp::RouteTables {
 public:
  explicit KernelTables(PrivateRoutes routes) : routes_(std::move(routes)) {}

  [[nodiscard]] int fd() const override { return routes_.fd(); }
  [[nodiscard]] bool drain() override { return routes_.drain(); }
  [[nodiscard]] Result<void> prepare() override { return routes_.makePlaceholder(); }
  [[nodiscard]] Result<std::vector<Prefix>> announced() override { return routes_.announced(); }
  [[nodiscard]] Result<void> announce(const std::vector<Prefix>& prefixes) override {
    return routes_.announce(prefixes);
  }
  [[nodiscard]] Result<std::vector<bgp::LearnedRoute>> learned() override {
    TWILL_TRY(const auto found, routes_.learned());
    std::vector<bgp::LearnedRoute> out;
    out.reserve(found.size());
    for (const auto& [prefix, nextHop, mark] : found) out.push_back({prefix, nextHop, mark});
    return out;
  }

 private:
  PrivateRoutes routes_;
};

}  // namespace

Result<std::unique_ptr<BgpDatastore>> openBgp(boost::asio::io_context& io, const Options& options,
                                              const RouteQuestion& routeTo) {
  TWILL_TRY(auto routes, PrivateRoutes::open(bgpTables()));
  BgpDatastoreOptions how;
  how.node = options.node;
  how.addresses = [&options, routeTo]() -> Result<BgpDatastoreOptions::Addresses> {
    TWILL_TRY(const Underlay underlay, underlayHere(options, routeTo));
    BgpDatastoreOptions::Addresses addresses;
    if (underlay.v4) addresses.address = underlay.v4->address;
    if (underlay.v6 && underlay.v4) addresses.other = underlay.v6->address;
    if (underlay.v6 && !underlay.v4) addresses.address = underlay.v6->address;
    return addresses;
  };
  how.directory = options.fileDir;
  how.stateDir = options.stateDir;
  how.bird = birdFiles(options);
  how.customFiles = options.bgp.include;
  how.external = options.bgp.external;
  how.tables = std::make_unique<KernelTables>(std::move(routes));
  return std::make_unique<BgpDatastore>(io, std::move(how));
}

}  // namespace twill
