//! An account that refuses us makes one system alert, which is over when it lets us in again.

use std::path::Path;

use uncia_snowflake::auth::{KeySize, RsaKey};
use uncia_snowflake_double::{Double, DoubleConfig};

use crate::{stdout, uncia};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_key_is_told_until_it_is_taken_again() {
    let home = tempfile::tempdir().unwrap();
    let double = Double::start(DoubleConfig::default()).await.unwrap();
    let key = RsaKey::generate(KeySize::Bits2048).unwrap();
    std::fs::write(home.path().join("key.pem"), key.to_pem().unwrap().expose()).unwrap();
    let script = "CREATE ROLE READER; GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE READER;\n\
                  CREATE WAREHOUSE WH; GRANT USAGE ON WAREHOUSE WH TO ROLE READER;\n\
                  CREATE USER READER TYPE = SERVICE DEFAULT_ROLE = READER; GRANT ROLE READER TO USER READER;";
    double.run_script(script).unwrap();
    let config = format!(
        "[[sources.snowflake]]\nid = \"sf\"\naccount = \"{}\"\nurl = \"{}\"\nuser = \"READER\"\nrole = \"READER\"\n\
         warehouse = \"WH\"\nviews = [\"LOGIN_HISTORY\"]\nstate_minutes = 0\n\
         sign_in = {{ method = \"key_pair\", private_key = \"file:{}\" }}\n\
         [[destinations]]\nid = \"ops\"\ntype = \"webhook\"\nalert_types = [\"SYSTEM_ERROR\"]\nseverities = []\n\
         config = {{ url = \"https://ops.example/hook\" }}\n",
        double.identifier(),
        double.url(),
        home.path().join("key.pem").display()
    );
    let (data, file) = (home.path().join("data"), home.path().join("uncia.toml"));
    std::fs::write(&file, config).unwrap();
    let pull = || {
        let output = super::command(&data).arg("--config").arg(&file).args(["snowflake", "pull"]).output().unwrap();
        output.status.code()
    };

    assert_eq!([pull(), pull()], [Some(4), Some(4)]);
    let [alert] = alerts(&data).try_into().unwrap();
    assert_eq!(alert["type"], "SYSTEM_ERROR");
    assert_eq!(alert["severity"], "CRITICAL");
    assert_eq!(alert["detection"], "SOURCE_PERMISSIONS_CHECKS");
    assert_eq!(alert["title"], "Snowflake source sf is refused");
    assert_eq!(alert["status"], "OPEN");
    let doctor = uncia(&data, &["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("BAD   sources") && said.contains("sf SOURCE_PERMISSIONS_CHECKS since"), "{said}");

    double.run_script(&format!("ALTER USER READER SET RSA_PUBLIC_KEY = '{}'", key.public_base64())).unwrap();
    assert_eq!(pull(), Some(0));
    let [alert] = alerts(&data).try_into().unwrap();
    assert_eq!(alert["status"], "RESOLVED");
}

fn alerts(data: &Path) -> Vec<serde_json::Value> {
    serde_json::from_str(&stdout(&uncia(data, &["alerts", "list", "--json"]))).unwrap()
}
