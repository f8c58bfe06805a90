//! Secrets that a configuration names instead of holding.

use std::path::Path;

use uncia_model::Secret;

/// A reference that leads nowhere. Its text names the reference, which is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("secret `file:{path}` cannot be read: {error}")]
    File { path: String, error: std::io::Error },
    #[error("secret `env:{name}` is not set in the environment")]
    Env { name: String },
    #[error("secret `{reference}` is empty")]
    Empty { reference: String },
}

/// The secret that `file:<path>` or `env:<name>` refers to; any other text is the secret itself.
///
/// A file's trailing line end is not part of its secret.
pub fn resolve(configured: &Secret) -> Result<Secret, SecretError> {
    let text = configured.expose();
    let found = if let Some(path) = text.strip_prefix("file:") {
        let read = std::fs::read_to_string(Path::new(path));
        let read = read.map_err(|error| SecretError::File { path: path.to_owned(), error })?;
        read.trim_end_matches(['\r', '\n']).to_owned()
    } else if let Some(name) = text.strip_prefix("env:") {
        std::env::var(name).map_err(|_| SecretError::Env { name: name.to_owned() })?
    } else {
        return Ok(configured.clone());
    };
    if found.is_empty() {
        return Err(SecretError::Empty { reference: text.to_owned() });
    }
    Ok(Secret::new(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let reference = |text: String| resolve(&Secret::new(text));
        assert_eq!(reference(format!("file:{}", path.display())).unwrap().expose(), "s3cret");
        assert_eq!(reference("plain".to_owned()).unwrap().expose(), "plain");
        assert!(reference("env:PATH".to_owned()).is_ok());
        std::fs::write(&path, "\n").unwrap();
        for (text, expected) in [
            ("file:/no/such/file".to_owned(), "secret `file:/no/such/file` cannot be read: No such file"),
            ("env:UNCIA_NO_SUCH_VARIABLE".to_owned(), "secret `env:UNCIA_NO_SUCH_VARIABLE` is not set"),
            (format!("file:{}", path.display()), "is empty"),
        ] {
            let error = reference(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
