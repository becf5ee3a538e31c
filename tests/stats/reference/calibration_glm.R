# Reference values for tests/stats/test_calibration.py. Run: Rscript calibration_glm.R > calibration_glm.json
# Data: drawn here, 200 people whose chances the model overstates.
suppressMessages(library(jsonlite))
set.seed(1988)
chance <- plogis(rnorm(200, 0.4, 1.5))
case <- rbinom(200, 1, plogis(-0.5 + 0.6 * qlogis(chance)))
both <- glm(case ~ qlogis(chance), family = binomial, control = glm.control(epsilon = 1e-14))
level <- glm(case ~ offset(qlogis(chance)), family = binomial, control = glm.control(epsilon = 1e-14))
cat(toJSON(list(made_by = R.version.string, chance = chance, case = case,
  slope = coef(both)[[2]], intercept = coef(both)[[1]],
  slope_se = sqrt(vcov(both)[2, 2]), intercept_se = sqrt(vcov(both)[1, 1]),
  in_the_large = coef(level)[[1]], in_the_large_se = sqrt(vcov(level)[1, 1]),
  brier = mean((case - chance)^2), expected_to_observed = sum(chance) / sum(case)),
  digits = NA, auto_unbox = TRUE), "\n")
