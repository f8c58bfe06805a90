//! Our client against the account that says no where Snowflake does: every answer code, and the key mutations it refuses.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use uncia_model::{Clock, SystemClock};
use uncia_snowflake::auth::{KeyPairSource, KeySize, RsaKey};
use uncia_snowflake::{Account, Client, Connection, Error, Pace, Statement};
use uncia_snowflake_double::{Double, DoubleConfig, Fault};

const ROWS: usize = 25;

struct Place {
    double: Double,
    key: Arc<RsaKey>,
}

impl Place {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let double = Double::start(DoubleConfig { rows_per_partition: 10, ..DoubleConfig::default() }).await.unwrap();
        let key = Arc::new(RsaKey::generate(KeySize::Bits2048).unwrap());
        let script = format!(
            "CREATE ROLE R; CREATE WAREHOUSE W; GRANT USAGE ON WAREHOUSE W TO ROLE R; \
             GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE R; \
             CREATE USER U TYPE = SERVICE DEFAULT_ROLE = R RSA_PUBLIC_KEY = '{}'; GRANT ROLE R TO USER U;",
            key.public_base64()
        );
        double.run_script(&script).unwrap();
        for n in 0..ROWS {
            let row = json!({"EVENT_ID": n, "EVENT_TIMESTAMP": "2026-01-01T00:00:00Z", "USER_NAME": format!("U{n}")});
            double.insert("LOGIN_HISTORY", &row).unwrap();
        }
        Self { double, key }
    }

    fn client(&self) -> Client {
        self.client_of(self.key.clone(), "U")
    }

    fn client_of(&self, key: Arc<RsaKey>, user: &str) -> Client {
        let account = Account::parse(&self.double.identifier()).unwrap();
        let tokens = Arc::new(KeyPairSource::new(&account, user, key));
        let mut connection = Connection::new(account).at(self.double.url());
        let quick = Duration::from_millis(1);
        connection.pace = Pace {
            first_poll: quick,
            longest_poll: quick,
            first_retry: quick,
            longest_retry: quick,
            ..Pace::default()
        };
        Client::new(connection, tokens, Arc::new(SystemClock) as Arc<dyn Clock>).unwrap()
    }

    async fn read(&self) -> Result<usize, Error> {
        let answer = self.client().execute(&logins()).await?;
        Ok(answer.all_rows().await?.len())
    }
}

fn logins() -> Statement {
    Statement {
        role: Some("R".to_owned()),
        warehouse: Some("W".to_owned()),
        ..Statement::new("SELECT EVENT_ID, USER_NAME FROM SNOWFLAKE.ACCOUNT_USAGE.LOGIN_HISTORY")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_survived_and_runs_once() {
    let place = Place::new().await;
    assert_eq!(place.read().await.unwrap(), ROWS);
    for fault in [
        Fault::Throttle,
        Fault::UnavailableBefore,
        Fault::UnavailableAfter,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Slow { polls: 3 },
        Fault::TokenExpired,
        Fault::ThrottleGet,
        Fault::ThrottleGetRunning,
        Fault::UnavailableGet,
        Fault::CutGet,
    ] {
        let struck = place.double.faults_struck();
        place.double.inject(fault.clone());
        let read = place.read().await;
        assert_eq!(read.as_ref().ok(), Some(&ROWS), "{fault:?}: {read:?}");
        assert_eq!(place.double.faults_struck(), struck + 1, "{fault:?}");
        assert_eq!(place.double.most_executions(), 1, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_pass_is_told_by_its_kind() {
    let place = Place::new().await;
    for (fault, expected) in [
        (Fault::Timeout, "ran longer than allowed"),
        (Fault::TooLarge, "too large for one answer"),
        (Fault::WrongRowCount, "were announced"),
        (Fault::ExpireHandle, "is gone, or is another user's"),
    ] {
        place.double.inject(fault.clone());
        let error = place.read().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{fault:?}: {error}");
    }
    assert_eq!(place.read().await.unwrap(), ROWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_named() {
    let place = Place::new().await;
    let client = place.client();
    let said = async |statement: Statement| client.execute(&statement).await.unwrap_err().to_string();
    let view = Statement { sql: "SELECT 1 FROM SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY".to_owned(), ..logins() };
    let error = said(view).await;
    assert!(error.contains("GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE R"), "{error}");
    let error = said(Statement { role: Some("r".to_owned()), ..logins() }).await;
    assert!(error.contains("GRANT ROLE \"r\" TO USER U"), "{error}");
    let error = said(Statement { warehouse: Some("w".to_owned()), ..logins() }).await;
    assert!(error.contains("warehouse"), "{error}");
    assert!(matches!(client.execute(&Statement { sql: "SELEC".to_owned(), ..logins() }).await, Err(Error::Sql { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_is_refused() {
    let place = Place::new().await;
    let other = Arc::new(RsaKey::generate(KeySize::Bits2048).unwrap());
    for client in [place.client_of(other.clone(), "U"), place.client_of(place.key.clone(), "NOBODY")] {
        let error = client.execute(&logins()).await.unwrap_err();
        assert!(error.is_auth(), "{error}");
    }
    // The second slot lets the other key in, for as long as it is set.
    place.double.run_script(&format!("ALTER USER U SET RSA_PUBLIC_KEY_2 = '{}'", other.public_base64())).unwrap();
    place.client_of(other.clone(), "U").execute(&logins()).await.unwrap();
    place.double.run_script("ALTER USER U UNSET RSA_PUBLIC_KEY_2").unwrap();
    assert!(place.client_of(other, "U").execute(&logins()).await.unwrap_err().is_auth());
    place.double.run_script("ALTER USER U SET DISABLED = TRUE").unwrap();
    assert!(place.client().execute(&logins()).await.unwrap_err().is_auth());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_outside_the_policy_is_told() {
    let place = Place::new().await;
    place
        .double
        .run_script("CREATE NETWORK POLICY P ALLOWED_IP_LIST = ('192.0.2.1'); ALTER USER U SET NETWORK_POLICY = P;")
        .unwrap();
    assert!(matches!(place.client().execute(&logins()).await, Err(Error::NetworkPolicy { .. })));
}
