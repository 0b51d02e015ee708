// SPDX-License-Identifier: Apache-2.0
// etcd's requests and its two streams, each over the connection (connection.hpp).
#include "datastore/etcd/client.hpp"

#include <fmt/format.h>

#include "datastore/etcd/connection.hpp"

namespace twill::etcd {
namespace {

/// The first key behind all that begin with `prefix`.
std::string endOf(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xffU) prefix.pop_back();
  if (prefix.empty()) return {'\0'};
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

KeyValue entryOf(const pb::KeyValue& kv) {
  return {.key = kv.key(),
          .value = kv.value(),
          .created = kv.create_revision(),
          .revision = kv.mod_revision(),
          .lease = kv.lease()};
}

/// etcd has a stream for this; one round of it is enough.
class KeepAliveCall final
    : public grpc::ClientBidiReactor<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse> {
 public:
  KeepAliveCall(Connection& connection, std::int64_t lease, Connection::Answer<std::int64_t> answer)
      : connection_(connection), endpoint_(connection.endpoint()), answer_(std::move(answer)) {
    request_.set_id(lease);
  }
  /// Lives until the stream is done.
  static void start(const std::shared_ptr<KeepAliveCall>& call, pb::Lease::Stub& stub) {
    call->self_ = call;
    call->context_->set_deadline(std::chrono::system_clock::now() + kPatience);
    call->connection_.begin(*call->context_);
    stub.async()->LeaseKeepAlive(call->context_.get(), call.get());
    call->StartWriteLast(&call->request_, grpc::WriteOptions());
    call->StartRead(&call->response_);
    call->StartCall();
  }

 private:
  void OnReadDone(bool ok) override {
    answered_ = ok;
    if (ok) context_->TryCancel();
  }
  void OnDone(const grpc::Status& status) override {
    const auto self = std::move(self_);
    if (!answered_) connection_.forgetToken(status);
    auto result = answered_ ? Result<std::int64_t>(std::max<std::int64_t>(response_.ttl(), 0))
                            : Result<std::int64_t>(Failure(errorOf(status, endpoint_, "keep a lease alive")));
    connection_.post([answer = std::move(answer_), result = std::move(result)] { answer(result); });
    connection_.end(context_);
  }

  Connection& connection_;
  std::string endpoint_;
  Connection::Answer<std::int64_t> answer_;
  Connection::ContextPointer context_ = std::make_unique<grpc::ClientContext>();
  pb::LeaseKeepAliveRequest request_;
  pb::LeaseKeepAliveResponse response_;
  bool answered_ = false;
  std::shared_ptr<KeepAliveCall> self_;
};

}  // namespace

/// A watch, until it ends by itself, which is told as an error, or by stop().
class WatchCall final : public grpc::ClientBidiReactor<pb::WatchRequest, pb::WatchResponse> {
 public:
  WatchCall(Connection& connection, const std::string& prefix, std::int64_t revision,
            Connection::Answer<Changes> answer)
      : connection_(connection),
        endpoint_(connection.endpoint()),
        what_("watch " + prefix),
        revision_(revision),
        answer_(std::make_shared<Connection::Answer<Changes>>(std::move(answer))) {
    auto* create = request_.mutable_create_request();
    create->set_key(prefix);
    create->set_range_end(endOf(prefix));
    create->set_start_revision(revision + 1);
    create->set_progress_notify(true);
    create->set_fragment(true);
  }
  static void start(const std::shared_ptr<WatchCall>& call, pb::Watch::Stub& stub) {
    call->self_ = call;
    call->connection_.begin(*call->context_);
    // Without a leader a member would stay silent: etcd's own name for it (clientv3.WithRequireLeader).
    call->context_->AddMetadata("hasleader", "true");
    stub.async()->Watch(call->context_.get(), call.get());
    call->StartWrite(&call->request_);
    call->StartRead(&call->response_);
    call->StartCall();
  }
  /// On the loop: from now on it says nothing.
  void stop() {
    *answer_ = nullptr;
    connection_.cancel(key_);
  }

 private:
  void tell(Result<Changes> changes) {
    connection_.post([answer = answer_, changes = std::move(changes)] {
      const auto keep = *answer;  // it may stop the watch
      if (keep) keep(changes);
    });
  }
  Failure failed(Error::Kind kind, const std::string& why) {
    return fail(fmt::format("etcd at {}: {}: {}", endpoint_, what_, why), kind);
  }
  /// A refused watch is told as created and canceled at once, and leaves the stream open.
  bool isOver() {
    if (!response_.canceled()) return false;
    ended_ = true;
    if (response_.compact_revision() > 0) {
      tell(failed(Error::Kind::missing, "etcd has forgotten what was before"));
    } else {
      const auto& reason = response_.cancel_reason();
      tell(failed(Error::Kind::failed, reason.empty() ? "etcd has ended it" : reason));
    }
    context_->TryCancel();
    return true;
  }
  void take() {
    for (const auto& event : response_.events()) {
      if (event.kv().mod_revision() <= revision_) continue;
      changes_.revision = std::max(changes_.revision, event.kv().mod_revision());
      changes_.events.push_back({.entry = entryOf(event.kv()), .deleted = event.type() == pb::Event::DELETE});
    }
    if (response_.fragment() || response_.created()) return;
    // The header's revision may be ahead of events that are still to come, unless there are none.
    if (changes_.revision == 0) changes_.revision = response_.header().revision();
    revision_ = std::max(revision_, changes_.revision);
    tell(std::exchange(changes_, {}));
  }
  void OnReadDone(bool ok) override {
    if (!ok || isOver()) return;
    take();
    response_.Clear();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    const auto self = std::move(self_);
    if (!ended_) {
      connection_.forgetToken(status);
      auto error = errorOf(status, endpoint_, what_);
      if (status.ok()) error.text += "etcd has ended it";
      tell(Failure(std::move(error)));
    }
    connection_.end(context_);
  }

