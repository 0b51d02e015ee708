// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "datastore/administration.hpp"
#include "datastore/datastore.hpp"

namespace boost::asio {
class io_context;
}

namespace twill {

struct FileDatastoreOptions {
  std::string directory;  ///< holds net-conf.json and leases.json; shared by all nodes, or a copy on each
};

/// The map in two files of one directory: net-conf.json as flannel reads it, and leases.json, which people
/// may write by hand and nodes add themselves to.
///
/// Reading: a change is seen by inotify, and within ten seconds where inotify sees none (NFS). A file that is
/// malformed, unreadable or gone leaves the last good picture in force; that is reported only if it lasts,
/// since editors pass through such states. Only a leases.json that was never there is an empty list.
///
/// Writing: under a lock on the file .lock, in one step, and safe from power failure. Where the directory
/// cannot be written, the error holds the line that a person has to add. That is done by a thread of its own,
/// one after the other; all callbacks come from the loop. The destructor waits for a write that has begun.
class FileDatastore : public Datastore, public Administration {
 public:
  FileDatastore(boost::asio::io_context& loop, FileDatastoreOptions options);
  ~FileDatastore() override;
  FileDatastore(const FileDatastore&) = delete;
  FileDatastore& operator=(const FileDatastore&) = delete;

  void watch(OnCluster onCluster) override;
  void publish(const Lease& mine, OnPublished onPublished) override;
  [[nodiscard]] Result<std::string> config() const override;
  void configure(const std::string& text, OnDone onDone) override;
  void reserve(const Lease& lease, OnDone onDone) override;
  void release(const Prefix& subnet, OnDone onDone) override;
  void tenures(OnTenures onTenures) override;

 private:
  class State;
  std::shared_ptr<State> state_;  ///< shared with the loop only while one of its handlers runs
};

}  // namespace twill
