// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "model/cluster.hpp"

namespace twill {

/// What a person changes in the map: the network config, and who gets which subnet. Of datastores that keep
/// both themselves.
///
/// Threading: as with Datastore.
class Administration {
 public:
  using OnDone = std::function<void(Result<void>)>;

  /// How long a lease stands.
  struct Tenure {
    Prefix subnet;                        ///< of IPv4, if it has one
    std::optional<std::int64_t> left;     ///< seconds, unless its node renews it; none: for ever
    std::optional<std::int64_t> granted;  ///< seconds from one renewal
  };
  using OnTenures = std::function<void(Result<std::vector<Tenure>>)>;

  virtual ~Administration() = default;

  /// The network config's text as it is stored. Kind::missing: there is none.
  [[nodiscard]] virtual Result<std::string> config() const = 0;
  /// Puts `text` in its place. What it says is the caller's to check.
  virtual void configure(const std::string& text, OnDone onDone) = 0;
  /// Keeps a subnet for the node that `lease` names, by name or public address, whether it is running or not,
  /// until it is released. Kind::conflict: another node holds it, or a part of it, or this one has another.
  virtual void reserve(const Lease& lease, OnDone onDone) = 0;
  /// Takes the lease of that subnet out. A node that runs and has it takes it again, as long as it is free.
  /// Kind::missing: there is none.
  virtual void release(const Prefix& subnet, OnDone onDone) = 0;
  /// Of all leases. Asks the store.
  virtual void tenures(OnTenures onTenures) = 0;
};

}  // namespace twill
