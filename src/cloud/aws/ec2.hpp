// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "cloud/aws/credentials.hpp"
#include "cloud/aws/metadata.hpp"
#include "cloud/aws/signature.hpp"
#include "cloud/aws/xml.hpp"
#include "cloud/form.hpp"
#include "cloud/http.hpp"

namespace twill::cloud::aws {

/// Signed calls of EC2's query API. Corrects the clock, and asks for new credentials, once a call.
class Ec2 {
 public:
  Ec2(boost::asio::io_context& io, Environment environment);

  /// The answer's root.
  Task<Answer<Element>> call(std::string action, Parameters parameters);
  /// All pages of a call that has them, as one root with the pages' roots as children.
  Task<Answer<std::vector<Element>>> pages(std::string action, Parameters parameters);
  /// By Service Quotas; 0 when that is not allowed, or does not answer.
  Task<std::size_t> routesPerTable();

  Metadata& metadata() { return metadata_; }
  /// Known once the first call has been made.
  [[nodiscard]] const std::string& region() const { return region_; }
  void cancel() { http_.cancel(); }
  [[nodiscard]] const CallCounts& calls() const { return calls_; }

 private:
  Task<Outcome> findRegion();
  bool correctClock(const std::string& date);
  Task<Answer<HttpResponse>> post(std::string service, std::string endpoint, Unsigned request);

  Http http_;
  Environment environment_;
  Metadata metadata_;
  CredentialChain credentials_;
  std::string region_;
  std::chrono::seconds clockOffset_{0};  ///< AWS's clock less ours
  CallCounts calls_;
};

}  // namespace twill::cloud::aws
