//! What can go wrong between a client and Snowflake, on demand or at rates.
//!
//! A fault that was injected hits the next request of its kind; rates draw from a generator with a seed, so that a run
//! can be repeated.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::failure::SqlFailure;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429, the statement is not run.
    Throttle,
    /// 503, the statement is not run.
    UnavailableBefore,
    /// 503, although the statement ran.
    UnavailableAfter,
    /// The connection ends without an answer, the statement is not run.
    CutBefore,
    /// The connection ends without an answer, although the statement ran.
    CutAfter,
    /// 408: the statement ran into its timeout.
    Timeout,
    /// 200 with code 391908: the result is too large.
    TooLarge,
    /// 202 now and at so many polls.
    Slow { polls: u32 },
    /// The statement takes so long by the double's clock: 202 when that is over the limit for answers at once, 408 when
    /// it is over the statement's timeout.
    Takes(Duration),
    /// 422 with this.
    Sql(SqlFailure),
    /// The first partition's row count is one more than it has rows.
    WrongRowCount,
    /// 401: the token is said to have expired.
    TokenExpired,
    /// 429 on GET.
    ThrottleGet,
    /// 429 on GET with the body of a statement that is not finished.
    ThrottleGetRunning,
    /// 503 on GET.
    UnavailableGet,
    /// The connection ends without an answer to a GET.
    CutGet,
    /// 404 on GET: the handle has expired.
    ExpireHandle,
}

impl Fault {
    fn is_for_get(&self) -> bool {
        matches!(
            self,
            Self::ThrottleGet | Self::ThrottleGetRunning | Self::UnavailableGet | Self::CutGet | Self::ExpireHandle
        )
    }
}

/// How often things go wrong by themselves: shares of requests, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultRates {
    pub throttle: f64,
    pub unavailable_before: f64,
    pub unavailable_after: f64,
    pub cut_after: f64,
    /// Statements that answer 202 first.
    pub slow: f64,
    pub timeout: f64,
    pub too_large: f64,
    pub throttle_get: f64,
    pub unavailable_get: f64,
    pub expire_handle: f64,
}

/// The faults to come.
#[derive(Debug)]
pub(crate) struct Faults {
    submits: VecDeque<Fault>,
    gets: VecDeque<Fault>,
    rates: FaultRates,
    random: StdRng,
    /// How many were handed out.
    pub(crate) struck: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            submits: VecDeque::new(),
            gets: VecDeque::new(),
            rates: FaultRates::default(),
            random: StdRng::seed_from_u64(0),
            struck: 0,
        }
    }
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        if fault.is_for_get() {
            self.gets.push_back(fault);
        } else {
            self.submits.push_back(fault);
        }
    }

    pub(crate) fn set_rates(&mut self, rates: FaultRates, seed: u64) {
        self.rates = rates;
        self.random = StdRng::seed_from_u64(seed);
    }

    pub(crate) fn next_submit(&mut self) -> Option<Fault> {
        let injected = self.submits.pop_front();
        let rates = self.rates;
        let fault = injected.or_else(|| {
            self.draw(&[
                (rates.throttle, Fault::Throttle),
                (rates.unavailable_before, Fault::UnavailableBefore),
                (rates.unavailable_after, Fault::UnavailableAfter),
                (rates.cut_after, Fault::CutAfter),
                (rates.slow, Fault::Slow { polls: 2 }),
                (rates.timeout, Fault::Timeout),
                (rates.too_large, Fault::TooLarge),
            ])
        });
        self.struck += u64::from(fault.is_some());
        fault
    }

    pub(crate) fn next_get(&mut self) -> Option<Fault> {
        let injected = self.gets.pop_front();
        let rates = self.rates;
        let fault = injected.or_else(|| {
            self.draw(&[
                (rates.throttle_get, Fault::ThrottleGet),
                (rates.unavailable_get, Fault::UnavailableGet),
                (rates.expire_handle, Fault::ExpireHandle),
            ])
        });
        self.struck += u64::from(fault.is_some());
        fault
    }

    fn draw(&mut self, shares: &[(f64, Fault)]) -> Option<Fault> {
        if shares.iter().all(|(share, _)| *share <= 0.0) {
            return None;
        }
        let mut at: f64 = self.random.random();
        for (share, fault) in shares {
            if at < *share {
                return Some(fault.clone());
            }
            at -= share;
        }
        None
    }
}
