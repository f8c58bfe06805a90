//! Configured Snowflake accounts, ready to be asked.

use std::sync::Arc;

use anyhow::Result;
use uncia_model::{Clock, Secret, SourceId};
use uncia_snowflake::auth::{
    AccessTokenSource, KeyPairSource, RsaKey, SealedKeySource, TokenSource, WorkloadIdentitySource,
};
use uncia_snowflake::oauth::{OAuthClient, OAuthSource};
use uncia_snowflake::vault::Vault;
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
    vault: &Arc<dyn Vault>,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<AccountPuller>>> {
    let chosen = config.sources.snowflake.iter().filter(|source| only.is_none_or(|id| source.id.as_str() == id));
    let pullers = chosen.map(|source| {
        let client = client(source, vault, clock)?;
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
pub(crate) fn client(source: &SnowflakeSourceConfig, vault: &Arc<dyn Vault>, clock: &Arc<dyn Clock>) -> Result<Client> {
    client_with(source, tokens(source, vault)?, clock)
}

/// A client that signs in otherwise, as when a key is tried.
pub(crate) fn client_with(
    source: &SnowflakeSourceConfig,
    tokens: Arc<dyn TokenSource>,
    clock: &Arc<dyn Clock>,
) -> Result<Client> {
    Client::new(connection(source)?, tokens, clock.clone()).map_err(|error| wrong(&source.id, &error))
}

pub(crate) fn account(source: &SnowflakeSourceConfig) -> Result<Account> {
    Account::parse(&source.account).map_err(|error| wrong(&source.id, &error))
}

fn connection(source: &SnowflakeSourceConfig) -> Result<Connection> {
    let connection = Connection::new(account(source)?);
    Ok(match &source.url {
        Some(url) => connection.at(url),
        None => connection,
    })
}

fn tokens(source: &SnowflakeSourceConfig, vault: &Arc<dyn Vault>) -> Result<Arc<dyn TokenSource>> {
    let id = &source.id;
    match &source.sign_in {
        SignInConfig::KeyPair { private_key, passphrase } => {
            let key = key(id, private_key, passphrase.as_ref())?;
            Ok(Arc::new(KeyPairSource::new(&account(source)?, &source.user, Arc::new(key))))
        }
        SignInConfig::SealedKeyPair => {
            Ok(Arc::new(SealedKeySource::new(id.as_str(), account(source)?, &source.user, vault.clone())))
        }
        SignInConfig::AccessToken { token, .. } => {
            Ok(Arc::new(AccessTokenSource::new(resolve(id, token)?, Some(&source.user))))
        }
        SignInConfig::WorkloadIdentity { provider, token_file } => {
            Ok(Arc::new(WorkloadIdentitySource::new(*provider, token_file.clone())))
        }
        SignInConfig::OAuth { .. } => {
            let client = oauth_client(source)?.expect("this source signs in by OAuth");
            Ok(Arc::new(OAuthSource::new(Arc::new(client), vault.clone())))
        }
    }
}

/// The OAuth client of a source that signs in so.
pub(crate) fn oauth_client(source: &SnowflakeSourceConfig) -> Result<Option<OAuthClient>> {
    let SignInConfig::OAuth { client_id, client_secret, redirect_uri, consent_days } = &source.sign_in else {
        return Ok(None);
    };
    Ok(Some(OAuthClient {
        source: source.id.to_string(),
        connection: connection(source)?,
        client_id: resolve(&source.id, client_id)?,
        client_secret: resolve(&source.id, client_secret)?,
        redirect_uri: redirect_uri.clone(),
        role: source.role.clone(),
        consent_seconds: consent_days.saturating_mul(86_400),
    }))
}

/// A configured private key.
pub(crate) fn key(id: &SourceId, private_key: &Secret, passphrase: Option<&Secret>) -> Result<RsaKey> {
    let passphrase = passphrase.map(|text| resolve(id, text)).transpose()?;
    RsaKey::from_pem(&resolve(id, private_key)?, passphrase.as_ref()).map_err(|error| wrong(id, &error))
}

fn wrong(id: &SourceId, error: &dyn std::fmt::Display) -> anyhow::Error {
    ExitError::configuration(format!("Snowflake source {id}: {error}"))
}

fn resolve(id: &SourceId, secret: &Secret) -> Result<Secret> {
    uncia_sources::secret::resolve(secret)
        .map_err(|error| ExitError::configuration(format!("Snowflake source {id}: {error}")))
}
