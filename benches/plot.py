#!/usr/bin/env python3
"""Draws the ratios peer / ours, and writes them into a page: plot.py TARGET_DIRECTORY OUTPUT.svg [PAGE.md]

A group is drawn from criterion's output (TARGET/criterion/**/new/estimates.json) if that has it and is newer, else from
what `ratios --json TARGET/ratios.json` wrote, of which the tables of the page are made. Plain Python, nothing to install.
"""

import json
import math
import pathlib
import sys
from html import escape

# What is drawn, in this order, by column.
COLUMNS = [
    [
        ("round_trip/joined", "one thread, both halves in one task"),
        ("executors/tokio", "two tasks on tokio, two workers"),
        ("executors/smol", "two tasks on smol, two threads"),
        ("executors/async-std", "two tasks on async-std"),
    ],
    [
        ("round_trip/tasks", "one thread, a task for each half"),
        ("threads", "two threads that block"),
        ("many/updates/32", "32 borrowers, a guard held over one yield"),
        ("many/reads/32", "32 readers, a guard held over one yield"),
        ("offload", "a closure run on another thread"),
    ],
]

ROLES = {
    "ours": "this crate, the backend that is 1",
    "backend": "this crate, other backends",
    "peer": "peers",
    "published": "the design it started from",
    "floor": "the least possible",
    "other": "not the same service",
}

BACKENDS = ("WakerSlot", "WakerQueue", "AtomicWaker", "Event", "Spin", "Park")
OTHERS = ("embassy zerocopy, no mutex", "tokio watch")

STYLE = """
svg { --text: #1f2328; --dim: #59636e; --line: #d1d9e0; --ours: #0550ae; --backend: #80b3f5; --peer: #bc4c00;
  --published: #8250df; --floor: #1a7f37; --other: #9aa4ae; }
@media (prefers-color-scheme: dark) {
  svg { --text: #e6edf3; --dim: #9198a1; --line: #3d444d; --ours: #58a6ff; --backend: #27538f; --peer: #f0883e;
    --published: #bc8cff; --floor: #3fb950; --other: #656c76; }
}
text { font: 12px system-ui, sans-serif; fill: var(--text); }
.title { font-weight: 600; font-size: 13px; }
.dim { fill: var(--dim); font-size: 11px; }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.grid { stroke: var(--line); }
.one { stroke: var(--dim); }
""" + "\n".join(f".{role} {{ fill: var(--{role}); }}" for role in ROLES)

ROW, BAR, LABELS, PLOT, VALUE, GAP, TOP = 18, 12, 190, 240, 45, 30, 60


def role_by_name(name, base):
    """The roles of criterion's entries, which know only names."""
    if name == base:
        return "ours"
    if name.split(",")[0] in BACKENDS:
        return "backend"
    if name == "published design":
        return "published"
    if name == "floor":
        return "floor"
    return "other" if name in OTHERS else "peer"


def from_criterion(target):
    groups = {}
    ratios = target / "ratios.json"
    since = ratios.stat().st_mtime if ratios.exists() else 0
    for estimates in sorted(target.glob("criterion/**/new/estimates.json")):
        if estimates.stat().st_mtime < since:
            continue
        ids = json.loads((estimates.parent / "benchmark.json").read_text())
        time = json.loads(estimates.read_text())["median"]["point_estimate"]
        groups.setdefault(ids["group_id"], {})[ids["function_id"]] = time
    for group, times in groups.items():
        base = next((name for name in ("WakerSlot", "WakerQueue") if name in times), None)
        if base:
            yield group, [(name, role_by_name(name, base), time / times[base]) for name, time in times.items()]


def measured(target):
    """What the bin `ratios` wrote: its entries by group."""
    groups = {}
    path = target / "ratios.json"
    if path.exists():
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            groups.setdefault(entry["group"], []).append(entry)
    return groups


def from_ratios(target):
    return {
        # Ours against ours is 1 but for the noise.
        group: [(e["name"], e["role"], 1 if e["role"] == "ours" else e["ratio"]) for e in entries]
        for group, entries in measured(target).items()
    }


