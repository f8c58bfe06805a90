//! Configured Snowflake accounts, ready to be asked.

use std::sync::Arc;

use anyhow::Result;
use uncia_model::{Clock, Secret, SourceId};
use uncia_snowflake::auth::{AccessTokenSource, KeyPairSource, RsaKey, TokenSource, WorkloadIdentitySource};
use uncia_snowflake::{Account, Client, Connection};
use uncia_sources::SnowflakeSourceConfig;
use uncia_sources::snowflake::{AccountPuller, SignInConfig};
use uncia_store::Store;

use crate::config::Config;
use crate::exit::ExitError;

/// The pullers of all configured accounts, or of one.
pub(crate) fn pullers(
    config: &Config,
    only: Option<&str>,
    store: &Arc<Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<AccountPuller>>> {
    let chosen = config.sources.snowflake.iter().filter(|source| only.is_none_or(|id| source.id.as_str() == id));
    let pullers = chosen.map(|source| {
        let client = client(source, clock)?;
        Ok(Arc::new(AccountPuller::new(Arc::new(source.clone()), client, store.clone(), clock.clone())))
    });
    let pullers: Vec<_> = pullers.collect::<Result<_>>()?;
    match only {
        Some(id) if pullers.is_empty() => {
            Err(ExitError::configuration(format!("no Snowflake source is configured as {id}")))
        }
        _ => Ok(pullers),
    }
}

/// A client that signs in as the source is configured.
pub(crate) fn client(source: &SnowflakeSourceConfig, clock: &Arc<dyn Clock>) -> Result<Client> {
    let wrong =
        |error: &dyn std::fmt::Display| ExitError::configuration(format!("Snowflake source {}: {error}", source.id));
    let account = Account::parse(&source.account).map_err(|error| wrong(&error))?;
    let tokens = tokens(source, &account)?;
    let mut connection = Connection::new(account);
    if let Some(url) = &source.url {
        connection = connection.at(url);
    }
    Client::new(connection, tokens, clock.clone()).map_err(|error| wrong(&error))
}

fn tokens(source: &SnowflakeSourceConfig, account: &Account) -> Result<Arc<dyn TokenSource>> {
    let id = &source.id;
    match &source.sign_in {
        SignInConfig::KeyPair { private_key, passphrase } => {
            let (pem, passphrase) =
                (resolve(id, private_key)?, passphrase.as_ref().map(|text| resolve(id, text)).transpose()?);
            let key = RsaKey::from_pem(&pem, passphrase.as_ref());
            let key = key.map_err(|error| ExitError::configuration(format!("Snowflake source {id}: {error}")))?;
            Ok(Arc::new(KeyPairSource::new(account, &source.user, Arc::new(key))))
        }
        SignInConfig::AccessToken { token } => {
            Ok(Arc::new(AccessTokenSource::new(resolve(id, token)?, Some(&source.user))))
        }
        SignInConfig::WorkloadIdentity { provider, token_file } => {
            Ok(Arc::new(WorkloadIdentitySource::new(*provider, token_file.clone())))
        }
        SignInConfig::SealedKeyPair | SignInConfig::OAuth { .. } => Err(ExitError::configuration(format!(
            "Snowflake source {id}: this way to sign in is not built yet; use key_pair, access_token or workload_identity"
        ))),
    }
}

fn resolve(id: &SourceId, secret: &Secret) -> Result<Secret> {
    uncia_sources::secret::resolve(secret)
        .map_err(|error| ExitError::configuration(format!("Snowflake source {id}: {error}")))
}
