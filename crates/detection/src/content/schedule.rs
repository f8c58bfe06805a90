//! `Schedule` of correlation rules and scheduled queries.

use super::fields::Fields;
use crate::spec::{Cron, Schedule, When};

/// Reads and checks it: exactly one of `RateMinutes` and `CronExpression`, and a `TimeoutMinutes` that fits.
pub(crate) fn read_schedule(fields: &mut Fields<'_>) -> Option<Schedule> {
    let Some(node) = fields.node("Schedule") else {
        fields.missing("Schedule", "`RateMinutes` or `CronExpression`, and `TimeoutMinutes`");
        return None;
    };
    let mut inner = fields.inner(node, "`Schedule`")?;
    inner.only(&[&["RateMinutes", "CronExpression", "TimeoutMinutes"]]);
    let timeout = inner.whole("TimeoutMinutes");
    if inner.node("TimeoutMinutes").is_none() {
        inner.missing("TimeoutMinutes", "how long a run may take");
    }
    match (inner.whole("RateMinutes"), inner.text("CronExpression")) {
        (Some(rate), None) => {
            let line = inner.line_of("RateMinutes");
            if rate <= 1 {
                inner.wrong(line, "`RateMinutes` must be more than 1");
                return None;
            }
            if timeout.is_some_and(|timeout| timeout > rate) {
                inner.wrong(line, "`TimeoutMinutes` is more than `RateMinutes`, so that runs would overlap");
            }
            let minutes = i64::try_from(rate).unwrap_or(i64::MAX / 2);
            Some(Schedule { when: When::Rate { minutes }, timeout_minutes: timeout.unwrap_or(rate) })
        }
        (None, Some(text)) => {
            let line = inner.line_of("CronExpression");
            let cron = text.parse::<Cron>().map_err(|error| inner.wrong(line, error.to_string())).ok()?;
            Some(Schedule { when: When::Cron(cron), timeout_minutes: timeout.unwrap_or(60) })
        }
        _ => {
            inner.wrong(node.line, "needs exactly one of `RateMinutes` and `CronExpression`");
            None
        }
    }
}
