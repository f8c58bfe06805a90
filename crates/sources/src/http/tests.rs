//! Requests as senders make them, answered without a network; and the server with one.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;
use uncia_document::Timestamp;
use uncia_model::ManualClock;

use super::*;

type Refuse = dyn Fn() -> Option<IntakeError> + Send + Sync;

#[derive(Default)]
struct Taken {
    bodies: Mutex<Vec<(SourceId, Bytes, Timestamp)>>,
    refuse: Option<Box<Refuse>>,
}

#[async_trait]
impl Intake for Taken {
    async fn accept(&self, source: &SourceId, body: Bytes, received: Timestamp) -> Result<(), IntakeError> {
        if let Some(error) = self.refuse.as_ref().and_then(|refuse| refuse()) {
            return Err(error);
        }
        self.bodies.lock().unwrap().push((source.clone(), body, received));
        Ok(())
    }
}

const SOURCES: &str = r#"
[[http]]
id = "open"
auth = { method = "none" }
[[http]]
id = "basic"
auth = { method = "basic", username = "alice", password = "wonder:land" }
[[http]]
id = "bearer"
auth = { method = "bearer", token = "t0ken" }
[[http]]
id = "shared"
log_types = ["Thinkst.Canary"]
stream = { json_array = "events" }
auth = { method = "shared_secret", header = "X-Secret", secret = "hush" }
[[http]]
id = "signed"
stream = "lines"
auth = { method = "hmac", header = "X-Hub-Signature-256", secret = "It's a Secret to Everybody" }
"#;

#[derive(Deserialize)]
struct File {
    http: Vec<HttpSourceConfig>,
}

fn sources() -> Vec<HttpSourceConfig> {
    toml::from_str::<File>(SOURCES).unwrap().http
}

fn door(intake: &Arc<Taken>) -> Router {
    let clock = ManualClock::at(Timestamp::from_seconds(1_700_000_000, 0));
    router(&sources(), intake.clone(), Arc::new(clock)).unwrap()
}

