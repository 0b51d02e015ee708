// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include "cloud/cloud_routes.hpp"
#include "cloud/http.hpp"

namespace twill::cloud::gce {

/// The metadata server, and calls of the Compute Engine API with the token that it gives the instance.
class Compute {
 public:
  /// GCE_METADATA_HOST in place of 169.254.169.254, CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE in place of
  /// https://compute.googleapis.com/compute/v1/.
  Compute(boost::asio::io_context& io, const Environment& environment);

  /// "/computeMetadata/v1/" + path
  Task<Answer<std::string>> metadata(std::string path);
  struct Call {
    std::string what;  ///< its name for people and counters
    std::string method;
    std::string path;  ///< begins with "projects/"
    std::string body;  ///< JSON; "" for none
  };
  Task<Answer<nlohmann::json>> call(Call call);
  Task<Answer<nlohmann::json>> get(std::string what, std::string path);
  /// A call whose answer is an operation of `project`: until that is over, for two minutes at most.
  Task<Outcome> operate(std::string project, Call call);

  void cancel();
  [[nodiscard]] const CallCounts& calls() const { return calls_; }

 private:
  Task<Outcome> renewToken();
  Task<Answer<HttpResponse>> send(std::string method, std::string url, std::string body);

  Http http_;
  boost::asio::steady_timer timer_;
  std::string metadataUrl_, apiUrl_;
  std::string token_;
  std::chrono::steady_clock::time_point tokenEnds_;
  CallCounts calls_;
  bool cancelled_ = false;
};

}  // namespace twill::cloud::gce
