//! What pulling costs the account's owner, in credits.
//!
//! A warehouse is billed by the second while it is awake, for a minute at least each time it wakes, and goes to sleep a while
//! after its last statement. So what counts is not how much is read but how often the warehouse is woken.

/// After its last statement the warehouse stays awake so long: `AUTO_SUSPEND` of the script that we print.
const SUSPENDS_AFTER: f64 = 60.0;
/// A pull keeps the warehouse busy about so long, until it is measured.
const BUSY_GUESS: f64 = 10.0;
const DAY: f64 = 86_400.0;

/// Credits a day that a source is going to cost on the smallest warehouse.
#[must_use]
pub fn expected_credits_a_day(interval_minutes: u32) -> f64 {
    let every = f64::from(interval_minutes.max(1)) * 60.0;
    let awake = (BUSY_GUESS + SUSPENDS_AFTER).min(every);
    DAY / every * awake / 3_600.0
}

/// Credits an hour of a warehouse's size, as views spell it; an unknown size counts as the smallest.
#[must_use]
pub fn credits_an_hour(size: &str) -> f64 {
    match size.to_ascii_lowercase().replace(['-', ' ', '_'], "").as_str() {
        "small" => 2.0,
        "medium" => 4.0,
        "large" => 8.0,
        "xlarge" => 16.0,
        "2xlarge" | "xxlarge" => 32.0,
        "3xlarge" | "xxxlarge" => 64.0,
        "4xlarge" => 128.0,
        "5xlarge" => 256.0,
        "6xlarge" => 512.0,
        _ => 1.0,
    }
}

/// Seconds for which statements alone keep a warehouse awake. `runs` are their begins and ends, in seconds, in any order.
#[must_use]
pub fn awake_seconds(runs: &mut [(f64, f64)]) -> f64 {
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut awake = 0.0;
    let mut woken: Option<(f64, f64)> = None;
    for &mut (begin, end) in runs {
        let sleeps = end.max(begin) + SUSPENDS_AFTER;
        match &mut woken {
            Some((_, until)) if begin <= *until => *until = until.max(sleeps),
            _ => {
                awake += woken.map_or(0.0, |(since, until)| until - since);
                woken = Some((begin, sleeps));
            }
        }
    }
    awake + woken.map_or(0.0, |(since, until)| until - since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_grow_with_the_number_of_pulls() {
        for (minutes, expected) in [(1, 24.0), (5, 5.6), (15, 1.866_666), (60, 0.466_666), (1_440, 0.019_444)] {
            let credits = expected_credits_a_day(minutes);
            assert!((credits - expected).abs() < 1e-5, "{minutes}: {credits}");
        }
    }

    #[test]
    fn statements_of_one_burst_wake_the_warehouse_once() {
        for (runs, expected) in [
            (&[][..], 0.0),
            (&[(0.0, 5.0)], 65.0),
            (&[(0.0, 5.0), (1.0, 20.0), (80.0, 81.0)], 141.0),
            (&[(200.0, 201.0), (0.0, 5.0)], 65.0 + 61.0),
            // An end before its begin is a clock's fault.
            (&[(10.0, 5.0)], 60.0),
        ] {
            let awake = awake_seconds(&mut runs.to_vec());
            assert!((awake - expected).abs() < 1e-9, "{runs:?}: {awake}");
        }
    }

    #[test]
    fn sizes_are_spelt_in_many_ways() {
        for (size, credits) in
            [("X-Small", 1.0), ("XSMALL", 1.0), ("Small", 2.0), ("2X-Large", 32.0), ("X-LARGE", 16.0), ("", 1.0)]
        {
            assert!((credits_an_hour(size) - credits).abs() < 1e-9, "{size}");
        }
    }
}
