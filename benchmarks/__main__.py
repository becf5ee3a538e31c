"""``python -m benchmarks [--keep-core-type] [JOB ...]``."""

import argparse
import sys

from benchmarks.runner import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks")
    add_arguments(parser)
    asked = parser.parse_args()
    sys.exit(run(asked.jobs, keep_core_type=asked.keep_core_type))
