//! Key-pair tokens: the right one, and every way of being a wrong one.

use serde_json::{Value, json};

use crate::client::{Key, SECOND, Scene, request};

const ACCOUNT: &str = "UNCIATEST-MAIN";

async fn with_token(scene: &Scene, token: &str) -> (u16, String) {
    let answer = scene.post("/api/v2/statements", token, &json!({"statement": "SELECT CURRENT_USER()"})).await;
    (answer.status, answer.code().to_owned())
}

#[tokio::test]
async fn the_registered_key_opens_the_door_and_each_mutation_is_refused() {
    let scene = Scene::new().await;
    let now = scene.now();
    let issued = now - 30 * SECOND;
    let good = scene.token();
    assert_eq!(with_token(&scene, &good).await, (200, "090001".to_owned()));

    let header = json!({"alg": "RS256", "typ": "JWT"});
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut claims = scene.key.claims(ACCOUNT, "AUDIT_USER", issued);
        change(&mut claims);
        scene.key.sign(&header, &claims)
    };
    let dot = good.rfind('.').unwrap();
    let flip = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let none = {
        let token = scene.key.sign(&json!({"alg": "none"}), &scene.key.claims(ACCOUNT, "AUDIT_USER", issued));
        format!("{}.", &token[..token.rfind('.').unwrap()])
    };
    let seconds = now / SECOND;
    let wrong = [
        ("one byte of the signature", flip(dot + 40)),
        ("one byte of the claims", flip(dot - 40)),
        ("another key", Key::new().token(ACCOUNT, "AUDIT_USER", issued)),
        ("another key under the registered fingerprint", {
            Key::new().sign(&header, &scene.key.claims(ACCOUNT, "AUDIT_USER", issued))
        }),
        ("expired", changed(&|claims| claims["exp"] = json!(seconds - 1))),
        ("an hour after its issue whatever exp says", {
            changed(&|claims| {
                claims["iat"] = json!(seconds - 3601);
                claims["exp"] = json!(seconds + 86_400);
            })
        }),
        ("issued in the future", changed(&|claims| claims["iat"] = json!(seconds + 120))),
        ("no iat", changed(&|claims| claims["iat"] = Value::Null)),
        ("user in lower case", scene.key.token(ACCOUNT, "audit_user", issued)),
        ("account in lower case", scene.key.token("unciatest-main", "AUDIT_USER", issued)),
        ("another account", scene.key.token("UNCIATEST-OTHER", "AUDIT_USER", issued)),
        ("locator with region", scene.key.token("XY12345.EU-CENTRAL-1", "AUDIT_USER", issued)),
        ("account with a dot", scene.key.token("UNCIATEST.MAIN", "AUDIT_USER", issued)),
        ("unknown user", scene.key.token(ACCOUNT, "NOBODY", issued)),
        ("another user's name", scene.key.token(ACCOUNT, "ADMIN", issued)),
        ("issuer without fingerprint", changed(&|claims| claims["iss"] = claims["sub"].clone())),
        ("HS256", scene.key.sign(&json!({"alg": "HS256"}), &scene.key.claims(ACCOUNT, "AUDIT_USER", issued))),
        ("alg none", none),
        ("RS512 in the header only", {
            let signed = scene.key.sign(&header, &scene.key.claims(ACCOUNT, "AUDIT_USER", issued));
            let other = scene.key.sign(&json!({"alg": "RS512"}), &scene.key.claims(ACCOUNT, "AUDIT_USER", issued));
            format!("{}{}", &other[..other.rfind('.').unwrap()], &signed[signed.rfind('.').unwrap()..])
        }),
    ];
    for (what, token) in wrong {
        assert_eq!(with_token(&scene, &token).await, (401, "390144".to_owned()), "{what}");
    }
    assert!(scene.double.refusals().iter().any(|reason| reason == "JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH"));

    for algorithm in ["RS384", "RS512"] {
        let token = scene.key.sign(&json!({"alg": algorithm}), &scene.key.claims(ACCOUNT, "AUDIT_USER", issued));
        assert_eq!(with_token(&scene, &token).await.0, 200, "{algorithm}");
    }
    let locator = scene.key.token("XY12345", "AUDIT_USER", issued);
    assert_eq!(with_token(&scene, &locator).await.0, 200);
    let millis = changed(&|claims| {
        claims["iat"] = json!(issued / 1_000);
        claims["exp"] = json!(issued / 1_000 + 600_000);
    });
    assert_eq!(with_token(&scene, &millis).await.0, 200);
}

