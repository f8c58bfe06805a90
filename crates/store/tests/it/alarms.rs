//! Alarms stand once, tell once, and end.

use uncia_model::{Alarm, AlarmKind, Alert, AlertId, AlertKind, AlertStatus, NewDelivery};

use crate::shape::{alert, store};

fn system(id: &str, created_micros: i64) -> Alert {
    Alert { kind: AlertKind::SystemError, ..alert(id, created_micros) }
}

#[tokio::test]
async fn an_alarm_is_told_once_and_ends() {
    let (_folder, store) = store().await;
    let kind = AlarmKind::SourceNoData;
    let alarm = |description: &str| Alarm {
        kind,
        subject: "okta".to_owned(),
        title: "silent".to_owned(),
        description: description.to_owned(),
    };
    let delivery = |id: &str| [NewDelivery { alert: AlertId::from(id), destination: "soc".into() }];
    let status = async |id: &str| store.alert(&id.into()).await.unwrap().map(|alert| (alert.status, alert.description));
    let deliveries = async || store.deliveries_of(&"1".into()).await.unwrap().len();

    assert_eq!(store.clear_alarm(kind, "okta", 5).await.unwrap(), None);
    assert!(store.raise_alarm(&alarm("a"), &system("1", 10), &delivery("1"), i64::MIN).await.unwrap());
    // It stands: only its words change.
    assert!(!store.raise_alarm(&alarm("b"), &system("2", 20), &delivery("2"), i64::MIN).await.unwrap());
    assert_eq!(status("1").await, Some((AlertStatus::Open, "b".to_owned())));
    assert_eq!((status("2").await, deliveries().await), (None, 1));
    // Another subject's, and another kind's, is another.
    let other = Alarm { subject: "github".to_owned(), ..alarm("a") };
    assert!(store.raise_alarm(&other, &system("3", 20), &[], i64::MIN).await.unwrap());
    let standing = store.alarms().await.unwrap();
    let standing: Vec<_> = standing.iter().map(|alarm| (alarm.subject.as_str(), alarm.alert.as_str())).collect();
    assert_eq!(standing, [("okta", "1"), ("github", "3")]);

    // One that is to be told again after a while is: it began at 10.
    assert!(!store.raise_alarm(&alarm("b"), &system("4", 30), &[], 10).await.unwrap());
    assert!(store.raise_alarm(&alarm("b"), &system("4", 30), &[], 11).await.unwrap());
    assert_eq!(store.clear_alarm(kind, "okta", 40).await.unwrap(), Some("4".into()));
    assert_eq!(status("4").await.unwrap().0, AlertStatus::Resolved);
    assert_eq!(store.clear_alarm(kind, "okta", 41).await.unwrap(), None);

    // What a person has closed stays closed, and the alarm's end frees the way for the next.
    store.set_alert_status(&["3".into()], AlertStatus::Closed, 50).await.unwrap();
    assert!(!store.raise_alarm(&other, &system("5", 60), &[], i64::MIN).await.unwrap());
    assert_eq!(store.clear_alarm(kind, "github", 70).await.unwrap(), Some("3".into()));
    assert_eq!(status("3").await.unwrap().0, AlertStatus::Closed);
    assert!(store.raise_alarm(&other, &system("5", 80), &[], i64::MIN).await.unwrap());
}
