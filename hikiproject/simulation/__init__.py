"""A simulated consortium of five sites, in the tables that real sites send.

No person stands behind a row. What was planted is in ``truth.json``, so that a run can be held
against it. Where the numbers come from:

- Levels and spreads of features (``panel.csv``): medians are usual adult levels from general
  knowledge. SDs of ln lie near those measured in two public plasma sets for the urea cycle, C16 to
  C18:1 acylcarnitines, urate, bilirubin, tryptophan, kynurenine, creatinine and cholesterol; the
  others are set by judgement, narrower than in field studies.
- Sex effects: measured for urate, creatinine, carnitines, citrulline, tryptophan, bilirubin,
  ornithine, arginine and cholesterol; set by judgement for the other cells that are filled; drawn
  from N(0, 0.25 SD) where the cell is empty. Age: N(0, 0.10 SD) in ten years.
- Correlation: blocks (long-chain acylcarnitines r about 0.85, arginine-citrulline 0.24,
  citrulline-ornithine 0.27, arginine-ornithine 0.10) over eight weak common factors.
- Sites: shift t(4) x 0.35 SD and SD ratio log-normal(0.3) within one laboratory; 1.5 times the
  shift here, since every site has its own, but 0.6 for routine chemistry and 0.3 for arginine and
  ornithine, whose ratio is the handling check.
- Missing values: most features none, some below a limit at up to 80 %, as in plasma panels.
- Planted effects: |d| 0.55-0.60 on the markers of Setoyama et al. 2022
  (doi:10.1080/19585969.2022.2046978). **The paper's abstract gives no effect sizes**: these are
  chosen, of a size that five sites can see. tau is 0 for two of the five, otherwise half-normal
  with 0.3 of the effect.
- Bilirubin loses 0.25 in ln without light protection, arginase rises with haemolysis and
  acylcarnitines a little with fasting: directions are known, sizes are chosen. The haemolysis
  index has no unit here; 0 is none, above 0.8 is visible.
- Handling: arginine on cells at room temperature decays at 10 % an hour into ornithine, chosen so
  that prompt tubes lie at arginine/(arginine + ornithine) 0.50-0.74 and tubes of 3-6 h below 0.50,
  as published for delayed separation. MIL separates late, and later for cases than for controls.
- Scales: totals of HQ-25 around 60 (cases), 48 (pre-hikikomori) and 25 (controls), SD 12, and a
  correlation of 0.45 with the acylcarnitine factor inside each group: chosen.
"""

from hikiproject.simulation.consortium import (
    Consortium,
    SiteTables,
    simulate_consortium,
    simulate_late_batch,
)
from hikiproject.simulation.tables import write_tables

__all__ = [
    "Consortium",
    "SiteTables",
    "simulate_consortium",
    "simulate_late_batch",
    "write_tables",
]
