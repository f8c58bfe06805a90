//! `uncia snowflake setup-sql`, `undo-sql`, `check`, `key`, `rotate`, `authorise`: letting a source in, and keeping it in.
//!
//! These commands change single things beside whoever serves: the sealed keys, a sign-in that begins. A running `uncia serve`
//! uses a swapped key within a minute.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use uncia_model::{Clock, Secret, SystemClock};
use uncia_snowflake::auth::{KeyPairSource, KeySize, RsaKey};
use uncia_snowflake::check::{Finding, NeededView, Needs, Outcome, check, passed};
use uncia_snowflake::oauth::{Consent, ConsentHealth};
use uncia_snowflake::rotation::{KeyPlace, KeyState, Keys, PublicPart, set_key_sql, unset_key_sql};
use uncia_snowflake::setup::{OAuthClient, Setup, SignIn};
use uncia_snowflake::sql::check_name;
use uncia_snowflake::vault::Vault;
use uncia_snowflake::views::AUDIT_VIEWS;
use uncia_sources::SnowflakeSourceConfig;
use uncia_sources::snowflake::SignInConfig;

use crate::cli::{NewKey, Snowflake, SnowflakeRotate, SnowflakeSetup};
use crate::config::Config;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};
use crate::{snowflake, vault};

/// How often the answer to a sign-in is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked for once the browser is back: a code is exchanged within a moment, or not at all.
const EXCHANGE_LOOKS: u32 = 5;

/// A source, and where its secrets are.
struct Desk<'a> {
    source: &'a SnowflakeSourceConfig,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    who: String,
}

pub(crate) async fn run(config: Config, root: &Path, command: &Snowflake, format: Format) -> Result<Exit> {
    let store = vault::open_store(root).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let vault = vault::of(&config, root, &store, &clock);
    let desk = |name: &Option<String>| -> Result<Desk<'_>> {
        let source = one_source(&config, name.as_deref())?;
        Ok(Desk { source, vault: vault.clone(), clock: clock.clone(), who: vault::who() })
    };
    match command {
        Snowflake::SetupSql(arguments) => {
            let setup = desk(&arguments.source)?.setup(arguments, false).await?;
            let text = if arguments.terraform { setup.terraform() } else { setup.sql() };
            write_out(text.map_err(|error| ExitError::configuration(error.to_string()))?.as_bytes())?;
            Ok(Exit::Ok)
        }
        Snowflake::UndoSql(arguments) => {
            let setup = desk(&arguments.source)?.setup(arguments, true).await?;
            let text = setup.undo_sql().map_err(|error| ExitError::configuration(error.to_string()))?;
            write_out(text.as_bytes())?;
            eprintln!(
                "once it has run, take the source out of the configuration, and destroy what is sealed for it: \
                 `uncia secrets list`, `uncia secrets forget NAME`"
            );
            Ok(Exit::Ok)
        }
        Snowflake::Check { source } => {
            let chosen = match source {
                Some(name) => vec![one_source(&config, Some(name))?],
                None => config.sources.snowflake.iter().collect(),
            };
            if chosen.is_empty() {
                return Err(none_configured());
            }
            check_all(&chosen, &vault, &clock, format).await
        }
        Snowflake::Key { source, key } => desk(source)?.key(key, format).await,
        Snowflake::Rotate(arguments) => desk(&arguments.source)?.rotate(arguments, format).await,
        Snowflake::Authorise { source } => desk(source)?.authorise().await,
        Snowflake::Pull { .. }
        | Snowflake::Status
        | Snowflake::Cost(_)
        | Snowflake::Posture(_)
        | Snowflake::Insight(_) => Err(ExitError::usage("this command is run elsewhere")),
    }
}

fn none_configured() -> anyhow::Error {
    ExitError::configuration("no Snowflake source is configured: add [[sources.snowflake]]")
}

fn one_source<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a SnowflakeSourceConfig> {
    match (name, config.sources.snowflake.as_slice()) {
        (_, []) => Err(none_configured()),
        (None, [only]) => Ok(only),
        (None, _) => Err(ExitError::usage("there are several Snowflake sources: name one")),
        (Some(name), sources) => {
            let found = sources.iter().find(|source| source.id.as_str() == name);
            found.ok_or_else(|| ExitError::configuration(format!("no Snowflake source is configured as {name}")))
        }
    }
}

