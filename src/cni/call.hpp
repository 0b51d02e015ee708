// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

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

inline constexpr int kBadEnvironment = 4;
inline constexpr int kIo = 5;
inline constexpr int kUndecodable = 6;
inline constexpr int kBadConfig = 7;
inline constexpr int kBadNamespace = 8;
inline constexpr int kTryAgain = 11;
inline constexpr int kInternal = 999;

enum class Command { add, del };

struct Call {
  Command command = Command::add;
  std::string version;  ///< the result's format, "0.1.0" to "1.1.0"
  AttachRequest request;
};

/// Longest stdin that is read, in bytes.
inline constexpr std::size_t kConfigLimit = 1U << 20U;

/// Checks environment and network config of an ADD or DEL. All missing variables are named at once. For a DEL
/// the namespace may be missing, and no more of the config is looked at than is needed to find the
/// attachment.
[[nodiscard]] CniResult<Call> parseCall(const Environment& environment, std::string_view config);

/// The answer to VERSION, whose environment is not to be looked at.
[[nodiscard]] std::string versionAnswer(std::string_view config);

/// The result of an ADD in the format of `version`. `netns` is given back verbatim as the sandbox.
[[nodiscard]] std::string formatResult(const Attachment& attachment, const std::string& version);

/// The error object, one JSON document.
[[nodiscard]] std::string formatError(const CniError& error);

/// An error of ours as the protocol knows it.
[[nodiscard]] CniError toCniError(const Error& error, const std::string& version);

}  // namespace twill::cni
