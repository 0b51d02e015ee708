// SPDX-License-Identifier: Apache-2.0
#include "datastore/etcd/connection.hpp"

#include <cerrno>

#include <fmt/format.h>
#include <grpc/support/log.h>
#include <spdlog/spdlog.h>

#include "base/file.hpp"

namespace twill::etcd {
namespace {

// All in ms. Together with the pauses of etcd_datastore.cpp: who comes back is noticed within two seconds,
// since a lost SYN is sent again after one (RFC 6298), and a way that is cut within fifteen.
constexpr int kFirstReconnect = 200;
constexpr int kLastReconnect = 1000;
constexpr int kConnect = 1500;       // so long an attempt may take;
constexpr int kLongConnect = 10000;  // and each fourth, for ways on which TLS takes longer
constexpr int kPing = 10000;         // the server allows one in 5 s
constexpr int kPong = 5000;
constexpr std::size_t kLargestSecret = 1U << 20U;

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

Connection::Connection(boost::asio::io_context& loop, Options options)
    : loop_(loop), options_(std::move(options)) {
  // What went wrong is in the errors, once; gRPC would tell of each attempt.
  ::gpr_set_log_function([](gpr_log_func_args* said) { spdlog::debug("gRPC: {}", said->message); });
  connect();
}

void Connection::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  for (const auto& [key, context] : contexts_) {
    if (context != nullptr) context->TryCancel();
  }
  idle_.wait(lock, [this] { return contexts_.empty(); });
}

void Connection::useNext() {
  at_ = (at_ + 1) % options_.endpoints.size();
  connect();
}

void Connection::connect() {
  unusable_.reset();
  const auto credentials = credentialsFor(endpoint(), options_);
  if (!credentials) {
    unusable_ = Error(credentials.error()).in("etcd at " + endpoint());
    return;
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnect);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnect);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, ++attempts_ % 4 == 0 ? kLongConnect : kConnect);
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

void Connection::authenticate(Answer<void> answer) {
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

}  // namespace twill::etcd
