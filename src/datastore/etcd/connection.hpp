// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <etcd.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include "datastore/etcd/client.hpp"

/// Private to this folder: client.hpp is the way in.
namespace twill::etcd {

namespace pb = etcdserverpb;

/// So long a call may take; seconds.
constexpr auto kPatience = std::chrono::seconds(5);

/// Endpoint, what was asked and what came back, with what to do about it.
[[nodiscard]] Error errorOf(const grpc::Status& status, const std::string& endpoint, const std::string& what);

/// The way to etcd: a channel to one endpoint at a time, the token, and all calls that are under way. Shared
/// with gRPC's threads while they have something of ours.
///
/// Threading: all from the loop's thread, but for begin(), cancel(), end() and post(), which gRPC's may call,
/// too. What is given to post() runs on the loop, and no more once close() was called.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using ContextPointer = std::unique_ptr<grpc::ClientContext>;
  /// Whether a call goes with one, and whether that was made for it: then it is not made again.
  enum class Token : std::uint8_t { none, wanted, fresh };

  template <class T>
  using Answer = std::function<void(Result<T>)>;

  Connection(boost::asio::io_context& loop, Options options);
  /// Ends what is under way, and waits for that.
  void close();
  /// From now on the next endpoint is asked.
  void useNext();
  [[nodiscard]] const std::string& endpoint() const { return options_.endpoints[at_]; }

  /// One request and its answer. `start` is the stub's method, `translate` makes of the response what the
  /// caller wants.
  template <class T, class Request, class Response, class Start, class Translate>
  void call(const Request& request, std::string what, Start start, Translate translate, Answer<T> answer,
            Token token = Token::wanted) {
    struct Call {
      ContextPointer context = std::make_unique<grpc::ClientContext>();
      Request request;
      Response response;
    };
    if (unusable_) return post([answer, error = *unusable_] { answer(Failure(error)); });
    if (token != Token::none && lacksToken()) {
      return authenticate([=, this](Result<void> done) {
        if (!done) return answer(Failure(std::move(done).error()));
        call<T, Request, Response>(request, what, start, translate, answer, Token::fresh);
      });
    }
    auto call = std::make_shared<Call>();
    call->request = request;
    call->context->set_deadline(std::chrono::system_clock::now() + kPatience);
    begin(*call->context, token != Token::none);
    // The state is there until end(): close() waits for it.
    auto done = [=, this, endpoint = endpoint()](const grpc::Status& status) {
      auto result = status.ok() ? Result<T>(translate(call->response))
                                : Result<T>(Failure(errorOf(status, endpoint, what)));
      const bool expired = status.error_code() == grpc::StatusCode::UNAUTHENTICATED;
      // Nothing of gRPC's: the loop may drop this after gRPC's own end.
      post([this, result = std::move(result), request = expired ? call->request : Request(), expired, token,
            what, start, translate, answer] {
        if (expired) token_.clear();
        if (expired && token == Token::wanted)
          return this->call<T, Request, Response>(request, what, start, translate, answer);
        answer(result);
      });
      end(call->context);
    };
    start(call->context.get(), &call->request, &call->response, std::move(done));
  }

  [[nodiscard]] bool lacksToken() const { return !options_.username.empty() && token_.empty(); }
  /// Runs it with a token, when there has to be one.
  void authenticated(Answer<void> run) {
    if (unusable_) return post([run = std::move(run), error = *unusable_] { run(Failure(error)); });
    if (!lacksToken()) return run({});
    authenticate(std::move(run));
  }

  void forgetToken(const grpc::Status& status) {
    if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED) post([this] { token_.clear(); });
  }
  void begin(grpc::ClientContext& context, bool withToken = true) {
    if (withToken && !token_.empty()) context.AddMetadata("token", token_);
    const std::lock_guard lock(mutex_);
    contexts_.emplace(&context, &context);
    if (closed_) context.TryCancel();
  }
  /// On any thread; a call that is over is fine.
  void cancel(const grpc::ClientContext* key) {
    const std::lock_guard lock(mutex_);
    if (const auto found = contexts_.find(key); found != contexts_.end() && found->second != nullptr)
      found->second->TryCancel();
  }
  /// On gRPC's thread, when a call is over. The context goes before the call counts as ended: it holds the
  /// channel, and the last one to let go of gRPC's last channel waits for gRPC's threads.
  void end(ContextPointer& context) {
    const auto* key = context.get();
    {
      const std::lock_guard lock(mutex_);
      contexts_.at(key) = nullptr;
    }
    context.reset();
    const std::lock_guard lock(mutex_);
    contexts_.erase(key);
    idle_.notify_all();
  }
  /// On the loop, unless the client is gone by then.
  template <class Handler>
  void post(Handler handler) {
    boost::asio::post(loop_, [weak = weak_from_this(), handler = std::move(handler)]() mutable {
      const auto self = weak.lock();
      if (!self) return;
      {
        const std::lock_guard lock(self->mutex_);
        if (self->closed_) return;
      }
      handler();
    });
  }

  std::unique_ptr<pb::Auth::Stub> auth;
  std::unique_ptr<pb::KV::Stub> kv;
  std::unique_ptr<pb::Lease::Stub> leases;
  std::unique_ptr<pb::Watch::Stub> watches;

 private:
  void connect();
  void authenticate(Answer<void> answer);

  boost::asio::io_context& loop_;
  Options options_;
  std::size_t at_ = 0;
  unsigned attempts_ = 0;  ///< channels that were made
  std::string token_;      ///< empty: none yet, or none any more
  std::optional<Error> unusable_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::map<const grpc::ClientContext*, grpc::ClientContext*>
      contexts_;  ///< of calls under way; null: about to go
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<std::shared_ptr<grpc::Channel>> retired_;  ///< calls may still be under way on them
  bool closed_ = false;
};

}  // namespace twill::etcd
