// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "datastore/administration.hpp"
#include "datastore/datastore.hpp"
#include "datastore/etcd/client.hpp"

namespace boost::asio {
class io_context;
}

namespace twill {

struct EtcdDatastoreOptions {
  etcd::Options client;
  std::string prefix = "/coreos.com/network";  ///< without a slash at its end
  std::int64_t leaseSeconds = 86400;           ///< how long a node's lease outlives it
  std::string machine = {};                    ///< tells machines of one name apart
  std::string pictureFile = {};  ///< what was known last, for a start while etcd is away; empty: not kept
};

/// The map in etcd, in flannel's layout: flannel's nodes and ours see each other's leases.
///
/// Reading: all keys under the prefix once, then their changes; all again after whatever ends that, with a
/// pause that grows up to five seconds, and each five minutes. Meanwhile the last picture is in force.
///
/// Writing: writer.hpp. A lease's key hangs on an etcd lease, which is kept alive; one that somebody has put
/// there without a lease stays so (flannel's reservations).
class EtcdDatastore : public Datastore, public Administration {
 public:
  EtcdDatastore(boost::asio::io_context& loop, EtcdDatastoreOptions options);
  ~EtcdDatastore() override;
  EtcdDatastore(const EtcdDatastore&) = delete;
  EtcdDatastore& operator=(const EtcdDatastore&) = delete;

  void watch(OnCluster onCluster) override;
  void publish(const Lease& mine, OnPublished onPublished) override;
  [[nodiscard]] Result<std::string> config() const override;
  void configure(const std::string& text, OnDone onDone) override;
  void reserve(const Lease& lease, OnDone onDone) override;
  void release(const Prefix& subnet, OnDone onDone) override;
  void tenures(OnTenures onTenures) override;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill
