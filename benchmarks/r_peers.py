"""R packages as contenders: one Rscript process a contender, timed inside R on request."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.contenders import Contender

_LOOP = """
wait <- file("stdin", "r")
while (length(line <- readLines(wait, n = 1)) > 0) {
  start <- Sys.time()
  failed <- tryCatch({ job(); NULL }, error = function(e) conditionMessage(e))
  seconds <- as.numeric(Sys.time() - start, units = "secs")
  cat("\\nSECONDS", if (is.null(failed)) seconds else failed, "\\n"); flush(stdout())
}
"""


class RJob:
    """A function ``job()`` of R on matrices that Python made."""

    def __init__(self, package: str, arrays: dict[str, np.ndarray], code: str) -> None:
        """Write the arrays, each read in R as its transpose (R goes by columns)."""
        self._folder = tempfile.TemporaryDirectory(prefix="hiki-benchmark-")
        folder = Path(self._folder.name)
        lines = [f"suppressPackageStartupMessages(library({package}))"]
        for name, array in arrays.items():
            block = np.ascontiguousarray(np.atleast_2d(array), dtype=np.float64)
            block.tofile(folder / name)
            shape = f"{block.shape[1]}, {block.shape[0]}"
            lines.append(
                f'{name} <- matrix(readBin("{folder / name}", "double", {block.size}), {shape})'
            )
        script = folder / "job.R"
        script.write_text("\n".join([*lines, code, _LOOP]))
        self._process = subprocess.Popen(
            ["Rscript", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def seconds(self) -> float:
        """Run it once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("SECONDS"):
                return float(line.split(maxsplit=1)[1])
        raise RuntimeError("R ended without an answer")


def r_contender(
    name: str,
    package: str,
    arrays: dict[str, np.ndarray],
    code: str,
    *,
    scale: float = 1.0,
    target: float | None = None,
) -> Contender:
    """A contender in R, or the reason why it cannot take part."""
    if shutil.which("Rscript") is None:
        return Contender(name, why_not="Rscript is not installed")
    known = f'quit(status = !requireNamespace("{package}", quietly = TRUE))'
    if subprocess.run(["Rscript", "-e", known], capture_output=True, check=False).returncode:
        return Contender(name, why_not=f"the R package {package} is not installed")
    job = RJob(package, arrays, code)
    return Contender(name, seconds=job.seconds, scale=scale, target=target)
