// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attach/addresses.hpp"
#include "attach/host_ports.hpp"
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
  /// A record that says nothing: unreadable, or set aside because it makes no sense. Its container may well
  /// be alive, so its interface stays until the runtime deletes it. The address it has is not known.
  struct Unknown {
    std::string path;
    std::string hostIfname;  ///< follows from the file's name
    std::string why;
  };

  /// Reads what is there. A record that makes no sense is renamed to *.broken; one that cannot be read stays
  /// as it is. Both are in unknown().
  [[nodiscard]] static Result<Attachments> open(const std::string& stateDir);

  /// Chooses addresses and writes the record; again for one that was made without addresses, once another
  /// plugin has chosen them. Kind::exists: this container has an interface of that name, or its record is
  /// unknown, or an address or a host port that was asked for is taken; Kind::busy: no address is left;
  /// Kind::invalid: an address or range that was asked for is not this node's to give, or the host ports
  /// contradict each other. On failure nothing has changed.
  [[nodiscard]] Result<Attachment> prepare(const AttachRequest& request, const NodeNetwork& node);

  /// Whether prepare() would find addresses; its errors.
  [[nodiscard]] Result<void> hasRoom(const AttachRequest& request, const NodeNetwork& node) const;
  /// Whether the record is on disk: without it the addresses would be given out again after a restart.
  [[nodiscard]] Result<void> checkRecord(const std::string& key) const;

  /// Frees the addresses and deletes the record, an unknown one too; one that is not there is fine.
  [[nodiscard]] Result<void> remove(const std::string& key);

  /// Lets others have the host ports of one whose container is gone; the record and its addresses stay.
  void releasePorts(const std::string& key);

  /// Null when there is none. Valid until the next prepare() or remove().
  [[nodiscard]] const Attachment* find(const std::string& key) const;
  [[nodiscard]] const std::map<std::string, Attachment>& all() const { return all_; }       ///< by key
  [[nodiscard]] const std::map<std::string, Unknown>& unknown() const { return unknown_; }  ///< by key
  /// One for each of unknown(), for a person.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  explicit Attachments(std::string directory) : directory_(std::move(directory)) {}
  [[nodiscard]] Result<void> load();
  void loadRecord(const std::string& path);
  void noteUnknown(const std::string& path, const std::string& key, std::string why);
  [[nodiscard]] Result<std::vector<ChosenAddress>> choose(const AttachRequest& request,
                                                          const NodeNetwork& node) const;
  [[nodiscard]] std::vector<PortMapping> portsOf(const AttachRequest& request) const;
  [[nodiscard]] std::string recordPath(const std::string& key) const;
  [[nodiscard]] std::string lastReservedPath(const std::string& network, std::size_t pool) const;

  std::string directory_;
  std::map<std::string, Attachment> all_;
  TakenAddresses taken_;
  HostPorts ports_;
  std::map<std::string, Unknown> unknown_;
};

}  // namespace twill
