"""`make bench`: every benchmark in a process of its own, in one run; the figures as JSON and as lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

RUNS = {
    "throughput": ["benchmarks.throughput"],
    "rules": ["benchmarks.rules"],
    "pii": ["benchmarks.pii"],
    "guard": ["benchmarks.guard"],
    "counter": ["benchmarks.counter"],
    "webhooks": ["benchmarks.webhooks"],
    "generation": ["benchmarks.generation", "--cache", "data/cache/models"],
}


def main() -> None:
    results: dict[str, object] = {}
    # Spinning OpenMP threads make a busy machine's figures worthless (sleeping ones cost nothing).
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    for name, (module, *arguments) in RUNS.items():
        sys.stdout.write(f"── {name}\n")
        sys.stdout.flush()
        run = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE, text=True, check=False, env=environment,
        )  # fmt: skip
        sys.stdout.write(run.stdout)
        lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
        results[name] = json.loads(lines[-1]) if run.returncode == 0 and lines else {"failed": run.returncode}
    target = Path("build/bench.json")
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(results, indent=1))
    sys.stdout.write(f"written to {target}\n")
    sys.exit(any("failed" in result for result in results.values() if isinstance(result, dict)))


if __name__ == "__main__":
    main()
