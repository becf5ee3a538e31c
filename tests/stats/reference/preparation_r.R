# Reference values for tests/stats/test_impute.py and test_harmonise.py.
# Run in this folder: Rscript preparation_r.R > preparation_r.json
# Quantile normalisation by limma, left-censored normal by survival, and the regression of QRILC
# (Lazar 2016) with R's quantile, qnorm and lm: the step of imputeLCMD before it draws.
suppressMessages({library(limma); library(survival); library(jsonlite)})
set.seed(20220601)
n <- 24
complete <- round(matrix(rnorm(n * 12, 8, 2), n), 4)       # samples x features
tied <- round(complete)
gaps <- complete
gaps[sample(length(gaps), 30)] <- NA
normalise <- function(x) t(normalizeQuantiles(t(x)))

y <- round(matrix(rnorm(n * 5, 3, 1.5), n), 4)
limit <- cbind(2, 3, 4.5, ifelse(seq_len(n) %% 2, 1.8, 3.2), -9)
limit <- matrix(limit[, seq_len(5)], n)
below <- y < limit
y[5, 1:3] <- NA
below[5, 1:3] <- FALSE
tobit <- sapply(seq_len(ncol(y)), function(j) {
  time <- ifelse(below[, j], limit[, j], y[, j])
  fit <- survreg(Surv(time, !below[, j], type = "left") ~ 1, dist = "gaussian",
                 control = survreg.control(rel.tolerance = 1e-14, maxiter = 200))
  c(mean = unname(coef(fit)), sd = fit$scale)
})
qrilc <- sapply(seq_len(ncol(y)), function(j) {
  measured <- y[!is.na(y[, j]) & !below[, j], j]
  share <- sum(below[, j]) / (sum(below[, j]) + length(measured))
  normal <- qnorm(seq(share + 0.001, 0.991, length.out = 100))
  fit <- lm(quantile(measured, seq(0.001, 0.991, 0.01)) ~ normal)
  unname(coef(fit))
})
version <- function(name) paste(name, as.character(packageVersion(name)))
cat(toJSON(list(
  made_by = paste(c(R.version.string, version("limma"), version("survival")), collapse = ", "),
  quantile = list(complete = complete, tied = tied, gaps = gaps, complete_normalised = normalise(complete),
                  tied_normalised = normalise(tied), gaps_normalised = normalise(gaps)),
  censored = list(values = y, below = below, limits = limit,
                  tobit_mean = tobit[1, ], tobit_sd = tobit[2, ],
                  qrilc_mean = qrilc[1, ], qrilc_sd = qrilc[2, ])
), digits = NA, na = "null", auto_unbox = TRUE, pretty = FALSE), "\n", sep = "")
