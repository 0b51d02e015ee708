# SPDX-License-Identifier: Apache-2.0
"""Draws what ./dev bench gossip measured: bytes, time and memory over the number of nodes.

usage: python3 gossip_plot.py RESULTS.json > docs/pictures/gossip-scale.svg
"""
import json
import math
import statistics
import sys

WIDTH, HEIGHT, LEFT, TOP, PANEL = 900, 392, 58, 62, 226
GAP = 64
STYLE = """
.page{fill:#fff;stroke:#d5dce4}
text{font-family:Inter,"Segoe UI",system-ui,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;font-size:11px;fill:#1b2733}
.title{font-size:13px;font-weight:600}
.dim{fill:#5a6775}
.end{text-anchor:end}
.mid{text-anchor:middle}
.grid{stroke:#e3e8ee}
.axis{stroke:#4a5b6e}
.line{fill:none;stroke-width:2}
"""
COLOURS = {"lab": "#0b6e69", "lab2": "#b25d00", "sim": "#3a5fb0", "sim2": "#a03070"}


def decades(low, high):
    return [10.0 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


class Panel:
    """One diagram with two logarithmic axes."""

    def __init__(self, number, title, unit, low, high):
        self.left, self.title, self.unit = LEFT + number * (PANEL + GAP), title, unit
        self.low, self.high = low, high
        self.out = []

    def x(self, nodes):
        return self.left + PANEL * math.log10(nodes / 2) / math.log10(8000 / 2)

    def y(self, value):
        share = math.log10(value / self.low) / math.log10(self.high / self.low)
        return TOP + PANEL * (1 - share)

    def axes(self):
        out, bottom = self.out, TOP + PANEL
        out.append(f'<text class="title" x="{self.left}" y="{TOP - 28}">{self.title}</text>')
        out.append(f'<text class="dim" x="{self.left}" y="{TOP - 12}">{self.unit}</text>')
        for value in decades(self.low, self.high):
            y = self.y(value)
            out.append(f'<path class="grid" d="M{self.left} {y:.1f}h{PANEL}"/>')
            out.append(f'<text class="end dim" x="{self.left - 6}" y="{y + 4:.1f}">{value:,g}</text>')
        for nodes in (3, 10, 30, 100, 300, 1000, 5000):
            out.append(f'<path class="axis" d="M{self.x(nodes):.1f} {bottom}v4"/>')
            out.append(f'<text class="mid dim" x="{self.x(nodes):.1f}" y="{bottom + 17}">{nodes}</text>')
        out.append(f'<path class="axis" d="M{self.left} {bottom}h{PANEL}"/>')

    def draw(self, points, kind, dashed=False):
        colour = COLOURS[kind]
        where = [(self.x(nodes), self.y(value)) for nodes, value in sorted(points) if value > 0]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in where)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.out.append(f'<path class="line" stroke="{colour}"{dash} d="M{path}"/>')
        self.out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in where]

    def legend(self, rows):
        for i, (kind, dashed, text) in enumerate(rows):
            y = TOP + PANEL + 38 + 16 * i
            dash = ' stroke-dasharray="5 4"' if dashed else ""
            self.out.append(f'<path class="line" stroke="{COLOURS[kind]}"{dash} d="M{self.left} {y - 4}h22"/>')
            self.out.append(f'<text x="{self.left + 28}" y="{y}">{text}</text>')


def rows_of(results, loss):
    return [row for row in results["simulated"] if row["loss"] == loss and row["tag_bytes"] == 0]


def traffic(results):
    panel = Panel(0, "Traffic of a node", "bytes sent per second", 10, 100000)
    panel.axes()
    panel.draw([(row["nodes"], row["rest"]["bytes_out"]["median"]) for row in results["lab"]], "lab")
    panel.draw([(row["nodes"], row["rest_datagrams"] + row["rest_streams"]) for row in rows_of(results, 0)], "sim")
    panel.draw([(row["nodes"], row["busy_datagrams"]) for row in rows_of(results, 0)], "sim2")
    panel.legend([("lab", False, "lab, nothing changes (real agents)"), ("sim", False, "simulated, nothing changes"),
                  ("sim2", False, "simulated, one change a second")])
    return panel.out


def times(results):
    panel = Panel(1, "Until others know", "milliseconds, median", 10, 100000)
    panel.axes()
    panel.draw([(row["nodes"], 1000 * statistics.median(statistics.median(each) for each in row["announce"]))
                for row in results["lab"]], "lab")
    panel.draw([(row["nodes"], 1000 * statistics.median(each[1] for each in row["failure"]))
                for row in results["lab"]], "lab2")
    panel.draw([(row["nodes"], 1000 * row["change"]["median"]) for row in rows_of(results, 0)], "sim")
    panel.draw([(row["nodes"], 1000 * row["failure"]["median"]) for row in rows_of(results, 0)], "sim2")
    panel.legend([("lab", False, "lab: a new lease, to the route"), ("sim", False, "simulated: a change of tags"),
                  ("lab2", False, "lab: a killed agent"), ("sim2", False, "simulated: a node that died")])
    return panel.out


def memory(results):
    panel = Panel(2, "Memory", "MB for each node", 0.01, 100)
    panel.axes()
    panel.draw([(row["nodes"], row["rest"]["rss_mb"]["median"]) for row in results["lab"]], "lab")
    panel.draw([(row["nodes"], row["rest"]["private_mb"]["median"]) for row in results["lab"]], "lab2")
    panel.draw([(row["nodes"], row["memory_kib"] / 1024) for row in rows_of(results, 0)], "sim")
    panel.legend([("lab", False, "lab: an agent's resident memory"), ("lab2", False, "lab: of that its own alone"),
                  ("sim", False, "simulated: members and rumours")])
    return panel.out


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" width="{WIDTH}" '
          f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">')
    print('<title id="title">Datastore gossip as the cluster grows</title>')
    print('<desc id="desc">Traffic, time until others know, and memory over the number of nodes, on logarithmic axes. '
          'The numbers are in the tables of docs/gossip-scale.md.</desc>')
    print(f"<style>{STYLE}</style>")
    print(f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>')
    for panel in (traffic, times, memory):
        print("\n".join(panel(results)))
    print("</svg>")


if __name__ == "__main__":
    main()
