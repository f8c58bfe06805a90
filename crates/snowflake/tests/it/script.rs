//! A server that plays a list of answers and keeps what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use uncia_document::Timestamp;
use uncia_model::{ManualClock, Secret};
use uncia_snowflake::auth::{Token, TokenKind, TokenSource};
use uncia_snowflake::{Account, Client, Connection, Error, Pace};

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self { status, body: body.as_bytes().to_vec(), headers: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn zipped(mut self) -> Self {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&self.body).unwrap();
        self.body = packer.finish().unwrap();
        self.with("content-encoding", "gzip")
    }
}

/// What a request was.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Clone, Default)]
struct Play {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(crate) struct Script {
    url: String,
    play: Play,
    pub(crate) clock: Arc<ManualClock>,
}

impl Script {
    pub(crate) async fn of(replies: Vec<Reply>) -> Self {
        let play = Play { replies: Arc::new(Mutex::new(replies.into())), asked: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(play.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, play, clock: Arc::new(ManualClock::at(Timestamp::from_micros(0))) }
    }

    pub(crate) fn client(&self, tokens: Arc<dyn TokenSource>) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut connection = Connection::new(Account::parse("myorg-acme").unwrap()).at(&self.url);
        let quick = Duration::from_millis(1);
        connection.pace = Pace {
            first_poll: quick,
            longest_poll: quick,
            first_retry: quick,
            longest_retry: quick,
            attempts: 4,
            // One request at a time, as the script answers in the order of arrival.
            ahead: 0,
            ..Pace::default()
        };
        Client::new(connection, tokens, self.clock.clone()).unwrap()
    }

    pub(crate) fn plain(&self) -> Client {
        self.client(Arc::new(Tokens::default()))
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.play.asked.lock().unwrap().clone()
    }
}

async fn answer(
    State(play): State<Play>,
    Query(query): Query<BTreeMap<String, String>>,
    (method, uri, headers, body): (Method, Uri, HeaderMap, Bytes),
) -> Response<Body> {
    let path = uri.path().to_owned();
    let body = String::from_utf8_lossy(&body).into_owned();
    play.asked.lock().unwrap().push(Asked { method, path, query, headers, body });
    let reply = play.replies.lock().unwrap().pop_front();
    let reply = reply.unwrap_or_else(|| Reply::new(418, r#"{"message":"the script has ended"}"#));
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    if !reply.headers.iter().any(|(name, _)| *name == "date") {
        response = response.header("date", "Thu, 01 Jan 1970 00:00:00 GMT");
    }
    response.body(Body::from(reply.body)).unwrap()
}

/// Numbered tokens; the next one after a refusal.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) given: Mutex<Vec<Timestamp>>,
    refusals: Mutex<u32>,
}

#[async_trait::async_trait]
impl TokenSource for Tokens {
    async fn token(&self, now: Timestamp) -> Result<Token, Error> {
        self.given.lock().unwrap().push(now);
        let value = Secret::new(format!("token-number-{}", self.refusals.lock().unwrap()));
        Ok(Token { kind: TokenKind::OAuth, value })
    }

    async fn refused(&self, _token: &Token) -> bool {
        *self.refusals.lock().unwrap() += 1;
        true
    }

    fn kind(&self) -> TokenKind {
        TokenKind::OAuth
    }

    fn identity(&self) -> String {
        "a test".to_owned()
    }
}
