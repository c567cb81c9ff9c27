#!/usr/bin/env python3
"""Finds the bounds of the models: ci/bounds.py [part of a name]...

A model that finishes within a minute gets no bound, any other one the highest with which it takes a few seconds, or some more
if that is a low one. Run it after the code or the models have changed; it writes tests/loom/bounds.rs. Only the models that
are named change there, and not those in DEEP, whose bounds are chosen.
"""

import concurrent.futures
import os
import re
import subprocess
import sys
import time

import models

ROW = re.compile(r'^    \("([a-z_:]+)", (\d+)\),$', re.M)
# In seconds: of a model without a bound, with one, and with one of the lowest.
MINUTE = 60
FEW = 8
MORE = 40
LOWEST = 2


def run(binary, model, bound, seconds):
    """The seconds and the interleavings of a model; none if it takes too long."""
    environment = dict(os.environ, REF_CHANNEL_BOUND=str(bound))
    start = time.monotonic()
    try:
        output = subprocess.run(models.command(binary, model), env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    if output.returncode != 0:
        # Spinning has no end for loom.
        if "exceeded maximum number of branches" in output.stderr and bound == "none":
            return None
        sys.exit(f"{model} fails with bound {bound}\n{output.stderr}")
    return time.monotonic() - start, int(re.search(r": (\d+) interleavings", output.stdout)[1])


def find(binary, model):
    """The highest bound, and how long it takes with it."""
    steps = []
    for bound in range(64):
        step = run(binary, model, bound, FEW if bound > LOWEST else MORE)
        if step is None:
            break
        steps.append(step)
        # There are no more preemptions than these.
        if bound > 3 and len({count for _, count in steps[-3:]}) == 1:
            break
    # A model that grows as fast as ever does not come to its end soon.
    grows = step is None and (len(steps) < 3 or steps[-1][1] > 2.4 * steps[-2][1])
    unbounded = None if grows else run(binary, model, "none", MINUTE)
    note = " ".join(f"{count}" for _, count in steps)
    if unbounded:
        print(f"{model}: none, {unbounded[0]:.1f} s, {unbounded[1]} ({note})", flush=True)
        return None
    print(f"{model}: {len(steps) - 1}, {steps[-1][0]:.1f} s ({note})", flush=True)
    return len(steps) - 1


def main():
    binary = models.build(models.ROOT, models.target() / "loom")
    text = models.BOUNDS.read_text()
    chosen = models.deep()
    unchosen = [model for model in models.names(binary) if model not in chosen]
    bounds = {model: int(bound) for model, bound in ROW.findall(text) if model in unchosen}
    asked = [m for m in unchosen if not sys.argv[1:] or any(part in m for part in sys.argv[1:])]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        bounds |= dict(zip(asked, pool.map(lambda model: find(binary, model), asked)))
    rows = [f'    ("{model}", {bound}),\n' for model, bound in sorted(bounds.items()) if bound is not None]
    before, after = re.split(r"(?<=BOUNDS: \[\(&str, usize\); )\d+\] = \[\n(?:.*\n)*?(?=\];)", text)
    models.BOUNDS.write_text(f"{before}{len(rows)}] = [\n{''.join(rows)}{after}")


if __name__ == "__main__":
    main()
