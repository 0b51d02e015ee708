// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/tenure_query.hpp"

#include <memory>

namespace twill::etcd {
namespace {

constexpr std::size_t kAtOnce = 32;

/// Kept by the answers that it waits for.
class Query : public std::enable_shared_from_this<Query> {
 public:
  Query(Client& client, Administration::OnTenures onTenures)
      : client_(client), onTenures_(std::move(onTenures)) {}

  void start(const Picture& picture) {
    for (const KeyValue* entry : picture.under(picture.subnetsPrefix())) {
      const auto lease = picture.leaseIn(*entry);
      if (!lease) continue;
      tenures_.push_back({.subnet = *lease->subnet, .left = {}, .granted = {}});
      numbers_.push_back(entry->lease);
    }
    for (std::size_t i = 0; i < kAtOnce; ++i) askNext();
  }

 private:
  /// Without one that has an etcd lease there is nothing to ask, and the answer comes by itself.
  void askNext() {
    while (next_ < numbers_.size() && numbers_[next_] == 0) ++next_;
    if (next_ >= numbers_.size()) {
      if (waiting_ == 0 && onTenures_) std::exchange(onTenures_, nullptr)(std::move(tenures_));
      return;
    }
    ++waiting_;
    client_.timeToLive(numbers_[next_], [self = shared_from_this(), at = next_](
                                            const Result<LeaseTime>& time) { self->take(at, time); });
    ++next_;
  }

  void take(std::size_t at, const Result<LeaseTime>& time) {
    --waiting_;
    if (!time && onTenures_) std::exchange(onTenures_, nullptr)(Failure(time.error()));
    if (time) {
      tenures_[at].left = std::max<std::int64_t>(time->left, 0);
      tenures_[at].granted = time->granted;
    }
    askNext();
  }

  Client& client_;
  Administration::OnTenures onTenures_;
  std::vector<Administration::Tenure> tenures_;
  std::vector<std::int64_t> numbers_;  ///< of their etcd leases; 0: none
  std::size_t next_ = 0, waiting_ = 0;
};

}  // namespace

void askTenures(Client& client, const Picture& picture, Administration::OnTenures onTenures) {
  std::make_shared<Query>(client, std::move(onTenures))->start(picture);
}

}  // namespace twill::etcd
