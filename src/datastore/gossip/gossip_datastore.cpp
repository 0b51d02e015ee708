// SPDX-License-Identifier: Apache-2.0
#include "datastore/gossip/gossip_datastore.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "datastore/gossip/gossip_node.hpp"

namespace twill {

using gossip::GossipNode;

/// What callers see; the node itself knows nothing of them.
class GossipDatastore::State : public std::enable_shared_from_this<State> {
 public:
  State(boost::asio::io_context& io, GossipDatastoreOptions options)
      : loop(io), node(std::make_shared<GossipNode>(io, std::move(options))) {}

  /// Answers from the loop, not from inside the call.
  template <class Done, class Value>
  void answer(Done onDone, Value value) {
    boost::asio::post(loop, [weak = weak_from_this(), onDone = std::move(onDone), value = std::move(value)] {
      if (!weak.expired()) onDone(value);
    });
  }

  boost::asio::io_context& loop;
  std::shared_ptr<GossipNode> node;
};

GossipDatastore::GossipDatastore(boost::asio::io_context& loop, GossipDatastoreOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}

GossipDatastore::~GossipDatastore() {
  state_->node->stop();
}

void GossipDatastore::watch(OnCluster onCluster) {
  state_->node->watch(std::move(onCluster));
}

void GossipDatastore::publish(const Lease& mine, OnPublished onPublished) {
  state_->answer(std::move(onPublished), state_->node->publish(mine));
}

Result<std::string> GossipDatastore::config() const {
  return state_->node->config();
}

void GossipDatastore::configure(const std::string& text, Administration::OnDone onDone) {
  state_->answer(std::move(onDone), state_->node->configure(text));
}

void GossipDatastore::reserve(const Lease&, Administration::OnDone onDone) {
  state_->answer(
      std::move(onDone),
      Result<void>(fail("with the datastore gossip no subnet is kept for a node by name: each takes "
                        "one of those that are free",
                        Error::Kind::invalid)));
}

void GossipDatastore::release(const Prefix& subnet, Administration::OnDone onDone) {
  state_->answer(std::move(onDone), state_->node->release(subnet));
}

void GossipDatastore::tenures(OnTenures onTenures) {
  std::vector<Tenure> tenures;
  const auto picture = state_->node->picture();
  if (!picture)
    return state_->answer(std::move(onTenures), Result<std::vector<Tenure>>(Failure(picture.error())));
  for (const Lease& lease : picture->leases) {
    if (const auto& subnet = lease.subnet ? lease.subnet : lease.subnet6)
      tenures.push_back({.subnet = *subnet, .left = std::nullopt, .granted = std::nullopt});
  }
  state_->answer(std::move(onTenures), Result<std::vector<Tenure>>(std::move(tenures)));
}

std::vector<Peers::Node> GossipDatastore::nodes() const {
  return state_->node->nodes();
}

Peers::Pool GossipDatastore::pool() const {
  return state_->node->pool();
}

Peers::Counters GossipDatastore::counters() const {
  return state_->node->counters();
}

void GossipDatastore::remove(const std::string& node, bool force, Peers::OnDone onDone) {
  state_->answer(std::move(onDone), state_->node->remove(node, force));
}

void GossipDatastore::leave(bool unused, Peers::OnDone onDone) {
  state_->node->leave(unused, std::move(onDone));
}

void GossipDatastore::adopt(Peers::OnDone onDone) {
  state_->answer(std::move(onDone), state_->node->adopt());
}

void GossipDatastore::changeKeys(const std::string& command, const std::string& key, OnKeys onKeys) {
  state_->node->changeKeysOfAll(command, key, std::move(onKeys));
}

}  // namespace twill
