"""The models of tests/loom/, for the scripts that run them in other ways than ci/loom.sh."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOUNDS = ROOT / "tests/loom/bounds.rs"
FEATURES = "loom,atomic-waker,event-listener,spin,park"
# These do not use the crate.
FAULTS = "faults::"


def target():
    """Where cargo builds."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def build(tree, into, options=(), **variables):
    """The binary of the models of the crate in a tree."""
    environment = dict(os.environ, RUSTFLAGS="--cfg loom", CARGO_TARGET_DIR=str(into), **variables)
    command = ["cargo", "test", "--release", "--features", FEATURES, "--test", "loom", "--no-run", *options]
    result = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    binary = re.search(r"Executable .*\((.*)\)", result.stderr)
    # Joined with an absolute path it is that path.
    return tree / binary[1] if binary else sys.exit(result.stderr + "\nthe models do not build")


def names(binary):
    listed = subprocess.run([str(binary), "--list"], capture_output=True, text=True).stdout
    return [model for model in re.findall(r"^(\S+): test$", listed, re.M) if not model.startswith(FAULTS)]


def deep():
    """Those whose bounds are chosen."""
    return re.findall(r'"(\S+)"', re.search(r"DEEP: [^=]* = \[(.*?)\];", BOUNDS.read_text(), re.S)[1])


def command(binary, model):
    """What runs one model."""
    return [str(binary), "--exact", model, "--nocapture", "--test-threads=1"]
