# Reference values for tests/stats/test_severity.py. Run: Rscript severity_pls.R > severity_pls.json
# Data: drawn here, 48 people of 4 sites, a severity score and 12 or 60 features of unlike spread.
suppressMessages({library(pls); library(jsonlite)})
set.seed(20220601)
site <- rep(c("A", "B", "C", "D"), c(15, 13, 11, 9))
reference <- function(n_features, how_many) {
  n_components <<- how_many  # crossval() evaluates the call anew and looks for it here
  x <- matrix(rnorm(48 * n_features), 48) %*% diag(exp(rnorm(n_features)))
  y <- 45 + as.vector(scale(x)[, 1:3] %*% c(9, -6, 4)) + rnorm(48, sd = 8)
  data <- data.frame(y = y); data$x <- I(x)
  fit <- plsr(y ~ x, ncomp = n_components, data = data, scale = TRUE, method = "oscorespls")
  # crossval() refits, and so scales, inside each segment; the segments are the sites.
  left_out <- crossval(fit, segments = split(seq_along(site), site), trace = FALSE)
  predicted <- left_out$validation$pred[, 1, n_components]
  fitted_y <- fitted(fit)[, 1, n_components]
  ss <- c(Yloadings(fit))^2 * colSums(scores(fit)^2)
  w <- sweep(loading.weights(fit), 2, sqrt(colSums(loading.weights(fit)^2)), "/")^2
  tss <- sum((y - mean(y))^2)
  within <- function(v) sum(tapply(v, site, function(part) sum((part - mean(part))^2)))
  list(values = x, outcome = y, n_components = n_components, predicted_cv = predicted,
       r2 = 1 - sum((y - fitted_y)^2) / tss, q2 = 1 - sum((y - predicted)^2) / tss,
       q2_within = 1 - within(y - predicted) / within(y),
       rmsee = sqrt(sum((y - fitted_y)^2) / (48 - 1 - n_components)),
       rmsecv = sqrt(mean((y - predicted)^2)),
       spearman_rho2 = cor(y, predicted, method = "spearman")^2,
       vip = as.vector(sqrt(n_features * (w %*% ss) / sum(ss))))
}
cat(toJSON(list(made_by = paste0(R.version.string, ", pls ", packageVersion("pls")), site = site,
  models = list(reference(12, 1), reference(12, 5), reference(60, 3))), digits = NA, auto_unbox = TRUE), "\n")
