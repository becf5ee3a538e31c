# Reference values of tests/stats/test_combat.py. Run in this folder: Rscript combat_sva.R
# Made with R 4.2.2 and sva 3.46.0 (Bioconductor 3.16).
suppressMessages(library(sva))
set.seed(20220314)
n_features <- 15
batch <- rep(c("a", "b", "c"), c(9, 7, 8))
group <- rep(c(0, 1), 12)
age <- round(rnorm(24, 40, 9), 1)
values <- matrix(rnorm(n_features * 24, 10, 1), n_features)
values <- values + outer(rnorm(n_features), group)
for (b in unique(batch)) {
  here <- batch == b
  values[, here] <- values[, here] * exp(rnorm(n_features, 0, 0.3)) + rnorm(n_features, 0, 2)
}
values[3, batch == "b"] <- 4.5                   # constant inside a batch
values <- round(values, 4)
gaps <- values
gaps[sample(length(gaps), 30)] <- NA
mod <- model.matrix(~ group + age)
one <- batch
one[24] <- "single"
run <- function(...) round(t(suppressMessages(ComBat(...))), 10)
out <- list(
  plain = run(values, batch),
  parametric = run(values, batch, mod),
  nonparametric = run(values, batch, mod, par.prior = FALSE),
  mean_only = run(values, batch, mod, mean.only = TRUE),
  nonparametric_mean_only = run(values, batch, mod, mean.only = TRUE, par.prior = FALSE),
  reference_batch = run(values, batch, mod, ref.batch = "b"),
  single = run(values, one, mod)
)
gaps[3, ] <- NA                                  # sva does not see a constant beside a gap
keep <- -3
with_gaps <- list(
  parametric = run(gaps[keep, ], batch, mod),
  nonparametric = run(gaps[keep, ], batch, mod, par.prior = FALSE),
  reference_batch = run(gaps[keep, ], batch, mod, ref.batch = "b")
)
save_table <- function(table, name) {
  write.table(table, paste0("combat_sva_", name, ".csv"), sep = ",", row.names = FALSE,
              col.names = FALSE, na = "")
}
write.csv(data.frame(batch, one, group, age), "combat_sva_samples.csv", row.names = FALSE)
save_table(t(values), "values")
save_table(t(gaps[keep, ]), "gaps")
for (name in names(out)) save_table(out[[name]], name)
for (name in names(with_gaps)) save_table(with_gaps[[name]], paste0("gaps_", name))
