//! A rotation from its first key to its last, with everything that can come between.

use std::time::Duration;

use uncia_model::ManualClock;

use super::*;
use crate::auth::KeySize;
use crate::vault::memory::MemoryVault;

const HOUR: Duration = Duration::from_secs(3_600);

struct Place {
    vault: MemoryVault,
    clock: ManualClock,
}

impl Place {
    fn new() -> Self {
        Self { vault: MemoryVault::default(), clock: ManualClock::at(Timestamp::from_micros(0)) }
    }

    fn keys(&self) -> Keys<'_> {
        Keys::of("prod", &self.vault, &self.clock)
    }

    fn actions(&self) -> Vec<(&'static str, String)> {
        let notes = self.vault.notes.lock().unwrap();
        notes.iter().map(|(_, note)| (note.action, note.detail.clone())).collect()
    }
}

fn key() -> RsaKey {
    RsaKey::generate(KeySize::Bits2048).unwrap()
}

async fn passes(_: RsaKey) -> Result<(), crate::Error> {
    Ok(())
}

fn slots(state: &KeyState) -> Vec<(&'static str, &KeyPlace)> {
    match state {
        KeyState::NoKey => Vec::new(),
        KeyState::Active { active } => vec![("active", &active.place)],
        KeyState::Pending { active, staged } => vec![("active", &active.place), ("staged", &staged.place)],
        KeyState::Swapped { active, former } => vec![("active", &active.place), ("former", &former.place)],
    }
}

