//! The listener: one task a connection, and connections that end without an answer where a fault wants that.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::Service as _;

use crate::core::Core;

/// Marks a response that must not be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
struct CutError;

/// Accepts until it is dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router, core: Arc<Core>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (router, core) = (router.clone(), Arc::clone(&core));
        let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            let answer = router.clone().call(request);
            let core = Arc::clone(&core);
            async move {
                let answer: Result<Response, Infallible> = answer.await;
                let Ok(mut response) = answer;
                if response.extensions().get::<Cut>().is_some() {
                    return Err(CutError);
                }
                response.headers_mut().insert(header::DATE, date(core.now()));
                Ok(response)
            }
        });
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::trace!(%error, "a connection ended early");
            }
        });
    }
}

/// The double's time as HTTP says it: clients correct their clocks by it.
fn date(micros: i64) -> HeaderValue {
    let at = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let text = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::from_str(&text).expect("a date is plain text")
}