#[tokio::test]
async fn both_slots_open_until_one_is_unset() {
    let scene = Scene::new().await;
    let second = Key::new();
    let issued = scene.now() - 30 * SECOND;
    let token = second.token(ACCOUNT, "AUDIT_USER", issued);
    assert_eq!(with_token(&scene, &token).await.0, 401);
    scene.double.run_script(&format!("ALTER USER AUDIT_USER SET RSA_PUBLIC_KEY_2 = '{}'", second.public)).unwrap();
    assert_eq!(with_token(&scene, &token).await.0, 200);
    assert_eq!(with_token(&scene, &scene.token()).await.0, 200);
    scene.double.run_script("ALTER USER AUDIT_USER UNSET RSA_PUBLIC_KEY").unwrap();
    assert_eq!(with_token(&scene, &token).await.0, 200);
    assert_eq!(with_token(&scene, &scene.token()).await.0, 401);
}

#[tokio::test]
async fn a_rotated_named_key_stays_good_for_its_hours() {
    let scene = Scene::new().await;
    let (first, second) = (Key::new(), Key::new());
    let of = |key: &Key| key.token(ACCOUNT, "AUDIT_USER", scene.now() - SECOND);
    scene.double.run_script(&format!("ALTER USER AUDIT_USER ADD KEY PAIR K PUBLIC_KEY = '{}'", first.public)).unwrap();
    assert_eq!(with_token(&scene, &of(&first)).await.0, 200);
    let rotate = format!(
        "ALTER USER AUDIT_USER ROTATE KEY PAIR K PUBLIC_KEY = '{}' EXPIRE_ROTATED_KEY_PAIR_AFTER_HOURS = 2",
        second.public
    );
    scene.double.run_script(&rotate).unwrap();
    assert_eq!(with_token(&scene, &of(&first)).await.0, 200);
    assert_eq!(with_token(&scene, &of(&second)).await.0, 200);
    scene.advance(2 * 3600);
    assert_eq!(with_token(&scene, &of(&first)).await.0, 401);
    assert_eq!(with_token(&scene, &of(&second)).await.0, 200);
    scene.double.run_script("ALTER USER AUDIT_USER REMOVE KEY PAIR K").unwrap();
    assert_eq!(with_token(&scene, &of(&second)).await.0, 401);
}

#[tokio::test]
async fn disabled_users_and_strange_addresses_stay_outside() {
    let scene = Scene::new().await;
    scene.double.run_script("ALTER USER AUDIT_USER SET DISABLED = TRUE").unwrap();
    assert_eq!(with_token(&scene, &scene.token()).await.0, 401);
    scene.double.run_script("ALTER USER AUDIT_USER SET DISABLED = FALSE").unwrap();
    scene
        .double
        .run_script(
            "CREATE DATABASE IF NOT EXISTS SECURITY;
             CREATE NETWORK RULE IF NOT EXISTS SECURITY.PUBLIC.OURS TYPE = IPV4 MODE = INGRESS VALUE_LIST = ('203.0.113.0/24');
             CREATE NETWORK POLICY IF NOT EXISTS ONLY_US ALLOWED_NETWORK_RULE_LIST = ('SECURITY.PUBLIC.OURS');
             ALTER USER AUDIT_USER SET NETWORK_POLICY = ONLY_US;",
        )
        .unwrap();
    assert_eq!(with_token(&scene, &scene.token()).await, (401, "390422".to_owned()));
    scene.double.set_client_address(Some("203.0.113.7".parse().unwrap()));
    assert_eq!(with_token(&scene, &scene.token()).await.0, 200);
}

