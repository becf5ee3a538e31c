# Reference values for tests/stats/test_psychometrics.py and test_differential.py.
# Run in this folder: Rscript psychometrics.R items.csv > psychometrics.json
# Column language first, then an item a column.
suppressMessages({library(psych); library(MASS); library(ordinal)})
vector <- function(x) paste0("[", paste(sprintf("%.17g", as.numeric(x)), collapse = ", "), "]")
object <- function(parts) paste0("{", paste0('"', names(parts), '": ', unlist(parts), collapse = ",\n "), "}")
data <- read.csv(commandArgs(trailingOnly = TRUE)[1], stringsAsFactors = TRUE)
items <- data[, -1]
a <- suppressWarnings(psych::alpha(items, check.keys = FALSE))
ci <- psych::alpha.ci(a$total$raw_alpha, n.obs = nrow(items), n.var = ncol(items))
scale <- list(alpha = vector(a$total$raw_alpha), standardised = vector(a$total$std.alpha), ci_low = vector(ci$lower.ci),
  ci_high = vector(ci$upper.ci), item_rest = vector(a$item.stats$r.drop), alpha_if_dropped = vector(a$alpha.drop$raw_alpha),
  mean = vector(a$item.stats$mean), sd = vector(a$item.stats$sd))
data$score <- rowSums(items) - mean(rowSums(items))
tight <- clm.control(gradTol = 1e-12, maxIter = 500L)
one <- function(item) {
  data$y <- factor(data[[item]])
  fit <- function(formula) clm(formula, data = data, control = tight)
  fits <- list(null = fit(y ~ 1), score = fit(y ~ score), uniform = fit(y ~ score + language), both = fit(y ~ score * language))
  ll <- sapply(fits, function(f) as.numeric(logLik(f))); n <- nrow(data); df <- nlevels(data$language) - 1
  r2 <- (1 - exp(2 * (ll["null"] - ll) / n)) / (1 - exp(2 * ll["null"] / n))
  tail <- function(more, less, df) pchisq(2 * (ll[more] - ll[less]), df, lower.tail = FALSE)
  p <- polr(y ~ score * language, data = data, Hess = TRUE, control = list(reltol = 1e-15, maxit = 1000))
  object(list(log_likelihood = vector(ll), coefficients = vector(fits$both$beta), thresholds = vector(fits$both$alpha),
    se = vector(sqrt(diag(vcov(fits$both)))[names(fits$both$beta)]), polr_coefficients = vector(coef(p)),
    polr_log_likelihood = vector(logLik(p)), p_uniform = vector(tail("uniform", "score", df)),
    p_nonuniform = vector(tail("both", "uniform", df)), p_overall = vector(tail("both", "score", 2 * df)),
    nagelkerke_uniform = vector(r2["uniform"] - r2["score"]), nagelkerke = vector(r2["both"] - r2["score"]),
    mcfadden = vector((ll["score"] - ll["both"]) / ll["null"])))
}
versions <- sapply(c("psych", "MASS", "ordinal"), function(p) paste(p, packageVersion(p)))
cat(object(c(list(made_by = paste0('"', R.version.string, ", ", paste(versions, collapse = ", "), '"'),
  scale = object(scale)), setNames(lapply(names(items), one), names(items)))), "\n")
