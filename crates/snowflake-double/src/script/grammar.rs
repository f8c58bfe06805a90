//! The grammar of set-up statements, by recursive descent over the tokens of one statement.

use super::apply_object::BODY;
use super::ast::{Change, Create, Creation, Kind, Properties, Setting, Show, Statement, Target, UserChange};
use super::grammar_grant;
use super::token::{Piece, Placed, Token};
use crate::failure::SqlFailure;

/// Understands one statement, or says at which word it does not.
pub(crate) fn parse(piece: &Piece<'_>) -> Result<Statement, SqlFailure> {
    let mut parser = Parser { tokens: &piece.tokens, at: 0 };
    let statement = parser.statement()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.unexpected());
    }
    Ok(statement)
}

pub(super) struct Parser<'a> {
    tokens: &'a [Placed],
    at: usize,
}

type Parsed<T> = Result<T, SqlFailure>;

impl Parser<'_> {
    fn statement(&mut self) -> Parsed<Statement> {
        if self.eat("USE") {
            return self.use_statement();
        }
        if self.eat("CREATE") {
            return self.create();
        }
        if self.eat("ALTER") {
            return self.alter();
        }
        if self.eat("DROP") {
            let kind = self.kind()?;
            let if_exists = self.eat_all(&["IF", "EXISTS"]);
            return Ok(Statement::Drop { kind, if_exists, name: self.path()? });
        }
        if self.eat("GRANT") {
            return grammar_grant::grant(self);
        }
        if self.eat("REVOKE") {
            return grammar_grant::revoke(self);
        }
        if self.eat("SHOW") {
            return self.show().map(Statement::Show);
        }
        if self.eat("DESC") || self.eat("DESCRIBE") {
            return self.describe().map(Statement::Show);
        }
        for word in ["BEGIN", "COMMIT", "ROLLBACK"] {
            if self.eat(word) {
                self.eat("TRANSACTION");
                return Ok(Statement::Transaction(word));
            }
        }
        Err(self.unexpected())
    }

    fn use_statement(&mut self) -> Parsed<Statement> {
        if self.eat("ROLE") {
            return Ok(Statement::UseRole(self.name()?));
        }
        if self.eat_all(&["SECONDARY", "ROLES"]) {
            return Ok(Statement::UseSecondaryRoles(self.name()?));
        }
        if self.eat("WAREHOUSE") {
            return Ok(Statement::UseWarehouse(self.name()?));
        }
        if self.eat("SCHEMA") {
            return Ok(Statement::UseSchema(self.path()?));
        }
        self.eat("DATABASE");
        Ok(Statement::UseDatabase(self.name()?))
    }

    fn create(&mut self) -> Parsed<Statement> {
        let replaces = self.eat_all(&["OR", "REPLACE"]);
        if self.eat("SECURE") || self.is("VIEW") {
            self.need("VIEW")?;
            let mode = self.mode(replaces);
            let name = self.path()?;
            for word in ["AS", "SELECT"] {
                self.need(word)?;
            }
            self.mark('*')?;
            self.need("FROM")?;
            return Ok(Statement::Create { mode, what: Creation::View { name, of: self.path()? } });
        }
        self.eat("SECURITY");
        // How long it lives is nobody's business here.
        let _ = self.eat("TEMPORARY") || self.eat("TEMP") || self.eat("TRANSIENT");
        let kind = self.kind()?;
        let mode = self.mode(replaces);
        let name = self.path()?;
        if kind == Kind::Warehouse || kind == Kind::ResourceMonitor {
            self.eat("WITH");
        }
        let properties = match kind {
            Kind::Procedure | Kind::Table => self.signature()?,
            _ => self.properties()?,
        };
        Ok(Statement::Create { mode, what: Creation::Object { kind, name, properties } })
    }

    /// The columns of a table; the parameters of a procedure, and all that comes behind them.
    fn signature(&mut self) -> Parsed<Properties> {
        self.mark('(')?;
        let mut open = 1;
        while open > 0 {
            match self.next()? {
                Token::Mark('(') => open += 1,
                Token::Mark(')') => open -= 1,
                _ => {}
            }
        }
        let rest = self.rest();
        Ok(if rest.is_empty() { Properties::new() } else { vec![(BODY.to_owned(), Setting::Text(rest))] })
    }

    fn mode(&mut self, replaces: bool) -> Create {
        if self.eat_all(&["IF", "NOT", "EXISTS"]) {
            Create::IfNotExists
        } else if replaces {
            Create::OrReplace
        } else {
            Create::Plain
        }
    }

    fn alter(&mut self) -> Parsed<Statement> {
        if self.eat("SESSION") {
            self.change()?;
            return Ok(Statement::AlterSession);
        }
        if self.eat("ACCOUNT") {
            for (word, kind) in [("PASSWORD", Kind::PasswordPolicy), ("SESSION", Kind::SessionPolicy)] {
                if self.eat_all(&["SET", word, "POLICY"]) {
                    return Ok(Statement::AttachPolicy { kind, name: Some(self.path()?) });
                }
                if self.eat_all(&["UNSET", word, "POLICY"]) {
                    return Ok(Statement::AttachPolicy { kind, name: None });
                }
            }
            return Ok(Statement::AlterAccount(self.change()?));
        }
        self.eat("SECURITY");
        let kind = self.kind()?;
        let if_exists = self.eat_all(&["IF", "EXISTS"]);
        match kind {
            Kind::User => {
                let name = self.name()?;
                Ok(Statement::AlterUser { if_exists, name, change: self.user_change()? })
            }
            Kind::Role => {
                let name = self.name()?;
                let comment = match self.change()? {
                    Change::Set(properties) => match properties.as_slice() {
                        [(property, value)] if property == "COMMENT" => Some(value.text()),
                        _ => return Err(SqlFailure::syntax("a role has only a COMMENT to set")),
                    },
                    Change::Unset(names) if names == ["COMMENT"] => None,
                    _ => return Err(SqlFailure::syntax("a role has only a COMMENT to set")),
                };
                Ok(Statement::AlterRole { if_exists, name, comment })
            }
            kind => {
                let name = self.path()?;
                Ok(Statement::AlterObject { kind, if_exists, name, change: self.change()? })
            }
        }
    }

    fn change(&mut self) -> Parsed<Change> {
        if self.eat("SET") {
            return Ok(Change::Set(self.some_properties()?));
        }
        if self.eat("UNSET") {
            return Ok(Change::Unset(self.words()?));
        }
        if self.eat("ADD") {
            return Ok(Change::Add(self.some_properties()?));
        }
        if self.eat("SUSPEND") {
            return Ok(Change::Act("SUSPEND".to_owned()));
        }
        if self.eat("RESUME") {
            self.eat_all(&["IF", "SUSPENDED"]);
            return Ok(Change::Act("RESUME".to_owned()));
        }
        Err(self.unexpected())
    }

    fn user_change(&mut self) -> Parsed<UserChange> {
        if self.eat("SET") {
            return Ok(UserChange::Set(self.some_properties()?));
        }
        if self.eat("UNSET") {
            return Ok(UserChange::Unset(self.words()?));
        }
        if self.eat_all(&["RENAME", "TO"]) {
            return Ok(UserChange::RenameTo(self.name()?));
        }
        if self.eat_all(&["ADD", "KEY", "PAIR"]) {
            return Ok(UserChange::AddKeyPair { pair: self.name()?, properties: self.properties()? });
        }
        if self.eat_all(&["ROTATE", "KEY", "PAIR"]) {
            return Ok(UserChange::RotateKeyPair { pair: self.name()?, properties: self.properties()? });
        }
        if self.eat_all(&["MODIFY", "KEY", "PAIR"]) {
            let pair = self.name()?;
            self.need("SET")?;
            return Ok(UserChange::ModifyKeyPair { pair, properties: self.some_properties()? });
        }
        if self.eat_all(&["REMOVE", "KEY", "PAIR"]) {
            return Ok(UserChange::RemoveKeyPair(self.name()?));
        }
        for verb in ["ADD", "REMOVE"] {
            if !self.eat_all(&[verb, "PROGRAMMATIC", "ACCESS", "TOKEN"]) && !self.eat_all(&[verb, "PAT"]) {
                continue;
            }
            let token = self.name()?;
            return match verb {
                "ADD" => Ok(UserChange::AddToken { token, properties: self.properties()? }),
                _ => Ok(UserChange::RemoveToken(token)),
            };
        }
        Err(self.unexpected())
    }

    fn show(&mut self) -> Parsed<Show> {
        if self.eat_all(&["USER", "KEY", "PAIRS"]) {
            return Ok(Show::KeyPairs { user: self.for_user()? });
        }
        if self.eat_all(&["USER", "PROGRAMMATIC", "ACCESS", "TOKENS"]) || self.eat_all(&["USER", "PATS"]) {
            return Ok(Show::AccessTokens { user: self.for_user()? });
        }
        if self.eat("USERS") {
            return Ok(Show::Users { like: self.like()? });
        }
        if self.eat("ROLES") {
            return Ok(Show::Roles { like: self.like()? });
        }
        if self.eat("WAREHOUSES") {
            return Ok(Show::Warehouses { like: self.like()? });
        }
        if self.eat_all(&["NETWORK", "POLICIES"]) {
            return Ok(Show::NetworkPolicies);
        }
        if self.eat("INTEGRATIONS") || self.eat_all(&["SECURITY", "INTEGRATIONS"]) {
            return Ok(Show::Integrations);
        }
        if self.eat("PARAMETERS") {
            let like = self.like()?;
            let mut user = None;
            if (self.eat("IN") || self.eat("FOR")) && !self.eat("ACCOUNT") {
                self.need("USER")?;
                user = Some(self.name()?);
            }
            return Ok(Show::Parameters { like, user });
        }
        if self.eat("GRANTS") {
            if self.eat_all(&["OF", "ROLE"]) {
                return Ok(Show::GrantsOf(self.name()?));
            }
            self.need("TO")?;
            return Ok(Show::GrantsTo(self.target()?));
        }
        Err(self.unexpected())
    }

    fn for_user(&mut self) -> Parsed<Option<String>> {
        if !self.eat_all(&["FOR", "USER"]) {
            return Ok(None);
        }
        self.name().map(Some)
    }

    fn describe(&mut self) -> Parsed<Show> {
        if self.eat("USER") {
            return Ok(Show::DescribeUser(self.name()?));
        }
        self.eat("SECURITY");
        self.need("INTEGRATION")?;
        Ok(Show::DescribeIntegration(self.name()?))
    }

    fn like(&mut self) -> Parsed<Option<String>> {
        if !self.eat("LIKE") {
            return Ok(None);
        }
        match self.next()? {
            Token::Text(pattern) => Ok(Some(pattern)),
            _ => Err(self.unexpected_before()),
        }
    }

    fn kind(&mut self) -> Parsed<Kind> {
        for (words, kind) in [
            (&["USER"][..], Kind::User),
            (&["ROLE"], Kind::Role),
            (&["WAREHOUSE"], Kind::Warehouse),
            (&["DATABASE"], Kind::Database),
            (&["SCHEMA"], Kind::Schema),
            (&["VIEW"], Kind::View),
            (&["NETWORK", "RULE"], Kind::NetworkRule),
            (&["NETWORK", "POLICY"], Kind::NetworkPolicy),
            (&["INTEGRATION"], Kind::Integration),
            (&["RESOURCE", "MONITOR"], Kind::ResourceMonitor),
            (&["STORAGE", "INTEGRATION"], Kind::StorageIntegration),
            (&["PASSWORD", "POLICY"], Kind::PasswordPolicy),
            (&["SESSION", "POLICY"], Kind::SessionPolicy),
            (&["STAGE"], Kind::Stage),
            (&["TASK"], Kind::Task),
            (&["PROCEDURE"], Kind::Procedure),
            (&["TABLE"], Kind::Table),
            (&["SHARE"], Kind::Share),
        ] {
            if self.eat_all(words) {
                return Ok(kind);
            }
        }
        Err(self.unexpected())
    }

    pub(super) fn target(&mut self) -> Parsed<Target> {
        if self.eat("USER") {
            return Ok(Target::User(self.name()?));
        }
        if self.eat("SHARE") {
            return Ok(Target::Share(self.name()?));
        }
        self.eat("ROLE");
        Ok(Target::Role(self.name()?))
    }

    /// `NAME = value …`, with or without commas between, up to the end.
    fn properties(&mut self) -> Parsed<Properties> {
        let mut properties = Properties::new();
        while self.at < self.tokens.len() {
            let name = self.word()?;
            // What a resource monitor does, and the statement of a task.
            if name == "TRIGGERS" || name == BODY {
                let text = self.rest();
                properties.push((name, Setting::Text(text)));
                break;
            }
            self.mark('=')?;
            if properties.iter().any(|(other, _)| *other == name) {
                return Err(SqlFailure::syntax(format!("duplicate property '{name}'")));
            }
            properties.push((name, self.setting()?));
            self.eat_mark(',');
        }
        Ok(properties)
    }

    fn some_properties(&mut self) -> Parsed<Properties> {
        let properties = self.properties()?;
        if properties.is_empty() { Err(self.unexpected()) } else { Ok(properties) }
    }

    fn rest(&mut self) -> String {
        let words = self.tokens[self.at..].iter().map(|placed| match &placed.token {
            Token::Word(text) | Token::Quoted(text) | Token::Text(text) | Token::Number(text) => text.clone(),
            Token::Mark(mark) => mark.to_string(),
        });
        let text = words.collect::<Vec<_>>().join(" ");
        self.at = self.tokens.len();
        text
    }

    fn setting(&mut self) -> Parsed<Setting> {
        if self.eat_mark('(') {
            let mut items = Vec::new();
            while !self.eat_mark(')') {
                items.push(match self.next()? {
                    Token::Text(text) | Token::Quoted(text) | Token::Number(text) => text,
                    Token::Word(_) => {
                        self.at -= 1;
                        let name = self.path()?.join(".");
                        // `CREDENTIALS = (AWS_KEY_ID = '…')`
                        if self.eat_mark('=') { format!("{name}={}", self.setting()?.text()) } else { name }
                    }
                    Token::Mark(_) => return Err(self.unexpected_before()),
                });
                if matches!(self.tokens.get(self.at), Some(placed) if matches!(placed.token, Token::Word(_))) {
                    continue;
                }
                if !self.eat_mark(',') {
                    self.mark(')')?;
                    break;
                }
            }
            return Ok(Setting::List(items));
        }
        match self.next()? {
            Token::Text(text) => Ok(Setting::Text(text)),
            Token::Number(number) => Ok(Setting::Number(number)),
            Token::Mark('-') => match self.next()? {
                Token::Number(number) => Ok(Setting::Number(format!("-{number}"))),
                _ => Err(self.unexpected_before()),
            },
            Token::Word(_) | Token::Quoted(_) => {
                self.at -= 1;
                Ok(Setting::Word(self.path()?.join(".")))
            }
            Token::Mark(_) => Err(self.unexpected_before()),
        }
    }

    fn words(&mut self) -> Parsed<Vec<String>> {
        let mut words = vec![self.word()?];
        while self.eat_mark(',') {
            words.push(self.word()?);
        }
        Ok(words)
    }

    pub(super) fn word(&mut self) -> Parsed<String> {
        match self.next()? {
            Token::Word(word) => Ok(word.to_uppercase()),
            _ => Err(self.unexpected_before()),
        }
    }

    /// A name: folded to upper case unless quoted.
    pub(super) fn name(&mut self) -> Parsed<String> {
        match self.next()? {
            Token::Word(word) => Ok(word.to_uppercase()),
            Token::Quoted(name) if !name.is_empty() => Ok(name),
            _ => Err(self.unexpected_before()),
        }
    }

    pub(super) fn path(&mut self) -> Parsed<Vec<String>> {
        let mut parts = vec![self.name()?];
        while self.eat_mark('.') {
            parts.push(self.name()?);
        }
        if parts.len() > 3 { Err(self.unexpected_before()) } else { Ok(parts) }
    }

    fn next(&mut self) -> Parsed<Token> {
        let placed = self.tokens.get(self.at).ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(placed.token.clone())
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.word_at(self.at, word)
    }

    fn word_at(&self, at: usize, word: &str) -> bool {
        matches!(self.tokens.get(at), Some(Placed { token: Token::Word(found), .. }) if found.eq_ignore_ascii_case(word))
    }

    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self.is(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(offset, word)| self.word_at(self.at + offset, word));
        if found {
            self.at += words.len();
        }
        found
    }

    pub(super) fn need(&mut self, word: &str) -> Parsed<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn eat_mark(&mut self, mark: char) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(placed) if placed.token == Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    fn mark(&mut self, mark: char) -> Parsed<()> {
        if self.eat_mark(mark) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected_before(&mut self) -> SqlFailure {
        self.at -= 1;
        self.unexpected()
    }

    pub(super) fn unexpected(&self) -> SqlFailure {
        match self.tokens.get(self.at) {
            Some(placed) => {
                let text = match &placed.token {
                    Token::Word(text) | Token::Quoted(text) | Token::Number(text) => text.clone(),
                    Token::Text(text) => format!("'{text}'"),
                    Token::Mark(mark) => mark.to_string(),
                };
                SqlFailure::syntax(format!("syntax error line {} unexpected '{text}'.", placed.line))
            }
            None => SqlFailure::syntax("syntax error: unexpected '<EOF>'."),
        }
    }
}
