//! What the rows of happenings say, made when somebody looks.

use std::borrow::Cow;
use std::sync::Arc;

use super::happening::{Day, Happened, Happening, SECOND};
use crate::results::Column;
use crate::views::cell::Cell;
use crate::views::frame::Filling;
use crate::views::store::{Bounds, Rows};

/// Why sessions were closed.
const CLOSED: &str = "LOGOUT";

/// Makes one cell of a happening's row, in a version.
type Maker = fn(&Happening, u8, u64) -> Cell<'static>;

/// One view over what happened.
pub(crate) struct Told {
    pub(crate) happened: Arc<Happened>,
    pub(crate) view: Telling,
}

/// Which view tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    Statements,
    Accesses,
    Logins,
    Sessions,
    Transfers,
}

impl Telling {
    pub(crate) const ALL: [Self; 5] = [Self::Statements, Self::Accesses, Self::Logins, Self::Sessions, Self::Transfers];

    pub(crate) fn view(self) -> &'static str {
        match self {
            Self::Statements => "QUERY_HISTORY",
            Self::Accesses => "ACCESS_HISTORY",
            Self::Logins => "LOGIN_HISTORY",
            Self::Sessions => "SESSIONS",
            Self::Transfers => "DATA_TRANSFER_HISTORY",
        }
    }

    pub(crate) fn of(self, day: &Day) -> &[Happening] {
        match self {
            Self::Statements => &day.statements,
            Self::Accesses => &day.accesses,
            Self::Logins => &day.logins,
            Self::Sessions => &day.sessions,
            Self::Transfers => &day.transfers,
        }
    }

    /// The time by which the view is in order.
    pub(crate) fn cursor(self, happening: &Happening) -> i64 {
        if self == Self::Statements { happening.end } else { happening.start }
    }

    /// What the column that changes says in the end.
    pub(crate) fn last_state(self, happening: &Happening) -> Option<String> {
        match self {
            Self::Sessions => Some(CLOSED.to_owned()),
            Self::Transfers => Some(transferred(happening.id, happening.revisions).to_string()),
            _ => None,
        }
    }

    /// How many days its cursor may lie behind the start: statements take 40 hours at most.
    pub(crate) fn reach(self) -> i64 {
        if self == Self::Statements { 2 } else { 0 }
    }

    /// What makes the row one row, as text.
    pub(crate) fn key(self, happening: &Happening, seed: u64) -> String {
        match self {
            Self::Statements | Self::Accesses => query_id(happening.id, seed),
            Self::Logins => login_id(happening.id).to_string(),
            Self::Sessions => session_id(happening.id).to_string(),
            Self::Transfers => format!("{} {}", crate::views::derived::time(happening.start), target(happening.id).1),
        }
    }
}

impl Rows for Told {
    fn fill(&self, now: i64, bounds: Bounds, columns: &[Column], fillings: &mut [Filling]) -> usize {
        let days: Vec<Arc<Day>> = self
            .happened
            .days(bounds.from, bounds.to, self.view.reach())
            .map(|number| self.happened.day(number))
            .collect();
        let mut seen: Vec<(&Happening, u8)> = Vec::new();
        let mut running: Vec<&Happening> = Vec::new();
        for day in &days {
            let all = self.view.of(day);
            let start = all.partition_point(|happening| self.view.cursor(happening) < bounds.from);
            let end = all.partition_point(|happening| self.view.cursor(happening) <= bounds.to).max(start);
            let versions = all[start..end].iter().map(|happening| (happening, happening.version(now)));
            seen.extend(versions.filter_map(|(happening, version)| Some((happening, version?))));
            if self.view == Telling::Statements && bounds.from == i64::MIN {
                let long = day.running.iter().map(|place| &all[*place as usize]);
                running.extend(long.filter(|happening| happening.shows_running(now)));
            }
        }
        let seed = self.happened.plan.seed;
        for (column, filling) in columns.iter().zip(fillings) {
            let Some(maker) = maker(self.view, &column.name) else {
                filling.push_nulls(seen.len() + running.len());
                continue;
            };
            for (happening, version) in &seen {
                filling.push(maker(happening, *version, seed));
            }
            for happening in &running {
                filling.push(match column.name.as_str() {
                    "EXECUTION_STATUS" => Cell::text("RUNNING"),
                    "END_TIME" | "TOTAL_ELAPSED_TIME" | "CREDITS_USED_CLOUD_SERVICES" => Cell::Null,
                    _ => maker(happening, 0, seed),
                });
            }
        }
        seen.len() + running.len()
    }
}

