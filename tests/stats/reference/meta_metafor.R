# Reference values for tests/stats/test_meta.py. Run: Rscript meta_metafor.R > meta_metafor.json
# Data: dat.bcg (13 trials of BCG vaccine, log risk ratios) and two invented tables, one of few
# cohorts that agree, one of cohorts that differ. The numbers written into this file are the data.
suppressMessages(library(metafor))
tables <- list(bcg = {
  dat <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
  list(y = as.numeric(dat$yi), v = as.numeric(dat$vi))
}, agree = list(y = c(0.31, 0.28, 0.35, 0.30), v = c(0.04, 0.02, 0.09, 0.03)),
   differ = list(y = c(-0.2, 0.9, 0.4, 1.6, 0.1), v = c(0.03, 0.05, 0.2, 0.08, 0.01)),
   two = list(y = c(0.1, 0.8), v = c(0.02, 0.05)))
number <- function(x) if (length(x) == 0 || is.na(x)) "null" else sprintf("%.15g", x)
row <- function(name, method, test) {
  d <- tables[[name]]
  control <- list(threshold = 1e-12, maxiter = 10000, tol = 1e-13)
  if (method == "FE") control <- list()
  fit <- rma(d$y, d$v, method = method, test = test, control = control)
  # The prediction interval of Higgins et al. 2009: t on k - 2 df around the fit's own error.
  half <- if (fit$k > 2 && method != "FE") qt(0.975, fit$k - 2) * sqrt(fit$tau2 + fit$se^2) else NA
  values <- c(estimate = fit$beta[1], se = fit$se, ci_low = fit$ci.lb, ci_high = fit$ci.ub,
              p = fit$pval, tau2 = fit$tau2, i2 = fit$I2, q_statistic = fit$QE, q_p = fit$QEp,
              pi_low = fit$beta[1] - half, pi_high = fit$beta[1] + half)
  cells <- paste0('"', names(values), '": ', sapply(values, number), collapse = ", ")
  sprintf('  {"table": "%s", "tau2_method": "%s", "test": "%s", %s}', name, method, test, cells)
}
rows <- c()
for (name in names(tables)) for (method in c("FE", "HE", "DL", "HS", "SJ", "PM", "EB", "ML", "REML"))
  for (test in if (method == "FE") "z" else c("z", "t", "adhoc")) rows <- c(rows, row(name, method, test))
data <- sapply(names(tables), function(n) sprintf('  "%s": {"y": [%s], "v": [%s]}', n,
  paste(sprintf("%.15g", tables[[n]]$y), collapse = ", "), paste(sprintf("%.15g", tables[[n]]$v), collapse = ", ")))
cat('{\n"made_by": "', R.version.string, ", metafor ", as.character(packageVersion("metafor")), '",\n"tables": {\n',
    paste(data, collapse = ",\n"), '\n},\n"rows": [\n', paste(rows, collapse = ",\n"), "\n]\n}\n", sep = "")
