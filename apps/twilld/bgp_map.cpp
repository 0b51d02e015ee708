// SPDX-License-Identifier: Apache-2.0
#include "bgp_map.hpp"

#include "agent/bgp_files.hpp"
#include "node_address.hpp"

namespace twill {
Result<std::unique_ptr<BgpDatastore>> openBgp(boost::asio::io_context& io, const Options& options,
                                              const RouteQuestion& routeTo) {
  TWILL_TRY(auto routes, PrivateRoutes::open(bgpTables(options.bgp.external)));
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
