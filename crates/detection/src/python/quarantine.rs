//! Detections that keep killing their workers are put aside until the next start.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// Counts deaths by detection (its place in the program).
pub(crate) struct Quarantine {
    deaths: usize,
    window: Duration,
    ward: Mutex<Ward>,
}

#[derive(Default)]
struct Ward {
    recent: HashMap<u32, Vec<Instant>>,
    closed: BTreeSet<u32>,
}

impl Quarantine {
    pub(crate) fn new(deaths: usize, window: Duration) -> Self {
        Self { deaths: deaths.max(1), window, ward: Mutex::default() }
    }

    /// Notes a death at a time; true when it was the one too many.
    pub(crate) fn note(&self, detection: u32, now: Instant) -> bool {
        let mut ward = self.ward.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let recent = ward.recent.entry(detection).or_default();
        recent.retain(|&then| now.duration_since(then) < self.window);
        recent.push(now);
        recent.len() >= self.deaths && ward.closed.insert(detection)
    }

    /// The detections that shall not run, ascending.
    pub(crate) fn closed(&self) -> Vec<u32> {
        self.ward.lock().unwrap_or_else(std::sync::PoisonError::into_inner).closed.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_deaths_close_in_time_count() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let quarantine = Quarantine::new(3, Duration::from_secs(600));
        assert!(!quarantine.note(7, at(0)));
        assert!(!quarantine.note(7, at(300)));
        assert!(!quarantine.note(8, at(301)));
        assert!(!quarantine.note(7, at(700)), "the first is too old");
        assert_eq!(quarantine.closed(), [0; 0]);
        assert!(quarantine.note(7, at(701)));
        assert_eq!(quarantine.closed(), [7]);
        assert!(!quarantine.note(7, at(702)), "said once");
    }
}
