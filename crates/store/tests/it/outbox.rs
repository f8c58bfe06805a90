//! Deliveries: due at once, tried again later, in turns.

use uncia_model::{AlertId, NewDelivery};
use uncia_store::{BatchCommit, CommitOutcome, DeliveryState, Store};

use crate::shape::{alert, batch, store};

async fn with(deliveries: &[(&str, &str)]) -> (tempfile::TempDir, Store) {
    let (dir, store) = store().await;
    let commit = BatchCommit {
        alerts: deliveries.iter().map(|(id, _)| alert(id, 1)).collect(),
        deliveries: deliveries
            .iter()
            .map(|(id, destination)| NewDelivery { alert: AlertId::new(id), destination: (*destination).into() })
            .collect(),
        ..batch("one", 1_000)
    };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    (dir, store)
}

#[tokio::test]
async fn a_delivery_is_tried_until_it_succeeds() {
    let (_dir, store) = with(&[("a", "hook"), ("a", "hook"), ("a", "mail")]).await;
    // Due at once, also under a clock that is far behind.
    let due = store.due_deliveries(0, 10).await.unwrap();
    assert_eq!(due.iter().map(|delivery| delivery.destination.as_str()).collect::<Vec<_>>(), ["hook", "mail"]);
    let (hook, mail) = (due[0].id, due[1].id);

    store.delivery_failed(hook, 10, 500, "503", false).await.unwrap();
    assert_eq!(store.due_deliveries(499, 10).await.unwrap().len(), 1);
    store.delivery_failed(mail, 10, 600, "no such address", true).await.unwrap();
    assert_eq!(store.due_deliveries(499, 10).await.unwrap(), []);
    assert_eq!(store.next_due_micros().await.unwrap(), Some(500));
    let again = store.due_deliveries(500, 10).await.unwrap();
    assert_eq!((again[0].id, again[0].attempts, again[0].last_error.as_deref()), (hook, 1, Some("503")));
    store.delivery_succeeded(hook, 700).await.unwrap();
    // A late word about a finished delivery changes nothing.
    store.delivery_failed(hook, 800, 900, "late", false).await.unwrap();
    assert_eq!(store.next_due_micros().await.unwrap(), None);

    let ended: Vec<_> = store
        .deliveries_of(&"a".into())
        .await
        .unwrap()
        .into_iter()
        .map(|delivery| (delivery.state, delivery.attempts, delivery.last_attempt_micros, delivery.last_error))
        .collect();
    assert_eq!(
        ended,
        [
            (DeliveryState::Delivered, 2, Some(700), None),
            (DeliveryState::GaveUp, 1, Some(10), Some("no such address".to_owned()))
        ]
    );
    assert_eq!(store.deliveries(Some(DeliveryState::GaveUp), 10).await.unwrap().len(), 1);
    assert_eq!(store.deliveries(None, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn destinations_take_turns() {
    let names: Vec<String> = (0..50).map(|number| format!("a{number}")).collect();
    let mut deliveries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "slow")).collect();
    deliveries.push(("a0", "quick"));
    let (_dir, store) = with(&deliveries).await;
    let due = store.due_deliveries(1, 3).await.unwrap();
    let destinations: Vec<&str> = due.iter().map(|delivery| delivery.destination.as_str()).collect();
    assert_eq!(destinations, ["slow", "quick", "slow"]);
}

#[tokio::test]
async fn a_later_batch_makes_no_second_delivery() {
    let (_dir, store) = with(&[("a", "hook")]).await;
    let again = NewDelivery { alert: "a".into(), destination: "hook".into() };
    let commit = BatchCommit { deliveries: vec![again], ..batch("two", 2_000) };
    assert_eq!(store.commit(&commit).await.unwrap(), CommitOutcome::Committed);
    assert_eq!(store.deliveries(None, 10).await.unwrap().len(), 1);
}
