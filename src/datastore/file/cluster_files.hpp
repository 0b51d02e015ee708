// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "model/cluster.hpp"

namespace twill {

/// net-conf.json and leases.json of one directory, read and written without waiting for anything but the
/// disk.
class ClusterFiles {
 public:
  explicit ClusterFiles(std::string directory);

  /// Reads both files; parses those whose bytes changed. True when the cluster is another one than after the
  /// last refresh() that went well. An error says what to do about which file.
  [[nodiscard]] Result<bool> refresh();
  /// The picture of the last refresh(), if that went well.
  [[nodiscard]] Cluster cluster() const { return {network_.value, leases_.value}; }

  /// Puts `mine` into leases.json, under a lock on .lock. Kind::busy: another process is writing, try again.
  /// Where nothing can be written it succeeds if `mine` is there, else the error says which line to add.
  [[nodiscard]] Result<void> publish(const Lease& mine) const;
  /// The same for another node, unless that has its subnet already; Kind::conflict: it has another one.
  [[nodiscard]] Result<void> reserve(const Lease& lease) const;
  /// Takes the lease of that subnet out of leases.json. Kind::busy as above; Kind::missing: there is none.
  [[nodiscard]] Result<void> release(const Prefix& subnet) const;
  /// net-conf.json as it stands.
  [[nodiscard]] Result<std::string> config() const;
  /// Puts `text` in its place. Kind::busy as above.
  [[nodiscard]] Result<void> configure(const std::string& text) const;

 private:
  [[nodiscard]] Result<std::string> leasesText() const;

  /// A file and what it means.
  template <class Value>
  struct Source {
    std::string path;
    std::optional<std::string> text;  ///< as it was parsed last, well or not; none if never seen
    std::optional<Error> error;       ///< what is wrong with that text
    Value value;                      ///< of the last good text
  };

  template <class Value, class Parse>
  [[nodiscard]] Result<void> take(std::string text, Source<Value>& source, Parse parse);
  [[nodiscard]] Result<void> refreshNetwork();
  [[nodiscard]] Result<void> refreshLeases();

  Source<NetworkConfig> network_;
  Source<std::vector<Lease>> leases_;
  std::string lockPath_;
  bool changed_ = false;  ///< since the last refresh() that went well
};

}  // namespace twill
