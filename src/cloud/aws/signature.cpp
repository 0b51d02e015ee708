// SPDX-License-Identifier: Apache-2.0
#include "cloud/aws/signature.hpp"

#include <array>
#include <map>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace twill::cloud::aws {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  ::EVP_Digest(text.data(), text.size(), digest.data(), &length, ::EVP_sha256(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), length};
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &length);
  return {reinterpret_cast<const char*>(digest.data()), length};
}

}  // namespace

std::vector<std::string> sign(const Unsigned& request, const Credentials& credentials,
                              std::chrono::system_clock::time_point now) {
  const auto seconds = std::chrono::system_clock::to_time_t(now);
  const std::string date = fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(seconds));
  const std::string day = date.substr(0, 8);
  // Sorted by name, as they are signed.
  std::map<std::string, std::string> headers{
      {"content-type", request.contentType}, {"host", request.host}, {"x-amz-date", date}};
  if (!credentials.token.empty()) headers["x-amz-security-token"] = credentials.token;
  if (!request.target.empty()) headers["x-amz-target"] = request.target;
  std::string canonical = "POST\n/\n\n";
  std::string names;
  for (const auto& [name, value] : headers) {
    canonical += fmt::format("{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += fmt::format("\n{}\n{}", names, hex(sha256(request.body)));
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, request.region, request.service);
  const std::string toSign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope, hex(sha256(canonical)));
  std::string key = "AWS4" + credentials.secret;
  for (const std::string_view part : {std::string_view(day), std::string_view(request.region),
                                      std::string_view(request.service), std::string_view("aws4_request")})
    key = hmac(key, part);
  std::vector<std::string> out;
  out.reserve(headers.size() + 1);
  for (const auto& [name, value] : headers) out.push_back(fmt::format("{}: {}", name, value));
  out.push_back(
      fmt::format("authorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                  credentials.id, scope, names, hex(hmac(key, toSign))));
  return out;
}

}  // namespace twill::cloud::aws
