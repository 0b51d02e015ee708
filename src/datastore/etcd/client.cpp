// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/client.hpp"

#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <etcd.grpc.pb.h>
#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"

namespace twill::etcd {
namespace {

namespace pb = etcdserverpb;
using namespace std::chrono_literals;

constexpr auto kPatience = 5s;
constexpr int kFirstReconnect = 200;  // ms
constexpr int kLastReconnect = 2000;
constexpr int kPing = 30000;  // the server allows one in 5 s
constexpr int kPong = 10000;
constexpr std::size_t kLargestSecret = 1U << 20U;

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

/// What to do about it, where that is not plain.
const char* hintFor(grpc::StatusCode code, const std::string& endpoint) {
  switch (code) {
    case grpc::StatusCode::UNAVAILABLE:
      if (endpoint.starts_with("https://"))
        return "; does etcd run there, and does each side's certificate suit the other (authority, dates, "
               "address; "
               "--etcd-cafile, --etcd-certfile, --etcd-keyfile)?";
      return "; does etcd run there, and is the way to it open?";
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return "; it took the request and did not answer: has it lost its leader, or is its disk full?";
    case grpc::StatusCode::PERMISSION_DENIED:
      return "; let this user read and write there: etcdctl role grant-permission ROLE readwrite "
             "--prefix=true "
             "PREFIX";
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return "; if its space is used up: etcdctl compact, etcdctl defrag, etcdctl alarm disarm";
    default:
      return "";
  }
}

Error errorOf(const grpc::Status& status, const std::string& endpoint, const std::string& what) {
  using Code = grpc::StatusCode;
  const auto code = status.error_code();
  Error error{.text = fmt::format("etcd at {}: {}: {}", endpoint, what, status.error_message())};
  error.text += hintFor(code, endpoint);
  const bool compacted =
      code == Code::OUT_OF_RANGE && status.error_message().find("compacted") != std::string::npos;
  if (code == Code::UNAVAILABLE || code == Code::DEADLINE_EXCEEDED || code == Code::UNAUTHENTICATED)
    error.kind = Error::Kind::busy;
  if (code == Code::PERMISSION_DENIED) error.code = EACCES;
  if (compacted || code == Code::NOT_FOUND) error.kind = Error::Kind::missing;
  if (code == Code::INVALID_ARGUMENT) error.kind = Error::Kind::invalid;
  return error;
}

Result<std::shared_ptr<grpc::ChannelCredentials>> credentialsFor(const std::string& endpoint,
                                                                 const Options& options) {
  if (!endpoint.starts_with("https://")) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  const auto read = [](const std::string& file, std::string& into) -> Result<void> {
    if (file.empty()) return {};
    TWILL_TRY(into, readFile(file, kLargestSecret));
    return {};
  };
  TWILL_CHECK(read(options.caFile, ssl.pem_root_certs));
  TWILL_CHECK(read(options.certFile, ssl.pem_cert_chain));
  TWILL_CHECK(read(options.keyFile, ssl.pem_private_key));
  return grpc::SslCredentials(ssl);
}

std::string addressOf(std::string_view endpoint) {
  const auto scheme = endpoint.find("://");
  return std::string(scheme == std::string_view::npos ? endpoint : endpoint.substr(scheme + 3));
}

}  // namespace

/// Shared with gRPC's threads while they have something of ours.
class Client::State : public std::enable_shared_from_this<State> {
 public:
  using ContextPointer = std::unique_ptr<grpc::ClientContext>;
  /// Whether a call goes with one, and whether that was made for it: then it is not made again.
  enum class Token : std::uint8_t { none, wanted, fresh };

  State(boost::asio::io_context& loop, Options options) : loop_(loop), options_(std::move(options)) {
    // What went wrong is in the errors, once; gRPC would tell of each attempt.
    ::gpr_set_log_function([](gpr_log_func_args* said) { spdlog::debug("gRPC: {}", said->message); });
    connect();
  }

  void close() {
    endWatch();
    std::unique_lock lock(mutex_);
    closed_ = true;
    for (const auto& [key, context] : contexts_) {
      if (context != nullptr) context->TryCancel();
    }
    idle_.wait(lock, [this] { return contexts_.empty(); });
  }

  void useNext() {
    endWatch();
    at_ = (at_ + 1) % options_.endpoints.size();
    connect();
  }

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

