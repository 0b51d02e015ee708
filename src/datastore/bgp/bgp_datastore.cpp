// SPDX-License-Identifier: Apache-2.0
#include "datastore/bgp/bgp_datastore.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "datastore/bgp/bgp_node.hpp"

namespace twill {

/// What callers see; the node itself knows nothing of them.
class BgpDatastore::State : public std::enable_shared_from_this<State> {
 public:
  State(boost::asio::io_context& io, BgpDatastoreOptions options)
      : loop(io), node(std::make_shared<bgp::BgpNode>(io, std::move(options))) {}

  /// Answers from the loop, not from inside the call.
  template <class Done, class Value>
  void answer(Done onDone, Value value) {
    boost::asio::post(loop, [weak = weak_from_this(), onDone = std::move(onDone), value = std::move(value)] {
      if (!weak.expired()) onDone(value);
    });
  }

  boost::asio::io_context& loop;
  std::shared_ptr<bgp::BgpNode> node;
};

BgpDatastore::BgpDatastore(boost::asio::io_context& loop, BgpDatastoreOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}

BgpDatastore::~BgpDatastore() {
  state_->node->stop();
}

void BgpDatastore::watch(OnCluster onCluster) {
  state_->node->watch(std::move(onCluster));
}

void BgpDatastore::publish(const Lease& mine, OnPublished onPublished) {
  boost::asio::post(state_->loop, [weak = std::weak_ptr(state_), mine, onPublished = std::move(onPublished)] {
    if (const auto self = weak.lock()) onPublished(self->node->publish(mine));
  });
}

Result<std::string> BgpDatastore::config() const {
  return state_->node->config();
}

void BgpDatastore::configure(const std::string& text, OnDone onDone) {
  state_->answer(std::move(onDone), state_->node->configure(text));
}

void BgpDatastore::reserve(const Lease&, OnDone onDone) {
  state_->answer(
      std::move(onDone),
      Result<void>(fail("with the datastore bgp no subnet is kept for a node that has not announced it; each "
                        "takes one of those that are free",
                        Error::Kind::invalid)));
}

void BgpDatastore::release(const Prefix&, OnDone onDone) {
  state_->answer(
      std::move(onDone),
      Result<void>(fail("with the datastore bgp a node's subnet is its own to withdraw: twilld --cleanup "
                        "there does",
                        Error::Kind::invalid)));
}

void BgpDatastore::tenures(OnTenures onTenures) {
  const auto picture = state_->node->picture();
  if (!picture)
    return state_->answer(std::move(onTenures), Result<std::vector<Tenure>>(Failure(picture.error())));
  std::vector<Tenure> tenures;
  for (const Lease& lease : picture->leases) {
    if (const auto& subnet = lease.subnet ? lease.subnet : lease.subnet6)
      tenures.push_back({.subnet = *subnet, .left = std::nullopt, .granted = std::nullopt});
  }
  state_->answer(std::move(onTenures), Result<std::vector<Tenure>>(std::move(tenures)));
}

BgpView::Status BgpDatastore::status() const {
  return state_->node->status();
}

}  // namespace twill
