//! Account identifiers: what people paste, made into the host to call and the name that a JWT carries.
//!
//! Preferred is `<org>-<account>`; a locator with its region (`xy12345.us-east-1`) still works. A dot between organisation and
//! account is how SQL writes it and no host, so it is answered with the form that works
//! (<https://docs.snowflake.com/en/user-guide/admin-account-identifier>).

use std::fmt;

/// A text that names no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    #[error("the account identifier is empty: write it as <organisation>-<account>, e.g. myorg-prod")]
    Empty,
    #[error("account identifier `{given}` joins organisation and account with a dot: write it as `{hyphen}`")]
    Dotted { given: String, hyphen: String },
    #[error("account identifier `{given}` contains `{character}`: letters, digits, `-`, `_` and `.` are possible")]
    Character { given: String, character: char },
    #[error("account identifier `{given}` is not complete: write it as <organisation>-<account>, e.g. myorg-prod")]
    Incomplete { given: String },
    #[error("account identifier `{given}` is longer than a host name can be")]
    TooLong { given: String },
}

/// An account, as its host names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// In lower case, underscores kept, without the domain; `.privatelink` is part of it.
    identifier: String,
    domain: &'static str,
}

const DOMAINS: [&str; 2] = ["snowflakecomputing.com", "snowflakecomputing.cn"];
const LONGEST_HOST: usize = 253;

impl Account {
    /// Understands an identifier, a host, or a URL of the account or of Snowsight.
    pub fn parse(given: &str) -> Result<Self, AccountError> {
        let text = given.trim().to_ascii_lowercase();
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(&text);
        if text.is_empty() {
            return Err(AccountError::Empty);
        }
        if let Some(path) = text.strip_prefix("app.snowflake.com/") {
            return Self::from_snowsight(path, given);
        }
        let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default().trim_end_matches('.');
        for domain in DOMAINS {
            if let Some(identifier) = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.')) {
                return Self::of(identifier, domain, given);
            }
        }
        Self::of(host, DOMAINS[0], given)
    }

    /// `https://app.snowflake.com/<org>/<account>/…`, or `/<region>/<locator>/…` as older links have it.
    fn from_snowsight(path: &str, given: &str) -> Result<Self, AccountError> {
        let mut segments = path.split(['/', '?', '#']).filter(|segment| !segment.is_empty());
        let (Some(first), Some(second)) = (segments.next(), segments.next()) else {
            return Err(AccountError::Incomplete { given: given.to_owned() });
        };
        let identifier = if is_region(first) { format!("{second}.{first}") } else { format!("{first}-{second}") };
        Self::of(&identifier, DOMAINS[0], given)
    }

    fn of(identifier: &str, domain: &'static str, given: &str) -> Result<Self, AccountError> {
        let given = given.trim().to_owned();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if let Some(character) = identifier.chars().find(|c| !allowed(*c)) {
            return Err(AccountError::Character { given, character });
        }
        if identifier.len() + domain.len() >= LONGEST_HOST || identifier.split('.').any(|label| label.len() > 63) {
            return Err(AccountError::TooLong { given });
        }
        let word = |label: &str| label.bytes().any(|byte| byte.is_ascii_alphanumeric());
        let edges = |label: &str| !label.starts_with('-') && !label.ends_with('-');
        if !identifier.split('.').all(|label| word(label) && edges(label)) {
            return Err(AccountError::Incomplete { given });
        }
        let labels: Vec<&str> = identifier.split('.').collect();
        let plain = labels.strip_suffix(&["privatelink"]).unwrap_or(&labels);
        match plain {
            [_] => {}
            [_, "global"] => {}
            [_, region] if is_region(region) => {}
            [_, region, "aws" | "azure" | "gcp"] if is_region(region) => {}
            [organisation, account] => {
                let hyphen = format!("{organisation}-{account}");
                return Err(AccountError::Dotted { given, hyphen });
            }
            _ => return Err(AccountError::Incomplete { given }),
        }
        Ok(Self { identifier: identifier.to_owned(), domain })
    }

    /// The identifier in lower case, e.g. `myorg-my_account`.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The host to call. Host names have no underscore, so it becomes a hyphen there.
    #[must_use]
    pub fn host(&self) -> String {
        format!("{}.{}", self.identifier.replace('_', "-"), self.domain)
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    /// The account as a JWT names it: upper case, no dot, cut as Snowflake's own connectors cut it.
    ///
    /// Their page on authenticating cuts a name without a dot at its first hyphen, which would make `MYORG` of
    /// `MYORG-MYACCT`; no connector does that.
    #[must_use]
    pub fn jwt_name(&self) -> String {
        let end = if self.identifier.contains(".global") { '-' } else { '.' };
        self.identifier.split(end).next().unwrap_or_default().split('.').next().unwrap_or_default().to_ascii_uppercase()
    }

    /// Organisation and account, where the identifier tells them.
    #[must_use]
    pub fn organisation(&self) -> Option<(&str, &str)> {
        let name = self.identifier.strip_suffix(".privatelink").unwrap_or(&self.identifier);
        if name.contains('.') { None } else { name.split_once('-') }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identifier)
    }
}

