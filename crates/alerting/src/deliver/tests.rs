//! Delivering under a clock that stands still, to a server that fails on command.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use uncia_model::{AlertId, AlertKind, AlertStatus, ManualClock, Secret, Severity};

use super::*;
use crate::destinations::webhook::{Config, Header, Webhook};

/// An outbox in memory.
#[derive(Default)]
struct Rows(Mutex<BTreeMap<i64, Row>>);

#[derive(Clone)]
struct Row {
    due: Due,
    next_micros: Option<i64>,
    log: Vec<Attempt>,
}

impl Rows {
    fn add(&self, id: i64, destination: &str) {
        let alert = alert(&format!("{id:032x}"));
        let due = Due { id, alert, destination: destination.into(), attempts: 0, created_micros: 0 };
        self.0.lock().unwrap().insert(id, Row { due, next_micros: Some(0), log: Vec::new() });
    }

    fn row(&self, id: i64) -> Row {
        self.0.lock().unwrap()[&id].clone()
    }

    fn delivered(&self) -> usize {
        let rows = self.0.lock().unwrap();
        let told = |row: &&Row| matches!(row.log.last(), Some(Attempt { result: AttemptResult::Delivered { .. }, .. }));
        rows.values().filter(told).count()
    }
}

#[async_trait]
impl Outbox for Rows {
    async fn due(&self, destination: &DestinationId, now_micros: i64, limit: usize) -> Result<Vec<Due>, OutboxError> {
        let rows = self.0.lock().unwrap();
        let due =
            |row: &&Row| row.due.destination == *destination && row.next_micros.is_some_and(|next| next <= now_micros);
        let mut due: Vec<_> = rows.values().filter(due).collect();
        due.sort_by_key(|row| (row.next_micros, row.due.id));
        Ok(due.into_iter().take(limit).map(|row| row.due.clone()).collect())
    }

    async fn record(&self, id: i64, attempt: &Attempt) -> Result<(), OutboxError> {
        let mut rows = self.0.lock().unwrap();
        let row = rows.get_mut(&id).unwrap();
        row.due.attempts += 1;
        row.log.push(attempt.clone());
        row.next_micros = match &attempt.result {
            AttemptResult::Delivered { .. } => None,
            AttemptResult::Failed { next_micros, .. } => *next_micros,
        };
        Ok(())
    }
}

pub(super) fn alert(id: &str) -> Alert {
    Alert {
        id: AlertId::from(id),
        kind: AlertKind::Rule,
        detection: "AWS.Console.RootLogin".into(),
        title: "Root logged in to 123456789012".to_owned(),
        dedup: "123456789012".to_owned(),
        severity: Severity::High,
        status: AlertStatus::Open,
        description: "The root user was used.".to_owned(),
        reference: "https://docs.example/root".to_owned(),
        runbook: "Ask the account's owner.".to_owned(),
        context: Some(r#"{"sourceIPAddress": "203.0.113.7", "big": 12345678901234567890}"#.to_owned()),
        log_types: vec!["AWS.CloudTrail".into()],
        event_count: 2,
        threshold: 1,
        visible: true,
        created_micros: 1_700_000_000_000_000,
        updated_micros: 1_700_000_000_000_000,
    }
}

/// What the stub answers, by the number of the request, and what it heard.
struct Stub {
    answer: Box<dyn Fn(usize) -> (StatusCode, Option<&'static str>) + Send + Sync>,
    requests: AtomicUsize,
    heard: Mutex<Vec<(HeaderMap, String)>>,
}

async fn hear(
    State(stub): State<Arc<Stub>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, String); 1], &'static str) {
    stub.heard.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
    let (status, retry_after) = (stub.answer)(stub.requests.fetch_add(1, Ordering::SeqCst));
    (status, [("retry-after", retry_after.unwrap_or_default().to_owned())], "the stub's answer")
}

