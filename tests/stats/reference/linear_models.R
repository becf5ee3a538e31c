# Reference values for tests/stats/test_{effects,robust,moderated}.py.
# Run in this folder: Rscript linear_models.R linear_alike linear_even linear_few linear_full linear_gaps > linear_models.json
# Each name stands for NAME_samples.csv (group, covariates) and NAME_values.csv (a column a feature).
# The group comes last in the model, so that lm drops it, and not a covariate, where it is determined.
suppressMessages({library(limma); library(sandwich)})
number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), ifelse(is.na(x), "null", "1e999"))
vector <- function(x) paste0("[", paste(number(as.numeric(x)), collapse = ", "), "]")
object <- function(parts) paste0("{", paste0('"', names(parts), '": ', unlist(parts), collapse = ",\n "), "}")
reference <- function(name) {
  samples <- read.csv(paste0(name, "_samples.csv"), stringsAsFactors = TRUE)
  values <- as.matrix(read.csv(paste0(name, "_values.csv"), check.names = FALSE))
  samples <- samples[, c(setdiff(names(samples), "group"), "group"), drop = FALSE]
  keep <- complete.cases(samples)
  samples <- droplevels(samples[keep, , drop = FALSE]); values <- values[keep, , drop = FALSE]
  single <- sapply(samples, function(x) length(unique(x)) < 2)
  samples <- samples[, !single | names(samples) == "group", drop = FALSE]
  one <- function(y) {
    blank <- c(estimate = NA, se = NA, df = NA, p = NA, hc3 = NA)
    rows <- !is.na(y); here <- samples[rows, , drop = FALSE]
    if (sum(here$group == 1) < 2 || sum(here$group == 0) < 2 || length(unique(y[rows])) < 2) return(blank)
    # A factor with one level left has no contrast; a number that is constant is aliased by lm.
    lone <- sapply(here, function(x) is.factor(x) && length(unique(x)) < 2)
    fit <- lm(y ~ ., data = cbind(y = y[rows], droplevels(here[, !lone, drop = FALSE])))
    if (is.na(coef(fit)["group"]) || fit$df.residual < 1) return(blank)
    table <- suppressWarnings(summary(fit)$coefficients)["group", ]
    if (!(table[2] > 1e-9 * abs(table[1]))) return(blank)
    error <- tryCatch(sqrt(vcovHC(fit, "HC3")["group", "group"]), error = function(e) NA)
    c(estimate = table[[1]], se = table[[2]], df = fit$df.residual, p = table[[4]], hc3 = error)
  }
  linear <- apply(values, 2, one)
  usable <- !is.na(linear["estimate", ])
  out <- lapply(split(linear, rownames(linear)), vector)
  # limma's average is over the samples in the model, as ours is.
  fit <- lmFit(t(values[, usable, drop = FALSE]), model.matrix(~ ., samples))
  number_of_group <- ncol(fit$coefficients)
  for (trend in c(FALSE, TRUE)) for (robust in c(FALSE, TRUE)) {
    if (robust && sum(usable) < 3) next
    eb <- suppressWarnings(eBayes(fit, trend = trend, robust = robust))
    label <- paste0("limma", if (trend) "_trend" else "", if (robust) "_robust" else "")
    out[[label]] <- object(list(
      estimate = vector(fit$coefficients[, number_of_group]), sigma = vector(fit$sigma),
      df_prior = vector(rep_len(eb$df.prior, sum(usable))), s2_prior = vector(rep_len(eb$s2.prior, sum(usable))),
      s2_post = vector(eb$s2.post), t = vector(eb$t[, number_of_group]),
      p = vector(eb$p.value[, number_of_group]), df_total = vector(eb$df.total)))
  }
  object(out)
}
names <- commandArgs(trailingOnly = TRUE)
versions <- paste0('"', R.version.string, ", limma ", packageVersion("limma"), ", sandwich ", packageVersion("sandwich"), '"')
cat(object(c(list(made_by = versions), setNames(lapply(names, reference), basename(names)))), "\n")