fn maker(view: Telling, column: &str) -> Option<Maker> {
    Some(match (view, column) {
        (Telling::Statements | Telling::Accesses, "QUERY_ID") => |at, _, seed| text(query_id(at.id, seed)),
        (Telling::Logins, "EVENT_TIMESTAMP")
        | (Telling::Sessions, "CREATED_ON")
        | (Telling::Accesses, "QUERY_START_TIME")
        | (_, "START_TIME") => |at, _, _| Cell::micros(at.start),
        (_, "END_TIME") => |at, _, _| Cell::micros(at.end),
        (_, "USER_NAME") => |at, _, _| text(format!("USER_{:03}", mix(u64::from(at.id), 1) % 200)),
        (Telling::Statements, "QUERY_TEXT") => {
            |at, _, _| text(format!("SELECT ID, TOTAL FROM SALES.PUBLIC.ORDERS_{} WHERE ID > {}", at.id % 40, at.id))
        }
        (Telling::Statements, "QUERY_TYPE") => |_, _, _| Cell::text("SELECT"),
        (Telling::Statements, "DATABASE_NAME") => |_, _, _| Cell::text("SALES"),
        (Telling::Statements, "SCHEMA_NAME") => |_, _, _| Cell::text("PUBLIC"),
        (Telling::Statements, "SESSION_ID") => |at, _, _| number(session_id(at.id / 25)),
        (Telling::Statements, "ROLE_NAME") => |at, _, _| text(format!("ANALYST_{}", at.id % 7)),
        (Telling::Statements, "WAREHOUSE_NAME") => |at, _, _| text(format!("WH_{}", at.id % 3)),
        (Telling::Statements, "WAREHOUSE_SIZE") => |_, _, _| Cell::text("X-Small"),
        (Telling::Statements, "EXECUTION_STATUS") => {
            |at, _, _| Cell::text(if at.id % 50 == 7 { "FAIL" } else { "SUCCESS" })
        }
        (Telling::Statements, "ERROR_CODE") => |at, _, _| if at.id % 50 == 7 { Cell::Number(2003) } else { Cell::Null },
        (Telling::Statements, "ERROR_MESSAGE") => |at, _, _| {
            if at.id % 50 == 7 { Cell::text("SQL compilation error:\nObject does not exist") } else { Cell::Null }
        },
        (Telling::Statements, "TOTAL_ELAPSED_TIME") => |at, _, _| number((at.end - at.start) / 1_000),
        (Telling::Statements, "BYTES_SCANNED") => |at, _, _| number((mix(u64::from(at.id), 2) >> 32) as i64),
        (Telling::Statements, "ROWS_PRODUCED") => |at, _, _| number((mix(u64::from(at.id), 3) % 10_000) as i64),
        // The columns of billing are what is corrected later.
        (Telling::Statements, "CREDITS_USED_CLOUD_SERVICES") => {
            |at, version, _| Cell::Real(f64::from(at.id % 100) / 1e6 + f64::from(version) / 1e4)
        }
        (Telling::Accesses, "DIRECT_OBJECTS_ACCESSED" | "BASE_OBJECTS_ACCESSED") => |at, _, _| {
            text(format!(
                r#"[{{"objectDomain":"Table","objectId":{},"objectName":"SALES.PUBLIC.ORDERS_{}","columns":[{{"columnId":1,"columnName":"ID"}}]}}]"#,
                at.id % 40 + 1000,
                at.id % 40
            ))
        },
        (Telling::Accesses, "OBJECTS_MODIFIED" | "POLICIES_REFERENCED") => |_, _, _| Cell::text("[]"),
        (Telling::Logins, "EVENT_ID") => |at, _, _| number(login_id(at.id)),
        (Telling::Logins, "EVENT_TYPE") => |_, _, _| Cell::text("LOGIN"),
        (Telling::Logins, "CLIENT_IP") => |at, _, _| text(format!("198.51.100.{}", at.id % 250 + 1)),
        (Telling::Logins, "REPORTED_CLIENT_TYPE") => |_, _, _| Cell::text("SNOWFLAKE_UI"),
        (Telling::Logins, "REPORTED_CLIENT_VERSION") => |_, _, _| Cell::text("1.0.0"),
        (Telling::Logins, "FIRST_AUTHENTICATION_FACTOR") => |_, _, _| Cell::text("PASSWORD"),
        (Telling::Logins, "SECOND_AUTHENTICATION_FACTOR") => |_, _, _| Cell::text("DUO_PUSH"),
        (Telling::Logins, "IS_SUCCESS") => |at, _, _| Cell::text(if at.id % 33 == 5 { "NO" } else { "YES" }),
        (Telling::Logins, "ERROR_CODE") => |at, _, _| if at.id % 33 == 5 { Cell::Number(390_100) } else { Cell::Null },
        (Telling::Logins, "ERROR_MESSAGE") => {
            |at, _, _| if at.id % 33 == 5 { Cell::text("INCORRECT_USERNAME_PASSWORD") } else { Cell::Null }
        }
        (Telling::Sessions, "SESSION_ID") => |at, _, _| number(session_id(at.id)),
        (Telling::Sessions, "LOGIN_EVENT_ID") => |at, _, _| number(login_id(at.id)),
        (Telling::Sessions, "AUTHENTICATION_METHOD") => |_, _, _| Cell::text("Password"),
        (Telling::Sessions, "CLIENT_APPLICATION_ID") => |_, _, _| Cell::text("Go 1.14.0"),
        (Telling::Sessions, "CLIENT_APPLICATION_VERSION") => |_, _, _| Cell::text("1.14.0"),
        (Telling::Sessions, "CLIENT_ENVIRONMENT") => |_, _, _| Cell::text(r#"{"APPLICATION":"reports","OS":"linux"}"#),
        (Telling::Sessions, "IS_OPEN") => |_, version, _| Cell::Boolean(version == 0),
        (Telling::Sessions, "ACCESS_TIME") => {
            |at, version, _| Cell::micros(if version == 0 { at.start } else { at.end })
        }
        (Telling::Sessions, "CLOSED_REASON") => {
            |_, version, _| if version == 0 { Cell::Null } else { Cell::text(CLOSED) }
        }
        (Telling::Transfers, "SOURCE_CLOUD") => |_, _, _| Cell::text("AWS"),
        (Telling::Transfers, "SOURCE_REGION") => |_, _, _| Cell::text("eu-central-1"),
        (Telling::Transfers, "TARGET_CLOUD") => |at, _, _| Cell::text(target(at.id).0),
        (Telling::Transfers, "TARGET_REGION") => |at, _, _| Cell::text(target(at.id).1),
        (Telling::Transfers, "TRANSFER_TYPE") => |_, _, _| Cell::text("COPY"),
        (Telling::Transfers, "BYTES_TRANSFERRED") => |at, version, _| text(transferred(at.id, version).to_string()),
        _ => return None,
    })
}

fn text(text: String) -> Cell<'static> {
    Cell::Text(Cow::Owned(text))
}

fn number(number: i64) -> Cell<'static> {
    Cell::Number(i128::from(number))
}

fn query_id(id: u32, seed: u64) -> String {
    format!("01b{:05x}-{:04x}-0000-0000-{:012x}", seed & 0xf_ffff, id >> 16, id)
}

/// Numbers beyond what a double holds exactly, as the real ones are.
fn login_id(id: u32) -> i64 {
    1_000_000_000_000_000_001 + i64::from(id) * 2
}

fn session_id(id: u32) -> i64 {
    800_000_000_000_000_007 + i64::from(id) * 4
}

fn target(id: u32) -> (&'static str, &'static str) {
    [("AWS", "us-east-1"), ("AZURE", "westeurope"), ("GCP", "europe-west2"), ("AWS", "ap-south-1")][id as usize % 4]
}

fn transferred(id: u32, version: u8) -> u64 {
    (mix(u64::from(id), 4) >> 40) + u64::from(version) * 1_000_000
}

/// A number that looks like chance and is always the same.
fn mix(value: u64, salt: u64) -> u64 {
    let mut mixed = value.wrapping_add(salt.wrapping_mul(SECOND as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}