async fn stub(
    answer: impl Fn(usize) -> (StatusCode, Option<&'static str>) + Send + Sync + 'static,
) -> (Arc<Stub>, SocketAddr) {
    let stub = Arc::new(Stub { answer: Box::new(answer), requests: AtomicUsize::new(0), heard: Mutex::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/hook", post(hear)).with_state(stub.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (stub, address)
}

fn settings(address: SocketAddr) -> Config {
    Config {
        url: Secret::new(format!("http://{address}/hook")),
        headers: vec![Header { name: "X-Team".to_owned(), value: Secret::new("soc") }],
        signing_secret: Some(Secret::new("It's a Secret to Everybody")),
        allow_private: true,
    }
}

fn webhook(address: SocketAddr) -> Arc<dyn Destination> {
    Arc::new(Webhook::new(&settings(address), &|secret| Ok(secret.clone())).unwrap())
}

struct Bench {
    rows: Arc<Rows>,
    clock: Arc<ManualClock>,
    deliverer: Deliverer,
}

fn bench(destinations: Vec<(&str, Arc<dyn Destination>)>) -> Bench {
    let rows = Arc::new(Rows::default());
    let clock = Arc::new(ManualClock::default());
    let destinations = destinations.into_iter().map(|(id, to)| (DestinationId::from(id), to)).collect();
    let mut facts = RuleFacts::new("AWS.Console.RootLogin".into(), Severity::High);
    "Root login".clone_into(&mut facts.name);
    facts.tags = vec!["AWS".to_owned()];
    let facts = Arc::new(facts);
    let look_up: LookUpFacts = Arc::new(move |_| Some(facts.clone()));
    let console = Some("https://uncia.example/".to_owned());
    let deliverer = Deliverer::new(rows.clone(), destinations, clock.clone(), look_up, console);
    Bench { rows, clock, deliverer }
}

#[tokio::test]
async fn what_a_webhook_receives() {
    let (stub, address) = stub(|_| (StatusCode::NO_CONTENT, None)).await;
    let bench = bench(vec![("soc", webhook(address))]);
    bench.rows.add(1, "soc");
    let passed = bench.deliverer.pass(&"soc".into()).await.unwrap();
    assert_eq!(passed, Passed { delivered: 1, ..Passed::default() });

    let (headers, body) = stub.heard.lock().unwrap().pop().unwrap();
    let shown = ["content-type", "idempotency-key", "user-agent", "x-team", "x-uncia-signature-256"]
        .map(|name| format!("{name}: {}", headers[name].to_str().unwrap()));
    insta::assert_snapshot!(shown.join("\n"), @"
    content-type: application/json
    idempotency-key: 00000000000000000000000000000001
    user-agent: uncia/0.1.0
    x-team: soc
    x-uncia-signature-256: sha256=8f28ece514c3fd266202155b66339ecf69426ac8b26940f107193b923ce842f3
    ");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap(), @r#"
    {
      "id": "AWS.Console.RootLogin",
      "createdAt": "2023-11-14T22:13:20Z",
      "severity": "HIGH",
      "type": "RULE",
      "link": "https://uncia.example/alerts/00000000000000000000000000000001",
      "title": "New Alert: Root logged in to 123456789012",
      "name": "Root login",
      "alertId": "00000000000000000000000000000001",
      "alertContext": {
        "sourceIPAddress": "203.0.113.7",
        "big": 12345678901234567890
      },
      "description": "The root user was used.",
      "runbook": "Ask the account's owner.",
      "tags": [
        "AWS"
      ],
      "version": "",
      "dedupString": "123456789012",
      "eventCount": 2,
      "logTypes": [
        "AWS.CloudTrail"
      ],
      "reference": "https://docs.example/root",
      "reports": {},
      "schemaVersion": 1
    }
    "#);
}

#[tokio::test]
async fn retried_with_growing_waits_until_told() {
    let (stub, address) = stub(|request| match request {
        0 => (StatusCode::INTERNAL_SERVER_ERROR, None),
        1 => (StatusCode::REQUEST_TIMEOUT, None),
        2 => (StatusCode::TOO_MANY_REQUESTS, Some("600")),
        _ => (StatusCode::OK, None),
    })
    .await;
    let bench = bench(vec![("soc", webhook(address))]);
    bench.rows.add(1, "soc");
    let mut waits = Vec::new();
    while let Some(next) = bench.rows.row(1).next_micros {
        let before = bench.clock.now().micros;
        bench.clock.set(Timestamp::from_micros(next));
        waits.push((next - before) / 1_000_000);
        bench.deliverer.pass(&"soc".into()).await.unwrap();
        assert!(waits.len() < 10, "never told");
    }
    assert_eq!(stub.requests.load(Ordering::SeqCst), 4);
    assert!(waits[0] == 0 && (15..=30).contains(&waits[1]) && (30..=60).contains(&waits[2]), "{waits:?}");
    assert_eq!(waits[3], 600, "what the destination asked for");
    let log = bench.rows.row(1).log;
    let AttemptResult::Failed { error, .. } = &log[0].result else { panic!("{log:?}") };
    assert_eq!(error, "the destination answered 500 and may be asked again: the stub's answer");
    assert_eq!(log[3].result, AttemptResult::Delivered { answer: "200 the stub's answer".to_owned() });
}

#[tokio::test]
async fn a_no_is_believed_after_some_tries() {
    for status in [400, 401, 404, 410, 302] {
        let (stub, address) = stub(move |_| (StatusCode::from_u16(status).unwrap(), None)).await;
        let bench = bench(vec![("soc", webhook(address))]);
        bench.rows.add(1, "soc");
        while let Some(next) = bench.rows.row(1).next_micros {
            bench.clock.set(Timestamp::from_micros(next));
            bench.deliverer.pass(&"soc".into()).await.unwrap();
        }
        assert_eq!(stub.requests.load(Ordering::SeqCst), REJECTED_TRIES as usize, "{status}");
    }
}

/// A destination that is down for hours while alerts come in, beside one that works.
#[tokio::test]
async fn a_dead_destination_delays_nobody_and_loses_nothing() {
    struct Switched(Arc<ManualClock>, Arc<AtomicUsize>);
    #[async_trait]
    impl Destination for Switched {
        async fn deliver(&self, _: &Notification) -> Result<crate::destinations::Receipt, DeliveryError> {
            self.1.fetch_add(1, Ordering::SeqCst);
            if self.0.now().seconds() < 6 * 3600 {
                return Err(DeliveryError::Unreachable { reason: "connection refused".to_owned() });
            }
            Ok(crate::destinations::Receipt { status: 200, body: String::new() })
        }
    }
    let clock = Arc::new(ManualClock::default());
    let (tries, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let alive = Arc::new(ManualClock::at(Timestamp::from_seconds(10 * 3600, 0)));
    let Bench { rows, deliverer, .. } = bench(vec![]);
    let mut destinations = Destinations::new();
    destinations.insert("dead".into(), Arc::new(Switched(clock.clone(), tries.clone())));
    destinations.insert("alive".into(), Arc::new(Switched(alive, told.clone())));
    let deliverer = Deliverer::new(rows.clone(), destinations, clock.clone(), deliverer.facts.clone(), None);

    let mut written = 0;
    for minute in 0..6 * 60 {
        clock.set(Timestamp::from_seconds(minute * 60, 0));
        for _ in 0..3 {
            rows.add(written, "dead");
            rows.add(written + 1, "alive");
            written += 2;
        }
        deliverer.pass(&"dead".into()).await.unwrap();
        deliverer.pass(&"alive".into()).await.unwrap();
        assert_eq!(told.load(Ordering::SeqCst) as i64, written / 2, "in minute {minute}");
    }
    let while_dead = tries.load(Ordering::SeqCst);
    assert!(while_dead < 400, "{while_dead} tries at a dead destination");
    for minute in 360..375 {
        clock.set(Timestamp::from_seconds(minute * 60, 0));
        while deliverer.pass(&"dead".into()).await.unwrap().tried() > 0 {}
    }
    assert_eq!(rows.delivered() as i64, written);
}

#[tokio::test]
async fn three_days_are_the_limit() {
    struct Dead;
    #[async_trait]
    impl Destination for Dead {
        async fn deliver(&self, _: &Notification) -> Result<crate::destinations::Receipt, DeliveryError> {
            Err(DeliveryError::Unreachable { reason: "connection refused".to_owned() })
        }
    }
    let bench = bench(vec![("dead", Arc::new(Dead))]);
    bench.rows.add(1, "dead");
    let mut hours = 0;
    while bench.rows.row(1).next_micros.is_some() {
        hours += 1;
        bench.clock.advance(Duration::from_secs(3600));
        bench.deliverer.pass(&"dead".into()).await.unwrap();
    }
    assert_eq!(hours, 72);
}

#[tokio::test]
async fn run_ends_when_told_and_is_woken() {
    let (stub, address) = stub(|_| (StatusCode::OK, None)).await;
    let bench = bench(vec![("soc", webhook(address))]);
    bench.rows.add(1, "soc");
    let told = async {
        while stub.requests.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    bench.deliverer.run(told).await;
    assert_eq!(bench.rows.delivered(), 1);
}

#[tokio::test]
async fn unreachable_places_do_not_show_their_url() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = webhook(address).deliver(&Notification::of(&alert("1"), None, None)).await;
    let Err(DeliveryError::Unreachable { reason }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.to_lowercase().contains("connection refused"), "{reason}");
    assert!(!reason.contains("/hook"), "{reason}");
}

#[tokio::test]
async fn own_network_is_refused() {
    let refused = |url: &str, allow_private| {
        let config = Config { url: Secret::new(url), headers: Vec::new(), signing_secret: None, allow_private };
        Webhook::new(&config, &|secret| Ok(secret.clone())).err()
    };
    let forms = [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://10.0.0.1:8080/",
    ];
    for form in forms {
        assert!(refused(form, false).is_some_and(|error| error.contains("allow_private")), "{form}");
        assert_eq!(refused(form, true), None, "{form}");
    }
    for form in ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://0.0.0.0/", "http://2852039166/"] {
        assert!(refused(form, true).is_some_and(|error| error.contains("metadata")), "{form}");
    }

    // A name is checked when it is resolved.
    let config = Config {
        url: Secret::new("http://localhost:1/hook"),
        headers: Vec::new(),
        signing_secret: None,
        allow_private: false,
    };
    let webhook = Webhook::new(&config, &|secret| Ok(secret.clone())).unwrap();
    let outcome = webhook.deliver(&Notification::of(&alert("1"), None, None)).await;
    let Err(DeliveryError::Unreachable { reason }) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("is a private address"), "{reason}");
}
