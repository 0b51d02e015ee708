// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace twill {

/// What people see of the BGP sessions by which the map comes.
///
/// Threading: as with Datastore.
class BgpView {
 public:
  struct Session {
    std::string address;  ///< of the neighbour
    std::string node;     ///< its name in the network config; empty: it has none there
    std::uint32_t as = 0;
    bool outside = false;  ///< a router that is none of the cluster's nodes
    std::string state;     ///< "Established", "Active", ..., as BIRD says
    std::string since;     ///< local time
    std::uint64_t routesIn = 0, routesOut = 0, refused = 0;
    std::string error;  ///< the last one; empty: none
  };
  struct Status {
    bool external = false;  ///< the BGP daemon is another's: of its sessions nothing is known here
    std::string version;    ///< BIRD's; empty: it is not up
    std::string problem;    ///< empty: none
    std::string address;    ///< of this node's sessions; empty: none yet
    std::uint32_t as = 0;
    std::vector<std::string> announced;  ///< prefixes
    std::uint64_t learned = 0;           ///< prefixes
    std::vector<std::string> dead;       ///< addresses that do not answer
    std::vector<Session> sessions;
  };

  virtual ~BgpView() = default;
  [[nodiscard]] virtual Status status() const = 0;
};

}  // namespace twill