  void authenticate(Answer<void> answer) {
    pb::AuthenticateRequest request;
    request.set_name(options_.username);
    request.set_password(options_.password);
    call<std::string, pb::AuthenticateRequest, pb::AuthenticateResponse>(
        request, fmt::format("authenticate as '{}'", options_.username),
        [this](auto* context, auto* sent, auto* received, auto done) {
          auth->async()->Authenticate(context, sent, received, std::move(done));
        },
        [](const pb::AuthenticateResponse& response) { return response.token(); },
        [this, answer = std::move(answer)](Result<std::string> token) {
          if (!token) return answer(Failure(std::move(token).error()));
          token_ = std::move(*token);
          answer({});
        },
        Token::none);
  }
  [[nodiscard]] bool lacksToken() const { return !options_.username.empty() && token_.empty(); }
  /// Runs it with a token, when there has to be one.
  void authenticated(Answer<void> run) {
    if (unusable_) return post([run = std::move(run), error = *unusable_] { run(Failure(error)); });
    if (!lacksToken()) return run({});
    authenticate(std::move(run));
  }

  void keepAlive(std::int64_t lease, Answer<std::int64_t> answer);
  void watch(const std::string& prefix, std::int64_t revision, Answer<Changes> answer);

  std::unique_ptr<pb::Auth::Stub> auth;
  std::unique_ptr<pb::KV::Stub> kv;
  std::unique_ptr<pb::Lease::Stub> leases;
  std::unique_ptr<pb::Watch::Stub> watches;

 private:
  friend class KeepAliveCall;
  friend class WatchCall;

  void connect();
  void endWatch();
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

  boost::asio::io_context& loop_;
  Options options_;
  std::size_t at_ = 0;
  std::string token_;  ///< empty: none yet, or none any more
  std::optional<Error> unusable_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::map<const grpc::ClientContext*, grpc::ClientContext*>
      contexts_;  ///< of calls under way; null: about to go
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<std::shared_ptr<grpc::Channel>> retired_;  ///< calls may still be under way on them
  bool closed_ = false;
  std::shared_ptr<class WatchCall> watch_;
};

/// etcd has a stream for this; one round of it is enough.
class KeepAliveCall final
    : public grpc::ClientBidiReactor<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse> {
 public:
  KeepAliveCall(Client::State& state, std::int64_t lease, Client::Answer<std::int64_t> answer)
      : state_(state), endpoint_(state.endpoint()), answer_(std::move(answer)) {
    request_.set_id(lease);
  }
  /// Lives until the stream is done.
  static void start(const std::shared_ptr<KeepAliveCall>& call, pb::Lease::Stub& stub) {
    call->self_ = call;
    call->context_->set_deadline(std::chrono::system_clock::now() + kPatience);
    call->state_.begin(*call->context_);
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
    if (!answered_) state_.forgetToken(status);
    auto result = answered_ ? Result<std::int64_t>(std::max<std::int64_t>(response_.ttl(), 0))
                            : Result<std::int64_t>(Failure(errorOf(status, endpoint_, "keep a lease alive")));
    state_.post([answer = std::move(answer_), result = std::move(result)] { answer(result); });
    state_.end(context_);
  }

  Client::State& state_;
  std::string endpoint_;
  Client::Answer<std::int64_t> answer_;
  Client::State::ContextPointer context_ = std::make_unique<grpc::ClientContext>();
  pb::LeaseKeepAliveRequest request_;
  pb::LeaseKeepAliveResponse response_;
  bool answered_ = false;
  std::shared_ptr<KeepAliveCall> self_;
};

class WatchCall final : public grpc::ClientBidiReactor<pb::WatchRequest, pb::WatchResponse> {
 public:
  WatchCall(Client::State& state, const std::string& prefix, std::int64_t revision,
            Client::Answer<Changes> answer)
      : state_(state),
        endpoint_(state.endpoint()),
        what_("watch " + prefix),
        revision_(revision),
        answer_(std::make_shared<Client::Answer<Changes>>(std::move(answer))) {
    auto* create = request_.mutable_create_request();
    create->set_key(prefix);
    create->set_range_end(endOf(prefix));
    create->set_start_revision(revision + 1);
    create->set_progress_notify(true);
    create->set_fragment(true);
  }
  static void start(const std::shared_ptr<WatchCall>& call, pb::Watch::Stub& stub) {
    call->self_ = call;
    call->state_.begin(*call->context_);
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
    state_.cancel(key_);
  }

 private:
  void tell(Result<Changes> changes) {
    state_.post([answer = answer_, changes = std::move(changes)] {
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
      if (event.type() == pb::Event::DELETE) {
        changes_.deleted.push_back(event.kv().key());
        std::erase_if(changes_.put, [&](const KeyValue& put) { return put.key == event.kv().key(); });
      } else {
        changes_.put.push_back(entryOf(event.kv()));
        std::erase(changes_.deleted, event.kv().key());
      }
    }
    if (response_.fragment() || response_.created()) return;
    changes_.revision = response_.header().revision();
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
      state_.forgetToken(status);
      auto error = errorOf(status, endpoint_, what_);
      if (status.ok()) error.text += "etcd has ended it";
      tell(Failure(std::move(error)));
    }
    state_.end(context_);
  }

