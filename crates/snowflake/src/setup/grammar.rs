//! Every script that people are given, read by a parser that nobody here wrote.
//!
//! sqlparser does not know all of Snowflake's statements; those it gives up are named here, and that they are right is for
//! the double to say, on which tests run whole scripts, and run them twice.

use std::collections::BTreeSet;

use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};
use uncia_document::Timestamp;

use super::tests::{PUBLIC_KEY, client, setup};
use super::*;
use crate::rotation::{KeyPlace, PublicPart, set_key_sql, unset_key_sql};

/// All kinds of scripts, with names that need quotes and without.
fn scripts() -> Vec<String> {
    let place = Some(("AUDIT".to_owned(), "usage".to_owned()));
    let sign_ins = [
        SignIn::KeyPair { public_key: PUBLIC_KEY.to_owned(), second: false },
        SignIn::KeyPair { public_key: PUBLIC_KEY.to_owned(), second: true },
        SignIn::AccessToken { days: 90 },
        SignIn::WorkloadIdentity,
        client("https://uncia.example.com/snowflake/oauth/callback"),
    ];
    let mut scripts = Vec::new();
    for sign_in in sign_ins {
        let plain = Setup { sign_in, ..setup() };
        let variants = [
            Setup { imported_privileges: true, ..plain.clone() },
            Setup { place: place.clone(), create_warehouse: false, addresses: Vec::new(), ..plain.clone() },
            Setup {
                user: "it's me".to_owned(),
                role: "a \"role\"".to_owned(),
                warehouse: "wh; x".to_owned(),
                ..plain.clone()
            },
            plain,
        ];
        for setup in variants {
            scripts.push(setup.sql().unwrap());
            scripts.push(setup.undo_sql().unwrap());
        }
    }
    for place in [KeyPlace::Slot(1), KeyPlace::Slot(2), KeyPlace::Named("next key".to_owned())] {
        scripts.extend(unset_key_sql("UNCIA", &place));
        let key = PublicPart {
            fingerprint: String::new(),
            public_key: PUBLIC_KEY.to_owned(),
            place,
            since: Timestamp::from_micros(0),
            by: String::new(),
        };
        scripts.push(set_key_sql("UNCIA", &key, false));
        scripts.push(set_key_sql("UNCIA", &key, true));
    }
    scripts
}

/// The tokens of each statement of a script.
fn statements(script: &str) -> Vec<Vec<Token>> {
    let tokens = Tokenizer::new(&SnowflakeDialect {}, script).tokenize().unwrap();
    let statements = tokens.split(|token| *token == Token::SemiColon);
    let words =
        |tokens: &[Token]| tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).cloned().collect();
    statements.map(words).filter(|words: &Vec<Token>| !words.is_empty()).collect()
}

#[test]
fn another_parser_reads_the_scripts() {
    let (mut read, mut given_up) = (0, BTreeSet::new());
    for statement in scripts().iter().flat_map(|script| statements(script)) {
        let kind: Vec<String> = statement.iter().take(3).map(ToString::to_string).collect();
        match Parser::new(&SnowflakeDialect {}).with_tokens(statement).parse_statement() {
            Ok(_) => read += 1,
            Err(_) => {
                given_up.insert(kind.join(" "));
            }
        }
    }
    assert!(read > 100, "{read}");
    let given_up: Vec<String> = given_up.into_iter().collect();
    insta::assert_snapshot!(given_up.join("\n"), @r"
    ALTER NETWORK POLICY
    CREATE NETWORK POLICY
    CREATE SECURITY INTEGRATION
    CREATE WAREHOUSE IF
    DROP INTEGRATION IF
    DROP NETWORK POLICY
    DROP WAREHOUSE IF
    ");
}
