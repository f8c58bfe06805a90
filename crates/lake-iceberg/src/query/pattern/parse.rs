//! The text of a `PATTERN` to a tree.
//!
//! `|` binds closer than what stands side by side, as Snowflake documents it: `A B | C` is `A ( B | C )`.

use std::iter::Peekable;
use std::str::Chars;

/// A pattern; symbols are places in the list of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Symbol(usize),
    /// `^`: nothing comes before.
    Start,
    /// `$`: nothing comes after.
    End,
    Sequence(Vec<Node>),
    /// The first that leads to a match.
    Either(Vec<Node>),
    Repeat {
        node: Box<Node>,
        least: u32,
        most: Option<u32>,
        greedy: bool,
    },
    /// `{- … -}`: its rows are part of the match and not shown.
    Hidden(Box<Node>),
}

impl Node {
    /// Whether rows of its matches may be hidden.
    pub(crate) fn has_hidden(&self) -> bool {
        match self {
            Self::Hidden(_) => true,
            Self::Symbol(_) | Self::Start | Self::End => false,
            Self::Sequence(nodes) | Self::Either(nodes) => nodes.iter().any(Self::has_hidden),
            Self::Repeat { node, .. } => node.has_hidden(),
        }
    }
}

/// How deep a pattern nests; the parser and all that follows recurse.
const MAX_DEPTH: usize = 64;
/// `PERMUTE` is written out, and the ways to order more are too many.
const MAX_PERMUTED: usize = 6;

/// The tree, and the names of its symbols in the order they first appear.
pub(crate) fn parse(text: &str) -> Result<(Node, Vec<String>), String> {
    let mut parser = Parser { chars: text.chars().peekable(), symbols: Vec::new() };
    let node = parser.sequence(0)?;
    match parser.next_significant() {
        None => Ok((node, parser.symbols)),
        Some(other) => Err(format!("unexpected `{other}`")),
    }
}

/// How a symbol is known: in capitals, unless its author quoted it.
pub(crate) fn symbol_name(name: &str, quoted: bool) -> String {
    if quoted { name.to_owned() } else { name.to_uppercase() }
}

struct Parser<'a> {
    chars: Peekable<Chars<'a>>,
    symbols: Vec<String>,
}

impl Parser<'_> {
    fn next_significant(&mut self) -> Option<char> {
        while self.chars.next_if(|c| c.is_whitespace()).is_some() {}
        self.chars.peek().copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.next_significant() == Some(wanted) && self.chars.next().is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            return Ok(());
        }
        match self.next_significant() {
            Some(found) => Err(format!("expected `{wanted}`, found `{found}`")),
            None => Err(format!("expected `{wanted}` at the end")),
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it nests deeper than {MAX_DEPTH} levels"));
        }
        let mut nodes = Vec::new();
        while !matches!(self.next_significant(), None | Some(')' | ',' | '-')) {
            nodes.push(self.alternatives(depth)?);
        }
        match nodes.len() {
            0 => Err("something must stand there; nothing does".to_owned()),
            1 => Ok(nodes.remove(0)),
            _ => Ok(Node::Sequence(nodes)),
        }
    }

    fn alternatives(&mut self, depth: usize) -> Result<Node, String> {
        let mut nodes = vec![self.repetition(depth)?];
        while self.take('|') {
            nodes.push(self.repetition(depth)?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Either(nodes) })
    }

    fn repetition(&mut self, depth: usize) -> Result<Node, String> {
        let node = self.base(depth)?;
        let (least, most) = match self.next_significant() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') if self.chars.clone().nth(1) != Some('-') => {
                self.chars.next();
                return self.counted(node);
            }
            _ => return Ok(node),
        };
        self.chars.next();
        Ok(self.repeat(node, least, most))
    }

    /// `n}`, `n,}`, `,m}` or `n,m}`.
    fn counted(&mut self, node: Node) -> Result<Node, String> {
        let least = self.number()?;
        let most = if self.take(',') { self.number()? } else { least };
        let is_range = least.is_some() || most.is_some();
        self.expect('}')?;
        if !is_range {
            return Err("`{}` needs a number".to_owned());
        }
        if let (Some(least), Some(most)) = (least, most)
            && least > most
        {
            return Err(format!("{{{least},{most}}} asks for at least {least} and at most {most}"));
        }
        Ok(self.repeat(node, least.unwrap_or(0), most))
    }

    fn number(&mut self) -> Result<Option<u32>, String> {
        self.next_significant();
        let mut digits = String::new();
        while let Some(digit) = self.chars.next_if(char::is_ascii_digit) {
            digits.push(digit);
        }
        if digits.is_empty() {
            return Ok(None);
        }
        digits.parse().map(Some).map_err(|_| format!("{digits} is too large"))
    }

    fn repeat(&mut self, node: Node, least: u32, most: Option<u32>) -> Node {
        let greedy = !self.take('?');
        Node::Repeat { node: Box::new(node), least, most, greedy }
    }

    fn base(&mut self, depth: usize) -> Result<Node, String> {
        match self.next_significant() {
            Some('^') => {
                self.chars.next();
                Ok(Node::Start)
            }
            Some('$') => {
                self.chars.next();
                Ok(Node::End)
            }
            Some('(') => {
                self.chars.next();
                let node = self.sequence(depth + 1)?;
                self.expect(')')?;
                Ok(node)
            }
            Some('{') => {
                self.chars.next();
                self.expect('-')?;
                let node = self.sequence(depth + 1)?;
                self.expect('-')?;
                self.expect('}')?;
                Ok(Node::Hidden(Box::new(node)))
            }
            Some('"') => {
                self.chars.next();
                let mut name = String::new();
                while let Some(c) = self.chars.next_if(|&c| c != '"') {
                    name.push(c);
                }
                self.expect('"')?;
                Ok(self.symbol(symbol_name(&name, true)))
            }
            Some(c) if c.is_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) = self.chars.next_if(|&c| c.is_alphanumeric() || c == '_') {
                    name.push(c);
                }
                if name.eq_ignore_ascii_case("permute") && self.take('(') {
                    return self.permutation(depth);
                }
                Ok(self.symbol(symbol_name(&name, false)))
            }
            Some(other) => Err(format!("unexpected `{other}`")),
            None => Err("a symbol must follow at the end".to_owned()),
        }
    }

    fn symbol(&mut self, name: String) -> Node {
        let place = self.symbols.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.symbols.push(name);
            self.symbols.len() - 1
        });
        Node::Symbol(place)
    }

    fn permutation(&mut self, depth: usize) -> Result<Node, String> {
        let mut parts = vec![self.sequence(depth + 1)?];
        while self.take(',') {
            parts.push(self.sequence(depth + 1)?);
        }
        self.expect(')')?;
        if parts.len() > MAX_PERMUTED {
            return Err(format!("PERMUTE takes up to {MAX_PERMUTED} patterns, got {}", parts.len()));
        }
        let mut orders = Vec::new();
        permute(&mut Vec::new(), &parts, &mut orders);
        Ok(Node::Either(orders))
    }
}

/// All orders of the parts, those that keep the order as written first.
fn permute(chosen: &mut Vec<usize>, parts: &[Node], orders: &mut Vec<Node>) {
    if chosen.len() == parts.len() {
        orders.push(Node::Sequence(chosen.iter().map(|&place| parts[place].clone()).collect()));
        return;
    }
    for place in 0..parts.len() {
        if !chosen.contains(&place) {
            chosen.push(place);
            permute(chosen, parts, orders);
            chosen.pop();
        }
    }
}
