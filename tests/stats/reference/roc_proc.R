# Reference values for tests/stats/test_classify.py. Run: Rscript roc_proc.R > roc_proc.json
# Data: pROC's aSAH (113 people with subarachnoid haemorrhage; poor outcome is the case).
suppressMessages(library(pROC))
data(aSAH)
numbers <- function(x) paste(sprintf("%.15g", x), collapse = ", ")
one <- function(marker) {
  fit <- roc(aSAH$outcome, aSAH[[marker]], levels = c("Good", "Poor"), direction = "<", quiet = TRUE)
  sprintf('  "%s": {"scores": [%s], "auc": %.15g, "variance": %.15g}', marker, numbers(as.numeric(aSAH[[marker]])),
          as.numeric(auc(fit)), var(fit, method = "delong"))
}
cat('{\n"made_by": "', R.version.string, ", pROC ", as.character(packageVersion("pROC")), '",\n"labels": [',
    numbers(as.integer(aSAH$outcome == "Poor")), '],\n"markers": {\n',
    paste(sapply(c("s100b", "ndka", "wfns", "age"), one), collapse = ",\n"), "\n}\n}\n", sep = "")
