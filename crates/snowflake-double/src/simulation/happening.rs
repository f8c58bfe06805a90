//! The happenings themselves, made a day at a time, so that a busy year of them takes no more memory than a busy month.
//!
//! What a row says follows from its number and the seed when it is looked at; made before are only the times. Latencies are those
//! documented for the views; lengths of statements are log-normal with a tail of hours, as real ones are.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Simulation;
use crate::core::lock;

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
const QUARTER: i64 = 15 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Days that are kept: more than a sweep after an outage looks at. A busy one (30,000 statements) takes 4 MB.
const DAYS_KEPT: usize = 32;
/// No row changes again.
const NEVER: i64 = i64::MAX;
/// How long corrected rows of transfers go on growing.
const GROWTH: i64 = 5 * HOUR;

/// One thing that happened, as one view tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happening {
    pub(crate) id: u32,
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// When its row can be seen first.
    pub(crate) visible: i64,
    /// When its row changes first, or never.
    pub(crate) revised: i64,
    /// How often it changes, each time a while after the last.
    pub(crate) revisions: u8,
    pub(crate) running: bool,
}

impl Happening {
    /// Which version can be seen, if any.
    pub(crate) fn version(&self, now: i64) -> Option<u8> {
        if self.visible > now {
            return None;
        }
        let versions = (0..self.revisions).filter(|nth| self.revised_at(*nth) <= now);
        Some(versions.count() as u8)
    }

    pub(crate) fn revised_at(&self, nth: u8) -> i64 {
        self.revised.saturating_add(i64::from(nth) * GROWTH)
    }

    /// Before it has ended and its row is final, a long statement shows as running.
    pub(crate) fn shows_running(&self, now: i64) -> bool {
        self.running && self.start + 10 * MINUTE <= now && now < self.visible
    }
}

/// What began on one day, as all five views tell of it.
#[derive(Debug, Default)]
pub(crate) struct Day {
    /// By end.
    pub(crate) statements: Vec<Happening>,
    /// Places of those that show as running.
    pub(crate) running: Vec<u32>,
    /// By start.
    pub(crate) accesses: Vec<Happening>,
    pub(crate) logins: Vec<Happening>,
    pub(crate) sessions: Vec<Happening>,
    pub(crate) transfers: Vec<Happening>,
}

/// A past, made day by day when somebody looks; the days looked at last are kept.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) plan: Simulation,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    days: HashMap<u32, Arc<Day>>,
    order: VecDeque<u32>,
}

impl Happened {
    pub(crate) fn new(plan: &Simulation) -> Self {
        Self { plan: *plan, kept: Mutex::default() }
    }

    /// What began on a day, counted from 0.
    pub(crate) fn day(&self, number: u32) -> Arc<Day> {
        let mut kept = lock(&self.kept);
        if let Some(day) = kept.days.get(&number) {
            return Arc::clone(day);
        }
        let day = Arc::new(Day::new(&self.plan, number));
        if kept.order.len() >= DAYS_KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.days.remove(&oldest);
        }
        kept.order.push_back(number);
        kept.days.insert(number, Arc::clone(&day));
        day
    }

    /// The days that an instant range touches, with those before them that reach into it.
    pub(crate) fn days(&self, from: i64, to: i64, reach: i64) -> Range<u32> {
        let number = |micros: i64| micros.saturating_sub(self.plan.start).div_euclid(DAY);
        let within = |number: i64| number.clamp(0, i64::from(self.plan.days)) as u32;
        within(number(from).saturating_sub(reach))..within(number(to).saturating_add(1))
    }
}

