#!/usr/bin/env python3
"""Each memory ordering is as weak as it can be: weakened any further, a model fails.

The crate is copied, and in the copy each ordering of the files below is made to depend on an environment variable, so
that one build serves all. Then, one at a time, an ordering is weakened (AcqRel to Acquire and to Release; these to
Relaxed) and the loom models run until one fails: by a panic, an abort, or a hang.
"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import models

FILES = ["src/state/link.rs", "src/notifier/slot.rs", "src/notifier/waker_queue.rs"]
WEAKER = {"AcqRel": ["Acquire", "Release"], "Acquire": ["Relaxed"], "Release": ["Relaxed"]}
VARIABLE = "REF_CHANNEL_WEAKEN"
HANGS = "hangs"
# In seconds. A model that takes longer is left out: what it shows, a smaller one has to show.
SLOW = 5
# But for those that show what no smaller one does.
PATIENT = 120
WEAKEN = """
/// The ordering of a site, unless this run weakens it.
pub(crate) fn weaken(site: usize, strong: Ordering) -> Ordering {
    static WEAK: std::sync::OnceLock<Option<(usize, Ordering)>> = std::sync::OnceLock::new();
    let weak = WEAK.get_or_init(|| {
        let order = std::env::var("%s").ok()?;
        let (site, order) = order.split_once(' ')?;
        let order = match order {
            "Acquire" => Ordering::Acquire,
            "Release" => Ordering::Release,
            _ => Ordering::Relaxed,
        };
        Some((site.parse().ok()?, order))
    });
    match weak {
        Some((weakened, weak)) if *weakened == site => *weak,
        _ => strong,
    }
}
""" % VARIABLE


class Site:
    def __init__(self, file, lines, index, ordering):
        self.file = file
        self.line = index + 1
        self.ordering = ordering
        self.function = next(
            (m[1] for line in reversed(lines[: index + 1]) if (m := re.search(r"\bfn (\w+)", line))), "?"
        )


def copy_tree(into):
    """Copies the crate."""
    for name in ["Cargo.toml", "Cargo.lock", "README.md", "src", "tests", "docs", "examples", "benches"]:
        source = models.ROOT / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("target"))
        elif source.exists():
            shutil.copy(source, into / name)


def copy(into):
    """Copies the crate, its orderings to be weakened, and returns the sites."""
    copy_tree(into)
    sites = []
    for file in FILES:
        path = into / file
        lines = path.read_text().split("\n")
        changed = list(lines)
        for index, line in enumerate(lines):
            if line.strip().startswith("//"):
                continue

            def replace(match):
                sites.append(Site(file, lines, index, match[1]))
                return f"crate::sync::weaken({len(sites) - 1}, {match[0]})"

            changed[index] = re.sub(r"\bOrdering::(AcqRel|Acquire|Release)\b", replace, line)
        path.write_text("\n".join(changed))
    with open(into / "src/sync.rs", "a") as sync:
        sync.write(WEAKEN)
    return sites


def build(tree):
    # Most of the time of a model is loom's own.
    options = ["--config", 'profile.release.package."*".opt-level=3']
    return models.build(tree, models.target() / "orderings", options, CARGO_PROFILE_RELEASE_OPT_LEVEL="1")


QUICK = {"REF_CHANNEL_QUICK": "1"}


def run(binary, model, variables, timeout):
    """How a model ends: none if well, else why not."""
    environment = dict(os.environ, RUST_BACKTRACE="0", **variables)
    try:
        result = subprocess.run(
            models.command(binary, model),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return HANGS
    if result.returncode == 0:
        return None
    text = result.stderr.decode(errors="replace")
    panic = re.search(r"panicked at [^\n]*:\n\s*([^\n]*)", text)
    return panic[1][:60] if panic else f"exit code {result.returncode}"


def main():
    workers = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        sites = copy(tree)
        binary = build(tree)
        names, deep = models.names(binary), models.deep()

        def baseline(model):
            start = time.monotonic()
            return model, run(binary, model, QUICK, PATIENT if model in deep else SLOW), time.monotonic() - start

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            results = list(pool.map(baseline, names))
        broken = [f"{model}: {why}" for model, why, _ in results if why not in (None, HANGS)]
        if broken:
            sys.exit("\n".join(broken) + "\norderings: these models fail as it is")
        times = {model: seconds for model, why, seconds in results if not why}
        print(f"{len(times)} of {len(names)} models in {sum(times.values()):.0f} s, {len(sites)} orderings")

        # The quick ones first, and before them those that have caught something lately.
        order = sorted(times, key=times.get)
        lock = threading.Lock()

        def weakened(job):
            index, weak = job
            with lock:
                mine = list(order)
            for model in mine:
                why = run(binary, model, QUICK | {VARIABLE: f"{index} {weak}"}, 10 + 5 * times[model])
                if why:
                    with lock:
                        order.remove(model)
                        order.insert(0, model)
                    return model, why
            return None

        jobs = [(i, weak) for i, site in enumerate(sites) for weak in WEAKER[site.ordering]]
        bad = 0
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            futures = {pool.submit(weakened, job): job for job in jobs}
            for future in concurrent.futures.as_completed(futures):
                index, weak = futures[future]
                site, caught = sites[index], future.result()
                bad += not caught
                verdict = f"{caught[0]}: {caught[1]}" if caught else "NOTHING FAILED"
                place = f"{site.file}:{site.line}"
                print(f"{place:34} {site.function:20} {site.ordering:8} -> {weak:8} {verdict}", flush=True)
    if bad:
        sys.exit(f"orderings: {bad} of {len(jobs)} unexpected")
    print(f"orderings: ok, {len(jobs)} weakenings")


if __name__ == "__main__":
    main()
