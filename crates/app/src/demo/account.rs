//! The story's Snowflake account: a double that shows the story's rows when the real one would, pulled as a real account is.
//!
//! The set-up script that an administrator would run lets us in with a key of our own. Rows become visible minutes after they
//! happened, so the last of them are pulled when the day is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::Value;
use uncia_model::{Clock, SourceId};
use uncia_snowflake::auth::{KeyPairSource, KeySize, RsaKey};
use uncia_snowflake::setup::{Setup, SignIn};
use uncia_snowflake::views::{AUDIT_VIEWS, AuditView};
use uncia_snowflake::{Account, Client, Connection};
use uncia_snowflake_double::{Double, DoubleConfig};
use uncia_sources::SnowflakeSourceConfig;
use uncia_sources::snowflake::{AccountPuller, SignInConfig};
use uncia_store::Store;

use super::story::cast::{PEOPLE, SERVICES, SNOWFLAKE_ACCOUNT, SNOWFLAKE_LOCATOR, SNOWFLAKE_ORGANIZATION};
use super::story::{AccountChange, StoryEvent};

const MINUTE: i64 = 60_000_000;
/// How late rows are at the most.
pub(crate) const LATENESS_MICROS: i64 = 50 * MINUTE;
/// What the account's rows say of their source.
const SOURCE: &str = "snowflake-demo";
/// Columns that are no view's: those of the account come from the account itself.
const OF_THE_ACCOUNT: &[&str] = &["ORGANIZATION_NAME", "ACCOUNT_NAME", "ACCOUNT_LOCATOR", "REGION", "USAGE_DATE"];

/// Snapshots are taken every so often, which keeps the demo short.
const STATE_MINUTES: u32 = 180;

/// The account, and what pulls it.
pub(crate) struct DemoAccount {
    /// Serves while it lives.
    double: Double,
    setup: Setup,
    pub(crate) puller: AccountPuller,
}

impl DemoAccount {
    /// Makes the account and fills it with the story.
    pub(crate) async fn open(events: &[StoryEvent], store: &Arc<Store>, clock: &Arc<dyn Clock>) -> Result<Self> {
        let double = Double::start(DoubleConfig {
            organization: SNOWFLAKE_ORGANIZATION.to_owned(),
            account: SNOWFLAKE_ACCOUNT.to_owned(),
            locator: SNOWFLAKE_LOCATOR.to_owned(),
            region: "AWS_US_EAST_1".to_owned(),
            clock: clock.clone(),
            ..DoubleConfig::default()
        });
        let double = double.await.context("cannot start the story's Snowflake account")?;
        let config = source(&double);
        let key = Arc::new(RsaKey::generate(KeySize::Bits2048)?);
        let state = config.snapshot_views().into_iter().filter(|view| view.show.is_none());
        let setup = Setup {
            source: SOURCE.to_owned(),
            user: config.user.clone(),
            role: config.role.clone(),
            warehouse: config.warehouse.clone(),
            create_warehouse: true,
            place: None,
            views: config.views.iter().cloned().chain(state.map(|view| view.name.to_owned())).collect(),
            imported_privileges: false,
            sign_in: SignIn::KeyPair { public_key: key.public_base64(), second: false },
            addresses: Vec::new(),
        };
        let script = include_str!("account.sql").replace("{key}", &key.public_base64());
        double.run_script(&script).context("the story's Snowflake account cannot be made")?;
        for person in PEOPLE.iter().filter(|person| person.factors.1.is_some()) {
            double.enrol_second_factor(&person.name.to_uppercase());
        }
        fill(&double, events)?;
        let account = Account::parse(&config.account)?;
        let tokens = Arc::new(KeyPairSource::new(&account, &config.user, key));
        let client = Client::new(Connection::new(account).at(double.url()), tokens, clock.clone())?;
        let puller = AccountPuller::new(Arc::new(config), client, store.clone(), clock.clone());
        Ok(Self { double, setup, puller })
    }

    /// Runs what an administrator would to let us in. Everybody who works has been there the day before.
    pub(crate) fn let_in(&self) -> Result<()> {
        let script = self.setup.sql()?;
        self.double.run_script(&script).context("the story's Snowflake account refuses the set-up script")?;
        let people = PEOPLE.iter().map(|person| person.name.to_uppercase());
        let services = SERVICES.iter().map(|service| service.name.to_owned());
        for user in people.chain(services).chain(["ADMIN".to_owned()]) {
            self.double.sign_in(&user);
        }
        Ok(())
    }

    /// Has somebody change the account.
    pub(crate) fn change(&self, AccountChange { role, sql, .. }: &AccountChange) -> Result<()> {
        self.double.run_script_as(role, sql).with_context(|| format!("the story's account refuses {sql}"))?;
        Ok(())
    }
}

fn source(double: &Double) -> SnowflakeSourceConfig {
    let mut views: Vec<String> =
        AUDIT_VIEWS.iter().filter(|view| view.by_default).map(|view| view.name.to_owned()).collect();
    views.extend(["GRANTS_TO_USERS", "GRANTS_TO_ROLES"].map(str::to_owned));
    SnowflakeSourceConfig {
        id: SourceId::from(SOURCE),
        label: None,
        account: double.identifier(),
        url: Some(double.url()),
        user: "UNCIA_AUDIT_VIEW_USER".to_owned(),
        role: "UNCIA_AUDIT_VIEW_ROLE".to_owned(),
        warehouse: "UNCIA_AUDIT_WH".to_owned(),
        database: None,
        schema: None,
        sign_in: SignInConfig::default(),
        views,
        interval_minutes: 60,
        backfill_hours: 1,
        state_minutes: STATE_MINUTES,
        state_views: Vec::new(),
        no_data_minutes: uncia_sources::NoDataMinutes::default(),
        filters: uncia_processing::FilterConfig::default(),
    }
}

/// Puts the story's rows into the views that they are rows of, each to be seen some minutes after its time.
fn fill(double: &Double, events: &[StoryEvent]) -> Result<()> {
    let views: BTreeMap<&str, &AuditView> = AUDIT_VIEWS.iter().map(|view| (view.log_type, view)).collect();
    for (n, event) in (0_i64..).zip(events) {
        let Some(view) = views.get(event.log_type) else { continue };
        let mut row: Value = serde_json::from_str(&event.raw)?;
        if let Value::Object(columns) = &mut row {
            columns.retain(|name, _| view.name != "DATA_TRANSFER_HISTORY" || !OF_THE_ACCOUNT.contains(&name.as_str()));
        }
        let late = MINUTE * (5 + n * 7 % 40);
        double.insert_late(view.name, &row, event.at.micros + late).with_context(|| format!("{}: {row}", view.name))?;
    }
    Ok(())
}

/// Whether an event comes through the account.
pub(crate) fn is_pulled(event: &StoryEvent) -> bool {
    AUDIT_VIEWS.iter().any(|view| view.log_type == event.log_type)
}
