// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lab/delay_line.hpp"
#include "lab/spec.hpp"
#include "lab/topology.hpp"

/// What the kernel does for cables that lose and delay packets. The calling thread is in the network
/// namespace "wire".
namespace twill::lab {

[[nodiscard]] Impairment impairmentOf(const Spec& spec);

/// Whether it has netem. Asked by trying: on the loopback interface, which nobody in "wire" uses.
[[nodiscard]] bool kernelHasNetem();

/// netem at both ends of each node's cable; those must be there.
[[nodiscard]] Result<void> shapeByNetem(const Topology& topology, const Impairment& impairment,
                                        const NamespacePath& namespaceOf);

/// From now on each node's eth0 sends packets one by one, as they are on a real cable, not up to 64 KB of a
/// connection in a piece (GSO): so each may be lost by itself. And a packet socket could not say what is in a
/// large one that is inside a tunnel.
[[nodiscard]] Result<void> sendOneByOne(const Topology& topology, const NamespacePath& namespaceOf);

}  // namespace twill::lab
