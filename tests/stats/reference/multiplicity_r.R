# Reference values for tests/stats/test_multiplicity.py. Run: Rscript multiplicity_r.R > multiplicity_r.json
# Data: p values drawn here, with ties, 0, 1 and features without a test; p.adjust of R's stats.
suppressMessages(library(jsonlite))
set.seed(1995)
drawn <- signif(c(rbeta(12, 0.3, 4), runif(28)), 6)
families <- list(
  drawn = drawn,
  tied = c(0.004, 0.004, 0.03, 0.03, 0.03, 0.2, 0.04, 0.9, 0.9),
  ends = c(0, 1e-300, 0.5, 1, 1),
  gaps = c(0.01, NA, 0.02, 0.6, NA, 0.02, 0.013),
  one = 0.04,
  two = c(0.03, 0.049))
methods <- c(bh = "BH", by = "BY", holm = "holm", hochberg = "hochberg", hommel = "hommel", bonferroni = "bonferroni")
cat(toJSON(list(
  made_by = paste(R.version.string, "stats", packageVersion("stats")),
  families = lapply(families, function(p) list(p = I(p), adjusted = lapply(methods, function(m) I(p.adjust(p, m)))))),
  digits = I(17), auto_unbox = TRUE, na = "null"), "\n")
