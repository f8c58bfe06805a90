//! Who and what the story is about: people, programs, places. Nothing here is real.

/// From where the intruder comes, in both accounts.
pub(super) const STRANGE_ADDRESS: &str = "203.0.113.66";

/// One that was used against Snowflake's customers in 2024, as was published then.
pub(super) const CAMPAIGN_ADDRESS: &str = "146.70.119.24";

pub(super) const AWS_ACCOUNT: &str = "111122223333";
pub(super) const AWS_REGION: &str = "us-east-1";
/// The key that lies in a table of the Snowflake account, where it should not.
pub(super) const BUILD_KEY: &str = "AKIAEXAMPLEBUILD0001";

pub(in crate::demo) const SNOWFLAKE_ORGANIZATION: &str = "EXAMPLE";
pub(in crate::demo) const SNOWFLAKE_ACCOUNT: &str = "PROD";
pub(in crate::demo) const SNOWFLAKE_LOCATOR: &str = "XY12345";

/// Somebody who works in the office, in AWS and in Snowflake alike.
#[derive(Clone, Copy)]
pub(in crate::demo) struct Person {
    pub(in crate::demo) name: &'static str,
    pub(super) address: &'static str,
    /// The role they take on in AWS.
    pub(super) aws_role: &'static str,
    /// The role and warehouse they use in Snowflake.
    pub(super) role: &'static str,
    pub(super) warehouse: &'static str,
    /// How they sign in to Snowflake: first and second factor.
    pub(in crate::demo) factors: (&'static str, Option<&'static str>),
}

pub(in crate::demo) const PEOPLE: &[Person] = &[
    Person {
        name: "maya",
        address: "192.0.2.17",
        aws_role: "platform-admin",
        role: "SYSADMIN",
        warehouse: "ADMIN_WH",
        factors: ("PASSWORD", Some("DUO_PUSH")),
    },
    Person {
        name: "omar",
        address: "192.0.2.21",
        aws_role: "developer",
        role: "ANALYST",
        warehouse: "ANALYTICS_WH",
        factors: ("PASSWORD", Some("DUO_PUSH")),
    },
    Person {
        name: "lena",
        address: "192.0.2.24",
        aws_role: "developer",
        role: "ANALYST",
        warehouse: "ANALYTICS_WH",
        factors: ("PASSWORD", Some("PASSKEY")),
    },
    Person {
        name: "tomas",
        address: "192.0.2.30",
        aws_role: "data-engineer",
        role: "REPORTING",
        warehouse: "ANALYTICS_WH",
        factors: ("SAML2_ASSERTION", None),
    },
    Person {
        name: "priya",
        address: "192.0.2.33",
        aws_role: "data-engineer",
        role: "ANALYST",
        warehouse: "ANALYTICS_WH",
        factors: ("PASSWORD", Some("MFA_TOKEN")),
    },
    DANA,
];

/// Who will be phished. She signs in through the company's provider; nobody removed the password she had before that.
pub(super) const DANA: Person = Person {
    name: "dana",
    address: "192.0.2.41",
    aws_role: "data-engineer",
    role: "SYSADMIN",
    warehouse: "ADMIN_WH",
    factors: ("SAML2_ASSERTION", None),
};

/// A program that works in Snowflake with a key pair.
#[derive(Clone, Copy)]
pub(in crate::demo) struct Service {
    pub(in crate::demo) name: &'static str,
    pub(super) address: &'static str,
    pub(super) role: &'static str,
    pub(super) warehouse: &'static str,
    pub(super) client: (&'static str, &'static str),
}

pub(super) const ETL: Service = Service {
    name: "ETL_SERVICE",
    address: "198.51.100.40",
    role: "ETL",
    warehouse: "ETL_WH",
    client: ("PYTHON_DRIVER", "3.12.0"),
};

pub(super) const DASHBOARDS: Service = Service {
    name: "BI_SERVICE",
    address: "198.51.100.45",
    role: "REPORTING",
    warehouse: "BI_WH",
    client: ("JDBC_DRIVER", "3.16.1"),
};

pub(in crate::demo) const SERVICES: &[Service] = &[ETL, DASHBOARDS];