  Connection& connection_;
  std::string endpoint_, what_;
  std::int64_t revision_;                                ///< what is known already
  std::shared_ptr<Connection::Answer<Changes>> answer_;  ///< the function is the loop's
  Connection::ContextPointer context_ = std::make_unique<grpc::ClientContext>();
  const grpc::ClientContext* key_ = context_.get();
  pb::WatchRequest request_;
  pb::WatchResponse response_;
  Changes changes_;  ///< of a message that comes in pieces
  bool ended_ = false;
  std::shared_ptr<WatchCall> self_;
};

Client::Client(boost::asio::io_context& loop, Options options)
    : connection_(std::make_shared<Connection>(loop, std::move(options))) {}

Client::~Client() {
  endWatch();
  connection_->close();
}

void Client::list(const std::string& prefix, Answer<Listing> answer) {
  pb::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(endOf(prefix));
  connection_->call<Listing, pb::RangeRequest, pb::RangeResponse>(
      request, "list " + prefix,
      [this](auto* context, auto* sent, auto* received, auto done) {
        connection_->kv->async()->Range(context, sent, received, std::move(done));
      },
      [](const pb::RangeResponse& response) {
        Listing listing{.revision = response.header().revision(), .entries = {}};
        for (const auto& kv : response.kvs()) listing.entries.push_back(entryOf(kv));
        return listing;
      },
      std::move(answer));
}

void Client::write(const Write& write, Answer<std::int64_t> answer) {
  pb::TxnRequest request;
  const auto expect = [&](const std::string& key, std::int64_t revision) {
    auto* compare = request.add_compare();
    compare->set_key(key);
    compare->set_target(pb::Compare::MOD);
    compare->set_mod_revision(revision);
  };
  if (!write.key.empty()) {
    expect(write.key, write.revision);
    auto* put = request.add_success()->mutable_request_put();
    put->set_key(write.key);
    put->set_value(write.value);
    put->set_lease(write.lease);
  }
  if (!write.erased.empty()) {
    expect(write.erased, write.erasedRevision);
    request.add_success()->mutable_request_delete_range()->set_key(write.erased);
  }
  connection_->call<std::int64_t, pb::TxnRequest, pb::TxnResponse>(
      request, write.key.empty() ? "delete " + write.erased : "write " + write.key,
      [this](auto* context, auto* sent, auto* received, auto done) {
        connection_->kv->async()->Txn(context, sent, received, std::move(done));
      },
      [](const pb::TxnResponse& response) { return response.succeeded() ? response.header().revision() : 0; },
      std::move(answer));
}

void Client::grant(std::int64_t seconds, Answer<std::int64_t> answer) {
  pb::LeaseGrantRequest request;
  request.set_ttl(seconds);
  connection_->call<std::int64_t, pb::LeaseGrantRequest, pb::LeaseGrantResponse>(
      request, "grant a lease",
      [this](auto* context, auto* sent, auto* received, auto done) {
        connection_->leases->async()->LeaseGrant(context, sent, received, std::move(done));
      },
      [](const pb::LeaseGrantResponse& response) { return response.id(); }, std::move(answer));
}

void Client::keepAlive(std::int64_t lease, Answer<std::int64_t> answer) {
  connection_->authenticated([this, lease, answer = std::move(answer)](Result<void> ready) {
    if (!ready) return answer(Failure(std::move(ready).error()));
    KeepAliveCall::start(std::make_shared<KeepAliveCall>(*connection_, lease, answer), *connection_->leases);
  });
}

void Client::timeToLive(std::int64_t lease, Answer<LeaseTime> answer) {
  pb::LeaseTimeToLiveRequest request;
  request.set_id(lease);
  connection_->call<LeaseTime, pb::LeaseTimeToLiveRequest, pb::LeaseTimeToLiveResponse>(
      request, "look at a lease",
      [this](auto* context, auto* sent, auto* received, auto done) {
        connection_->leases->async()->LeaseTimeToLive(context, sent, received, std::move(done));
      },
      [](const pb::LeaseTimeToLiveResponse& response) {
        return LeaseTime{.left = response.ttl(), .granted = response.grantedttl()};
      },
      std::move(answer));
}

void Client::watch(const std::string& prefix, std::int64_t revision, Answer<Changes> answer) {
  connection_->authenticated([this, prefix, revision, answer = std::move(answer)](Result<void> ready) {
    if (!ready) return answer(Failure(std::move(ready).error()));
    endWatch();
    watch_ = std::make_shared<WatchCall>(*connection_, prefix, revision, answer);
    WatchCall::start(watch_, *connection_->watches);
  });
}

void Client::useNextEndpoint() {
  endWatch();
  connection_->useNext();
}

void Client::endWatch() {
  if (watch_) watch_->stop();
  watch_.reset();
}

const std::string& Client::endpoint() const {
  return connection_->endpoint();
}

}  // namespace twill::etcd
