// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "datastore/etcd/picture.hpp"

namespace boost::asio {
class io_context;
}

namespace twill::etcd {

/// All that this node writes, one after the other: its registration and its lease, both on an etcd lease that
/// is kept alive, and what a person asks for.
///
/// A node that finds another one registered with its name or address waits whether that one shows a sign of
/// life, which each living node gives when it sees a rival: then the first to have been registered keeps the
/// lease. Without one it was a node that is no more, and its entry goes.
///
/// Threading: the loop's thread; callbacks come from the loop, never from inside a call.
class Writer {
 public:
  using OnDone = std::function<void(Result<void>)>;
  using Plan = std::function<Result<Write>(const Picture&)>;

  struct Options {
    std::int64_t leaseSeconds = 86400;
    std::string machine;  ///< tells machines of one name apart
  };
  /// What the picture's owner does for it.
  struct Owner {
    std::function<void()> reload;   ///< list all anew: what is known is too old to write by
    std::function<void()> changed;  ///< the picture has changed by a write of ours
  };

  /// `client` and `picture` outlive it.
  Writer(boost::asio::io_context& loop, Client& client, Picture& picture, Options options, Owner owner);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void publish(const Lease& mine, OnDone onDone);
  void edit(Plan plan, OnDone onDone);
  /// The picture is what etcd holds, for the first time or again, in a new form or up to a later revision.
  void onPicture();
  /// It is not any more. What waits fails with that error.
  void onLost(const Error& error);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace twill::etcd
