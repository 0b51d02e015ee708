// SPDX-License-Identifier: Apache-2.0
// twill-cni: hands a CNI call to the agent and prints its answer. Holds no state and decides nothing.
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

int refuse(int code, std::string msg) {
  std::fputs(cni::formatError({.code = code, .msg = std::move(msg), .details = "", .version = ""}).c_str(),
             stdout);
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

/// Every CNI_ variable as a header. False when a value cannot be one.
bool addEnvironment(api::Call& call) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    std::string pair = *entry;
    auto equals = pair.find('=');
    if (!pair.starts_with("CNI_") || equals == std::string::npos) continue;
    for (unsigned char c : pair) {
      if (c < ' ' || c == 0x7f) return false;
    }
    call.headers["Twill-" + pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return true;
}

Result<api::Reply> callPatiently(const std::string& socket, const api::Call& call) {
  const char* patience = std::getenv("TWILL_CNI_PATIENCE_MS");
  auto wait = patience == nullptr ? std::chrono::milliseconds(kPatience)
                                  : std::chrono::milliseconds(std::atoi(patience));
  auto deadline = std::chrono::steady_clock::now() + wait;
  for (;;) {
    auto reply = api::call(socket, call);
    bool away = !reply && reply.error().kind == Error::Kind::missing;
    if (!away || std::chrono::steady_clock::now() >= deadline) return reply;
    std::this_thread::sleep_for(kBetweenTries);
  }
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
  if (!config) return refuse(cni::kIo, config.error().text);
  if (command == std::string("VERSION")) {
    std::fputs(cni::versionAnswer(*config).c_str(), stdout);
    return 0;
  }
  api::Call call{.method = "POST", .target = "/v1/cni", .body = std::move(*config)};
  if (!addEnvironment(call)) return refuse(cni::kBadEnvironment, "a CNI_ variable holds a control character");
  const char* socket = std::getenv("TWILL_SOCKET");
  auto reply = callPatiently(socket != nullptr ? socket : "/run/twill/twill.sock", call);
  if (!reply) return refuse(cni::kTryAgain, reply.error().text);
  auto exit = reply->headers.find("twill-exit");
  if (reply->status != 200 || exit == reply->headers.end()) {
    return refuse(cni::kInternal, "the agent answered " + std::to_string(reply->status) + ": " + reply->body);
  }
  std::fputs(reply->body.c_str(), stdout);
  return std::atoi(exit->second.c_str());
}
