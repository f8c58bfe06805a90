//! The happenings themselves, small enough that a busy year of them fits into memory.
//!
//! What a row says follows from its number and the seed when it is looked at; kept are only the times. Latencies are those
//! documented for the views; lengths of statements are log-normal with a tail of hours, as real ones are.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Simulation;

pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
const QUARTER: i64 = 15 * MINUTE;
const DAY: i64 = 24 * HOUR;
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

/// The pasts of all five views.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) seed: u64,
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

impl Happened {
    pub(crate) fn new(plan: &Simulation) -> Self {
        let mut random = StdRng::seed_from_u64(plan.seed);
        let span = i64::from(plan.days) * DAY;
        let count = (u64::from(plan.statements_per_week) * u64::from(plan.days) / 7) as u32;
        let mut statements: Vec<Happening> = times(&mut random, plan, count)
            .enumerate()
            .map(|(id, start)| statement(&mut random, plan, id as u32, start))
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
        let logins = instants(&mut random, plan, count / 20, 2 * HOUR);
        let mut sessions = instants(&mut random, plan, count / 25, 3 * HOUR);
        for session in &mut sessions {
            let length = (log_normal(&mut random, 30.0 * 60.0, 1.2) * SECOND as f64) as i64;
            session.end = session.start + length.min(12 * HOUR);
            session.revised = session.end.max(session.visible) + random.random_range(0..3 * HOUR);
            session.revisions = 1;
        }
        let mut transfers = Vec::new();
        for id in 0..(span / HOUR * 4) as u32 {
            // Of four targets, each hour sees some.
            if random.random_bool(0.5) {
                continue;
            }
            let start = plan.start + i64::from(id / 4) * HOUR;
            let end = start + HOUR;
            let visible = end + late(&mut random, plan, 2 * HOUR);
            let revisions = if random.random_bool(0.2) { random.random_range(1..=3) } else { 0 };
            let revised = if revisions > 0 { visible + random.random_range(HOUR..6 * HOUR) } else { NEVER };
            transfers.push(Happening { id, start, end, visible, revised, revisions, running: false });
        }
        Self { seed: plan.seed, statements, running, accesses, logins, sessions, transfers }
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

/// Happenings without length.
fn instants(random: &mut StdRng, plan: &Simulation, count: u32, latency: i64) -> Vec<Happening> {
    let starts: Vec<i64> = times(random, plan, count).collect();
    let happenings = starts.into_iter().enumerate().map(|(id, start)| Happening {
        id: id as u32,
        start,
        end: start,
        visible: start + late(random, plan, latency),
        revised: NEVER,
        revisions: 0,
        running: false,
    });
    happenings.collect()
}

/// Start times over the whole span, in order, some of them equal.
fn times(random: &mut StdRng, plan: &Simulation, count: u32) -> impl Iterator<Item = i64> + use<> {
    let span = i64::from(plan.days) * DAY;
    let mut starts: Vec<i64> = (0..count).map(|_| plan.start + random.random_range(0..span.max(1))).collect();
    starts.sort_unstable();
    for place in 1..starts.len() {
        // Views keep milliseconds.
        starts[place] -= starts[place] % 1_000;
        if random.random_bool(plan.same_time_share) {
            starts[place] = starts[place - 1];
        }
    }
    starts.into_iter()
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
