# Reference values for tests/stats/test_roc.py. Run: Rscript roc_compare_proc.R > roc_compare_proc.json
# Data: pROC's aSAH (113 people with subarachnoid haemorrhage; poor outcome is the case).
suppressMessages({library(pROC); library(jsonlite)})
data(aSAH)
curve <- function(marker)
  roc(aSAH$outcome, as.numeric(aSAH[[marker]]), levels = c("Good", "Poor"), direction = "<", quiet = TRUE)
paired <- function(pair) {
  test <- roc.test(curve(pair[1]), curve(pair[2]), method = "delong", paired = TRUE)
  list(first = pair[1], second = pair[2], z = unname(test$statistic), p = test$p.value)
}
part <- function(marker, of, from, to) {
  area <- function(correct) as.numeric(auc(curve(marker), partial.auc = c(to, from), partial.auc.focus = of,
    partial.auc.correct = correct, allow.invalid.partial.auc.correct = TRUE))
  list(marker = marker, of = of, between = c(from, to), plain = area(FALSE), standardised = area(TRUE))
}
markers <- c("s100b", "ndka", "wfns", "age")
ranges <- list(c(0.9, 1), c(0.5, 0.75), c(0, 1), c(0.8, 0.95), c(0.75, 1))
parts <- list()
for (marker in markers) for (of in c("specificity", "sensitivity")) for (range in ranges)
  parts[[length(parts) + 1]] <- part(marker, of, range[1], range[2])
cat(toJSON(list(
  made_by = jsonlite::unbox(paste0(R.version.string, ", pROC ", packageVersion("pROC"))),
  labels = as.integer(aSAH$outcome == "Poor"),
  scores = setNames(lapply(markers, function(m) as.numeric(aSAH[[m]])), markers),
  paired = lapply(list(c("s100b", "ndka"), c("s100b", "wfns"), c("ndka", "age")), paired),
  parts = parts), digits = NA, auto_unbox = TRUE), "\n")
