// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "base/result.hpp"
#include "model/attach_request.hpp"

/// The CNI protocol (https://www.cni.dev/docs/spec, 1.1.0) to and from text. Pure: nothing here touches the
/// machine.
namespace twill::cni {

/// The plugin's environment: CNI_COMMAND, CNI_NETNS and so on.
using Environment = std::map<std::string, std::string>;

/// A CNI error object. Codes below 100 are the specification's; 999 is what the reference library uses for
/// the rest.
struct CniError {
  int code = 999;
  std::string msg;
  std::string details;
  std::string version;  ///< the version the caller speaks; "" when that is not known yet
};
template <class T>
using CniResult = tl::expected<T, CniError>;

inline constexpr int kBadVersion = 1;
inline constexpr int kUnsupported = 2;
inline constexpr int kUnknownContainer = 3;
inline constexpr int kBadEnvironment = 4;
inline constexpr int kIo = 5;
inline constexpr int kUndecodable = 6;
inline constexpr int kBadConfig = 7;
inline constexpr int kBadNamespace = 8;
inline constexpr int kTryAgain = 11;
inline constexpr int kUnavailable = 50;
inline constexpr int kUnavailableAndSuffering = 51;  ///< existing containers may be cut off, too
inline constexpr int kInternal = 999;

enum class Command { add, del, check, gc, status };

/// The key of `ipam` under which twill-cni hands over what the delegated plugin answered.
inline constexpr const char* kIpamResult = "twillResult";

/// Whether an ipam plugin needs the container's interface to be there before it is asked: it speaks over it.
[[nodiscard]] bool needsInterface(std::string_view ipamPlugin);

struct Call {
  Command command = Command::add;
  std::string version;  ///< the result's format, "0.1.0" to "1.1.0"
  AttachRequest request;
  std::string delegate;    ///< the plugin that chooses addresses; empty: Twill does
  std::string dns;         ///< JSON object that goes into the result; empty: none
  std::string resolvConf;  ///< file whose dnsOf() that is, where the config has no dns; empty: none
  std::string prevResult;  ///< ADD: what plugins before this one made, as JSON; empty: this is the first one
  ExpectedInterface expected;                           ///< CHECK
  std::set<std::pair<std::string, std::string>> valid;  ///< GC: containers and interfaces that are alive
};

/// Longest stdin that is read, in bytes.
inline constexpr std::size_t kConfigLimit = 1U << 20U;

/// Checks environment and network config of any call but VERSION. All missing variables are named at once.
/// For a DEL the namespace may be missing, and no more of the config is looked at than is needed to find the
/// attachment and the delegated plugin. GC and STATUS are about a network, not about a container.
[[nodiscard]] CniResult<Call> parseCall(const Environment& environment, std::string_view config);

/// The config with what the delegated plugin answered to ADD, for the agent.
[[nodiscard]] CniResult<std::string> withIpamResult(std::string_view config, std::string_view result);

/// Whether a plugin's output is an error object, and whether that says that it does not know the verb: code
/// 4, or code 1 where a version of the config is too new for it.
[[nodiscard]] bool isErrorObject(std::string_view output);
[[nodiscard]] bool isUnknownVerb(std::string_view output);

/// What a resolv.conf(5) says, as the JSON object `dns` of a result: nameservers, domain, search, options.
[[nodiscard]] std::string dnsOf(std::string_view resolvConf);

/// The answer to VERSION, whose environment is not to be looked at.
[[nodiscard]] std::string versionAnswer(std::string_view config);

/// The result of an ADD in the format of `call.version`, behind what plugins before this one made. `netns` is
/// given back verbatim as the sandbox.
[[nodiscard]] std::string formatResult(const Attachment& attachment, const Call& call);

/// The error object, one JSON document.
[[nodiscard]] std::string formatError(const CniError& error);

/// An error of ours as the protocol knows it.
[[nodiscard]] CniError toCniError(const Error& error, const std::string& version);

}  // namespace twill::cni