  Client::State& state_;
  std::string endpoint_, what_;
  std::int64_t revision_;                            ///< what is known already
  std::shared_ptr<Client::Answer<Changes>> answer_;  ///< the function is the loop's
  Client::State::ContextPointer context_ = std::make_unique<grpc::ClientContext>();
  const grpc::ClientContext* key_ = context_.get();
  pb::WatchRequest request_;
  pb::WatchResponse response_;
  Changes changes_;  ///< of a message that comes in pieces
  bool ended_ = false;
  std::shared_ptr<WatchCall> self_;
};

void Client::State::connect() {
  unusable_.reset();
  const auto credentials = credentialsFor(endpoint(), options_);
  if (!credentials) {
    unusable_ = Error(credentials.error()).in("etcd at " + endpoint());
    return;
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnect);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnect);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPing);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPong);
  arguments.SetMaxReceiveMessageSize(-1);  // ten thousand leases are 2 MB
  {
    const std::lock_guard lock(mutex_);
    if (contexts_.empty()) retired_.clear();
  }
  if (channel_) retired_.push_back(std::move(channel_));
  channel_ = grpc::CreateCustomChannel(addressOf(endpoint()), *credentials, arguments);
  auth = pb::Auth::NewStub(channel_);
  kv = pb::KV::NewStub(channel_);
  leases = pb::Lease::NewStub(channel_);
  watches = pb::Watch::NewStub(channel_);
}

void Client::State::endWatch() {
  if (watch_) watch_->stop();
  watch_.reset();
}

void Client::State::keepAlive(std::int64_t lease, Answer<std::int64_t> answer) {
  authenticated([this, lease, answer = std::move(answer)](Result<void> ready) {
    if (!ready) return answer(Failure(std::move(ready).error()));
    KeepAliveCall::start(std::make_shared<KeepAliveCall>(*this, lease, answer), *leases);
  });
}

void Client::State::watch(const std::string& prefix, std::int64_t revision, Answer<Changes> answer) {
  endWatch();
  authenticated([this, prefix, revision, answer = std::move(answer)](Result<void> ready) {
    if (!ready) return answer(Failure(std::move(ready).error()));
    endWatch();
    watch_ = std::make_shared<WatchCall>(*this, prefix, revision, answer);
    WatchCall::start(watch_, *watches);
  });
}

Client::Client(boost::asio::io_context& loop, Options options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}

Client::~Client() {
  state_->close();
}

void Client::list(const std::string& prefix, Answer<Listing> answer) {
  pb::RangeRequest request;
  request.set_key(prefix);
  request.set_range_end(endOf(prefix));
  state_->call<Listing, pb::RangeRequest, pb::RangeResponse>(
      request, "list " + prefix,
      [this](auto* context, auto* sent, auto* received, auto done) {
        state_->kv->async()->Range(context, sent, received, std::move(done));
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
  state_->call<std::int64_t, pb::TxnRequest, pb::TxnResponse>(
      request, write.key.empty() ? "delete " + write.erased : "write " + write.key,
      [this](auto* context, auto* sent, auto* received, auto done) {
        state_->kv->async()->Txn(context, sent, received, std::move(done));
      },
      [](const pb::TxnResponse& response) { return response.succeeded() ? response.header().revision() : 0; },
      std::move(answer));
}

void Client::grant(std::int64_t seconds, Answer<std::int64_t> answer) {
  pb::LeaseGrantRequest request;
  request.set_ttl(seconds);
  state_->call<std::int64_t, pb::LeaseGrantRequest, pb::LeaseGrantResponse>(
      request, "grant a lease",
      [this](auto* context, auto* sent, auto* received, auto done) {
        state_->leases->async()->LeaseGrant(context, sent, received, std::move(done));
      },
      [](const pb::LeaseGrantResponse& response) { return response.id(); }, std::move(answer));
}

void Client::keepAlive(std::int64_t lease, Answer<std::int64_t> answer) {
  state_->keepAlive(lease, std::move(answer));
}

void Client::timeToLive(std::int64_t lease, Answer<LeaseTime> answer) {
  pb::LeaseTimeToLiveRequest request;
  request.set_id(lease);
  state_->call<LeaseTime, pb::LeaseTimeToLiveRequest, pb::LeaseTimeToLiveResponse>(
      request, "look at a lease",
      [this](auto* context, auto* sent, auto* received, auto done) {
        state_->leases->async()->LeaseTimeToLive(context, sent, received, std::move(done));
      },
      [](const pb::LeaseTimeToLiveResponse& response) {
        return LeaseTime{.left = response.ttl(), .granted = response.grantedttl()};
      },
      std::move(answer));
}

void Client::watch(const std::string& prefix, std::int64_t revision, Answer<Changes> answer) {
  state_->watch(prefix, revision, std::move(answer));
}

void Client::useNextEndpoint() {
  state_->useNext();
}

const std::string& Client::endpoint() const {
  return state_->endpoint();
}

}  // namespace twill::etcd
