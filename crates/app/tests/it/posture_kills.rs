//! Posture over a real lake: whatever dies between snapshots and judgements, each violation is told of once.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use uncia_detection::{Control, ControlSet};
use uncia_document::Timestamp;
use uncia_pipeline::posture;
use uncia_store::AlertFilter;

use crate::snapshots::{ALL, Ground, HOUR, START, State, Step, die_after, step};

const CONTROL: &str = "ControlID: Test.Mfa
DisplayName: People have a second factor
Severity: High
Why: Passwords are stolen.
Tables: [lookups.snowflake_users]
Query: SELECT p_source_id, name, created_on FROM lookups.snowflake_users WHERE has_mfa = false
Columns: [p_source_id, name, created_on]
Resource: [name]
Fix: Ask them to enrol.
";

fn controls() -> Arc<[Control]> {
    let set = ControlSet::load([("mfa.yml".to_owned(), CONTROL.to_owned())]);
    assert!(set.problems.is_empty(), "{:?}", set.problems);
    set.controls.into()
}

/// One snapshot and its judgement.
async fn take_and_judge(ground: Arc<Ground>, state: State, hour: i64) {
    ground.clock.set(Timestamp::from_micros(START + hour * HOUR));
    ground.take(ground.rows(&state, ALL), START + hour * HOUR).await.unwrap();
    posture::judge(&ground.walk, &ground.source, "Acme").await.unwrap();
}

fn without(state: &State) -> BTreeSet<String> {
    state.iter().filter(|(_, mfa)| !**mfa).map(|(user, _)| format!("[\"U{user}\"]")).collect()
}

/// Every violation that ever was is counted in one alert.
async fn check(ground: &Ground) {
    let violations = ground.store.violations(false).await.unwrap();
    let alerts = ground.store.alerts(&AlertFilter { hidden_too: true, ..AlertFilter::default() }).await.unwrap();
    let told: u64 = alerts.iter().map(|alert| alert.event_count).sum();
    assert_eq!(told, violations.len() as u64, "{alerts:#?} {violations:#?}");
    for alert in alerts {
        let of = violations.iter().filter(|violation| violation.alert.as_ref() == Some(&alert.id));
        let (open, all) = of.fold((0, 0), |(open, all), one| (open + u64::from(one.ended_micros.is_none()), all + 1));
        assert_eq!(alert.event_count, all, "{alert:#?}");
        assert_eq!(alert.status.as_str(), if open > 0 { "OPEN" } else { "RESOLVED" }, "{alert:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn every_violation_is_told_once(steps in prop::collection::vec(step(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let ground = Arc::new(Ground::judging(controls()).await);
            let last = Step { dies: None, ..steps.last().unwrap().clone() };
            for (n, Step { state, dies }) in (0..).zip(steps.iter().cloned().chain([last])) {
                let taking = tokio::spawn(take_and_judge(ground.clone(), state.clone(), n));
                match dies {
                    Some(turns) => die_after(turns, taking, &ground).await,
                    None => {
                        taking.await.unwrap();
                        let open = ground.store.violations(true).await.unwrap();
                        let open: BTreeSet<String> = open.into_iter().map(|violation| violation.resource).collect();
                        assert_eq!(open, without(&state));
                        let spans = ground.store.findings().await.unwrap();
                        assert_eq!(spans[0].status, if open.is_empty() { "PASS" } else { "FAIL" });
                    }
                }
                check(&ground).await;
            }
        });
    }
}

/// A judgement that a crash cut off is made up for, although no new snapshot is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_was_never_judged_is_judged() {
    let ground = Ground::judging(controls()).await;
    ground.take(ground.rows(&State::from([(1, false)]), ALL), START).await.unwrap();
    let first = posture::judge(&ground.walk, &ground.source, "Acme").await.unwrap().unwrap();
    assert_eq!((first.failed, first.begun, first.summary.alert_count()), (1, 1, 1));
    assert_eq!(posture::judge(&ground.walk, &ground.source, "Acme").await.unwrap(), None, "nothing is new");
    let other = posture::judge(&ground.walk, &"other".into(), "Other").await.unwrap();
    assert_eq!(other, None, "an account without state has no posture");
}
