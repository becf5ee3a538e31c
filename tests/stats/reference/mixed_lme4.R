# Reference values for tests/stats/test_mixed.py.
# Run in this folder: Rscript mixed_lme4.R mixed_values.csv > mixed_lme4.json
# The columns group, site, age, sex come first; every other column is a feature.
suppressMessages(library(lme4))
number <- function(x) ifelse(is.na(x), "null", sprintf("%.17g", x))
data <- read.csv(commandArgs(trailingOnly = TRUE)[1], stringsAsFactors = TRUE)
features <- setdiff(names(data), c("group", "site", "age", "sex"))
row <- function(feature, reml) {
  data$y <- data[[feature]]
  control <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-11, maxfun = 1e5), calc.derivs = FALSE)
  fit <- suppressMessages(lmer(y ~ group + age + sex + (1 | site), data, REML = reml, control = control))
  sd <- as.data.frame(VarCorr(fit))$sdcor
  table <- summary(fit)$coefficients["group", ]
  sprintf('{"feature": "%s", "method": "%s", "estimate": %s, "se": %s, "site_sd": %s, "residual_sd": %s}', feature,
    if (reml) "REML" else "ML", number(table[1]), number(table[2]), number(sd[1]), number(sd[2]))
}
rows <- c(sapply(features, row, reml = TRUE), sapply(features, row, reml = FALSE))
cat('{"made_by": "', R.version.string, ", lme4 ", as.character(packageVersion("lme4")), '",\n"rows": [\n',
    paste(rows, collapse = ",\n"), "\n]}\n", sep = "")
