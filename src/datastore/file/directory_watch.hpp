// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace twill {

/// Says when files in a directory may have changed (inotify). The directory need not exist: what leads to it
/// is watched too, so it may be made, replaced, renamed or removed at any time. Several events are one
/// answer. Not seen: changes made on another host (NFS), a file system mounted over the directory, and
/// replacement of what a symbolic link in the path points to; call arm() and look now and then.
class DirectoryWatch {
 public:
  /// Fails when the system has no more inotify instances for this user.
  [[nodiscard]] static Result<DirectoryWatch> open(const std::string& directory);

  /// Readable when there is something for drain().
  [[nodiscard]] int fd() const { return inotify_.get(); }
  /// Takes all events that wait. True when a file may have changed since the last call; temporary files
  /// (*.tmp) and hidden files (.*) do not count.
  [[nodiscard]] bool drain();
  /// Follows the path anew from its root.
  void arm();

 private:
  DirectoryWatch(Fd inotify, std::string directory);

  Fd inotify_;
  std::string directory_;
  /// Watch descriptor -> the name in that directory which leads on to ours; empty for ours.
  std::map<int, std::string> watches_;
};

}  // namespace twill
