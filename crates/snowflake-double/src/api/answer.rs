//! The bodies and headers of the SQL API's answers.

use std::io::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::auth::Refusal;
use crate::failure::SqlFailure;
use crate::jobs::Job;
use crate::results::ResultSet;
use crate::serve::Cut;

pub(crate) fn json_response(status: u16, body: &Value) -> Response {
    bytes_response(status, body.to_string().into_bytes())
}

fn bytes_response(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("only real statuses are written here");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// No answer at all.
pub(crate) fn cut() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

pub(crate) fn refusal(refusal: &Refusal) -> Response {
    json_response(refusal.status, &json!({"code": refusal.code, "message": refusal.message}))
}

pub(crate) fn throttled() -> Response {
    json_response(429, &json!({"code": "390429", "message": "Too many requests. Try again later."}))
}

pub(crate) fn unavailable() -> Response {
    json_response(503, &json!({"code": "390503", "message": "Service unavailable."}))
}

fn status_url(job: &Job) -> String {
    format!("/api/v2/statements/{}?requestId={}", job.handle, job.request)
}

/// 422, `QueryFailureStatus`.
pub(crate) fn failed(job: &Job, failure: &SqlFailure) -> Response {
    json_response(422, &failure_body(job, failure))
}

pub(crate) fn timed_out(job: &Job, failure: &SqlFailure) -> Response {
    json_response(408, &failure_body(job, failure))
}

fn failure_body(job: &Job, failure: &SqlFailure) -> Value {
    json!({
        "code": failure.code, "message": failure.message, "sqlState": failure.state, "statementHandle": job.handle,
        "createdOn": job.created / 1_000, "statementStatusUrl": status_url(job),
    })
}

/// 202 or 429, `QueryStatus`.
pub(crate) fn running(status: u16, job: &Job) -> Response {
    json_response(
        status,
        &json!({
            "code": "333334",
            "message": "Asynchronous execution in progress. Use provided query id to perform query monitoring and management.",
            "statementHandle": job.handle, "statementStatusUrl": status_url(job),
        }),
    )
}

/// 200 with partition 0 and everything about the result.
pub(crate) fn result(job: &Job, result: &ResultSet, too_large: bool) -> Response {
    let (code, message) = if too_large {
        ("391908", "Result set is too large; it is incomplete.")
    } else {
        ("090001", "Statement executed successfully.")
    };
    let mut partitions = result.partition_info();
    if job.wrong_count
        && let Some(first) = partitions.first_mut()
    {
        first["rowCount"] = json!(result.partitions[0].rows + 1);
    }
    let meta = json!({
        "resultSetMetaData": {
            "numRows": result.rows(), "format": "jsonv2", "rowType": result.row_type(), "partitionInfo": partitions,
        },
        "code": code, "message": message, "sqlState": "00000", "statementHandle": job.handle,
        "statementStatusUrl": status_url(job), "requestId": job.request, "createdOn": job.created / 1_000,
    });
    let mut body = meta.to_string().into_bytes();
    body.pop();
    body.extend_from_slice(b",\"data\":");
    body.extend_from_slice(&result.partitions[0].json);
    body.push(b'}');
    let mut response = bytes_response(200, body);
    link(&mut response, job, result.partitions.len(), 0);
    response
}

/// A later partition: rows alone, compressed.
pub(crate) fn partition(job: &Job, result: &ResultSet, number: usize) -> Response {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder
        .write_all(b"{\"data\":")
        .and_then(|()| encoder.write_all(&result.partitions[number].json))
        .and_then(|()| encoder.write_all(b"}"));
    written.expect("a vector takes everything");
    let mut response = bytes_response(200, encoder.finish().expect("a vector takes everything"));
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    link(&mut response, job, result.partitions.len(), number);
    response
}

fn link(response: &mut Response, job: &Job, count: usize, at: usize) {
    let to = |number: usize, rel: &str| {
        format!("</api/v2/statements/{}?requestId={}&partition={number}>;rel=\"{rel}\"", job.handle, job.request)
    };
    let mut links = vec![to(0, "first")];
    if at > 0 {
        links.push(to(at - 1, "prev"));
    }
    if at + 1 < count {
        links.push(to(at + 1, "next"));
    }
    links.push(to(count - 1, "last"));
    if let Ok(value) = HeaderValue::from_str(&links.join(",")) {
        response.headers_mut().insert(header::LINK, value);
    }
}

/// 200 for several statements.
pub(crate) fn many(job: &Job, handles: &[String]) -> Response {
    json_response(
        200,
        &json!({
            "resultSetMetaData": {
                "numRows": 1, "format": "jsonv2", "partitionInfo": [{"rowCount": 1, "uncompressedSize": 57}],
                "rowType": [crate::results::Column::new("multiple statement execution", crate::results::Kind::Text).describe()],
            },
            "data": [["Multiple statements executed successfully."]],
            "code": "090001", "message": "Statement executed successfully.", "sqlState": "00000",
            "statementHandle": job.handle, "statementHandles": handles, "statementStatusUrl": status_url(job),
            "requestId": job.request, "createdOn": job.created / 1_000,
        }),
    )
}

pub(crate) fn not_found(handle: &str) -> Response {
    json_response(
        404,
        &json!({"code": "000709", "sqlState": "02000", "message": format!("Statement {handle} not found")}),
    )
}

pub(crate) fn cancelled(job: &Job) -> Response {
    json_response(
        200,
        &json!({
            "code": "000604", "sqlState": "57014", "message": "successfully canceled statement",
            "statementHandle": job.handle, "statementStatusUrl": status_url(job),
        }),
    )
}

pub(crate) fn not_running(job: &Job) -> Response {
    json_response(
        422,
        &json!({
            "code": "000605", "sqlState": "57014", "statementHandle": job.handle,
            "message": "Identified SQL statement is not currently executing.",
        }),
    )
}
