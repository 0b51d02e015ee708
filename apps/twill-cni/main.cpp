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
#include "by_hand.hpp"
#include "cni/call.hpp"
#include "delegate.hpp"

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

/// What goes to stdout, and the exit status.
struct Answer {
  int exit = 0;
  std::string text;
};

Answer refusal(const cni::Call& what, int code, std::string msg) {
  return {1, cni::formatError({.code = code, .msg = std::move(msg), .details = "", .version = what.version})};
}

/// Without an agent no further container can be had; those that are there go on.
int codeOfAbsence(const cni::Call& what) {
  return what.command == cni::Command::status ? cni::kUnavailable : cni::kTryAgain;
}

/// Hands the call over to the agent.
Answer handOver(const cni::Call& what, const cni::Environment& environment, std::string config) {
  api::Call call{.method = "POST", .target = "/v1/cni", .body = std::move(config)};
  if (!addHeaders(environment, call))
    return refusal(what, cni::kBadEnvironment, "a CNI_ variable holds a control character");
  const char* socket = std::getenv("TWILL_SOCKET");
  auto reply = callPatiently(socket != nullptr ? socket : "/run/twill/twill.sock", call,
                             what.command != cni::Command::add);
  if (!reply) {
    std::string text = reply.error().text;
    if (isCutOff(reply.error()) && what.command == cni::Command::add)
      text += "; if it made the interface, the runtime's DEL takes it away again";
    return refusal(what, codeOfAbsence(what), std::move(text));
  }
  auto exit = reply->headers.find("twill-exit");
  if (reply->status != 200 || exit == reply->headers.end()) {
    return refusal(what, cni::kInternal,
                   "the agent answered " + std::to_string(reply->status) + ": " + reply->body);
  }
  return {std::atoi(exit->second.c_str()), std::move(reply->body)};
}

/// Asks the plugin that chooses addresses. Its errors go out as they are.
Answer ask(const cni::Call& what, const char* command, const std::string& config) {
  const char* path = std::getenv("CNI_PATH");
  auto answer = runPlugin(what.delegate, path == nullptr ? "" : path, command, config);
  if (!answer) {
    const bool isQuestion = what.command == cni::Command::status;
    const int code = isQuestion ? cni::kUnavailable : cni::toCniError(answer.error(), what.version).code;
    return refusal(what, code, answer.error().text);
  }
  if (answer->exit == 0 || cni::isErrorObject(answer->output))
    return {answer->exit, std::move(answer->output)};
  return refusal(what, cni::kInternal,
                 "the ipam plugin " + what.delegate + " ended with status " + std::to_string(answer->exit));
}

Answer addWithDelegate(const cni::Call& what, const cni::Environment& environment,
                       const std::string& config) {
  const auto add = [&](std::string_view result) {
    auto whole = cni::withIpamResult(config, result);
    return whole ? handOver(what, environment, std::move(*whole))
                 : refusal(what, cni::kUndecodable, whole.error().msg);
  };
  const bool interfaceFirst = cni::needsInterface(what.delegate);
  if (interfaceFirst) {
    if (Answer made = add("{}"); made.exit != 0) return made;
  }
  Answer chosen = ask(what, "ADD", config);
  Answer added = chosen.exit == 0 ? add(chosen.text) : chosen;
  if (added.exit == 0) return added;
  // The first failure is the one to tell.
  if (chosen.exit == 0) (void)ask(what, "DEL", config);
  if (interfaceFirst) {
    cni::Call undo = what;
    undo.command = cni::Command::del;
    auto variables = environment;
    variables["CNI_COMMAND"] = "DEL";
    (void)handOver(undo, variables, config);
  }
  return added;
}

Answer carryOut(const cni::Call& what, const cni::Environment& environment, const std::string& config) {
  using cni::Command;
  if (what.delegate.empty()) return handOver(what, environment, config);
  if (what.command == Command::add) return addWithDelegate(what, environment, config);
  Answer answer = handOver(what, environment, config);
  // The address goes in any case, and after the interface that has it.
  if (answer.exit != 0 && what.command != Command::del && what.command != Command::gc) return answer;
  const Answer delegated = ask(what, environment.at("CNI_COMMAND").c_str(), config);
  // GC and STATUS are younger than many plugins.
  const bool excused =
      (what.command == Command::gc || what.command == Command::status) && cni::isUnknownVerb(delegated.text);
  return answer.exit != 0 || excused ? answer : delegated;
}

}  // namespace

int main(int argc, char** argv) {
  const char* command = std::getenv("CNI_COMMAND");
  if (command == nullptr || *command == '\0') return runByHand(argc, argv);
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
  if (!call) return refuse(call.error());
  const Answer answer = carryOut(*call, environment, *config);
  std::fputs(answer.text.c_str(), stdout);
  return answer.exit == 0 ? 0 : 1;
}
