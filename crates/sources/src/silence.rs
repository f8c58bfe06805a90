//! How long a source may stay silent before somebody is told.

use std::time::Duration;

use serde::Deserialize;

const LEAST: u32 = 15;
const MOST: u32 = 43_200;

/// `no_data_minutes` of a source: 15 minutes to 30 days, a day if left out; 0: nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct NoDataMinutes(u32);

impl NoDataMinutes {
    /// The silence that is allowed; `None` if any is.
    #[must_use]
    pub fn allowed(self) -> Option<Duration> {
        (self.0 > 0).then(|| Duration::from_secs(u64::from(self.0) * 60))
    }
}

impl Default for NoDataMinutes {
    fn default() -> Self {
        Self(24 * 60)
    }
}

impl TryFrom<u32> for NoDataMinutes {
    type Error = String;

    fn try_from(minutes: u32) -> Result<Self, Self::Error> {
        if minutes == 0 || (LEAST..=MOST).contains(&minutes) {
            return Ok(Self(minutes));
        }
        Err(format!("no_data_minutes must be 0, which tells nobody, or {LEAST} to {MOST}, not {minutes}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        for (minutes, allowed) in [(0, None), (15, Some(900)), (43_200, Some(2_592_000))] {
            assert_eq!(NoDataMinutes::try_from(minutes).unwrap().allowed(), allowed.map(Duration::from_secs));
        }
        for minutes in [1, 14, 43_201, u32::MAX] {
            let error = NoDataMinutes::try_from(minutes).unwrap_err();
            assert!(error.ends_with(&format!("15 to 43200, not {minutes}")), "{error}");
        }
    }
}
