// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cloud/cloud_routes.hpp"
#include "cloud/http.hpp"

namespace twill::cloud::aws {

/// The instance metadata service, version 2 (EC2 User Guide, "Use IMDS"): a token first, then what is asked.
class Metadata {
 public:
  /// AWS_EC2_METADATA_SERVICE_ENDPOINT in place of http://169.254.169.254.
  Metadata(Http& http, const Environment& environment);
  /// "/latest/meta-data/" + path. Kind::missing: there is no such thing.
  Task<Answer<std::string>> get(std::string path);

 private:
  Task<Outcome> renew();

  Http& http_;
  std::string endpoint_;
  std::string token_;
};

}  // namespace twill::cloud::aws