#[tokio::test]
async fn the_header_must_name_the_kind_of_token() {
    let scene = Scene::new().await;
    let url = format!("{}/api/v2/statements", scene.double.url());
    let send = |kind: Option<&'static str>| {
        let mut request = crate::client::http()
            .post(&url)
            .header("Authorization", format!("Bearer {}", scene.token()))
            .header("User-Agent", "test/1.0")
            .header("Content-Type", "application/json")
            .body(json!({"statement": "SELECT 1"}).to_string());
        if let Some(kind) = kind {
            request = request.header("X-Snowflake-Authorization-Token-Type", kind);
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send(None).await, 200);
    assert_eq!(send(Some("KEYPAIR_JWT")).await, 200);
    assert_eq!(send(Some("OAUTH")).await, 401);
    assert_eq!(send(Some("PROGRAMMATIC_ACCESS_TOKEN")).await, 401);
    let plain = request(reqwest::Method::POST, &url, &scene.token()).body("{}").send().await.unwrap();
    assert_eq!(plain.status().as_u16(), 415);
    let nobody =
        crate::client::http().post(&url).header("User-Agent", "test/1.0").header("Content-Type", "application/json");
    assert_eq!(nobody.body("{}").send().await.unwrap().status().as_u16(), 401);
    let silent = crate::client::http().post(&url).header("Content-Type", "application/json").body("{}");
    assert_eq!(silent.send().await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn access_tokens_need_a_network_policy_and_keep_to_their_role() {
    let scene = Scene::new().await;
    let add =
        "ALTER USER AUDIT_USER ADD PROGRAMMATIC ACCESS TOKEN T ROLE_RESTRICTION = 'AUDIT_ROLE' DAYS_TO_EXPIRY = 2";
    assert!(scene.double.run_script(add).is_err());
    scene
        .double
        .run_script(
            "CREATE NETWORK POLICY ANYWHERE ALLOWED_IP_LIST = ('0.0.0.0/0');
             ALTER USER AUDIT_USER SET NETWORK_POLICY = ANYWHERE;",
        )
        .unwrap();
    let answers = scene.double.run_script(add).unwrap();
    let secret = answers[0][0][1].clone().unwrap();
    let send = |role: &'static str| {
        let url = format!("{}/api/v2/statements", scene.double.url());
        let request = crate::client::http()
            .post(url)
            .header("Authorization", format!("Bearer {secret}"))
            .header("X-Snowflake-Authorization-Token-Type", "PROGRAMMATIC_ACCESS_TOKEN")
            .header("User-Agent", "test/1.0")
            .header("Content-Type", "application/json")
            .body(json!({"statement": "SELECT CURRENT_ROLE()", "role": role}).to_string());
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send("AUDIT_ROLE").await, 200);
    assert_eq!(send("PUBLIC").await, 422);
    scene.double.run_script("ALTER USER AUDIT_USER UNSET NETWORK_POLICY").unwrap();
    assert_eq!(send("AUDIT_ROLE").await, 401);
    assert_eq!(scene.double.refusals(), ["NETWORK_POLICY_REQUIRED"]);
    scene.double.run_script("ALTER USER AUDIT_USER SET NETWORK_POLICY = ANYWHERE").unwrap();
    assert_eq!(send("AUDIT_ROLE").await, 200);
    scene.advance(2 * 86_400);
    assert_eq!(send("AUDIT_ROLE").await, 401);
    assert_eq!(scene.double.refusals()[1], "PROGRAMMATIC_ACCESS_TOKEN_EXPIRED");
}
