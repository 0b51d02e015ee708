// SPDX-License-Identifier: Apache-2.0
// twill-cni: hands a CNI call to the agent and prints its answer. Holds no state and decides nothing; only a
// call that cannot be understood is answered without the agent, in the very words that the agent has for it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <unistd.h>

#include "api/client.hpp"
#include "cni/call.hpp"

namespace {

using namespace twill;
using namespace std::chrono_literals;

/// The agent may be on its way up again: an upgrade takes about a second.
constexpr auto kPatience = 5s;
constexpr auto kBetweenTries = 20ms;

int refuse(const cni::CniError& error) {
  std::fputs(cni::formatError(error).c_str(), stdout);
  return 1;
}

Result<std::string> readInput() {
  std::string text;
  char chunk[65536];
  for (;;) {
    ssize_t n = ::read(STDIN_FILENO, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failErrno("read the network config from stdin");
    if (n == 0) return text;
    text.append(chunk, static_cast<std::size_t>(n));
    if (text.size() > cni::kConfigLimit) return text;  // too long: the parser says so
  }
}

cni::Environment readEnvironment() {
  cni::Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string pair = *entry;
    const auto equals = pair.find('=');
    if (!pair.starts_with("CNI_") || equals == std::string::npos) continue;
    environment[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return environment;
}

/// Every variable as a header. False when one cannot be a header.
bool addHeaders(const cni::Environment& environment, api::Call& call) {
  for (const auto& [name, value] : environment) {
    for (const unsigned char c : name + value) {
      if (c < ' ' || c == 0x7f) return false;
    }
    call.headers["Twill-" + name] = value;
  }
  return true;
}

/// The agent has not seen the request: it is down, or too busy to take the connection.
bool isAway(const Error& error) {
  return error.kind == Error::Kind::missing || error.code == EAGAIN;
}

/// The agent may have carried out the request.
bool isCutOff(const Error& error) {
  return error.code == ECONNRESET || error.code == EPIPE;
}

/// `again`: the call may be made a second time, whatever became of the first.
Result<api::Reply> callPatiently(const std::string& socket, const api::Call& call, bool again) {
  const char* patience = std::getenv("TWILL_CNI_PATIENCE_MS");
  auto wait = patience == nullptr ? std::chrono::milliseconds(kPatience)
                                  : std::chrono::milliseconds(std::atoi(patience));
  auto deadline = std::chrono::steady_clock::now() + wait;
  for (;;) {
    auto reply = api::call(socket, call);
    const bool waits = !reply && (isAway(reply.error()) || (again && isCutOff(reply.error())));
    if (!waits || std::chrono::steady_clock::now() >= deadline) return reply;
    std::this_thread::sleep_for(kBetweenTries);
  }
}

/// Hands the call over and prints the answer.
int handOver(const cni::Call& what, const cni::Environment& environment, std::string config) {
  auto refuseAs = [&](int code, std::string msg) {
    return refuse({.code = code, .msg = std::move(msg), .details = "", .version = what.version});
  };
  api::Call call{.method = "POST", .target = "/v1/cni", .body = std::move(config)};
  if (!addHeaders(environment, call))
    return refuseAs(cni::kBadEnvironment, "a CNI_ variable holds a control character");
  const char* socket = std::getenv("TWILL_SOCKET");
  auto reply = callPatiently(socket != nullptr ? socket : "/run/twill/twill.sock", call,
                             what.command == cni::Command::del);
  if (!reply) {
    std::string text = reply.error().text;
    if (isCutOff(reply.error()) && what.command == cni::Command::add)
      text += "; if it made the interface, the runtime's DEL takes it away again";
    return refuseAs(cni::kTryAgain, std::move(text));
  }
  auto exit = reply->headers.find("twill-exit");
  if (reply->status != 200 || exit == reply->headers.end()) {
    return refuseAs(cni::kInternal,
                    "the agent answered " + std::to_string(reply->status) + ": " + reply->body);
  }
  std::fputs(reply->body.c_str(), stdout);
  return std::atoi(exit->second.c_str());
}

}  // namespace

int main() {
  const char* command = std::getenv("CNI_COMMAND");
  if (command == nullptr || *command == '\0') {
    std::fputs("twill-cni " TWILL_VERSION
               ": the CNI plugin of the Twill container network, run by container runtimes\n"
               "CNI versions 0.1.0 to 1.1.0; see twill-cni(8)\n",
               stderr);
    return 0;
  }
  auto config = readInput();
  if (!config) {
    return refuse({.code = cni::kIo, .msg = config.error().text, .details = "", .version = ""});
  }
  if (command == std::string("VERSION")) {
    std::fputs(cni::versionAnswer(*config).c_str(), stdout);
    return 0;
  }
  const auto environment = readEnvironment();
  const auto call = cni::parseCall(environment, *config);
  return call ? handOver(*call, environment, std::move(*config)) : refuse(call.error());
}