/// Whether it is a cloud's region: words joined by hyphens, the last with a digit or a compass point. An account's name in
/// an organisation has no hyphen.
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        && words[0].bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_paste() {
        for (given, host, jwt) in [
            ("myorg-prod", "myorg-prod.snowflakecomputing.com", "MYORG-PROD"),
            ("  MYORG-PROD ", "myorg-prod.snowflakecomputing.com", "MYORG-PROD"),
            ("https://MyOrg-Prod.snowflakecomputing.com/", "myorg-prod.snowflakecomputing.com", "MYORG-PROD"),
            ("myorg-prod.snowflakecomputing.com:443", "myorg-prod.snowflakecomputing.com", "MYORG-PROD"),
            ("https://app.snowflake.com/myorg/prod/#/homepage", "myorg-prod.snowflakecomputing.com", "MYORG-PROD"),
            ("https://app.snowflake.com/us-east-1/xy12345/", "xy12345.us-east-1.snowflakecomputing.com", "XY12345"),
            ("xy12345", "xy12345.snowflakecomputing.com", "XY12345"),
            ("xy12345.us-east-1", "xy12345.us-east-1.snowflakecomputing.com", "XY12345"),
            ("xy12345.west-europe.azure", "xy12345.west-europe.azure.snowflakecomputing.com", "XY12345"),
            ("xy12345.us-central1.gcp", "xy12345.us-central1.gcp.snowflakecomputing.com", "XY12345"),
            ("myorg-my_account", "myorg-my-account.snowflakecomputing.com", "MYORG-MY_ACCOUNT"),
            (
                "https://myorg-prod.privatelink.snowflakecomputing.com",
                "myorg-prod.privatelink.snowflakecomputing.com",
                "MYORG-PROD",
            ),
            ("https://myorg-prod.snowflakecomputing.cn/x?y", "myorg-prod.snowflakecomputing.cn", "MYORG-PROD"),
            ("acme-12345.global", "acme-12345.global.snowflakecomputing.com", "ACME"),
        ] {
            let account = Account::parse(given).unwrap();
            assert_eq!((account.host().as_str(), account.jwt_name().as_str()), (host, jwt), "{given}");
        }
        assert_eq!(Account::parse("myorg-prod").unwrap().organisation(), Some(("myorg", "prod")));
        assert_eq!(Account::parse("xy12345.us-east-1").unwrap().organisation(), None);
    }

    #[test]
    fn what_cannot_be_an_account() {
        for (given, text) in [
            ("", "the account identifier is empty: write it as <organisation>-<account>, e.g. myorg-prod"),
            (
                "MYORG.PROD",
                "account identifier `MYORG.PROD` joins organisation and account with a dot: write it as `myorg-prod`",
            ),
            ("my org", "account identifier `my org` contains ` `: letters, digits, `-`, `_` and `.` are possible"),
            ("https://", "the account identifier is empty: write it as <organisation>-<account>, e.g. myorg-prod"),
            ("-x", "account identifier `-x` is not complete: write it as <organisation>-<account>, e.g. myorg-prod"),
            (
                "a..b",
                "account identifier `a..b` is not complete: write it as <organisation>-<account>, e.g. myorg-prod",
            ),
            (
                "https://app.snowflake.com/myorg",
                "account identifier `https://app.snowflake.com/myorg` is not complete: write it as <organisation>-<account>, e.g. myorg-prod",
            ),
        ] {
            assert_eq!(Account::parse(given).unwrap_err().to_string(), text, "{given}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_a_host_or_an_error(given in "\\PC{0,80}") {
            let Ok(account) = Account::parse(&given) else { return Ok(()) };
            let host = account.host();
            prop_assert!(host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.'));
            let jwt = account.jwt_name();
            prop_assert!(!jwt.is_empty() && !jwt.contains('.') && jwt == jwt.to_ascii_uppercase());
        }

        #[test]
        fn an_identifier_means_the_same_however_it_is_pasted(
            identifier in "[a-z][a-z0-9]{0,12}-[a-z][a-z0-9_]{0,12}[a-z0-9]",
            upper in any::<bool>(),
            scheme in any::<bool>(),
            slash in any::<bool>(),
        ) {
            let account = Account::parse(&identifier).unwrap();
            let host = format!("{identifier}.snowflakecomputing.com");
            let mut pasted = if scheme { format!("https://{host}") } else { host };
            if slash { pasted.push('/'); }
            if upper { pasted = pasted.to_ascii_uppercase(); }
            prop_assert_eq!(Account::parse(&pasted).unwrap(), account);
        }
    }
}