fn post(source: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(format!("/http/{source}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// Status, headers of interest and body of an answer, on one line.
async fn answer(router: &Router, request: Request<Body>) -> String {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let named = |name: &str| {
        let value = response.headers().get(name)?.to_str().ok()?;
        Some(format!(" {name}={value}"))
    };
    let headers: String = ["allow", "retry-after", "www-authenticate"].into_iter().filter_map(named).collect();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    format!("{status}{headers} {}", String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn bodies_are_handed_on_as_sent() {
    let taken = Arc::new(Taken::default());
    let router = door(&taken);
    let gzip: &[u8] = &[0x1f, 0x8b, 8, 0];
    let zstd: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    let cases: [(&[u8], &str); 5] =
        [(b"{\"a\":1}\n{\"a\":2}\n", ""), (b"[{}]", "identity"), (gzip, "gzip"), (gzip, ""), (zstd, "ZSTD")];
    for (body, encoding) in cases {
        let said = answer(&router, post("open", &[("content-encoding", encoding)], body)).await;
        assert_eq!(said, format!("200 {{\"status\":\"accepted\",\"bytes\":{}}}", body.len()));
        let (source, got, received) = taken.bodies.lock().unwrap().pop().unwrap();
        assert_eq!((source.as_str(), &got[..], received.seconds()), ("open", body, 1_700_000_000));
    }
    let streamed = Body::from_stream(futures::stream::iter(["{\"a\":", "1}"].map(Ok::<_, std::io::Error>)));
    assert!(answer(&router, post("open/", &[], streamed)).await.starts_with("200 "));
    assert_eq!(taken.bodies.lock().unwrap()[0].1, "{\"a\":1}");
}

#[tokio::test]
async fn who_may_send() {
    const BODY: &str = "Hello, World!";
    // GitHub's own example of a signature.
    const HEX: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const BASE64: &str = "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=";
    type Case = (&'static str, &'static [(&'static str, &'static str)], u16);
    let cases: &[Case] = &[
        ("open", &[("authorization", "Bearer whatever")], 200),
        ("basic", &[("authorization", "Basic YWxpY2U6d29uZGVyOmxhbmQ=")], 200),
        ("basic", &[("authorization", "basic YWxpY2U6d29uZGVyOmxhbmQ")], 200),
        ("basic", &[("authorization", "Basic YWxpY2U6d29uZGVy")], 403),
        ("basic", &[("authorization", "Basic %%%")], 403),
        ("basic", &[("authorization", "Bearer YWxpY2U6d29uZGVyOmxhbmQ=")], 401),
        ("basic", &[], 401),
        ("bearer", &[("authorization", "Bearer t0ken")], 200),
        ("bearer", &[("authorization", "bearer  t0ken ")], 200),
        ("bearer", &[("authorization", "Bearer t0ke")], 403),
        ("bearer", &[("authorization", "t0ken")], 401),
        ("bearer", &[], 401),
        ("shared", &[("x-secret", "hush")], 200),
        ("shared", &[("x-secret", "hushh")], 403),
        ("shared", &[("x-secret", "")], 403),
        ("shared", &[], 401),
        ("signed", &[("x-hub-signature-256", HEX)], 200),
        ("signed", &[("x-hub-signature-256", BASE64)], 200),
        ("signed", &[("x-hub-signature-256", "sha256=00")], 403),
        ("signed", &[("x-hub-signature-256", "")], 403),
        ("signed", &[], 401),
    ];
    let taken = Arc::new(Taken::default());
    let router = door(&taken);
    for (source, headers, expected) in cases {
        let said = answer(&router, post(source, headers, BODY)).await;
        assert!(said.starts_with(&expected.to_string()), "{source} {headers:?}: {said}");
        for secret in ["wonder", "t0ke", "hush", "Everybody"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    let prefixed = format!("sha256={}", HEX.to_uppercase());
    assert!(answer(&router, post("signed", &[("x-hub-signature-256", &prefixed)], BODY)).await.starts_with("200"));
    assert!(answer(&router, post("signed", &[("x-hub-signature-256", HEX)], "Hello, World?")).await.starts_with("403"));
    let accepted = cases.iter().filter(|case| case.2 == 200).count() + 1;
    assert_eq!(taken.bodies.lock().unwrap().len(), accepted);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let router = door(&Arc::new(Taken::default()));
    let too_large = vec![b' '; MAX_REQUEST_BYTES + 1];
    let broken = futures::stream::iter([Ok("{"), Err(std::io::Error::other("reset"))]);
    let requests = [
        post("open", &[], ""),
        post("open", &[("content-encoding", "br")], "x"),
        post("open", &[("content-encoding", "gzip")], "plain"),
        post("open", &[("content-length", "999999999999")], ""),
        post("open", &[], Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(too_large)]))),
        post("open", &[], Body::from_stream(broken)),
        post("nowhere", &[], "x"),
        post("bearer", &[], "x"),
        post("bearer", &[("authorization", "Bearer x")], "x"),
        Request::get("/http/open").body(Body::empty()).unwrap(),
        Request::get("/elsewhere").body(Body::empty()).unwrap(),
        Request::post("/healthz").body(Body::empty()).unwrap(),
        Request::get("/healthz").body(Body::empty()).unwrap(),
    ];
    let mut said = Vec::new();
    for request in requests {
        said.push(answer(&router, request).await);
    }
    let head = Request::head("/healthz").body(Body::empty()).unwrap();
    assert_eq!(answer(&router, head).await, "200 ");
    insta::assert_snapshot!(said.join("\n"), @r#"
    400 {"error":"the body is empty","code":"empty_body","hint":"send at least one record"}
    415 {"error":"this Content-Encoding is not understood","code":"unsupported_encoding","hint":"send gzip, zstd or identity"}
    400 {"error":"the body is not what Content-Encoding says","code":"not_as_encoded","hint":"leave the header out or compress the body"}
    413 {"error":"the body is too large","code":"too_large","hint":"send at most 16 MiB a request, as sent; compress, or cut into more requests"}
    413 {"error":"the body is too large","code":"too_large","hint":"send at most 16 MiB a request, as sent; compress, or cut into more requests"}
    400 {"error":"the body broke off","code":"incomplete_body","hint":"send it again"}
    404 {"error":"there is no such source","code":"not_found","hint":"compare the URL with the source's id in the configuration"}
    401 www-authenticate=Bearer realm="uncia" {"error":"credentials are missing","code":"unauthorized","hint":"send the header that the source's auth method asks for"}
    403 {"error":"credentials are wrong","code":"forbidden","hint":"compare the sender's secret with the source's"}
    405 allow=POST {"error":"this method is not allowed here","code":"method_not_allowed","hint":"use one that the Allow header names"}
    404 {"error":"there is nothing here","code":"not_found","hint":"send events to POST /http/<source>"}
    405 allow=GET, HEAD {"error":"this method is not allowed here","code":"method_not_allowed","hint":"use one that the Allow header names"}
    200 {"status":"ok"}
    "#);
}

#[tokio::test]
async fn senders_wait_when_the_walk_is_behind() {
    let retry_after = Duration::from_millis(2_500);
    let full = Taken { refuse: Some(Box::new(move || Some(IntakeError::Full { retry_after }))), ..Taken::default() };
    let said = answer(&door(&Arc::new(full)), post("open", &[], "x")).await;
    assert!(said.starts_with("429 retry-after=3 "), "{said}");
    let down = move || Some(IntakeError::Unavailable { retry_after, reason: "/var/lib is full".to_owned() });
    let down = Taken { refuse: Some(Box::new(down)), ..Taken::default() };
    let said = answer(&door(&Arc::new(down)), post("open", &[], "x")).await;
    assert!(said.starts_with("503 retry-after=3 ") && !said.contains("/var"), "{said}");
}

#[tokio::test]
async fn each_source_has_its_room() {
    let mut sources = sources();
    sources[0].max_in_flight_bytes = 0; // raised to one whole request
    let taken = Arc::new(Taken::default());
    let router = router(&sources, taken.clone(), Arc::new(ManualClock::default())).unwrap();
    let (sender, pieces) = futures::channel::mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    let length = MAX_REQUEST_BYTES.to_string();
    let slow = post("open", &[("content-length", &length)], Body::from_stream(pieces));
    let slow = tokio::spawn(router.clone().oneshot(slow));
    tokio::task::yield_now().await;
    let said = answer(&router, post("open", &[], "x")).await;
    assert!(said.starts_with("429 retry-after=1 "), "{said}");
    let other = answer(&router, post("shared", &[("x-secret", "hush")], "x")).await;
    assert!(other.starts_with("200 "), "{other}");
    sender.unbounded_send(Ok(Bytes::from_static(b"less than said"))).unwrap();
    drop(sender);
    assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(answer(&router, post("open", &[], "x")).await.starts_with("200 "));
}

#[tokio::test]
async fn patience_ends() {
    let patient = Duration::from_secs(3600);
    for (idle, whole) in [(Duration::ZERO, patient), (patient, Duration::ZERO)] {
        let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
        let room = Arc::new(Semaphore::new(MAX_REQUEST_BYTES));
        let read = body::read(silent, Some(10), room.clone(), body::Patience { idle, whole }).await;
        assert_eq!(read.err(), Some(Refusal::Slow));
        assert_eq!(room.available_permits(), MAX_REQUEST_BYTES);
    }
}

#[tokio::test]
async fn over_a_connection_until_stopped() {
    let taken = Arc::new(Taken::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, door(&taken), async {
        let _ = stopped.await;
    }));
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "POST /http/open HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    connection.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[test]
fn configurations_that_cannot_be_served() {
    let read = |text: &str| -> String {
        let sources = match toml::from_str::<File>(text) {
            Ok(file) => file.http,
            Err(error) => return error.message().to_owned(),
        };
        let intake = Arc::new(Taken::default());
        router(&sources, intake, Arc::new(ManualClock::default()))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let cases = [
        ("id = 'a'\nauth = { method = 'none' }", ""),
        ("id = 'a'\nauth = { method = 'none', token = 'x' }", "unknown field `token`"),
        ("id = 'a'\nauth = { method = 'digest' }", "unknown variant `digest`"),
        ("id = 'a'\nauth = { method = 'bearer' }", "missing field `token`"),
        ("id = 'a'", "missing field `auth`"),
        ("id = 'a'\nport = 1\nauth = { method = 'none' }", "unknown field `port`"),
        ("id = 'a/b'\nauth = { method = 'none' }", "HTTP source id `a/b` cannot be part of a URL"),
        ("id = 'a'\nauth = { method = 'bearer', token = '' }", "HTTP source `a`: its secret is empty"),
        ("id = 'a'\nauth = { method = 'bearer', token = 'env:UNCIA_UNSET' }", "secret `env:UNCIA_UNSET` is not set"),
        ("id = 'a'\nauth = { method = 'hmac', header = 'a b', secret = 'x' }", "`a b` is not a header's name"),
    ];
    for (text, expected) in cases {
        let said = read(&format!("[[http]]\n{text}"));
        assert!(if expected.is_empty() { said.is_empty() } else { said.contains(expected) }, "{text}: {said}");
    }
}
