// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cloud/aws/metadata.hpp"
#include "cloud/aws/signature.hpp"
#include "cloud/cloud_routes.hpp"
#include "cloud/http.hpp"

namespace twill::cloud::aws {

/// A section of AWS's shared files, "aws_access_key_id = ..." lines under "[name]". The config file spells
/// all but the default "[profile name]", and both spellings are read. Empty when there is none.
[[nodiscard]] std::map<std::string, std::string> profileIn(std::string_view text, std::string_view name);

/// Credentials in the JSON of the container's and the instance's service; `now` judges none.
[[nodiscard]] Answer<Credentials> credentialsIn(std::string_view json, const std::string& source);

/// Where credentials come from, in this order: environment, web identity, shared file, container, role of the
/// instance. Kept until shortly before they expire.
class CredentialChain {
 public:
  CredentialChain(Http& http, Metadata& metadata, Environment environment);
  /// Those in force, or new ones. `region`: whose token service is asked.
  Task<Answer<Credentials>> get(std::string region);
  /// They were refused: the next get() asks anew.
  void forget() { held_.reset(); }
  /// The region that the environment or the profile names; "" when neither does.
  [[nodiscard]] std::string region() const;

 private:
  [[nodiscard]] std::optional<Credentials> fromEnvironment() const;
  [[nodiscard]] std::map<std::string, std::string> profile() const;
  Task<Answer<Credentials>> fetch(std::string region);
  Task<Answer<Credentials>> fromWebIdentity(std::string region);
  Task<Answer<Credentials>> fromContainer();
  Task<Answer<Credentials>> fromInstance();

  Http& http_;
  Metadata& metadata_;
  Environment environment_;
  std::optional<Credentials> held_;
};

}  // namespace twill::cloud::aws
