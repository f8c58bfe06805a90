//! `uncia secrets`: what is sealed, what happened to it, and a new key for all of it.

use std::path::Path;

use anyhow::Result;
use uncia_document::Timestamp;
use uncia_model::{Clock as _, SystemClock};
use uncia_store::CredentialNote;

use crate::cli::Secrets;
use crate::config::Config;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows};
use crate::vault;

pub(crate) async fn run(config: &Config, root: &Path, command: &Secrets, format: Format) -> Result<Exit> {
    let store = vault::open_store(root).await?;
    let time = |micros: i64| Timestamp::from_micros(micros).to_string();
    match command {
        Secrets::List => {
            let mut rows = Rows::new(&["secret", "changed", "key"]);
            for name in store.sealed_names().await? {
                rows.rows.push(vec![name.name.into(), time(name.updated_micros).into(), name.key_id.into()]);
            }
            rows.print(format)?;
        }
        Secrets::Log => {
            let mut rows = Rows::new(&["time", "who", "credential", "action", "detail"]);
            for note in store.credential_notes().await? {
                let cells = [time(note.at_micros), note.who, note.credential, note.action, note.detail];
                rows.rows.push(cells.map(Into::into).to_vec());
            }
            rows.print(format)?;
        }
        Secrets::Forget { name } => {
            let keyring = vault::keyring(&config.secrets, &vault::folder(root))?;
            let Some(unsealed) = store.unseal(&keyring, name).await? else {
                return Err(ExitError::usage(format!("there is no secret {name}: `uncia secrets list` shows them")));
            };
            let note = CredentialNote {
                at_micros: SystemClock.now().micros,
                who: vault::who(),
                credential: name.clone(),
                action: "forgotten".to_owned(),
                detail: String::new(),
            };
            if !store.seal(&keyring, name, None, unsealed.revision, &note).await? {
                return Err(ExitError::unavailable(format!("secret {name} has just been changed: look at it again")));
            }
            eprintln!("{name} is gone");
        }
        Secrets::RotateKey => {
            let mut keyring = vault::keyring(&config.secrets, &vault::folder(root))?;
            let own = config.secrets.key.is_none();
            if own {
                keyring.stage()?;
            } else if config.secrets.next_key.is_none() {
                return Err(ExitError::configuration(
                    "secrets.key is kept elsewhere: give its successor as secrets.next_key, and make it secrets.key afterwards",
                ));
            }
            let count = store.rewrap(&keyring).await?;
            keyring.turn()?;
            eprintln!("{count} secrets are sealed with key {} now", keyring.id());
            if !own {
                eprintln!("make secrets.next_key the secrets.key of the configuration now");
            }
        }
    }
    Ok(Exit::Ok)
}