#[tokio::test]
async fn a_rotation_uses_the_slots_in_turn_and_never_stops_the_pull() {
    let place = Place::new();
    let (first, second, third) = (key(), key(), key());
    let keys = place.keys();
    assert_eq!(keys.state().await.unwrap(), KeyState::NoKey);
    assert!(matches!(keys.active().await, Err(RotationError::NoKey { .. })));
    keys.make(&first, KeyPlace::Slot(1), "ana").await.unwrap();

    let pending = keys.stage(&second, None, "ana").await.unwrap();
    assert_eq!(slots(&pending), [("active", &KeyPlace::Slot(1)), ("staged", &KeyPlace::Slot(2))]);
    assert_eq!(keys.active().await.unwrap().fingerprint(), first.fingerprint());

    // It is tried alone; as long as it does not sign in, nothing changes.
    let refused = keys.save("ana", async |_| Err(crate::Error::Throttled { attempts: 1 })).await.unwrap_err();
    assert!(refused.to_string().starts_with("the staged key does not sign in, so the active one stays"), "{refused}");
    assert_eq!(keys.state().await.unwrap(), pending);
    let swapped = keys
        .save("bea", async |tried: RsaKey| {
            assert_eq!(tried.fingerprint(), second.fingerprint());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(slots(&swapped), [("active", &KeyPlace::Slot(2)), ("former", &KeyPlace::Slot(1))]);
    assert_eq!(keys.active().await.unwrap().fingerprint(), second.fingerprint());

    // Tokens of the first key may still be in use.
    place.clock.advance(HOUR / 2);
    let soon = keys.clean_up("bea").await.unwrap_err().to_string();
    assert_eq!(
        soon,
        "tokens signed with the former key may be in use until 1970-01-01 01:00:00.000000000 UTC: try again then"
    );
    assert!(matches!(keys.stage(&third, None, "bea").await, Err(RotationError::TooSoon { .. })));
    place.clock.advance(HOUR / 2);
    let removed = keys.clean_up("bea").await.unwrap();
    assert_eq!(unset_key_sql("U", &removed.place).unwrap(), "ALTER USER U UNSET RSA_PUBLIC_KEY;");

    let pending = keys.stage(&third, None, "bea").await.unwrap();
    assert_eq!(slots(&pending), [("active", &KeyPlace::Slot(2)), ("staged", &KeyPlace::Slot(1))]);
    keys.cancel("bea").await.unwrap();
    assert!(matches!(keys.cancel("bea").await, Err(RotationError::NotStaged { .. })));
    let print = |key: &RsaKey| key.fingerprint().to_owned();
    assert_eq!(
        place.actions(),
        [
            ("key made", print(&first)),
            ("key staged", print(&second)),
            ("key swapped", print(&second)),
            ("former key forgotten", print(&first)),
            ("key staged", print(&third)),
            ("staged key given up", print(&third)),
        ]
    );
}

#[tokio::test]
async fn one_can_go_back_for_a_day() {
    let place = Place::new();
    let (first, second) = (key(), key());
    let keys = place.keys();
    keys.make(&first, KeyPlace::Slot(1), "ana").await.unwrap();
    keys.stage(&second, None, "ana").await.unwrap();
    keys.save("ana", passes).await.unwrap();
    place.clock.advance(HOUR * 23);
    let back = keys.roll_back("ana").await.unwrap();
    assert_eq!(slots(&back), [("active", &KeyPlace::Slot(1)), ("former", &KeyPlace::Slot(2))]);
    assert_eq!(keys.active().await.unwrap().fingerprint(), first.fingerprint());
    place.clock.advance(HOUR * 24);
    assert_eq!(slots(&keys.state().await.unwrap()), [("active", &KeyPlace::Slot(1))]);
    assert!(matches!(keys.roll_back("ana").await, Err(RotationError::NoFormer { .. })));
}

#[tokio::test]
async fn steps_out_of_turn_are_refused() {
    let place = Place::new();
    let keys = place.keys();
    assert!(matches!(keys.stage(&key(), None, "ana").await, Err(RotationError::NoKey { .. })));
    assert!(matches!(keys.save("ana", passes).await, Err(RotationError::NotStaged { .. })));
    let first = key();
    keys.make(&first, KeyPlace::Slot(1), "ana").await.unwrap();
    assert!(matches!(keys.make(&first, KeyPlace::Slot(1), "ana").await, Err(RotationError::HasKey { .. })));
    assert!(matches!(keys.stage(&first, None, "ana").await, Err(RotationError::SameKey)));
    keys.stage(&key(), None, "ana").await.unwrap();
    assert!(matches!(keys.stage(&key(), None, "ana").await, Err(RotationError::Staged { .. })));
    keys.forget("ana").await.unwrap();
    assert_eq!(keys.state().await.unwrap(), KeyState::NoKey);
}

#[tokio::test]
async fn two_people_at_once_do_not_lose_a_key() {
    let place = Place::new();
    let keys = place.keys();
    keys.make(&key(), KeyPlace::Slot(1), "ana").await.unwrap();
    keys.stage(&key(), None, "ana").await.unwrap();
    let other = key();
    // While the staged key is being tried, somebody gives it up and stages another.
    let changed = keys
        .save("ana", async |_| {
            keys.cancel("bea").await.unwrap();
            keys.stage(&other, None, "bea").await.unwrap();
            Ok(())
        })
        .await;
    assert!(matches!(changed, Err(RotationError::Changed { .. })));
    let KeyState::Pending { staged, .. } = keys.state().await.unwrap() else { panic!("a staged key") };
    assert_eq!(staged.fingerprint, other.fingerprint());
}

#[test]
fn the_statements() {
    let part = |place| PublicPart {
        fingerprint: "SHA256:x".to_owned(),
        public_key: "MIIB".to_owned(),
        place,
        since: Timestamp::from_micros(0),
        by: "ana".to_owned(),
    };
    assert_eq!(set_key_sql("u", &part(KeyPlace::Slot(2)), false), "ALTER USER \"u\" SET RSA_PUBLIC_KEY_2 = 'MIIB';");
    let named = part(KeyPlace::Named("UNCIA".to_owned()));
    assert_eq!(set_key_sql("U", &named, false), "ALTER USER U ADD KEY PAIR UNCIA PUBLIC_KEY = 'MIIB';");
    assert_eq!(set_key_sql("U", &named, true), "ALTER USER U ROTATE KEY PAIR UNCIA PUBLIC_KEY = 'MIIB';");
    assert_eq!(unset_key_sql("U", &named.place), None);
}
