// SPDX-License-Identifier: Apache-2.0
#include "agent/bgp_calls.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace twill;

TEST_CASE("BGP's state is shown with null for what is not there") {
  const BgpView::Status status{.version = "2.0.12",
                               .address = "10.0.0.10",
                               .as = 64512,
                               .announced = {"10.244.1.0/24"},
                               .learned = 2,
                               .dead = {"10.0.0.30"},
                               .sessions = {{.address = "10.0.0.20",
                                             .node = "node2",
                                             .as = 64512,
                                             .state = "Established",
                                             .since = "2026-11-29 10:00:00",
                                             .routesIn = 1,
                                             .routesOut = 2,
                                             .refused = 3},
                                            {.address = "10.0.0.1",
                                             .as = 65000,
                                             .outside = true,
                                             .state = "Active",
                                             .error = "Socket: Connection refused"}}};
  const auto view = bgpView(status);
  CHECK(view["bird"] == "2.0.12");
  CHECK(view["problem"].is_null());
  CHECK(view["dead"] == nlohmann::ordered_json{"10.0.0.30"});
  CHECK(view["sessions"][0]["routes_refused"] == 3);
  CHECK(view["sessions"][0]["last_error"].is_null());
  CHECK(view["sessions"][1]["node"].is_null());
  CHECK(view["sessions"][1]["since"].is_null());
  CHECK(view["sessions"][1]["last_error"] == "Socket: Connection refused");
  const auto summary = bgpSummary(status);
  CHECK(summary["sessions"] == 2);
  CHECK(summary["established"] == 1);
}
