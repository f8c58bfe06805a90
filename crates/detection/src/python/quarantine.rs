//! Detections that keep ending or stopping their workers are put aside, so that the others get on.
//!
//! What is counted is kept in a [`Ward`] that engines which follow one another share: a detection that reloaded content
//! has not changed stays where it is. It is let back when its Python, or that of a global, changes, when its time is
//! over, or when somebody asks for it.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uncia_model::DetectionId;

use super::program::Program;

/// What is known of detections that ended or stopped their workers.
#[derive(Clone, Debug, Default)]
pub struct Ward(Arc<Mutex<HashMap<Version, Patient>>>);

/// A detection and a hash of what it is made of: a changed one is another one.
type Version = (DetectionId, u64);

#[derive(Debug, Default)]
struct Patient {
    recent: Vec<Instant>,
    put_aside: Option<Instant>,
    /// Whether it was said of this spell.
    told: bool,
}

impl Ward {
    /// Lets all detections back, with nothing held against them.
    pub fn release(&self) {
        self.beds().clear();
    }

    fn beds(&self) -> MutexGuard<'_, HashMap<Version, Patient>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many deaths are too many, and for how long a detection is put aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) deaths: usize,
    pub(crate) window: Duration,
    pub(crate) time: Duration,
}

/// The ward as one engine sees it: by places in its program.
pub(crate) struct Quarantine {
    terms: Terms,
    ward: Ward,
    versions: Vec<Version>,
}

impl Quarantine {
    pub(crate) fn new(terms: Terms, ward: Ward, program: &Program) -> Self {
        let mut globals = DefaultHasher::new();
        program.globals.iter().for_each(|global| (&global.name, &global.source).hash(&mut globals));
        let globals = globals.finish();
        let version = |detection: &super::program::ProgramDetection| {
            let mut hasher = DefaultHasher::new();
            (globals, &detection.module.source).hash(&mut hasher);
            (detection.id.clone(), hasher.finish())
        };
        let versions = program.detections.iter().map(version).collect();
        Self { terms: Terms { deaths: terms.deaths.max(1), ..terms }, ward, versions }
    }

    pub(crate) fn terms(&self) -> Terms {
        self.terms
    }

    /// Notes a death at a time; true when it was the one too many.
    pub(crate) fn note(&self, detection: u32, now: Instant) -> bool {
        let Some(version) = self.versions.get(detection as usize) else { return false };
        let mut beds = self.ward.beds();
        let patient = beds.entry(version.clone()).or_default();
        patient.recent.retain(|&then| now.duration_since(then) < self.terms.window);
        patient.recent.push(now);
        if patient.put_aside.is_some() || patient.recent.len() < self.terms.deaths {
            return false;
        }
        (patient.put_aside, patient.told) = (Some(now), false);
        true
    }

    /// Whether it is put aside and nobody has been told of this spell; then it is told now.
    pub(crate) fn tell(&self, detection: u32) -> bool {
        let Some(version) = self.versions.get(detection as usize) else { return false };
        let mut beds = self.ward.beds();
        let Some(patient) = beds.get_mut(version).filter(|patient| patient.put_aside.is_some()) else { return false };
        !std::mem::replace(&mut patient.told, true)
    }

    /// The detections that shall not run now, ascending.
    pub(crate) fn closed(&self, now: Instant) -> Vec<u32> {
        let mut beds = self.ward.beds();
        if beds.is_empty() {
            return Vec::new();
        }
        let is_over =
            |patient: &Patient| patient.put_aside.is_some_and(|since| now.duration_since(since) >= self.terms.time);
        beds.retain(|_, patient| !is_over(patient));
        let is_closed = |version| beds.get(version).is_some_and(|patient| patient.put_aside.is_some());
        (0..).zip(&self.versions).filter(|(_, version)| is_closed(version)).map(|(index, _)| index).collect()
    }

    pub(crate) fn is_closed(&self, detection: u32, now: Instant) -> bool {
        self.closed(now).binary_search(&detection).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProgramDetection;

    const TERMS: Terms = Terms { deaths: 3, window: Duration::from_secs(600), time: Duration::from_secs(3_600) };

    fn program(sources: [&str; 2]) -> Program {
        let detections = (0..).zip(sources).map(|(n, source)| ProgramDetection::rule(&format!("r{n}"), "T", source));
        Program { detections: detections.collect(), ..Program::default() }
    }

    #[test]
    fn only_deaths_close_in_time_count() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let quarantine = Quarantine::new(TERMS, Ward::default(), &program(["a", "b"]));
        assert!(!quarantine.note(0, at(0)));
        assert!(!quarantine.note(0, at(300)));
        assert!(!quarantine.note(1, at(301)));
        assert!(!quarantine.note(0, at(700)), "the first is too old");
        assert_eq!(quarantine.closed(at(700)), [0; 0]);
        assert!(quarantine.note(0, at(701)));
        assert_eq!(quarantine.closed(at(701)), [0]);
        assert!(!quarantine.note(0, at(702)), "said once");
        assert_eq!([quarantine.tell(0), quarantine.tell(0), quarantine.tell(1)], [true, false, false]);
        assert_eq!(quarantine.closed(at(701 + 3_599)), [0]);
        assert_eq!(quarantine.closed(at(701 + 3_600)), [0; 0], "its time is over");
        assert!(!quarantine.note(0, at(5_000)), "nothing is held against it");
        assert!(!quarantine.note(0, at(5_001)) && quarantine.note(0, at(5_002)));
        assert!(quarantine.tell(0), "another spell");
    }

    #[test]
    fn what_has_not_changed_stays_put_aside() {
        let (now, ward) = (Instant::now(), Ward::default());
        let first = Quarantine::new(TERMS, ward.clone(), &program(["a", "b"]));
        for index in [0, 1] {
            assert_eq!((0..3).map(|_| first.note(index, now)).collect::<Vec<_>>(), [false, false, true]);
        }
        let second = Quarantine::new(TERMS, ward.clone(), &program(["a", "mended"]));
        assert_eq!(second.closed(now), [0]);
        assert_eq!(first.closed(now), [0, 1], "the old one goes on as it was");
        ward.release();
        assert_eq!((first.closed(now), second.closed(now)), (vec![], vec![]));
    }
}