def number(ratio):
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def panel(title, entries, x, y, low, high):
    """One group, on a logarithmic axis whose bars begin at 1; and its height."""

    def place(ratio):
        part = (math.log2(min(max(ratio, low), high)) - math.log2(low)) / (math.log2(high) - math.log2(low))
        return x + LABELS + part * PLOT

    entries = sorted(entries, key=lambda entry: entry[2])
    bottom = y + 24 + ROW * len(entries)
    yield f'<text class="title" x="{x}" y="{y + 12}">{escape(title)}</text>'
    tick = low
    while tick <= high:
        at, kind = place(tick), "one" if tick == 1 else "grid"
        label = str(round(tick)) if tick >= 1 else f"1/{round(1 / tick)}"
        yield f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{y + 20}" y2="{bottom}"/>'
        yield f'<text class="dim middle" x="{at:.1f}" y="{bottom + 13}">{label}</text>'
        tick *= 2
    for index, (name, role, ratio) in enumerate(entries):
        top = y + 22 + ROW * index
        start, end = sorted((place(1), place(ratio)))
        # What is 1 would have no width.
        start, end = (start - 1.5, end + 1.5) if end - start < 3 else (start, end)
        yield f'<text class="end" x="{x + LABELS - 8}" y="{top + 12}">{escape(name)}</text>'
        yield (
            f'<rect class="{role}" x="{start:.1f}" y="{top + 2}" width="{end - start:.1f}" height="{BAR}" rx="1.5">'
            f"<title>{escape(name)}: {number(ratio)}</title></rect>"
        )
        yield f'<text class="dim" x="{x + LABELS + PLOT + 6}" y="{top + 12}">{number(ratio)}</text>'


def draw(groups):
    drawn = [[(title, groups[name]) for name, title in column if name in groups] for column in COLUMNS]
    ratios = [ratio for column in drawn for _, entries in column for _, _, ratio in entries]
    low = min(1 / 4, 2.0 ** math.floor(math.log2(min(ratios))))
    low = max(low, 1 / 64)
    high = max(8, 2.0 ** math.ceil(math.log2(max(ratios))))
    high = min(high, 128)
    width = 2 * (LABELS + PLOT + VALUE) + GAP + 20
    parts, height = [], 0
    for index, column in enumerate(drawn):
        x, y = 10 + index * (LABELS + PLOT + VALUE + GAP), TOP
        for title, entries in column:
            parts += panel(title, entries, x, y, low, high)
            y += 24 + ROW * len(entries) + 36
        height = max(height, y)
    legend, x = [], 10
    used = {role for column in drawn for _, entries in column for _, role, _ in entries}
    for role, label in ROLES.items():
        if role in used:
            legend.append(f'<rect class="{role}" x="{x}" y="31" width="12" height="12" rx="1.5"/>')
            legend.append(f'<text x="{x + 17}" y="41">{escape(label)}</text>')
            x += 40 + round(6.2 * len(label))
    head = "Time per round as a multiple of this crate's; logarithmic, longer to the right is slower than it"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{escape(head)}">',
            f"<style>{STYLE}</style>",
            f'<text class="title" x="10" y="18">{escape(head)}</text>',
            *legend,
            *parts,
            "</svg>\n",
        ]
    )


def with_quartiles(entry):
    return f"{number(entry['ratio'])} ({number(entry['low'])} .. {number(entry['high'])})"


def tables(groups):
    """The best peer of each group, and all entries folded away."""
    yield "| group | ours, ns a round | best peer | its time / ours (quartiles) | published design | floor |"
    yield "|---|---:|---|---:|---:|---:|"
    for group, entries in groups.items():
        best = {}
        for entry in sorted(entries, key=lambda entry: -entry["ratio"]):
            best[entry["role"]] = entry
        if "peer" in best:
            peer = best["peer"]
            cells = [with_quartiles(best[role]) if role in best else "" for role in ("published", "floor")]
            ours = f"{best['ours']['ns']:.1f}"
            yield f"| {group} | {ours} | {peer['name']} | {with_quartiles(peer)} | {' | '.join(cells)} |"
    yield ""
    yield "<details><summary>Everything that was measured</summary>"
    yield ""
    yield "| group | | ns a round | theirs / ours (quartiles) |"
    yield "|---|---|---:|---:|"
    for group, entries in groups.items():
        for entry in entries:
            yield f"| {group} | {entry['name']} | {entry['ns']:.1f} | {with_quartiles(entry)} |"
    yield ""
    yield "</details>"


BEGIN, END = "<!-- ratios: written by plot.py -->", "<!-- end of ratios -->"


def write_tables(page, groups):
    text = page.read_text()
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    page.write_text("\n".join([head + BEGIN, *tables(groups), END]) + tail)


def main():
    target, output, *pages = map(pathlib.Path, sys.argv[1:])
    groups = from_ratios(target)
    groups.update(from_criterion(target))
    if not groups:
        sys.exit(f"{target} has neither criterion's output nor ratios.json")
    output.write_text(draw(groups))
    for page in pages:
        write_tables(page, measured(target))


if __name__ == "__main__":
    main()
