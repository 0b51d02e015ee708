// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attach/node_network.hpp"
#include "ipam/pool.hpp"
#include "model/attach_request.hpp"

namespace twill {

/// The containers' interfaces of this node and the addresses they hold, on disk and in memory.
///
/// On disk: one file an attachment under STATE_DIR/attachments, written aside and renamed, and the last
/// address that was handed out in each network and family. A kill at any point leaves a record or none, never
/// a part; the record is there before the kernel is touched, so that what it says can be made, or removed, by
/// whoever comes next. Nothing is fsynced: no container survives a power failure.
///
/// Threading: one thread, one process (the agent's lock).
class Attachments {
 public:
  /// Reads what is there. A record that makes no sense is renamed to *.broken and named in warnings().
  [[nodiscard]] static Result<Attachments> open(const std::string& stateDir);

  /// Chooses addresses and writes the record. Kind::exists: this container has an interface of that name, or
  /// an address that was asked for is taken; Kind::busy: no address is left. On failure nothing has changed.
  [[nodiscard]] Result<Attachment> prepare(const AttachRequest& request, const NodeNetwork& node);

  /// Frees the addresses and deletes the record; one that is not there is fine.
  [[nodiscard]] Result<void> remove(const std::string& key);

  /// Null when there is none. Valid until the next prepare() or remove().
  [[nodiscard]] const Attachment* find(const std::string& key) const;
  [[nodiscard]] const std::map<std::string, Attachment>& all() const { return all_; }  ///< by key
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  explicit Attachments(std::string directory) : directory_(std::move(directory)) {}
  [[nodiscard]] Result<void> load();
  void loadRecord(const std::string& path);
  [[nodiscard]] Result<InterfaceAddress> chooseAddress(const AttachRequest& request,
                                                       const Prefix& subnet) const;
  [[nodiscard]] std::string recordPath(const std::string& key) const;
  [[nodiscard]] std::string lastReservedPath(const std::string& network, Family family) const;

  std::string directory_;
  std::map<std::string, Attachment> all_;
  TakenAddresses taken_;
  std::vector<std::string> warnings_;
};

}  // namespace twill
