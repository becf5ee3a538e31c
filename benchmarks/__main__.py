"""``python -m benchmarks [JOB ...]``."""

import sys

from benchmarks.runner import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