impl Desk<'_> {
    fn keys(&self) -> Keys<'_> {
        Keys::of(self.source.id.as_str(), self.vault.as_ref(), self.clock.as_ref())
    }

    async fn setup(&self, arguments: &SnowflakeSetup, undo: bool) -> Result<Setup> {
        let source = self.source;
        let sign_in = match &source.sign_in {
            // What is taken away needs no key to be there.
            SignInConfig::SealedKeyPair | SignInConfig::KeyPair { .. } if undo => SignIn::WorkloadIdentity,
            SignInConfig::SealedKeyPair => match self.keys().state().await? {
                KeyState::NoKey => {
                    let id = &source.id;
                    let text = format!("source {id} has no key yet: make one with `uncia snowflake key {id}`");
                    return Err(ExitError::configuration(text));
                }
                KeyState::Active { active } | KeyState::Pending { active, .. } | KeyState::Swapped { active, .. } => {
                    SignIn::KeyPair { public_key: active.public_key, second: active.place == KeyPlace::Slot(2) }
                }
            },
            SignInConfig::KeyPair { private_key, passphrase } => {
                let key = snowflake::key(&source.id, private_key, passphrase.as_ref())?;
                SignIn::KeyPair { public_key: key.public_base64(), second: false }
            }
            SignInConfig::AccessToken { .. } => SignIn::AccessToken { days: 90 },
            SignInConfig::WorkloadIdentity { .. } => SignIn::WorkloadIdentity,
            SignInConfig::OAuth { redirect_uri, consent_days, .. } => SignIn::OAuth(OAuthClient {
                integration: arguments.integration.clone(),
                redirect_uri: redirect_uri.clone(),
                refresh_token_validity: consent_days.saturating_mul(86_400),
                single_use: true,
            }),
        };
        Ok(Setup {
            source: source.id.to_string(),
            user: source.user.clone(),
            role: source.role.clone(),
            warehouse: source.warehouse.clone(),
            create_warehouse: arguments.create_warehouse,
            place: source.database.clone().zip(source.schema.clone()),
            views: views(source),
            imported_privileges: arguments.imported_privileges,
            sign_in,
            addresses: arguments.addresses.clone(),
        })
    }

    async fn key(&self, new: &NewKey, format: Format) -> Result<Exit> {
        if !matches!(self.source.sign_in, SignInConfig::SealedKeyPair) {
            return Err(self.not_sealed());
        }
        let mut state = self.keys().state().await?;
        if state == KeyState::NoKey {
            state = self.keys().make(&self.new_key(new).await?, KeyPlace::Slot(1), &self.who).await?;
            eprintln!(
                "a key is made and sealed; `uncia snowflake setup-sql {}` prints the script that lets it in",
                self.source.id
            );
        } else if new.from.is_some() {
            return Err(ExitError::usage(format!(
                "source {0} has a key already: `uncia snowflake rotate {0} --from FILE` replaces it",
                self.source.id
            )));
        }
        print_keys(&state, format)?;
        Ok(Exit::Ok)
    }

    async fn rotate(&self, arguments: &SnowflakeRotate, format: Format) -> Result<Exit> {
        if !matches!(self.source.sign_in, SignInConfig::SealedKeyPair) {
            return Err(self.not_sealed());
        }
        let (keys, user, id) = (self.keys(), &self.source.user, &self.source.id);
        if arguments.show {
            print_keys(&keys.state().await?, format)?;
        } else if arguments.save {
            let state = keys.save(&self.who, async |key| self.signs_in(key).await).await?;
            print_keys(&state, format)?;
            eprintln!(
                "the new key is in use; the former one can be gone back to for a day with --roll-back; in an hour or \
                 later, run `uncia snowflake rotate {id} --clean-up`"
            );
        } else if arguments.cancel {
            let before = keys.state().await?;
            print_keys(&keys.cancel(&self.who).await?, format)?;
            if let KeyState::Pending { active, staged } = before {
                eprintln!("the staged key is forgotten; if its public part was set over there, run this:");
                // A named pair goes back to the active key, whose days are numbered there otherwise.
                let sql = unset_key_sql(user, &staged.place).unwrap_or_else(|| set_key_sql(user, &active, true));
                eprintln!("{sql}");
            }
        } else if arguments.roll_back {
            let state = keys.roll_back(&self.who).await?;
            print_keys(&state, format)?;
            eprintln!("the former key is in use again");
            if let KeyState::Swapped { active, former } = &state
                && active.place == former.place
            {
                eprintln!(
                    "a named key pair keeps it for a day only; run this over there:\n{}",
                    set_key_sql(user, active, true)
                );
            }
        } else if arguments.clean_up {
            let removed = keys.clean_up(&self.who).await?;
            match unset_key_sql(user, &removed.place) {
                Some(sql) => write_out(format!("{sql}\n").as_bytes())?,
                None => eprintln!("nothing is to be done over there: a rotated named key pair ends by itself"),
            }
        } else {
            if let Some(name) = &arguments.named {
                check_name("key pair", name)?;
            }
            let place = arguments.named.clone().map(KeyPlace::Named);
            let key = self.new_key(&arguments.key).await?;
            let KeyState::Pending { active, staged } = keys.stage(&key, place, &self.who).await? else {
                return Err(anyhow::anyhow!("the key was not staged"));
            };
            eprintln!("a new key is staged; pulls go on with the active one. Run this in Snowflake:");
            write_out(format!("{}\n", set_key_sql(user, &staged, active.place == staged.place)).as_bytes())?;
            eprintln!("then: uncia snowflake rotate {id} --save");
        }
        Ok(Exit::Ok)
    }

    fn not_sealed(&self) -> anyhow::Error {
        ExitError::configuration(format!(
            "source {} signs in with a credential of yours, which Uncia does not keep: replace it in the configuration, or leave `sign_in` out",
            self.source.id
        ))
    }

    async fn new_key(&self, new: &NewKey) -> Result<RsaKey> {
        let Some(file) = &new.from else {
            let size = if new.bits == "4096" { KeySize::Bits4096 } else { KeySize::Bits2048 };
            return Ok(tokio::task::spawn_blocking(move || RsaKey::generate(size)).await??);
        };
        let pem = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let passphrase = new.passphrase.as_ref().map(|reference| {
            // Only by reference: command lines are seen by everybody on the machine.
            if !reference.starts_with("file:") && !reference.starts_with("env:") {
                return Err(ExitError::usage(
                    "--passphrase takes file:<path> or env:<name>, not the passphrase itself",
                ));
            }
            let resolved = uncia_sources::secret::resolve(&Secret::new(reference.as_str()));
            resolved.map_err(|error| ExitError::configuration(error.to_string()))
        });
        let key = RsaKey::from_pem(&Secret::new(pem), passphrase.transpose()?.as_ref());
        key.map_err(|error| ExitError::configuration(format!("{}: {error}", file.display())))
    }

    /// Tries a key alone: whether it signs in, acts in the role and may use the warehouse.
    async fn signs_in(&self, key: RsaKey) -> Result<(), uncia_snowflake::Error> {
        let detail = |error: anyhow::Error| uncia_snowflake::Error::Credential { detail: error.to_string() };
        let account = snowflake::account(self.source).map_err(detail)?;
        let tokens = Arc::new(KeyPairSource::new(&account, &self.source.user, Arc::new(key)));
        let client = snowflake::client_with(self.source, tokens, &self.clock).map_err(detail)?;
        let needs = Needs { views: Vec::new(), ..needs(self.source) };
        let findings = check(&client, &needs, self.clock.as_ref()).await;
        match findings.into_iter().find(|finding| finding.outcome == Outcome::Failed) {
            None => Ok(()),
            Some(Finding { step, detail, fix, .. }) => {
                let fix = fix.map(|fix| format!(": {fix}")).unwrap_or_default();
                Err(uncia_snowflake::Error::Credential { detail: format!("{step}: {detail}{fix}") })
            }
        }
    }

    async fn authorise(&self) -> Result<Exit> {
        let Some(client) = snowflake::oauth_client(self.source)? else {
            return Err(ExitError::configuration(format!(
                "source {} does not sign in by OAuth: give it sign_in = {{ method = \"oauth\", … }}",
                self.source.id
            )));
        };
        let consent = Consent::of(Arc::new(client), self.vault.clone());
        let before = consent.health(self.clock.as_ref()).await?;
        let begun = consent.begin(&self.who, self.clock.as_ref()).await?;
        eprintln!(
            "open this in a browser before {} UTC, as the person who consents; it is for them only:",
            begun.until
        );
        write_out(format!("{}\n", begun.url).as_bytes())?;
        eprintln!("waiting for the browser to come back to `uncia serve` …");
        while consent.is_pending(self.clock.as_ref()).await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // The code is being exchanged now; its outcome is told by what is sealed.
        for _ in 0..EXCHANGE_LOOKS {
            let health = consent.health(self.clock.as_ref()).await?;
            if health != before {
                eprintln!("the consent is {health} UTC");
                return Ok(if matches!(health, ConsentHealth::Ended { .. }) { Exit::Failed } else { Exit::Ok });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        eprintln!("no new consent: the browser shows why; as before: {before}");
        Ok(Exit::Failed)
    }
}

/// All views that are going to be read.
fn views(source: &SnowflakeSourceConfig) -> Vec<String> {
    let mut views: Vec<&str> = source.audit_views().iter().map(|view| view.name).collect();
    let snapshots = source.snapshot_views();
    // Anybody may show the parameters.
    views.extend(snapshots.iter().filter(|view| view.show.is_none()).map(|view| view.name));
    views.dedup();
    views.into_iter().map(str::to_owned).collect()
}

fn needs(source: &SnowflakeSourceConfig) -> Needs {
    let (database, schema) = source.place();
    let mut views: Vec<NeededView> = Vec::new();
    for name in self::views(source) {
        if views.iter().any(|view| view.name == name) {
            continue;
        }
        let known = AUDIT_VIEWS.iter().find(|view| view.name == name);
        let texts = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        views.push(NeededView {
            wanted: known.map(|view| texts(view.columns)).unwrap_or_default(),
            required: known.map(|view| texts(view.required)).unwrap_or_default(),
            cursor: known.map(|view| view.cursor.to_owned()),
            enterprise: known.is_some_and(|view| view.enterprise),
            name,
        });
    }
    Needs {
        role: source.role.clone(),
        warehouse: source.warehouse.clone(),
        database: database.to_owned(),
        schema: schema.to_owned(),
        views,
    }
}

async fn check_all(
    sources: &[&SnowflakeSourceConfig],
    vault: &Arc<dyn Vault>,
    clock: &Arc<dyn Clock>,
    format: Format,
) -> Result<Exit> {
    let mut rows = Rows::new(&["source", "step", "outcome", "detail", "fix"]);
    let mut good = true;
    for source in sources {
        let client = snowflake::client(source, vault, clock)?;
        let mut findings = check(&client, &needs(source), clock.as_ref()).await;
        if let Some(oauth) = snowflake::oauth_client(source)? {
            findings.insert(0, consent_finding(&Consent::of(Arc::new(oauth), vault.clone()), source, clock).await?);
        }
        good &= passed(&findings);
        for Finding { step, outcome, detail, fix } in findings {
            let cells = vec![source.id.as_str().into(), step.into(), outcome.word().into(), detail.into(), fix.into()];
            rows.rows.push(cells);
        }
    }
    rows.print(format)?;
    Ok(if good { Exit::Ok } else { Exit::Failed })
}

async fn consent_finding(consent: &Consent, source: &SnowflakeSourceConfig, clock: &Arc<dyn Clock>) -> Result<Finding> {
    let health = consent.health(clock.as_ref()).await?;
    let outcome = match health {
        ConsentHealth::Good { .. } => Outcome::Passed,
        ConsentHealth::EndsSoon { .. } | ConsentHealth::EndsNow { .. } => Outcome::Told,
        ConsentHealth::Missing | ConsentHealth::Ended { .. } => Outcome::Failed,
    };
    let fix = health.needs_somebody().then(|| format!("uncia snowflake authorise {}", source.id));
    Ok(Finding { step: "consent".to_owned(), outcome, detail: health.to_string(), fix })
}

fn print_keys(state: &KeyState, format: Format) -> Result<()> {
    let mut rows = Rows::new(&["key", "where", "fingerprint", "since", "by", "public_key"]);
    let mut row = |word: &str, part: &PublicPart| {
        let (place, since) = (part.place.to_string(), part.since.to_string());
        let cells = [word, &place, &part.fingerprint, &since, &part.by, &part.public_key];
        rows.rows.push(cells.map(Into::into).to_vec());
    };
    match state {
        KeyState::NoKey => {}
        KeyState::Active { active } => row("active", active),
        KeyState::Pending { active, staged } => {
            row("active", active);
            row("staged", staged);
        }
        KeyState::Swapped { active, former } => {
            row("active", active);
            row("former", former);
        }
    }
    rows.print(format)
}
