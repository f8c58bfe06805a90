//! The same set-up for those who keep their account in Terraform: provider `snowflakedb/snowflake`, version 2.

use std::fmt::Write as _;

use super::{Setup, SignIn};
use crate::sql::identifier;

/// Writing into a string cannot fail.
const MEMORY: &str = "memory takes text";

pub(super) fn module(setup: &Setup) -> String {
    let mut module = Module::default();
    let comment = quoted(&setup.comment());
    module.raw("terraform {\n  required_providers {\n    snowflake = {\n      source  = \"snowflakedb/snowflake\"\n      version = \"~> 2.0\"\n    }\n  }\n}\n");
    module.resource("account_role", "uncia", &[("name", quoted(&setup.role)), ("comment", comment.clone())]);
    grants(setup, &mut module);
    let warehouse = if setup.create_warehouse {
        let arguments = [
            ("name", quoted(&setup.warehouse)),
            ("warehouse_size", quoted("XSMALL")),
            ("auto_suspend", "60".to_owned()),
            ("auto_resume", quoted("true")),
            ("initially_suspended", "true".to_owned()),
            ("statement_timeout_in_seconds", "900".to_owned()),
            ("comment", comment.clone()),
        ];
        module.resource("warehouse", "uncia", &arguments);
        "snowflake_warehouse.uncia.name".to_owned()
    } else {
        quoted(&setup.warehouse)
    };
    module.privileges("warehouse", &["USAGE"], &account_object("WAREHOUSE", &warehouse));
    let user = match &setup.sign_in {
        SignIn::OAuth(client) => {
            let arguments = [
                ("name", quoted(&client.integration)),
                ("enabled", quoted("true")),
                ("oauth_client_type", quoted("CONFIDENTIAL")),
                ("oauth_redirect_uri", quoted(&client.redirect_uri)),
                ("oauth_allow_non_tls_redirect_uri", quoted(if client.is_plain_http() { "true" } else { "false" })),
                ("oauth_enforce_pkce", quoted("true")),
                ("oauth_issue_refresh_tokens", quoted("true")),
                ("oauth_refresh_token_validity", client.refresh_token_validity.to_string()),
                ("oauth_use_secondary_roles", quoted("NONE")),
                ("blocked_roles_list", "[\"ACCOUNTADMIN\", \"SECURITYADMIN\"]".to_owned()),
                ("comment", comment),
            ];
            module.resource("oauth_integration_for_custom_clients", "uncia", &arguments);
            quoted(&setup.user)
        }
        sign_in => {
            service_user(setup, sign_in, &warehouse, comment, &mut module);
            "snowflake_service_user.uncia.name".to_owned()
        }
    };
    let role = "snowflake_account_role.uncia.name".to_owned();
    module.resource("grant_account_role", "uncia", &[("role_name", role), ("user_name", user)]);
    module.text
}

fn service_user(setup: &Setup, sign_in: &SignIn, warehouse: &str, comment: String, module: &mut Module) {
    let mut arguments = vec![
        ("name", quoted(&setup.user)),
        ("default_role", "snowflake_account_role.uncia.name".to_owned()),
        ("default_warehouse", warehouse.to_owned()),
        ("default_secondary_roles_option", quoted("NONE")),
        ("comment", comment),
    ];
    if let SignIn::KeyPair { public_key, second } = sign_in {
        arguments.push((if *second { "rsa_public_key_2" } else { "rsa_public_key" }, quoted(public_key)));
    }
    if !setup.addresses.is_empty() {
        let list: Vec<String> = setup.addresses.iter().map(|address| quoted(address)).collect();
        let list = format!("[{}]", list.join(", "));
        module.resource(
            "network_policy",
            "uncia",
            &[("name", quoted(&setup.network_policy())), ("allowed_ip_list", list)],
        );
        arguments.push(("network_policy", "snowflake_network_policy.uncia.name".to_owned()));
    }
    module.resource("service_user", "uncia", &arguments);
}

fn grants(setup: &Setup, module: &mut Module) {
    if let Some((database, schema)) = &setup.place {
        let full_schema = format!("{}.{}", always_quoted(database), always_quoted(schema));
        module.privileges("database", &["USAGE"], &account_object("DATABASE", &quoted(database)));
        module.privileges(
            "schema",
            &["USAGE"],
            &format!("  on_schema {{\n    schema_name = {}\n  }}\n", quoted(&full_schema)),
        );
        for view in setup.distinct_views() {
            let name = quoted(&format!("{full_schema}.{}", always_quoted(view)));
            let on = format!("  on_schema_object {{\n    object_type = \"VIEW\"\n    object_name = {name}\n  }}\n");
            module.privileges(&label(view), &["SELECT"], &on);
        }
        return;
    }
    if setup.imported_privileges {
        module.privileges("snowflake", &["IMPORTED PRIVILEGES"], &account_object("DATABASE", &quoted("SNOWFLAKE")));
        return;
    }
    for database_role in setup.database_roles().keys() {
        let name = format!("\"SNOWFLAKE\".\"{}\"", database_role.name());
        let arguments = [
            ("database_role_name", quoted(&name)),
            ("parent_role_name", "snowflake_account_role.uncia.name".to_owned()),
        ];
        module.resource("grant_database_role", &database_role.name().to_ascii_lowercase(), &arguments);
    }
}

#[derive(Default)]
struct Module {
    text: String,
}

impl Module {
    fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn resource(&mut self, kind: &str, name: &str, arguments: &[(&str, String)]) {
        write!(self.text, "\nresource \"snowflake_{kind}\" \"{name}\" {{\n").expect(MEMORY);
        let width = arguments.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        for (key, value) in arguments {
            writeln!(self.text, "  {key:width$} = {value}").expect(MEMORY);
        }
        self.raw("}\n");
    }

    fn privileges(&mut self, name: &str, privileges: &[&str], on: &str) {
        let list: Vec<String> = privileges.iter().map(|privilege| quoted(privilege)).collect();
        write!(
            self.text,
            "\nresource \"snowflake_grant_privileges_to_account_role\" \"{name}\" {{\n  account_role_name = snowflake_account_role.uncia.name\n  privileges        = [{}]\n{on}}}\n",
            list.join(", ")
        )
        .expect(MEMORY);
    }
}

fn account_object(kind: &str, name: &str) -> String {
    format!("  on_account_object {{\n    object_type = \"{kind}\"\n    object_name = {name}\n  }}\n")
}

/// A string of HCL, in which `${` and `%{` would be evaluated.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "$${").replace("%{", "%%{");
    format!("\"{escaped}\"")
}

/// The provider wants full names in quotes.
fn always_quoted(name: &str) -> String {
    let name = identifier(name);
    if name.starts_with('"') { name } else { format!("\"{name}\"") }
}

/// A name for a resource.
fn label(view: &str) -> String {
    view.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
