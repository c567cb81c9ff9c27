#!/usr/bin/env python3
"""Finds the bounds of the models: ci/bounds.py [--lower] [part of a name]...

A model that finishes within a quarter of a minute gets no bound, any other one the highest with which it takes a few seconds, or some more
if that is a low one. Run it after the code or the models have changed; it writes tests/loom/bounds.rs. Only the models that
are named change there, and not those in DEEP, whose bounds are chosen. With --lower no bound gets higher, which is found
sooner: each model is tried with the bound that it has, and if that takes too long, with lower ones.
"""

import concurrent.futures
import os
import re
import resource
import signal
import subprocess
import sys
import time

import models

ROW = re.compile(r'^    \("([a-z_:]+)", (\d+)\),$', re.M)
# In seconds of the processor: of a model without a bound, with one, and with one of the lowest.
UNBOUNDED = 15
FEW = 4
MORE = 12
LOWEST = 2


def run(binary, model, bound, seconds):
    """The seconds and the interleavings of a model; none if it takes too long."""
    environment = dict(os.environ, REF_CHANNEL_BOUND=str(bound))
    start = time.monotonic()
    output = subprocess.run(
        models.command(binary, model),
        env=environment,
        capture_output=True,
        text=True,
        # Not of the clock, for the machine may have other work.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1)),
    )
    if output.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
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
    unbounded = None if grows else run(binary, model, "none", UNBOUNDED)
    note = " ".join(f"{count}" for _, count in steps)
    if unbounded:
        print(f"{model}: none, {unbounded[0]:.1f} s, {unbounded[1]} ({note})", flush=True)
        return None
    print(f"{model}: {len(steps) - 1}, {steps[-1][0]:.1f} s ({note})", flush=True)
    return len(steps) - 1


def lower(binary, model, bound):
    """That bound, or the next lower one that does not take too long."""
    if bound is None:
        return None if run(binary, model, "none", UNBOUNDED) else find(binary, model)
    while bound > LOWEST and run(binary, model, bound, FEW) is None:
        bound -= 1
    print(f"{model}: {bound}", flush=True)
    return bound


def main():
    binary = models.build(models.ROOT, models.target() / "loom")
    text = models.BOUNDS.read_text()
    chosen = models.deep()
    unchosen = [model for model in models.names(binary) if model not in chosen]
    bounds = {model: int(bound) for model, bound in ROW.findall(text) if model in unchosen}
    parts = [part for part in sys.argv[1:] if part != "--lower"]
    asked = [m for m in unchosen if not parts or any(part in m for part in parts)]
    search = (lambda b, model: lower(b, model, bounds.get(model))) if "--lower" in sys.argv else find
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        bounds |= dict(zip(asked, pool.map(lambda model: search(binary, model), asked)))
    rows = [f'    ("{model}", {bound}),\n' for model, bound in sorted(bounds.items()) if bound is not None]
    before, after = re.split(r"(?<=BOUNDS: \[\(&str, usize\); )\d+\] = \[\n(?:.*\n)*?(?=\];)", text)
    models.BOUNDS.write_text(f"{before}{len(rows)}] = [\n{''.join(rows)}{after}")


if __name__ == "__main__":
    main()
