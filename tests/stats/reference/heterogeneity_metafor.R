# Reference values for tests/stats/test_{meta,heterogeneity,influence,moderators}.py:
#   Rscript heterogeneity_metafor.R > heterogeneity_metafor.json
# Data: meta_metafor.json's tables with a covariate and a subgroup, and a table with a calendar year.
suppressMessages(library(metafor))
bcg <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
tables <- list(
  bcg = list(y = as.numeric(bcg$yi), v = as.numeric(bcg$vi), x = bcg$ablat, year = bcg$year, group = bcg$alloc),
  agree = list(y = c(0.31, 0.28, 0.35, 0.30), v = c(0.04, 0.02, 0.09, 0.03), x = c(31, 44, 52, 38),
               year = c(2019, 2021, 2022, 2024), group = c("a", "a", "b", "b")),
  differ = list(y = c(-0.2, 0.9, 0.4, 1.6, 0.1), v = c(0.03, 0.05, 0.2, 0.08, 0.01), x = c(20, 31, 28, 45, 39),
                year = c(2019, 2021, 2022, 2024, 2023), group = c("a", "b", "a", "b", "c")))
number <- function(x) if (length(x) == 0 || is.na(x)) "null" else sprintf("%.15g", x)
list_of <- function(x) paste0("[", paste(sapply(x, number), collapse = ", "), "]")
fields <- function(values) paste0("{", paste0('"', names(values), '": ',
  sapply(values, function(x) if (length(x) > 1) list_of(x) else if (is.character(x)) paste0('"', x, '"') else number(x)),
  collapse = ", "), "}")
tight <- function(method) if (method %in% c("ML", "REML")) list(threshold = 1e-12, maxiter = 10000) else
  if (method == "PM") list(tol = 1e-13) else list()
fit <- function(d, method, test, ...) rma(d$y, d$v, method = method, test = test, control = tight(method), ...)
intervals <- c(); pooled <- c(); loo <- c(); egger <- c(); lines <- c(); subgroups <- c()
for (name in names(tables)) {
  d <- tables[[name]]
  for (method in c("DL", "PM", "ML", "REML")) {
    ci <- confint(fit(d, method, "z"), control = list(tol = 1e-13, tau2.max = 1000))$random
    f <- fit(d, method, "z"); df <- f$k - 1
    intervals <- c(intervals, fields(list(table = name, tau2_method = method, tau2 = ci[1, 1], tau2_low = ci[1, 2],
      tau2_high = ci[1, 3], i2 = ci[3, 1], i2_low = ci[3, 2], i2_high = ci[3, 3], h2 = ci[4, 1], h2_low = ci[4, 2],
      h2_high = ci[4, 3], i2_from_q = 100 * max(0, (f$QE - df) / f$QE), h2_from_q = f$QE / df)))
    p <- fit(d, method, "knha")
    pooled <- c(pooled, fields(list(table = name, tau2_method = method, estimate = p$beta[1], se = p$se,
      ci_low = p$ci.lb, ci_high = p$ci.ub, p = p$pval)))
    for (test in c("adhoc", "z")) {
      l <- leave1out(fit(d, method, test))
      loo <- c(loo, fields(list(table = name, tau2_method = method, test = test, estimate = l$estimate, se = l$se,
        ci_low = l$ci.lb, ci_high = l$ci.ub, p = l$pval, tau2 = l$tau2, i2 = l$I2, q_statistic = l$Q)))
    }
  }
  e <- regtest(d$y, d$v, model = "lm")
  egger <- c(egger, fields(list(table = name, t = e$zval, df = e$ddf, p = e$pval, limit = e$est)))
  for (mods in c("x", "year", "both")) for (method in c("FE", "DL", "PM", "ML", "REML"))
    for (test in if (method == "FE") "z" else c("z", "t", "knha", "adhoc")) {
      design <- if (mods == "both") cbind(d$x, d$year) else cbind(d[[mods]])
      if (length(d$y) < ncol(design) + 2) next
      m <- fit(d, method, test, mods = design)
      lines <- c(lines, fields(list(table = name, mods = mods, tau2_method = method, test = test,
        coefficient = as.numeric(m$beta), se = m$se, ci_low = m$ci.lb, ci_high = m$ci.ub, p = m$pval, tau2 = m$tau2,
        i2 = m$I2, q_residual = m$QE, q_residual_p = m$QEp, q_moderators = m$QM, q_moderators_p = m$QMp)))
    }
  for (method in c("DL", "REML")) {
    labels <- sort(unique(d$group))
    parts <- lapply(labels, function(g) { s <- d$group == g
      if (sum(s) == 1) c(d$y[s], sqrt(d$v[s]), NA) else { m <- rma(d$y[s], d$v[s], method = method, control = tight(method)); c(m$beta[1], m$se, m$tau2) } })
    part <- do.call(rbind, parts); b <- rma(part[, 1], part[, 2]^2, method = "FE")
    subgroups <- c(subgroups, fields(list(table = name, tau2_method = method, estimate = part[, 1], se = part[, 2],
      tau2 = part[, 3], q_between = b$QE, p = b$QEp)))
  }
}
block <- function(title, rows) paste0('"', title, '": [\n  ', paste(rows, collapse = ",\n  "), "\n]")
data <- sapply(names(tables), function(n) with(tables[[n]], sprintf(
  '  "%s": {"y": %s, "v": %s, "x": %s, "year": %s, "group": ["%s"]}',
  n, list_of(y), list_of(v), list_of(x), list_of(year), paste(group, collapse = '", "'))))
cat('{\n"made_by": "', R.version.string, ", metafor ", as.character(packageVersion("metafor")), '",\n"tables": {\n',
  paste(data, collapse = ",\n"), "\n},\n", paste(block("intervals", intervals), block("hksj_plain", pooled),
  block("leave_one_out", loo), block("egger", egger), block("regression", lines), block("subgroups", subgroups),
  sep = ",\n"), "\n}\n", sep = "")
