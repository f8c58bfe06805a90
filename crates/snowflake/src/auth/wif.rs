//! Workload identity: no secret of ours at all. The platform writes a token into a file and replaces it when it grows old.
//!
//! On Kubernetes it is a projected service-account token; elsewhere an agent of the cloud keeps the file fresh. The file is
//! read for each request that needs a token, as it is small and may have changed
//! (<https://docs.snowflake.com/en/user-guide/workload-identity-federation>).

use std::path::PathBuf;

use async_trait::async_trait;
use uncia_document::Timestamp;
use uncia_model::Secret;
use zeroize::Zeroizing;

use super::{Token, TokenKind, TokenSource};
use crate::Error;

/// Who vouches for the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkloadProvider {
    Aws,
    Azure,
    Gcp,
    Oidc,
}

impl WorkloadProvider {
    const fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "AZURE",
            Self::Gcp => "GCP",
            Self::Oidc => "OIDC",
        }
    }
}

/// Reads the platform's token.
#[derive(Debug)]
pub struct WorkloadIdentitySource {
    provider: WorkloadProvider,
    file: PathBuf,
}

impl WorkloadIdentitySource {
    #[must_use]
    pub fn new(provider: WorkloadProvider, file: PathBuf) -> Self {
        Self { provider, file }
    }

    async fn read(&self) -> Result<Token, Error> {
        let read = tokio::fs::read_to_string(&self.file).await;
        let text = Zeroizing::new(read.map_err(|error| Error::Credential {
            detail: format!("workload identity token {} cannot be read: {error}", self.file.display()),
        })?);
        let token = text.trim();
        if token.is_empty() || token.contains(char::is_whitespace) {
            let detail = format!("{} holds no workload identity token", self.file.display());
            return Err(Error::Credential { detail });
        }
        let value = Secret::new(format!("WIF.{}.{token}", self.provider.name()));
        Ok(Token { kind: TokenKind::WorkloadIdentity, value })
    }
}

#[async_trait]
impl TokenSource for WorkloadIdentitySource {
    async fn token(&self, _now: Timestamp) -> Result<Token, Error> {
        self.read().await
    }

    async fn refused(&self, token: &Token) -> bool {
        self.read().await.is_ok_and(|fresh| fresh != *token)
    }

    fn kind(&self) -> TokenKind {
        TokenKind::WorkloadIdentity
    }

    fn identity(&self) -> String {
        format!("workload identity of {} in {}", self.provider.name(), self.file.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_the_platform_replaced_is_tried() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let source = WorkloadIdentitySource::new(WorkloadProvider::Oidc, file.clone());
        let absent = source.token(Timestamp::from_micros(0)).await.unwrap_err();
        assert!(absent.to_string().contains("cannot be read"), "{absent}");
        std::fs::write(&file, "first\n").unwrap();
        let first = source.token(Timestamp::from_micros(0)).await.unwrap();
        assert_eq!(first.value.expose(), "WIF.OIDC.first");
        assert!(!source.refused(&first).await);
        std::fs::write(&file, "second\n").unwrap();
        assert!(source.refused(&first).await);
    }
}