impl Day {
    fn new(plan: &Simulation, number: u32) -> Self {
        // A day follows from the seed and its number alone.
        let seed = plan.seed ^ (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = StdRng::seed_from_u64(seed);
        let begins = plan.start + i64::from(number) * DAY;
        let until = |day: u32| (u64::from(plan.statements_per_week) * u64::from(day) / 7) as u32;
        let (first, next) = (until(number), until(number + 1));
        let mut statements: Vec<Happening> = (first..next)
            .zip(times(&mut random, plan, begins, next - first))
            .map(|(id, start)| statement(&mut random, plan, id, start))
            .collect();
        let mut accesses = Vec::with_capacity(statements.len());
        for happening in &statements {
            // Some statements touch no object.
            if happening.id % 10 == 0 {
                continue;
            }
            let visible = happening.end + late(&mut random, plan, 3 * HOUR);
            accesses.push(Happening { visible, revised: NEVER, revisions: 0, running: false, ..*happening });
        }
        statements.sort_by_key(|happening| happening.end);
        accesses.sort_by_key(|happening| happening.start);
        let running =
            statements.iter().enumerate().filter(|(_, at)| at.running).map(|(place, _)| place as u32).collect();
        let logins = instants(&mut random, plan, begins, first / 20..next / 20, 2 * HOUR);
        let mut sessions = instants(&mut random, plan, begins, first / 25..next / 25, 3 * HOUR);
        for session in &mut sessions {
            let length = (log_normal(&mut random, 30.0 * 60.0, 1.2) * SECOND as f64) as i64;
            session.end = session.start + length.min(12 * HOUR);
            session.revised = session.end.max(session.visible) + random.random_range(0..3 * HOUR);
            session.revisions = 1;
        }
        let mut transfers = Vec::new();
        for nth in 0..24 * 4 {
            // Of four targets, each hour sees some.
            if random.random_bool(0.5) {
                continue;
            }
            let id = number * 24 * 4 + nth;
            let start = begins + i64::from(nth / 4) * HOUR;
            let end = start + HOUR;
            let visible = end + late(&mut random, plan, 2 * HOUR);
            let revisions = if random.random_bool(0.2) { random.random_range(1..=3) } else { 0 };
            let revised = if revisions > 0 { visible + random.random_range(HOUR..6 * HOUR) } else { NEVER };
            transfers.push(Happening { id, start, end, visible, revised, revisions, running: false });
        }
        Self { statements, running, accesses, logins, sessions, transfers }
    }
}

fn statement(random: &mut StdRng, plan: &Simulation, id: u32, start: i64) -> Happening {
    let long = random.random_bool(plan.long_share);
    let length = if long {
        random.random_range(HOUR..40 * HOUR)
    } else {
        ((log_normal(random, 2.0, 2.0) * SECOND as f64) as i64).min(HOUR)
    };
    let mut end = start + length;
    if random.random_bool(plan.same_time_share) {
        // What is scheduled together often ends together.
        end += QUARTER - end.rem_euclid(QUARTER);
    }
    let visible = end + late(random, plan, 45 * MINUTE);
    let revised = random.random_bool(plan.revised_share);
    let (revised, revisions) = if revised { (visible + random.random_range(MINUTE..8 * HOUR), 1) } else { (NEVER, 0) };
    Happening { id, start, end, visible, revised, revisions, running: long }
}

/// Happenings without length, with these numbers.
fn instants(random: &mut StdRng, plan: &Simulation, begins: i64, ids: Range<u32>, latency: i64) -> Vec<Happening> {
    let starts: Vec<i64> = times(random, plan, begins, ids.end - ids.start);
    let happenings = ids.zip(starts).map(|(id, start)| Happening {
        id,
        start,
        end: start,
        visible: start + late(random, plan, latency),
        revised: NEVER,
        revisions: 0,
        running: false,
    });
    happenings.collect()
}

/// Start times over the day, in order, some of them equal.
fn times(random: &mut StdRng, plan: &Simulation, begins: i64, count: u32) -> Vec<i64> {
    let mut starts: Vec<i64> = (0..count).map(|_| begins + random.random_range(0..DAY)).collect();
    starts.sort_unstable();
    for start in &mut starts {
        // Views keep milliseconds.
        *start -= start.rem_euclid(1_000);
    }
    for place in 1..starts.len() {
        if random.random_bool(plan.same_time_share) {
            starts[place] = starts[place - 1];
        }
    }
    starts
}

/// How long after its end a row comes: within the latency, and seldom up to ten hours.
fn late(random: &mut StdRng, plan: &Simulation, latency: i64) -> i64 {
    if random.random_bool(plan.late_share) {
        random.random_range(latency..10 * HOUR)
    } else {
        random.random_range(0..latency)
    }
}

fn log_normal(random: &mut StdRng, median: f64, sigma: f64) -> f64 {
    let (one, other): (f64, f64) = (random.random_range(f64::EPSILON..1.0), random.random());
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
    median * (sigma * normal).exp()
}
