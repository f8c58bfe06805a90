//! Where an account is reached, and how patiently.

use std::time::Duration;

use reqwest::Url;

use crate::{Account, Error};

/// The way to an account.
#[derive(Clone, Debug)]
pub struct Connection {
    pub account: Account,
    /// Another address than the account's own: a private link, a proxy, a double.
    pub url: Option<String>,
    pub pace: Pace,
}

impl Connection {
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account, url: None, pace: Pace::default() }
    }

    #[must_use]
    pub fn at(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The base of all requests, without a trailing slash.
    pub fn base(&self) -> Result<Url, Error> {
        let text = self.url.clone().unwrap_or_else(|| self.account.url());
        let wrong = |why: &str| Error::Credential { detail: format!("snowflake url `{text}`: {why}") };
        let url = Url::parse(&text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("write it as https://<host>"));
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(wrong("tokens go over https only, except to this machine itself"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user or password; credentials have settings of their own"));
        }
        Ok(url)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// How long things are waited for. The defaults suit the real service; tests go faster.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Before the first look at a running statement; each further one comes half as much later …
    pub first_poll: Duration,
    /// … up to this.
    pub longest_poll: Duration,
    /// Before the first retry; doubled for each further one …
    pub first_retry: Duration,
    /// … up to this. What Snowflake asks for in Retry-After is granted up to this too.
    pub longest_retry: Duration,
    /// Attempts for one call.
    pub attempts: u32,
    /// How long after its own timeout a statement is given up.
    pub grace: Duration,
    /// Longest silence of the other side. A submitted statement is answered within 45 seconds.
    pub silence: Duration,
    /// Most bytes of one answer, unpacked.
    pub body_limit: usize,
    /// Partitions fetched ahead of the one that is read.
    pub ahead: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_poll: Duration::from_millis(500),
            longest_poll: Duration::from_secs(10),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(30),
            attempts: 8,
            grace: Duration::from_secs(60),
            silence: Duration::from_secs(75),
            body_limit: 512 * 1024 * 1024,
            ahead: 2,
        }
    }
}

impl Pace {
    /// The wait before attempt `number` (from 1) is repeated: somewhere between half and all of the doubled step, so that
    /// many sources do not come back at the same moment.
    pub(crate) fn retry(&self, number: u32) -> Duration {
        let step = self.first_retry.saturating_mul(1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX));
        step.min(self.longest_retry).mul_f64(rand::random_range(0.5..1.0))
    }

    pub(crate) fn next_poll(&self, last: Duration) -> Duration {
        last.mul_f64(rand::random_range(1.25..1.75)).min(self.longest_poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_over_https_only() {
        let at = |url: &str| Connection::new(Account::parse("myorg-acme").unwrap()).at(url).base();
        for good in ["http://127.0.0.1:8085", "http://[::1]:1", "http://localhost:1", "https://proxy.example.com/x"] {
            assert!(at(good).is_ok(), "{good}");
        }
        for bad in
            ["http://proxy.example.com", "ftp://x", "x", "https://u:p@x.example.com", "http://127.0.0.1.example.com"]
        {
            assert!(at(bad).is_err(), "{bad}");
        }
        let own = Connection::new(Account::parse("myorg-acme").unwrap()).base().unwrap();
        assert_eq!(own.as_str(), "https://myorg-acme.snowflakecomputing.com/");
    }

    #[test]
    fn waits_grow_and_end_growing() {
        let pace = Pace::default();
        for (number, least, most) in [(1, 500, 1_000), (2, 1_000, 2_000), (6, 15_000, 30_000), (99, 15_000, 30_000)] {
            let wait = pace.retry(number).as_millis();
            assert!((least..=most).contains(&wait), "{number}: {wait}");
        }
        assert!(pace.next_poll(Duration::from_secs(9)) <= Duration::from_secs(10));
    }
}
